"""The status that a pod carries: what was done to it, and why, in one line that a person on call reads from the pod itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook import __version__
from webhook.core.cluster import NAMED_PORTS_SEEN, Cluster, NativeSupport
from webhook.core.container_end import ContainerEnd
from webhook.core.earlier_status import read_recorded_sidecars
from webhook.core.errors import MalformedPodError
from webhook.core.names import STATUS_ANNOTATION
from webhook.core.pod import read_pod
from webhook.core.pod_options import ShellSource
from webhook.core.reasons import NotConvertedReason, Reason, Treatment
from webhook.core.version import Version
from webhook.core.wrapper import EntrypointSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.core.decision import Mutate
    from webhook.core.facts import Facts

INJECTING_BY_NAMESPACE: Final = frozenset({"istio", "linkerd", "consul", "kuma"})
"""Ids of the meshes in the catalogue whose injector may handle a pod that shows nothing of it."""


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document in the annotation ``airflow-sidecar-webhook/status``.

    Args:
        treatment: What became of the pod.
        reason: Why; of an audited pod, why it would get the treatment ``would_be``. Its further members say what would hold then, too.
        would_be: The treatment that an audited pod would get; None: the pod is not audited.
        main: The container that holds the task.
        entrypoint: Where the words between the wrapper and the args come from.
        shell: Where the wrapper's shell comes from.
        sidecars: How each container beside the task ends, where that is known.
        may_keep_running: Containers that nobody knows: the pod stays Running until each has ended. Without ``main`` one is the task's.
        no_native: What the cluster lacks, where that is why no sidecar was made native.
        restored: Native sidecars to which the webhook gave back the ``restartPolicy`` that another webhook had removed.
        converted: Native sidecars that only the webhook makes native: a later review places them anew among what other webhooks added.
        not_converted: Sidecars that stayed regular containers on a cluster with native sidecars, each with the reason.
        version: The webhook's.

    """

    treatment: Treatment
    reason: Reason
    would_be: Treatment | None = None
    main: str | None = None
    entrypoint: EntrypointSource | None = None
    shell: ShellSource | None = None
    sidecars: dict[str, ContainerEnd] = {}
    may_keep_running: tuple[str, ...] = ()
    no_native: NativeSupport | None = None
    restored: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()
    not_converted: dict[str, NotConvertedReason] = {}
    version: str = ""

    def as_text(self) -> str:
        """The document as JSON, which is the annotation's value."""
        return msgspec.json.encode(self).decode()

    def audited(self) -> Status:
        """The status of the same pod under `webhook.core.policy.Enforcement.AUDIT`."""
        return msgspec.structs.replace(self, treatment=Treatment.AUDITED, would_be=self.treatment)

    @property
    def cluster(self) -> Cluster | None:
        """A cluster on which the rules give this status again; None: the status does not depend on the cluster."""
        if self.no_native is not None:
            return Cluster(self.no_native)
        if not (self.not_converted or self.may_keep_running or ContainerEnd.NATIVE in self.sidecars.values()):
            return None
        why = self.not_converted.values()
        server = None if NotConvertedReason.NAMED_PORT in why else NAMED_PORTS_SEEN
        reinvoked = None if NotConvertedReason.REINJECTION in why else frozenset[str]()
        injectors = INJECTING_BY_NAMESPACE if NotConvertedReason.BEFORE_MESH in why else frozenset[str]()
        versions = dict.fromkeys(INJECTING_BY_NAMESPACE, Version(0, 0)) if NotConvertedReason.OLD_MESH in why else {}
        return Cluster(NativeSupport.READY, server, injectors, reinvoked, injector_versions=versions)


_STATUS: Final = msgspec.json.Decoder(Status)


def cluster_at_admission(pod: Mapping[str, Any] | bytes) -> Cluster | None:
    """The cluster by which the status that this pod carries was decided; None: the pod carries none, or it says nothing of the cluster.

    With it the rules give a pod that lives the same reasons and remedies as at its admission.
    """
    try:
        status = _STATUS.decode(read_pod(pod).annotations.get(STATUS_ANNOTATION, ""))
    except (MalformedPodError, msgspec.MsgspecError, RecursionError):
        return None
    return status.cluster


def sidecars_at_admission(pod: Mapping[str, Any] | bytes) -> dict[str, str]:
    """By name, how each sidecar ends as the status of this pod says (`webhook.core.container_end`); it may be forged. MalformedPodError."""
    return read_recorded_sidecars(read_pod(pod).annotations)


def status_of(facts: Facts, mutate: Mutate) -> Status:
    """The status of a pod that is not skipped."""
    main, wrap = facts.main_container, mutate.wrap
    return Status(
        treatment=mutate.reason.treatment,
        reason=mutate.reason,
        main=main.name if main else None,
        entrypoint=wrap.entrypoint.source if wrap else None,
        shell=wrap.shell_source if wrap else None,
        sidecars=mutate.ends,
        may_keep_running=facts.others,
        no_native=mutate.no_native,
        restored=mutate.restored,
        converted=mutate.converted,
        not_converted=mutate.conversion.not_converted,
        version=__version__,
    )
