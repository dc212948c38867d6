"""Findings on native sidecars: by the versions and the setting, then by the dry run."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from webhook.core import NATIVE_SERVER, NativeSupport, NativeSwitch, assess, oldest_to_join
from webhook.doctor.dry_run import LABELS, DryRunResult
from webhook.doctor.finding import Finding, FindingId, as_clause, found
from webhook.doctor.registration import PODS
from webhook.doctor.snapshot import ClusterSnapshot, NamespaceMetadata, ReadFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core import Version

BY_VERSION: Final = MappingProxyType(
    {
        NativeSupport.READY: FindingId.NATIVE_READY,
        NativeSupport.UNKNOWN: FindingId.NATIVE_UNKNOWN,
        NativeSupport.OLD_SERVER: FindingId.NATIVE_OLD_SERVER,
        NativeSupport.EMULATING_SERVER: FindingId.NATIVE_EMULATING_SERVER,
    }
)
"""The answers of the setting auto that need no more values."""

NEW_ENOUGH: Final = frozenset({NativeSupport.READY, NativeSupport.EMULATING_SERVER})
"""Where the versions are new enough."""

SERVER_ALONE: Final = MappingProxyType(
    {
        DryRunResult.PASSED: "supports native sidecars",
        DryRunResult.DROPPED: "does not support native sidecars",
        DryRunResult.DUPLICATE: "could not be tested either",
        DryRunResult.INCONCLUSIVE: "could not be tested either",
    }
)
"""What the PodTemplate shows of the API server without webhooks."""


def check_native(snapshot: ClusterSnapshot, switch: NativeSwitch, minimum_kubelet: Version) -> Iterator[Finding]:
    """By the versions, then by the dry run."""
    yield by_version(snapshot, switch, minimum_kubelet)
    if snapshot.metadata is not None:
        is_used = assess(snapshot.observation, switch, minimum_kubelet).is_native
        if is_used and snapshot.pod.result is DryRunResult.DUPLICATE:
            yield found(FindingId.INJECTED_TWICE, message=snapshot.pod.message.removesuffix("."), suspects=_suspects(snapshot))
        else:
            yield by_dry_run(snapshot, is_used=is_used, is_forced=switch is NativeSwitch.ON)


def by_version(snapshot: ClusterSnapshot, switch: NativeSwitch, minimum_kubelet: Version) -> Finding:
    """What follows from the versions and the setting."""
    auto = assess(snapshot.observation, NativeSwitch.AUTO, minimum_kubelet)
    if switch is NativeSwitch.OFF:
        return found(FindingId.NATIVE_FORCED_OFF, auto="would use them" if auto.is_native else "would not use them either")
    if switch is NativeSwitch.ON and auto.support in NEW_ENOUGH:
        return found(FindingId.NATIVE_FORCED_ON)
    if switch is NativeSwitch.ON:
        return found(FindingId.NATIVE_FORCED_ON_UNSUPPORTED, support=auto.support, why=_why(auto.support))
    if auto.support is NativeSupport.OLD_KUBELET:
        oldest = snapshot.observation.oldest_kubelet
        return found(FindingId.NATIVE_OLD_KUBELET, oldest=oldest or "unknown", minimum=minimum_kubelet)
    if auto.support is NativeSupport.READY and auto.server and oldest_to_join(auto.server) < NATIVE_SERVER:
        return found(FindingId.NATIVE_OLDER_MAY_JOIN, oldest=oldest_to_join(auto.server))
    return found(BY_VERSION[auto.support])


def _why(support: NativeSupport) -> str:
    """Why auto uses no native sidecars; the sentence of UNKNOWN is about the service's reads, not the doctor's."""
    return "the versions could not be read" if support is NativeSupport.UNKNOWN else as_clause(support.sentence)


def by_dry_run(snapshot: ClusterSnapshot, *, is_used: bool, is_forced: bool) -> Finding:
    """What the two dry runs show; it is a problem only where native sidecars are used."""
    pod, template = snapshot.pod.result, snapshot.template.result
    if pod is DryRunResult.PASSED:
        return found(FindingId.NATIVE_DRY_RUN_PASSED)
    message = _message(snapshot)
    if DryRunResult.DROPPED not in {pod, template}:
        return found(FindingId.NATIVE_NOT_TESTED, message=message, server=SERVER_ALONE[template])
    if template is DryRunResult.PASSED:
        id_ = FindingId.WEBHOOK_DROPS_NATIVE if is_used else FindingId.WEBHOOK_DROPS_NATIVE_UNUSED
        return found(id_, message=message, suspects=_suspects(snapshot))
    if not is_used:
        return found(FindingId.NATIVE_DRY_RUN_FAILED_UNUSED, message=message)
    if template is DryRunResult.DROPPED:
        return found(FindingId.SERVER_LACKS_NATIVE_FORCED if is_forced else FindingId.SERVER_LACKS_NATIVE, message=message)
    why = snapshot.template.message.removesuffix(".")
    return found(FindingId.NATIVE_DRY_RUN_FAILED, message=message, why=why, suspects=_suspects(snapshot))


def _message(snapshot: ClusterSnapshot) -> str:
    """Of the dry run that dropped the native sidecar; the pod's if both did."""
    is_template = snapshot.pod.result is not DryRunResult.DROPPED and snapshot.template.result is DryRunResult.DROPPED
    dropped = snapshot.template if is_template else snapshot.pod
    return dropped.message.removesuffix(".") or "its restartPolicy does not come back"


def _suspects(snapshot: ClusterSnapshot) -> str:
    """The webhooks that may decode pods with old types: all that are called for the dry run's pod, without this product's."""
    if isinstance(snapshot.webhooks, ReadFailure) or not isinstance(snapshot.metadata, NamespaceMetadata):
        return "unknown"
    called = [str(one) for one in snapshot.webhooks if not one.is_own and one.is_called(PODS, snapshot.labels, LABELS)]
    return ", ".join(called) or "none that is registered (search for a policy, or a webhook in the API server's own configuration)"
