"""Versions of Kubernetes and of what injects, as they stand in a node's status, a ``/version`` answer or an image's tag."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_VERSION: Final = re.compile(r"[vV]?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?![.\d])", re.ASCII)


class Version(msgspec.Struct, frozen=True, order=True):
    """A version, ordered as versions are. What vendors put behind it (``-eks-1234``, ``+k3s1``, ``-distroless``) is left out."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.major}.{self.minor}.{self.patch}"


def read_version(text: str) -> Version | None:
    """The version that a text begins with; None for anything else."""
    found = _VERSION.match(text)
    if found is None:
        return None
    major, minor, patch = found.groups(default="0")
    return Version(int(major), int(minor), int(patch))


def image_version(image: str) -> Version | None:
    """The version in an image's tag; None for a tag that is none, or where there is only a digest."""
    return read_version(image.partition("@")[0].rpartition("/")[2].partition(":")[2])
