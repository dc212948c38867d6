"""What ends a command early."""

from __future__ import annotations


class UnusableError(Exception):
    """Something that the user gave cannot be used: exit code 2. The message has one line for each problem, and holds no credentials."""
