"""The rights that the reaper needs in a namespace of task pods, stated once."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import msgspec

from webhook.reaper.act import Method


class PodRight(msgspec.Struct, frozen=True):
    """A right in a namespace.

    Args:
        resource: With its subresource, as RBAC names it; of the core group.
        verb: What may be done with it.

    """

    resource: str
    verb: str

    def __str__(self) -> str:
        """As in "get pods"."""
        return f"{self.verb} {self.resource}"


VERBS: Final = ("get", "list", "watch", "create", "patch")
"""In the order in which they are named."""

LIST: Final = PodRight("pods", "list")
"""Without it nothing is known; with it alone a pass can say what it would do."""

READ: Final = frozenset({LIST, PodRight("pods", "get"), PodRight("pods", "watch")})
"""To act: a pod is read again before an act, and watched after it."""

TELL: Final = frozenset({PodRight("events", "create"), PodRight("events", "patch")})
"""To write Events."""

BY_METHOD: Final = MappingProxyType(
    {
        # A port-forward begins with a GET; from Kubernetes 1.35 on it needs create, too.
        Method.QUIT: frozenset({PodRight("pods/portforward", "get"), PodRight("pods/portforward", "create")}),
        Method.EXEC: frozenset({PodRight("pods/exec", "get"), PodRight("pods/exec", "create")}),
        Method.DEADLINE: frozenset({PodRight("pods", "patch")}),
    }
)
"""What each method needs beside `READ`."""

EVERY_RIGHT: Final = READ | TELL | frozenset[PodRight]().union(*BY_METHOD.values())


def named(rights: frozenset[PodRight]) -> str:
    """Rights in words, as in "get and create pods/exec"."""
    by_resource: dict[str, list[str]] = {}
    for right in sorted(rights, key=lambda one: (one.resource, VERBS.index(one.verb))):
        by_resource.setdefault(right.resource, []).append(right.verb)
    return ", ".join(f"{' and '.join(verbs)} {resource}" for resource, verbs in by_resource.items())
