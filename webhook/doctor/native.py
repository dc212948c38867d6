"""Findings on native sidecars: what the versions say, what the setting makes of it, and what a dry run shows."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from webhook.core import GATE_LOCKED, NATIVE_SERVER, ClusterObservation, NativeSupport, NativeSwitch, ServerVersion, assess
from webhook.doctor.examination import Namespace, NotRead, Seen
from webhook.doctor.finding import Finding, FindingId, found
from webhook.doctor.probe import LABELS, Verdict
from webhook.doctor.registration import PODS
from webhook.kube.nodes import Nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core import Version

AUTO: Final = MappingProxyType(
    {
        NativeSupport.READY: FindingId.NATIVE_READY,
        NativeSupport.UNKNOWN: FindingId.NATIVE_UNKNOWN,
        NativeSupport.OLD_SERVER: FindingId.OLD_SERVER,
        NativeSupport.OLD_KUBELET: FindingId.OLD_KUBELET,
        NativeSupport.EMULATING_SERVER: FindingId.EMULATING_SERVER,
    }
)
"""What the setting auto makes of the versions."""

ABLE: Final = frozenset({NativeSupport.READY, NativeSupport.EMULATING_SERVER})
"""Where the versions are new enough."""

ALONE: Final = MappingProxyType(
    {
        Verdict.KEPT: "it keeps native sidecars",
        Verdict.LOST: "it has no native sidecars",
        Verdict.UNTESTED: "could not be tried either",
    }
)
"""What a PodTemplate shows of the API server without the webhooks."""


def native_findings(seen: Seen, switch: NativeSwitch, minimum_kubelet: Version) -> Iterator[Finding]:
    """By the versions, then by the dry run."""
    yield by_version(seen, switch, minimum_kubelet)
    if seen.space is not None:
        uses_native = assess(_observed(seen), switch, minimum_kubelet).is_native
        yield by_trial(seen, uses_native=uses_native, is_forced=switch is NativeSwitch.ON)


def by_version(seen: Seen, switch: NativeSwitch, minimum_kubelet: Version) -> Finding:
    """What the versions and the setting come to."""
    auto = assess(_observed(seen), NativeSwitch.AUTO, minimum_kubelet).support
    if switch is NativeSwitch.OFF:
        return found(FindingId.FORCED_OFF, auto=auto)
    if switch is NativeSwitch.ON:
        return found(FindingId.FORCED_ON if auto in ABLE else FindingId.FORCED_ON_IN_SPITE, auto=auto)
    if auto is NativeSupport.OLD_KUBELET:
        oldest = seen.nodes.oldest if isinstance(seen.nodes, Nodes) else None
        return found(FindingId.OLD_KUBELET, oldest=oldest.kubelet if oldest else "not known", needed=minimum_kubelet)
    return found(AUTO[auto], needed=NATIVE_SERVER, locked=GATE_LOCKED)


def by_trial(seen: Seen, *, uses_native: bool, is_forced: bool) -> Finding:
    """What the two dry runs show, where native sidecars are used, or not."""
    pod, template = seen.pod, seen.template
    values = {"told": _told(seen), "suspects": _suspects(seen), "why": template.told, "alone": ALONE[template.verdict]}
    if pod.verdict is Verdict.KEPT:
        return found(FindingId.NATIVE_KEPT)
    if Verdict.LOST not in {pod.verdict, template.verdict}:
        return found(FindingId.NATIVE_UNTESTED, **values)
    if template.verdict is Verdict.LOST:
        return found(_refused(uses_native=uses_native, is_forced=is_forced), **values)
    if template.verdict is Verdict.KEPT:
        return found(FindingId.NATIVE_DROPPED if uses_native else FindingId.NATIVE_DROPPED_UNUSED, **values)
    return found(FindingId.NATIVE_LOST if uses_native else FindingId.NATIVE_ABSENT, **values)


def _refused(*, uses_native: bool, is_forced: bool) -> FindingId:
    if not uses_native:
        return FindingId.NATIVE_ABSENT
    return FindingId.FORCED_NATIVE_REFUSED if is_forced else FindingId.NATIVE_REFUSED


def _told(seen: Seen) -> str:
    """Of the dry run that lost the mark, the pod's before the template's."""
    lost = seen.pod if seen.pod.verdict is Verdict.LOST or seen.template.verdict is not Verdict.LOST else seen.template
    return lost.told.removesuffix(".") or "its restartPolicy does not come back"


def _suspects(seen: Seen) -> str:
    """Whose types may be old: every webhook that the dry run's pod comes to, but ours, which has none."""
    if isinstance(seen.webhooks, NotRead) or not isinstance(seen.space, Namespace):
        return "not known"
    labels = seen.space.labels or {}
    called = [str(one) for one in seen.webhooks if not one.is_ours and one.is_called(PODS, labels, LABELS)]
    return ", ".join(called) or "none that is registered: a webhook from a manifest of the API server, or a policy"


def _observed(seen: Seen) -> ClusterObservation:
    return ClusterObservation(
        server=seen.server if isinstance(seen.server, ServerVersion) else None,
        oldest_kubelet=seen.nodes.oldest.kubelet if isinstance(seen.nodes, Nodes) and seen.nodes.oldest else None,
        are_nodes_known=isinstance(seen.nodes, Nodes),
    )
