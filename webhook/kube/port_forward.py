"""An HTTP request to a port on a pod's loopback, over a port-forward.

The right: ``get`` and ``create`` of ``pods/portforward``. A WebSocket begins with a GET; from Kubernetes 1.35 on the API server asks for
``create``, too (feature gate AuthorizePodWebsocketUpgradeCreatePermission).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from webhook.kube.errors import MAX_MESSAGE_CHARACTERS, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.kube.pod_channels import PodChannels, PodConnector

DATA: Final = 0
ERRORS: Final = 1

MOST_BYTES: Final = 64 * 1024
"""Of a response, until its first line is complete: no server sends a longer one."""


class PortForward:
    """A forwarded port, for one request."""

    def __init__(self, channels: PodChannels, port: int) -> None:
        """Take over the channels of this port."""
        self._channels, self._port = channels, port

    def status_of(self, method: str, path: str) -> int:
        """Send a request, and return the status of its response.

        Raises:
            UnreachableError: Nothing listens on the port, or no response came.

        """
        request = f"{method} {path} HTTP/1.1\r\nHost: localhost:{self._port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self._channels.send(DATA, request.encode())
        line = self._first_line()
        _, _, rest = line.partition(b" ")
        if not line.startswith(b"HTTP/") or not rest[:3].isdigit():
            message = "the response is not HTTP"
            raise UnreachableError(message)
        return int(rest[:3])

    def _first_line(self) -> bytes:
        received = b""
        # The first message of each channel is the number of the port.
        announced = set[int]()
        for channel, data in self._channels.messages():
            if channel not in announced:
                announced.add(channel)
            elif channel == ERRORS:
                raise UnreachableError(" ".join(data.decode("utf-8", "replace").split())[:MAX_MESSAGE_CHARACTERS])
            else:
                received += data
            if b"\n" in received or len(received) > MOST_BYTES:
                return received.partition(b"\n")[0]
        message = "the connection was closed without a response"
        raise UnreachableError(message)


@contextmanager
def port_forward(connector: PodConnector, pod_path: str, port: int) -> Iterator[PortForward]:
    """A port on the loopback of a pod, by the pod's path on the API server.

    Whichever pod has that name when the block begins is the one that a request in it reaches.

    Raises:
        UnreachableError: No connection.
        RefusedError: The API server answered with an error.

    """
    with connector.connect_to_pod(f"{pod_path}/portforward", ("ports", str(port))) as channels:
        yield PortForward(channels, port)
