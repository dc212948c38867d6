"""What the certificate manager needs of an API server: requests with JSON in and out, and the API server's clock.

Whoever uses this package brings the client (`KubernetesApi`): this package imports none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    JSONObject = dict[str, Any]

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
"""Server-side apply. JSON is YAML."""


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What an API server answered.

    Args:
        status: The HTTP status.
        body: The object, or a Status.
        date: The time on the API server's clock, in whole seconds.

    """

    status: int
    body: JSONObject
    date: datetime


class KubernetesApi(Protocol):
    """A client of one API server."""

    def request(self, method: str, path: str, body: JSONObject | None = None, media_type: str = JSON, **parameters: str) -> ApiResponse:
        """Send one request and return its response, whatever the status.

        Raises:
            ApiUnreachableError: There was no response, or only a part of it. The request may have been carried out.
            ApiUnreadableError: The response is not a JSON object, or has no date.

        """
