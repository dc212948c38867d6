"""The one Kubernetes client: requests to an API server with the kubernetes package's credentials and transport, without its models.

The package's generated API classes import every model, which takes 20 MiB more, and a model drops the fields it does not know. So bytes
go in and out here, and whoever calls decodes the fields it needs.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, load_incluster_config
from urllib3.exceptions import HTTPError

from webhook import __version__
from webhook.kube.errors import MAX_MESSAGE_CHARACTERS, SUCCESSFUL, UnreachableError, refusal
from webhook.kube.kubeconfig import use_kubeconfig
from webhook.kube.pod_channels import open_channels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from urllib3 import HTTPResponse

    from webhook.kube.kubeconfig import Context
    from webhook.kube.pod_channels import PodChannels

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"

CONNECT_SECONDS: Final = 5.0
"""To connect to a server in the same network; a lost packet is sent again after 1 s and 3 s."""

READ_SECONDS: Final = 30.0
"""Between two parts of a response. A page of 500 nodes takes a busy API server about a second; it gives up itself after 60 s."""

WRITE_SECONDS: Final = 65.0
"""The same for a request that admission webhooks see: the API server gives up after 60 s, and each webhook may take up to 30 s."""

CHUNK_BYTES: Final = 64 * 1024

OK: Final = 200


@dataclass(frozen=True, slots=True)
class Response:
    """What the API server answered.

    Args:
        status: The HTTP status.
        body: The object, list or Status, as JSON; anything else where a proxy answered.
        date: The time on the API server's clock, in whole seconds; None where the response has no readable Date header.

    """

    status: int
    body: bytes
    date: datetime | None

    @property
    def is_success(self) -> bool:
        """Whether the API server did what it was requested to do."""
        return self.status in SUCCESSFUL


class KubernetesClient:
    """A client of one API server. Any number of threads may use it at once."""

    def __init__(self, configuration: Configuration) -> None:
        """Connect with the first request."""
        # The callers retry, with a back-off; urllib3 would retry three times at once.
        configuration.retries = False
        self._configuration = configuration
        self._client = ApiClient(configuration)
        self._client.user_agent = f"airflow-sidecar-webhook/{__version__}"

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        media_type: str = JSON,
        *,
        read_seconds: float = READ_SECONDS,
        **parameters: str,
    ) -> Response:
        """Send one request and return its response, whatever the status.

        Args:
            method: The HTTP method.
            path: The path on the API server, quoted.
            body: A JSON value; None for no body.
            media_type: Of the body; for a PATCH it selects the kind of patch.
            read_seconds: The longest time between two parts of the response.
            parameters: The query parameters.

        Raises:
            UnreachableError: There was no response, or only a part of it. The request may have been carried out.

        """
        with self._open(method, path, body, media_type, read_seconds, parameters) as response:
            return Response(response.status, response.read(), _date(response.headers))

    def get(self, path: str, **parameters: str) -> bytes:
        """Return the body of a GET.

        Raises:
            UnreachableError: There was no response, or only a part of it.
            RefusedError: The API server answered with an error.

        """
        response = self.request("GET", path, read_seconds=READ_SECONDS, **parameters)
        if response.status != OK:
            raise refusal(response.status, response.body)
        return response.body

    def create(self, path: str, body: object, **parameters: str) -> Response:
        """POST an object to a collection and return the response, whatever the status. UnreachableError."""
        return self.request("POST", path, body, read_seconds=WRITE_SECONDS, **parameters)

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        """Yield an empty line when the response begins, then each line of a GET as it arrives, at most ``read_seconds`` apart.

        Errors as in `get`.
        """
        rest = b""
        with self._open("GET", path, None, JSON, read_seconds, parameters) as response:
            if response.status != OK:
                raise refusal(response.status, response.read())
            yield b""
            for chunk in response.stream(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines

    @contextmanager
    def connect_to_pod(self, path: str, *parameters: tuple[str, str]) -> Iterator[PodChannels]:
        """The channels of a pod's subresource ``portforward`` or ``exec``, by its path and query; closed at the end of the block.

        Raises:
            UnreachableError: No connection.
            RefusedError: The API server answered with an error.

        """
        _, url, headers, *_ = self._client.param_serialize("GET", path, auth_settings=["BearerToken"])
        with open_channels(self._configuration, url, headers, parameters) as channels:
            yield channels

    @contextmanager
    def _open(
        self, method: str, path: str, body: object, media_type: str, read_seconds: float, parameters: Mapping[str, str]
    ) -> Iterator[HTTPResponse]:
        try:
            response = self._send(method, path, body, media_type, read_seconds, parameters)
            try:
                yield response
            finally:
                response.close()
        except (HTTPError, ApiException, ConfigException, OSError) as error:
            raise UnreachableError(" ".join(str(error).split())[:MAX_MESSAGE_CHARACTERS]) from error

    def _send(
        self, method: str, path: str, body: object, media_type: str, read_seconds: float, parameters: Mapping[str, str]
    ) -> HTTPResponse:
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(parameters.items()),
            header_params={"Accept": JSON, **({} if body is None else {"Content-Type": media_type})},
            # The package encodes bodies of JSON media types itself (application/json, application/merge-patch+json) and no others.
            body=body if body is None or media_type.endswith("json") else json.dumps(body),
            auth_settings=["BearerToken"],
        )
        response: HTTPResponse = self._client.call_api(*request, _request_timeout=(CONNECT_SECONDS, read_seconds)).response
        return response


def connect_in_pod() -> KubernetesClient:
    """A client with this pod's service account, whose token is read again when the kubelet replaces it. UnreachableError."""
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise UnreachableError(str(error)) from error
    return KubernetesClient(configuration)


def connect_by_kubeconfig() -> KubernetesClient:
    """A client for the kubeconfig's current context. KubeconfigError."""
    return connect_by_context(None)[0]


def connect_by_context(context: str | None) -> tuple[KubernetesClient, Context]:
    """A client for a context of the kubeconfig (None: the current one), and that context. KubeconfigError."""
    configuration = Configuration()
    used = use_kubeconfig(configuration, context)
    return KubernetesClient(configuration), used


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers["Date"])
    except (ValueError, KeyError):
        return None
