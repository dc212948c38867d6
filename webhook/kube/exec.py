"""A command in a container of a pod, which runs once it is released.

The right: ``get`` and ``create`` of ``pods/exec``, as in `webhook.kube.port_forward`.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.kube.errors import MAX_MESSAGE_CHARACTERS, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.kube.pod_channels import PodChannels, PodConnector

STDIN: Final = 0
RESULT: Final = 3

SUCCESS: Final = "Success"
KILLED: Final = "137"


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: tuple[_Cause, ...] = ()


class _Result(msgspec.Struct):
    """The part of a ``Status`` of the API that is read (k8s.io/apimachinery pkg/util/remotecommand: ``NonZeroExitCode``)."""

    status: str = ""
    message: str = ""
    details: _Details = msgspec.field(default_factory=_Details)

    @property
    def was_killed(self) -> bool:
        """Whether the shell was killed."""
        return any(cause.reason == "ExitCode" and cause.message == KILLED for cause in self.details.causes)


class HeldCommand:
    """A shell that waits for a line on its stdin, and then runs the command."""

    def __init__(self, channels: PodChannels) -> None:
        """Take over the channels of the shell."""
        self._channels = channels

    def release(self) -> str:
        """Let it run, and return why it failed; empty: it succeeded.

        Raises:
            UnreachableError: No result came, or the shell was killed: either may be so when the command ends its own container.

        """
        # Where the shell could not start, the connection may be closed, and what it says is still to be read.
        with suppress(UnreachableError):
            self._channels.send(STDIN, b"\n")
        for channel, data in self._channels.messages():
            # An empty message says that a channel is open.
            if channel == RESULT and data:
                return _failure(data)
        message = "the connection was closed without a result"
        raise UnreachableError(message)


@contextmanager
def held_command(connector: PodConnector, pod_path: str, container: str, command: str) -> Iterator[HeldCommand]:
    """A POSIX shell command in a container; where the block ends without a release, it does not run.

    Raises:
        UnreachableError: No connection.
        RefusedError: The API server answered with an error.

    """
    words = ("/bin/sh", "-c", f"read -r _ && {command}")
    query = [("container", container), ("stdin", "true"), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in words)]
    with connector.connect_to_pod(f"{pod_path}/exec", *query) as channels:
        yield HeldCommand(channels)


_RESULT: Final = msgspec.json.Decoder(_Result)


def _failure(data: bytes) -> str:
    """Why a command failed; empty: it succeeded. UnreachableError: it was killed, whatever it had done."""
    try:
        result = _RESULT.decode(data)
    except msgspec.DecodeError:
        result = _Result(message=data.decode("utf-8", "replace"))
    if result.was_killed:
        message = "the shell was killed, as by the end of its container"
        raise UnreachableError(message)
    return "" if result.status == SUCCESS else (" ".join(result.message.split()) or "unknown")[:MAX_MESSAGE_CHARACTERS]
