"""Requests to an API server through the kubernetes client: its credentials and transport, and nothing of its typed models.

A model drops what it does not know, and what is written back here belongs to others in part.
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from certs.api import JSON, Answer
from certs.errors import UnreachableError, UnreadableError

if TYPE_CHECKING:
    from kubernetes.client import Configuration
    from urllib3 import HTTPResponse

    JSONObject = dict[str, Any]

TIMEOUT: Final = (5.0, 10.0)
"""Seconds to connect, in which a lost packet is sent again twice, and seconds between two parts of an answer, which is small here."""

MAX_MESSAGE_CHARACTERS: Final = 300


class Connection:
    """An API server. It is `certs.api.Api`."""

    def __init__(self, configuration: Configuration) -> None:
        """Connect when first asked."""
        # Whoever asks looks again soon: urllib3 would do so three times at once.
        configuration.retries = False
        self._client = ApiClient(configuration)
        self._client.user_agent = "airflow-sidecar-webhook/certificates"

    def send(self, method: str, path: str, body: JSONObject | None = None, media_type: str = JSON, **parameters: str) -> Answer:
        """One request. UnreachableError, UnreadableError."""
        try:
            response = self._request(method, path, body, media_type, parameters)
            try:
                return _read(response)
            finally:
                response.release_conn()
        except (HTTPError, ApiException, ConfigException, OSError) as error:
            raise UnreachableError(" ".join(str(error).split())[:MAX_MESSAGE_CHARACTERS]) from error

    def _request(self, method: str, path: str, body: JSONObject | None, media_type: str, parameters: dict[str, str]) -> HTTPResponse:
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(parameters.items()),
            header_params={"Accept": JSON, "Content-Type": media_type},
            # The client turns an object into JSON for some media types alone; a text it sends as it is.
            body=body if body is None or media_type == JSON else json.dumps(body),
            auth_settings=["BearerToken"],
        )
        response: HTTPResponse = self._client.call_api(*request, _request_timeout=TIMEOUT).response
        return response


def _read(response: HTTPResponse) -> Answer:
    data = response.read()
    try:
        body = json.loads(data)
        date = parsedate_to_datetime(response.headers["Date"])
    except (ValueError, KeyError) as error:
        beginning = " ".join(data.decode("utf-8", "replace").split())[:MAX_MESSAGE_CHARACTERS]
        message = f"{response.status} without JSON or without a date: {beginning}"
        raise UnreadableError(message) from error
    if not isinstance(body, dict):
        message = f"{response.status} with JSON that is no object"
        raise UnreadableError(message)
    return Answer(response.status, body, date)
