"""The Kubernetes client as `certs` needs it: JSON objects instead of bytes, and the errors that `certs` declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from certs.api import JSON, ApiResponse
from certs.errors import ApiUnreachableError, ApiUnreadableError
from webhook.kube.errors import MAX_MESSAGE_CHARACTERS, UnreachableError

if TYPE_CHECKING:
    from certs.api import JSONObject
    from webhook.kube.client import KubernetesClient, Response

READ_SECONDS: Final = 10.0
"""Between two parts of a response: the Secret and the configuration are small."""


class CertificatesApi:
    """Implements `certs.api.KubernetesApi`."""

    def __init__(self, client: KubernetesClient) -> None:
        """Use this client."""
        self._client = client

    def request(self, method: str, path: str, body: JSONObject | None = None, media_type: str = JSON, **parameters: str) -> ApiResponse:
        """Send one request and return its response, whatever the status. ApiUnreachableError, ApiUnreadableError."""
        try:
            response = self._client.request(method, path, body, media_type, read_seconds=READ_SECONDS, **parameters)
        except UnreachableError as error:
            raise ApiUnreachableError(str(error)) from error
        return _read(response)


def _read(response: Response) -> ApiResponse:
    try:
        body = msgspec.json.decode(response.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        beginning = " ".join(response.body.decode("utf-8", "replace").split())[:MAX_MESSAGE_CHARACTERS]
        message = f"the response with status {response.status} is not a JSON object: {beginning}"
        raise ApiUnreadableError(message) from error
    if response.date is None:
        message = f"the response with status {response.status} has no Date header"
        raise ApiUnreadableError(message)
    return ApiResponse(response.status, body, response.date)
