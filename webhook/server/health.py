"""The application of the plain HTTP port: liveness, readiness and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from webhook.server.metrics import Metrics


def create_health_app(metrics: Metrics, unready_reason: Callable[[], str]) -> Starlette:
    """The application. ``unready_reason`` says why no API server should call this replica; it returns "" where the replica is ready."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        reason = unready_reason()
        return PlainTextResponse(f"{reason or 'ok'}\n", 503 if reason else 200)

    async def show_metrics(_request: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", show_metrics)])
