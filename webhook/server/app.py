"""The webhook's HTTP application: one route. The rules for pods are in `webhook.core`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from webhook.core import MalformedReviewError, admit, parse_review, render_review

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fastapi.telemetry import TelemetryConfig
    from starlette.types import ASGIApp, Receive, Scope, Send

    from webhook.core import Cluster, Outcome, Policy, ReviewRequest
    from webhook.server.observation import Observation

PATH: Final = "/mutate"
NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""Off: FastAPI would check each request for an OpenTelemetry set-up, and an exception's text may quote a pod."""

FAULT_WARNING: Final = "airflow-sidecar-webhook failed while it reviewed this pod, and left the pod unchanged; see its log"


def create_app(policy: Policy, cluster: Callable[[], Cluster], observation: Observation, on_fault: str) -> ASGIApp:
    """The application; ``cluster`` returns what is known of the cluster now, without I/O; ``on_fault`` is the setting of that name.

    It expects each body in one message, as `BodyLimit` passes it on.
    """
    endpoint = ReviewEndpoint(policy, cluster, observation, on_fault)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, telemetry=NO_TELEMETRY)
    app.add_exception_handler(HTTPException, _refusing(observation))
    # Not app.post, which spends a tenth of a review on parameters and response models that this route does not have.
    app.router.routes.append(Route(PATH, endpoint, methods=["POST"]))
    return DirectRoute(endpoint, app)


class DirectRoute:
    """ASGI middleware around FastAPI: a review goes straight to its endpoint.

    FastAPI's middlewares and its router, which this one route does not need, cost a tenth of a review. It answers everything else.
    """

    def __init__(self, endpoint: ASGIApp, others: ASGIApp) -> None:
        """Pass ``POST /mutate`` on to the endpoint, and ``others`` everything else."""
        self._endpoint, self._others = endpoint, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        is_review = scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST"
        await (self._endpoint if is_review else self._others)(scope, receive, send)


class ReviewEndpoint:
    """Reviews one pod for each request: AdmissionReview v1 in, AdmissionReview v1 out.

    An ASGI application: Starlette's wrapper for a function that takes a request costs a twentieth of a review.
    """

    def __init__(self, policy: Policy, cluster: Callable[[], Cluster], observation: Observation, on_fault: str) -> None:
        """The arguments of `create_app`."""
        self._policy = policy
        self._cluster = cluster
        self._observation = observation
        self._on_fault = on_fault
        self._unobserved: tuple[ReviewRequest, Outcome, float] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Review the pod of this request."""
        try:
            _demand_json(scope)
            # While the client reads the response, nothing but the response is stored here.
            response = self._reviewed((await receive())["body"])
        except HTTPException as problem:
            response = _refusal(self._observation, problem.status_code, problem.detail)
        await response(scope, receive, send)

    def _reviewed(self, body: bytes) -> Response:
        # Hundreds may follow in one turn of the event loop, and what is unobserved holds its pod: some 2 MiB of a body of 64 KiB.
        self._observe()
        started = time.perf_counter()
        try:
            review = parse_review(body)
        except MalformedReviewError as problem:
            raise HTTPException(400, str(problem)) from problem
        return self._answer(review, started)

    def _answer(self, review: ReviewRequest, started: float) -> Response:
        try:
            outcome = admit(review, self._policy, self._cluster())
            answer = render_review(review.uid, outcome.operations, outcome.warnings)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the pod must start
            self._observation.failed(review, fault)
            return self._unanswered(review)
        seconds = time.perf_counter() - started
        # It comes after the write of the response, which the API server waits for, and before any other review.
        self._unobserved = review, outcome, seconds
        asyncio.get_running_loop().call_soon(self._observe)
        return Response(answer, media_type="application/json")

    def _observe(self) -> None:
        """Log and count the last review, unless that is done."""
        unobserved, self._unobserved = self._unobserved, None
        if unobserved is not None:
            self._observation.reviewed(*unobserved)

    def _unanswered(self, review: ReviewRequest) -> Response:
        if self._on_fault == "error":
            return PlainTextResponse(FAULT_WARNING + "\n", 500)
        return Response(render_review(review.uid, warnings=(FAULT_WARNING,)), media_type="application/json")


def _demand_json(scope: Scope) -> None:
    headers = dict(scope["headers"])
    content_type = headers.get(b"content-type", b"")
    if content_type != b"application/json" and content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise HTTPException(415, "the content type must be application/json")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise HTTPException(415, "the body must not be compressed")


def _refusing(observation: Observation) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refuse(_request: Request, problem: Exception) -> Response:
        """Answer whatever is no review."""
        assert isinstance(problem, HTTPException)  # noqa: S101 - Starlette hands each handler its own error
        detail = f"only POST {PATH} is served here" if problem.status_code in {404, 405} else problem.detail
        return _refusal(observation, problem.status_code, detail, problem.headers)

    return refuse


def _refusal(observation: Observation, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer in plain words; the API server shows them to whoever creates the pod under failurePolicy Fail."""
    observation.refused(status, detail)
    return PlainTextResponse(detail + "\n", status, headers)
