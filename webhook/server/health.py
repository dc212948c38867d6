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

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request


def create_health_app(registry: CollectorRegistry, unready_reason: Callable[[], str], dead_reason: Callable[[], str]) -> Starlette:
    """The application.

    Args:
        registry: The metrics.
        unready_reason: Why nobody should rely on this replica; "" where it is ready.
        dead_reason: Why this replica should be started again; "" where it is alive.

    """

    async def healthz(_request: Request) -> Response:
        return _state(dead_reason())

    async def readyz(_request: Request) -> Response:
        return _state(unready_reason())

    async def show_metrics(_request: Request) -> Response:
        return Response(await rendered.get(), media_type=CONTENT_TYPE_LATEST)

    rendered = RenderedMetrics(registry)
    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", show_metrics)])


def _state(reason: str) -> Response:
    return PlainTextResponse(f"{reason or 'ok'}\n", 503 if reason else 200)


PAUSE_FACTOR: Final = 9.0
"""The pause after a rendering, as a multiple of its duration: so renderings take at most a tenth of the time."""


class RenderedMetrics:
    """Renders the metrics once for all requests that wait at the same time: it takes as long as several reviews."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Render these metrics."""
        self._registry = registry
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
        rendered = generate_latest(self._registry)
        ended = time.monotonic()
        self._next_at = ended + (ended - began) * PAUSE_FACTOR
        return rendered
