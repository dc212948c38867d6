"""GET requests to an API server through the kubernetes client: its credentials and transport, and nothing of its typed models.

The generated API classes import every model, which takes 20 MiB more, and a model drops what it does not know; so bytes come out here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, load_incluster_config
from urllib3.exceptions import HTTPError

from webhook import __version__
from webhook.kube.errors import RefusedError, UnreachableError
from webhook.kube.kubeconfig import MAX_MESSAGE_CHARACTERS, KubeconfigError, use_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import HTTPResponse

OK: Final = 200
CONNECT_SECONDS: Final = 5.0
"""For a server in the same network; a packet that is lost is sent again after 1 s and 3 s."""

READ_SECONDS: Final = 30.0
"""For an answer to go on. A page of 500 nodes takes a busy API server a second or so; it gives up itself after 60 s."""

CHUNK_BYTES: Final = 64 * 1024


class _Status(msgspec.Struct):
    message: str = ""


class Connection:
    """An API server, asked by as many threads as like to."""

    def __init__(self, configuration: Configuration) -> None:
        """Connect when first asked."""
        # Who asks knows better when to ask again: urllib3 would do so three times at once.
        configuration.retries = False
        self._client = ApiClient(configuration)
        self._client.user_agent = f"airflow-sidecar-webhook/{__version__}"

    def get(self, path: str, **parameters: str) -> bytes:
        """The body of one answer.

        Raises:
            UnreachableError: Nobody answered in time.
            RefusedError: The answer was an error.

        """
        with self._open(path, parameters, READ_SECONDS) as response:
            return response.read()

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        """An empty line as soon as the answer begins, then its lines, each as it comes; they may be ``read_seconds`` apart.

        Errors as in `get`.
        """
        rest = b""
        with self._open(path, parameters, read_seconds) as response:
            yield b""
            for chunk in response.stream(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines

    @contextmanager
    def _open(self, path: str, parameters: dict[str, str], read_seconds: float) -> Iterator[HTTPResponse]:
        try:
            response = self._send(path, parameters, read_seconds)
            try:
                if response.status != OK:
                    raise RefusedError(response.status, _message(response.read()))
                yield response
            finally:
                response.close()
        except (HTTPError, ApiException, ConfigException, OSError) as error:
            raise UnreachableError(" ".join(str(error).split())[:MAX_MESSAGE_CHARACTERS]) from error

    def _send(self, path: str, parameters: dict[str, str], read_seconds: float) -> HTTPResponse:
        request = self._client.param_serialize(
            "GET",
            path,
            query_params=list(parameters.items()),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        response: HTTPResponse = self._client.call_api(*request, _request_timeout=(CONNECT_SECONDS, read_seconds)).response
        return response


def configure_in_pod() -> Configuration:
    """As the service account of this pod, whose token is read again as it is replaced. UnreachableError."""
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise UnreachableError(str(error)) from error
    return configuration


def configure_by_kubeconfig() -> Configuration:
    """As the current context of the kubeconfig says. UnreachableError."""
    configuration = Configuration()
    try:
        use_kubeconfig(configuration)
    except KubeconfigError as error:
        raise UnreachableError(str(error)) from error
    return configuration


def _message(body: bytes) -> str:
    """The words of a Status, else the beginning of whatever answered."""
    try:
        text = msgspec.json.decode(body, type=_Status).message
    except msgspec.DecodeError:
        text = body.decode("utf-8", "replace")
    return " ".join(text.split())[:MAX_MESSAGE_CHARACTERS]
