"""What a keeper of certificates needs of an API server: requests with JSON in and out, and the time of each answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    JSONObject = dict[str, Any]

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
"""Server-side apply; JSON is YAML."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API server said.

    Args:
        status: The HTTP status.
        body: The object, or a Status.
        date: When, by the API server's own clock, in whole seconds.

    """

    status: int
    body: JSONObject
    date: datetime


class Api(Protocol):
    """An API server."""

    def send(self, method: str, path: str, body: JSONObject | None = None, media_type: str = JSON, **parameters: str) -> Answer:
        """The answer, of whatever status. UnreachableError, UnreadableError."""
