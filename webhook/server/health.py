"""The application of the plain HTTP port: liveness, readiness and metrics."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

SAMPLES_AT_ONCE: Final = 100
"""In one turn of the event loop. A sample takes 8 us, and there may be 8,000: who reaches the TLS port can name a hundred namespaces."""


class RenderedMetrics:
    """Renders the metrics once for all requests that wait at the same time, in parts between which reviews have their turn."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Render these metrics."""
        self._registry = registry
        self._waiting: asyncio.Task[bytes] | None = None
        self._is_rendering = asyncio.Lock()
        self._next_at = 0.0

    async def get(self) -> bytes:
        """The metrics as of now or later."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._render())
        return await asyncio.shield(self._waiting)

    async def _render(self) -> bytes:
        async with self._is_rendering:
            await asyncio.sleep(self._next_at - time.monotonic())
            self._waiting = None
            rendered: list[bytes] = []
            took, began = 0.0, time.monotonic()
            for part in _parts(self._registry):
                rendered.append(part)
                took += time.monotonic() - began
                await asyncio.sleep(0)
                began = time.monotonic()
            self._next_at = began + took * PAUSE_FACTOR
        return b"".join(rendered)


def _parts(registry: CollectorRegistry) -> Iterator[bytes]:
    """What `generate_latest` returns, in parts of so many samples."""
    for metric in registry.collect():
        for start in range(0, len(metric.samples) or 1, SAMPLES_AT_ONCE):
            part = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            part.samples = metric.samples[start : start + SAMPLES_AT_ONCE]
            rendered = generate_latest(_OneMetric(part))
            # The lines HELP and TYPE come once.
            yield rendered.split(b"\n", 2)[2] if start else rendered


class _OneMetric(Collector):
    """What has one metric, as a registry has many."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """That metric."""
        yield self._metric
