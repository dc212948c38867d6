"""A pod that the webhook left when it was created, although a known sidecar may keep it Running: why, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from webhook.core.facts import read_facts
from webhook.core.pod import read_pod
from webhook.core.pod_options import Mode
from webhook.core.reasons import Reason, Treatment, recorded_reason
from webhook.core.remedy import Remedy, remedy_of_reason, shown_names

if TYPE_CHECKING:
    from webhook.core.catalogue import Catalogue


class LeftTaskPod(msgspec.Struct, frozen=True):
    """A pod that was left.

    Args:
        reason: Why, as its status says.
        sidecars: Names of the known sidecars that may keep it Running.
        remedy: What to do, with the pod's own names; None: there is nothing to do.

    """

    reason: Reason
    sidecars: tuple[str, ...]
    remedy: Remedy | None

    @property
    def shown_sidecars(self) -> str:
        """Their names, in a sentence."""
        return shown_names(self.sidecars)


def read_left_pod(pod: bytes, catalogue: Catalogue) -> LeftTaskPod | None:
    """Read a pod, given as JSON; None: it was not left, or only audited, or has switched the webhook off, or no known sidecar runs in it.

    Raises:
        MalformedPodError: It is no pod by the Pod API's types.

    """
    facts = read_facts(read_pod(pod), catalogue)
    reason = recorded_reason(facts.before.reason)
    if reason is None or reason.treatment is not Treatment.LEFT or facts.before.treatment != Treatment.LEFT:
        return None
    sidecars = tuple([one.name for one in facts.sidecars if not one.is_one_time])
    if facts.options.mode is Mode.OFF or not sidecars:
        return None
    return LeftTaskPod(reason, sidecars, remedy_of_reason(facts, reason))
