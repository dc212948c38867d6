"""The rights that the reaper needs, stated once."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from webhook.reaper.act import Method


class RightPlace(StrEnum):
    """Where a right is needed."""

    TASK_PODS = ""
    """In each namespace of task pods."""

    OWN = "in its own namespace"
    """In the namespace in which the reaper runs."""

    CLUSTER = "in the cluster"
    """For what is in no namespace."""


class ReaperRight(msgspec.Struct, frozen=True):
    """A right.

    Args:
        resource: With its subresource, as RBAC names it.
        verb: What may be done with it.
        group: The API group of the resource.
        place: Where.

    """

    resource: str
    verb: str
    group: str = ""
    place: RightPlace = RightPlace.TASK_PODS

    def __str__(self) -> str:
        """As in "get pods"."""
        return f"{self.verb} {self.resource}"


VERBS: Final = ("get", "list", "watch", "create", "update", "patch")
"""In the order in which they are named."""

LIST: Final = ReaperRight("pods", "list")
"""Without it nothing is known."""

WATCH: Final = ReaperRight("pods", "watch")

READ: Final = frozenset({LIST, ReaperRight("pods", "get"), WATCH})
"""To act: a pod is read again before an act, and watched after it."""

EVENTS: Final = frozenset({ReaperRight("events", "create"), ReaperRight("events", "patch")})
"""To write Events."""

PASS: Final = EVENTS | {LIST}
"""What a pass needs to say what it would do."""

LEASE: Final = frozenset(
    [ReaperRight("leases", verb, "coordination.k8s.io", RightPlace.OWN) for verb in ("create", "get", "update")],
)
"""To agree on who acts, and to remember."""

CONTROLLER: Final = PASS | LEASE | {WATCH}
"""What the controller needs, whether it acts or observes."""

LIST_NAMESPACES: Final = ReaperRight("namespaces", "list", place=RightPlace.CLUSTER)
WATCH_NAMESPACES: Final = ReaperRight("namespaces", "watch", place=RightPlace.CLUSTER)
"""To serve every namespace that has opted in; a pass only lists them."""

BY_METHOD: Final = MappingProxyType(
    {
        # A port-forward begins with a GET; from Kubernetes 1.35 on it needs create, too.
        Method.QUIT: frozenset({ReaperRight("pods/portforward", "get"), ReaperRight("pods/portforward", "create")}),
        Method.EXEC: frozenset({ReaperRight("pods/exec", "get"), ReaperRight("pods/exec", "create")}),
        Method.DEADLINE: frozenset({ReaperRight("pods", "patch")}),
    }
)
"""What each method needs beside `READ`."""

EVERY_RIGHT: Final = READ | CONTROLLER | {LIST_NAMESPACES, WATCH_NAMESPACES} | frozenset[ReaperRight]().union(*BY_METHOD.values())


def missing_rights(granted: frozenset[ReaperRight]) -> frozenset[ReaperRight]:
    """The missing rights: whoever has one right of a method, of the controller or for all namespaces needs all of them."""
    begun = [needed | READ for needed in BY_METHOD.values() if needed & granted]
    if LEASE & granted:
        begun.append(CONTROLLER | ({WATCH_NAMESPACES} if LIST_NAMESPACES in granted else frozenset()))
    if WATCH_NAMESPACES in granted:
        begun.append(frozenset({LIST_NAMESPACES}))
    return PASS.union(*begun) - granted


def named(rights: frozenset[ReaperRight]) -> str:
    """Rights in words, as in "get and create pods/exec"."""
    by_place: dict[tuple[str, str], list[str]] = {}
    for right in sorted(rights, key=lambda one: (one.place, one.resource, VERBS.index(one.verb))):
        by_place.setdefault((right.resource, right.place), []).append(right.verb)
    return ", ".join(f"{' and '.join(verbs)} {resource} {place}".rstrip() for (resource, place), verbs in by_place.items())
