"""Which pods a controller serves, and how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webhook.core import Catalogue
    from webhook.reaper.decision import ReaperPolicy


@dataclass(frozen=True, slots=True)
class ReaperScope:
    """What a controller serves, and how.

    Args:
        namespaces: Of the task pods, each with a watch of its own. Empty: all that have opted in, with one watch for all pods.
        catalogue: The known sidecars.
        policy: What is allowed.
        is_observing: Whether nothing is done, and what would be is reported.

    """

    namespaces: tuple[str, ...]
    catalogue: Catalogue
    policy: ReaperPolicy
    is_observing: bool = False

    @property
    def first_policy(self) -> ReaperPolicy:
        """The policy before it is known which namespaces have opted in."""
        return self.policy if self.namespaces else replace(self.policy, opted_in=frozenset())
