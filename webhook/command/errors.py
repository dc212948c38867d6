"""What ends a command early."""

from __future__ import annotations


class UnusableError(Exception):
    """Something that the user gave cannot be used: exit code 2. The message has one line for each problem, and holds no credentials."""


class UsageError(UnusableError):
    """The arguments are not those of the command.

    Args:
        message: What is wrong with them.
        usage: The lines that show what the command takes.

    """

    def __init__(self, message: str, usage: str) -> None:
        """Take the message and the usage."""
        super().__init__(message)
        self.usage = usage
