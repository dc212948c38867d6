"""The image that a release installs, by its digest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

PATTERN: Final = re.compile(
    r"""
    (?P<registry>localhost(?::\d+)?|[\w-]+(?:[.:][\w-]+)+)  # a dot or a port is what makes the first part a registry
    /(?P<repository>[a-z0-9._/-]+)
    (?::[\w.-]+)?                                           # a digest makes a tag superfluous
    @(?P<digest>sha256:[0-9a-f]{64})
    """,
    re.VERBOSE,
)
"""https://pkg.go.dev/github.com/distribution/reference has the grammar."""


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """An image in a registry.

    Args:
        registry: Host, and port if it has one.
        repository: Path in the registry.
        digest: Like ``sha256:0123…``.

    """

    registry: str
    repository: str
    digest: str

    @property
    def reference(self) -> str:
        """What a pod names."""
        return f"{self.registry}/{self.repository}@{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """An image like ``registry.example/team/airflow-sidecar-webhook@sha256:…``. ValueError."""
        found = PATTERN.fullmatch(text)
        if not found:
            message = f"{text} is not an image with its registry and its digest, like registry.example/airflow-sidecar-webhook@sha256:…"
            raise ValueError(message)
        return cls(**found.groupdict())
