"""The application of the plain HTTP port: liveness, readiness and metrics."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

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
        return Response(await rendered.get(), media_type=CONTENT_TYPE_LATEST)

    rendered = RenderedMetrics(metrics)
    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", show_metrics)])


PAUSE_FACTOR: Final = 9.0
"""The pause after a rendering, as a multiple of its duration: so renderings take at most a tenth of the time."""


class RenderedMetrics:
    """Renders the metrics once for all requests that wait at the same time: it takes as long as several reviews."""

    def __init__(self, metrics: Metrics) -> None:
        """Render these metrics."""
        self._metrics = metrics
        self._rendering: asyncio.Task[bytes] | None = None
        self._next_at = 0.0

    async def get(self) -> bytes:
        """The metrics as of now or later."""
        if self._rendering is None:
            self._rendering = asyncio.create_task(self._render())
        return await asyncio.shield(self._rendering)

    async def _render(self) -> bytes:
        await asyncio.sleep(self._next_at - time.monotonic())
        self._rendering = None
        began = time.monotonic()
        rendered = generate_latest(self._metrics.registry)
        ended = time.monotonic()
        self._next_at = ended + (ended - began) * PAUSE_FACTOR
        return rendered
