"""A connection to a pod through the API server: numbered channels in one WebSocket, by the protocol ``v4.channel.k8s.io``.

It serves port-forward and exec; the API server passes it on to the kubelet. The first byte of a message is its channel. The package's own
`kubernetes.stream.portforward` needs its models, which take 20 MiB, connects without a time limit, and runs a thread that raises where
nobody catches it.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

from kubernetes.client.rest import should_bypass_proxies
from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketConnectionClosedException, WebSocketException

from webhook.kube.errors import MAX_MESSAGE_CHARACTERS, UnreachableError, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from kubernetes.client import Configuration

PROTOCOL: Final = "v4.channel.k8s.io"

OPEN_SECONDS: Final = 15.0
"""To connect and upgrade. The API server answers once it has connected to the kubelet, for which it takes 10 s at most by default."""

READ_SECONDS: Final = 10.0
"""Between two messages."""

ANSWER_SECONDS: Final = 30.0
"""For all messages after a request: whatever answers in the pod may send a byte now and then, or never end."""


class PodChannels:
    """The open channels."""

    def __init__(self, websocket: WebSocket) -> None:
        """Take over a WebSocket that is open."""
        self._websocket = websocket

    def send(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel. UnreachableError."""
        try:
            self._websocket.send(bytes([channel]) + data, ABNF.OPCODE_BINARY)
        except (WebSocketException, OSError) as error:
            raise _unreachable(error) from error

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Yield the channel and the bytes of each message, until the other side closes.

        Raises:
            UnreachableError: The other side is silent, breaks off, or has not come to an end within `ANSWER_SECONDS`.

        """
        until = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < until:
            try:
                data = self._websocket.recv()
            except WebSocketConnectionClosedException:
                return
            except (WebSocketException, OSError) as error:
                raise _unreachable(error) from error
            # An empty message is one that closes the connection: the others begin with their channel.
            raw = data.encode() if isinstance(data, str) else bytes(data)
            if not raw:
                return
            yield raw[0], raw[1:]
        message = f"the answer did not end within {ANSWER_SECONDS:g} s"
        raise UnreachableError(message)


class PodConnector(Protocol):
    """The part of `webhook.kube.client.KubernetesClient` that opens channels."""

    def connect_to_pod(self, path: str, *parameters: tuple[str, str]) -> AbstractContextManager[PodChannels]:
        """The channels of a pod's subresource. ClusterError."""


@contextmanager
def open_channels(
    configuration: Configuration, url: str, headers: Mapping[str, str], parameters: Sequence[tuple[str, str]]
) -> Iterator[PodChannels]:
    """The channels behind a URL of the API server, closed at the end of the block.

    Args:
        configuration: The client's: its TLS material and its proxy.
        url: With the scheme ``http`` or ``https``.
        headers: Such as the credentials.
        parameters: The query; a name may occur more than once.

    Raises:
        UnreachableError: No connection.
        RefusedError: The API server answered with an error.

    """
    websocket = WebSocket()
    try:
        _connect(websocket, configuration, f"{url}?{urlencode(parameters)}", headers)
        websocket.settimeout(READ_SECONDS)
        yield PodChannels(websocket)
    except WebSocketBadStatusException as error:
        raise refusal(error.status_code, error.resp_body or b"") from error
    except (WebSocketException, OSError) as error:
        raise _unreachable(error) from error
    finally:
        websocket.shutdown()  # type: ignore[no-untyped-call]


def _connect(websocket: WebSocket, configuration: Configuration, url: str, headers: Mapping[str, str]) -> None:
    options: dict[str, Any] = {
        "header": [f"{name}: {value}" for name, value in headers.items()],
        "subprotocols": [PROTOCOL],
        "suppress_origin": True,
        "timeout": OPEN_SECONDS,
        # The credentials are for this API server alone.
        "redirect_limit": 0,
    }
    server = urlsplit(url)
    context = _tls_context(configuration) if server.scheme == "https" else None
    if configuration.proxy and not should_bypass_proxies(url, configuration.no_proxy or ""):
        proxy = urlsplit(configuration.proxy)
        options |= {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port, "proxy_type": "http"}
        websocket.sock_opt.sslopt = {"context": context, "server_hostname": configuration.tls_server_name}
    else:
        # Without a socket of its own the library would take a proxy from the environment, by other rules than the client.
        connection = socket.create_connection((server.hostname, server.port or _DEFAULT_PORTS[server.scheme]), OPEN_SECONDS)
        name = configuration.tls_server_name or server.hostname
        options["socket"] = connection if context is None else context.wrap_socket(connection, server_hostname=name)
    websocket.connect(f"ws{url.removeprefix('http')}", **options)  # type: ignore[no-untyped-call]


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def _unreachable(error: Exception) -> UnreachableError:
    return UnreachableError(" ".join(str(error).split())[:MAX_MESSAGE_CHARACTERS])


def _tls_context(configuration: Configuration) -> ssl.SSLContext:
    """As the client's other requests: their trusted authorities, and their client certificate."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    if not configuration.verify_ssl or configuration.assert_hostname is False:
        context.check_hostname = False
    if not configuration.verify_ssl:
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
