"""Resident memory of the webhook at rest, and over 100,000 reviews."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.server import RunningServer

REVIEWS_PER_STEP: Final = 10_000
STEPS: Final = 10
CONNECTIONS: Final = 16
STEP_DEADLINE_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Reading:
    """Resident bytes after a number of reviews."""

    reviews: int
    resident_bytes: int


def readings(server: RunningServer, body: bytes, authority: Path) -> list[Reading]:
    """Read resident memory before the first review and after every 10,000, up to 100,000.

    Raises:
        OSError: A connection failed.
        TimeoutError: 10,000 reviews took longer than 120 s.

    """
    taken = [Reading(0, server.resident_bytes())]
    for step in range(1, STEPS + 1):
        asyncio.run(send_step(server.port, request(body), authority))
        taken.append(Reading(step * REVIEWS_PER_STEP, server.resident_bytes()))
    return taken


def growth(taken: Sequence[Reading]) -> int:
    """Return the bytes by which memory grew after the first 10,000 reviews, which warm it up."""
    return taken[-1].resident_bytes - taken[1].resident_bytes


def request(body: bytes) -> bytes:
    """Return one review as an HTTP/1.1 request."""
    head = f"POST /mutate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def send_step(port: int, message: bytes, authority: Path) -> None:
    """Send 10,000 reviews over 16 connections that stay open."""
    context = ssl.create_default_context(cafile=authority)
    shares = [REVIEWS_PER_STEP // CONNECTIONS] * CONNECTIONS
    async with asyncio.timeout(STEP_DEADLINE_SECONDS), asyncio.TaskGroup() as group:
        for share in shares:
            group.create_task(send(port, message, context, share))


async def send(port: int, message: bytes, context: ssl.SSLContext, reviews: int) -> None:
    """Send the same review a number of times over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        for _ in range(reviews):
            writer.write(message)
            await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> None:
    """Read one answer, which has a Content-Length.

    Raises:
        ConnectionError: Its status is not 200.

    """
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    if b" 200 " not in status:
        raise ConnectionError(status)
    length = next(it for it in headers if it.lower().startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
