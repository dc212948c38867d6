"""The server of the plain HTTP port, for the kubelet and Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.buffered_bodies import BufferedBodies
from webhook.server.connections import ConnectionLimits
from webhook.server.limited_server import CONNECTION_BYTES, REVIEW_SECONDS, LimitedServer, server_config
from webhook.server.review_turns import ReviewTurns

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from webhook.server.connections import Connections

MAX_HEALTH_CONNECTIONS: Final = ConnectionLimits(total=64, per_peer=16, unread=16, buffer_bytes=64 * CONNECTION_BYTES)
"""The kubelet opens one for each probe, and Prometheus keeps one."""

HEALTH_BODIES: Final = BodyLimits(max_bytes=1024, read_seconds=5.0, review_seconds=REVIEW_SECONDS)
"""No request to the health port needs a body."""

HEALTH_BUFFERED_BYTES: Final = 8 * 1024 * 1024
"""For the responses of the health port."""

HEALTH_KEEP_ALIVE_SECONDS: Final = 5
"""Prometheus scrapes every 15 s or less often, and opens a new connection without a loss."""


def make_health_server(app: ASGIApp, connections: Connections, refused: Callable[[int, str], None]) -> LimitedServer:
    """The server of this application; ``refused`` is called with the status of each request that is refused, and why."""

    def malformed() -> None:
        refused(400, "no HTTP")

    limited = BodyLimit(ReviewTurns(app, lambda: connections.peers), HEALTH_BODIES, refused)
    config = server_config(limited, HEALTH_KEEP_ALIVE_SECONDS)
    bodies = BufferedBodies(HEALTH_BUFFERED_BYTES)
    return LimitedServer(config, connections, bodies, HEALTH_BODIES.read_seconds, None, malformed)
