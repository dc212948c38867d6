"""What goes wrong between us and an API server. The text is one line for a log."""

from __future__ import annotations


class ClusterError(Exception):
    """Nothing was learned."""


class UnreachableError(ClusterError):
    """Nobody answered, or not to the end."""


class UnreadableError(ClusterError):
    """The answer is not what this API gives."""


class RefusedError(ClusterError):
    """The API server answered with an error.

    Args:
        status: The HTTP status.
        message: Its own words: for a right that is missing they name user, verb and resource.

    """

    def __init__(self, status: int, message: str) -> None:
        """Keep the status."""
        self.status = status
        super().__init__(f"{status} {message}")
