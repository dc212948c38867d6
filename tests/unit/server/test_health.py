"""The metrics as they are read: in parts, so that thousands of series hold up no review."""

from __future__ import annotations

import asyncio

from prometheus_client import generate_latest

from webhook.server.health import SAMPLES_AT_ONCE, RenderedMetrics
from webhook.server.metrics import Metrics


def metrics_with(series: int) -> Metrics:
    metrics = Metrics()
    for number in range(series):
        metrics.pods.labels(f"n{number}", "left", "no-quit").inc()
    return metrics


def lines_of(rendered: bytes) -> list[bytes]:
    """Without those of the process, which change."""
    return [line for line in rendered.splitlines(keepends=True) if not line.startswith(b"process_")]


def test_what_is_read_is_what_the_client_library_renders_however_many_series_there_are() -> None:
    for series in (0, SAMPLES_AT_ONCE, SAMPLES_AT_ONCE + 1, 5 * SAMPLES_AT_ONCE):
        registry = metrics_with(series).registry
        assert lines_of(asyncio.run(RenderedMetrics(registry).get())) == lines_of(generate_latest(registry))


def test_reviews_have_their_turn_between_the_parts() -> None:
    async def turns() -> int:
        reading = asyncio.create_task(RenderedMetrics(metrics_with(10 * SAMPLES_AT_ONCE).registry).get())
        turns = 0
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(turns()) > 10


def test_requests_that_wait_have_one_rendering_and_one_that_comes_during_it_has_the_next() -> None:
    metrics = metrics_with(10 * SAMPLES_AT_ONCE)

    async def read() -> list[bytes]:
        rendered = RenderedMetrics(metrics.registry)
        first, second = asyncio.create_task(rendered.get()), asyncio.create_task(rendered.get())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not first.done()
        metrics.pods.labels("n0", "left", "no-quit").inc()
        return [await one for one in (first, second, asyncio.create_task(rendered.get()))]

    first, second, third = asyncio.run(read())
    assert first is second
    assert b'{namespace="n0",reason="no-quit",treatment="left"} 2.0' in third
