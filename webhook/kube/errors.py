"""Errors of the Kubernetes client. Each message is one line that a log can show.

* ClusterError
  + KubeconfigError: the kubeconfig cannot be used.
  + UnreachableError: no response, or only a part of it.
  + UnreadableError: the response is not what this API returns.
  + RefusedError: the API server answered with an error.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

SUCCESSFUL: Final = range(200, 300)
"""The statuses of responses to requests that were done."""

MAX_MESSAGE_CHARACTERS: Final = 300
"""A message from elsewhere is cut to this length."""


class ClusterError(Exception):
    """The cluster could not be read or changed."""


class KubeconfigError(ClusterError):
    """The kubeconfig, or the API server that it names, cannot be used. The message holds no credentials."""


class UnreachableError(ClusterError):
    """There was no response, or only a part of it."""


class UnreadableError(ClusterError):
    """The response is not what this API returns."""


class RefusedError(ClusterError):
    """The API server answered with an error.

    Args:
        status: The HTTP status.
        message: The API server's own message; for a missing right it names user, verb and resource.

    """

    def __init__(self, status: int, message: str) -> None:
        """Store the status; the text is both."""
        self.status = status
        super().__init__(f"{status} {message}")


def is_passing(problem: ClusterError) -> bool:
    """Whether the same request may succeed a little later: there was no response, or the API server is overloaded or broken."""
    if isinstance(problem, RefusedError):
        return problem.status == HTTPStatus.TOO_MANY_REQUESTS or problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(problem, UnreachableError)


class _ErrorBody(msgspec.Struct):
    message: str = ""


_ERROR_BODY: Final = msgspec.json.Decoder(_ErrorBody)


def refusal(status: int, body: bytes) -> RefusedError:
    """The error of a response, with the message of the Status in its body, else with the beginning of the body."""
    try:
        text = _ERROR_BODY.decode(body).message
    except msgspec.DecodeError:
        text = body.decode("utf-8", "replace")
    return RefusedError(status, " ".join(text.split())[:MAX_MESSAGE_CHARACTERS])
