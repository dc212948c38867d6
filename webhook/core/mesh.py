"""The mesh proxy of a pod, and the one that it is to get: what they mean for the probes of sidecars that become native.

The kubelet's requests reach a container in a mesh through the mesh proxy only. Either its injector has the probes sent to the proxy (istio
pkg/kube/inject/app_probe.go patchRewriteProbe), or the pod's traffic is redirected to it, from the start where a CNI plugin does that. Two
things follow for a sidecar whose probe is an HTTP, TCP or gRPC request:

- The proxy is a regular container. The kubelet starts it after all init containers, and no init container behind a native sidecar whose
  startup probe has not succeeded (kuberuntime_container.go computeInitContainerActions): the task would never start.
- The proxy is yet to be injected. An injector that has only the probes of regular containers sent to its proxy leaves those of a native
  sidecar as they are, and a mesh that requires mutual TLS refuses them. So the sidecar becomes native after the injection.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from webhook.core.condition import any_holds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.core.catalogue import Catalogue, Injectors
    from webhook.core.facts import Facts
    from webhook.core.pod import Pod
    from webhook.core.sidecar import InjectorHint, Sidecar


class PendingMesh(IntEnum):
    """Whether a mesh proxy of a pod is yet to be injected, or starts after all native sidecars; of several meshes the highest counts."""

    NONE = 0

    POSSIBLE_UNWRAPPED = 1
    """The injector is installed, nothing in the pod shows whether it handles it, and no wrapper could end a sidecar that waits for that."""

    POSSIBLE = 2
    """The same, and the wrapper can."""

    EXPECTED = 3
    """The pod shows that the injector handles it, or an admin says so of every pod."""

    EXPECTED_REGULAR = 4
    """The same, and the pod says that the proxy must not be native."""

    REGULAR = 5
    """The proxy is there, and stays a regular container."""

    @property
    def is_possible(self) -> bool:
        """Whether nothing in the pod shows that there will be one."""
        return self in {PendingMesh.POSSIBLE_UNWRAPPED, PendingMesh.POSSIBLE}

    @property
    def is_regular(self) -> bool:
        """Whether the proxy starts after all native sidecars."""
        return self >= PendingMesh.EXPECTED_REGULAR


def has_mesh(facts: Facts) -> bool:
    """Whether a mesh takes the pod's inbound traffic. One that requires mutual TLS refuses a probe that was not there when it injected."""
    return any(row.is_mesh for row in facts.rows.values())


def has_regular_mesh(facts: Facts, staying: Iterable[str]) -> bool:
    """Whether one of these containers, which stay regular ones, is a mesh proxy."""
    return any(facts.rows[name].is_mesh for name in staying)


def coming_mesh(facts: Facts, catalogue: Catalogue, injectors: Injectors) -> PendingMesh:
    """The mesh proxy that the pod has yet to get.

    No injector handles a pod on the host's network, and none that is not installed handles any, whatever the pod shows: one template of a
    pod may serve clusters with the mesh and without.
    """
    if facts.pod.spec.hostNetwork is True:
        return PendingMesh.NONE
    placeholders = [facts.rows[name] for name in facts.placeholders if facts.rows[name].is_mesh]
    if placeholders:
        return max([_expected(row, facts.pod) for row in placeholders if not injectors.are_without(row)], default=PendingMesh.NONE)
    if has_mesh(facts):
        return PendingMesh.NONE
    meshes = [(row, hint) for row, hint in catalogue.meshes if not injectors.are_without(row)]
    return max([_coming(row, hint, facts.pod, injectors) for row, hint in meshes], default=PendingMesh.NONE)


def _coming(row: Sidecar, hint: InjectorHint | None, pod: Pod, injectors: Injectors) -> PendingMesh:
    if row.is_past_injection(pod):
        # Whatever it has added, it was no proxy.
        return PendingMesh.NONE
    expected = _expected(row, pod)
    if expected is PendingMesh.EXPECTED_REGULAR or row.id in injectors.everywhere or _is_shown(row, hint, pod):
        return expected
    return PendingMesh.POSSIBLE if row.injected_by_namespace and row.id in injectors.installed else PendingMesh.NONE


def _is_shown(row: Sidecar, hint: InjectorHint | None, pod: Pod) -> bool:
    """Whether the pod shows that the injector will handle it, also by what keeps the hint from being set."""
    if hint is None:
        return any_holds(row.injected_when, pod, None)
    return hint.is_shown(pod) or any_holds(hint.unless, pod, None)


def _expected(row: Sidecar, pod: Pod) -> PendingMesh:
    is_refused = row.native is not None and row.native.is_refused(pod)
    return PendingMesh.EXPECTED_REGULAR if is_refused else PendingMesh.EXPECTED


def goes_over_network(probe: Any) -> bool:
    """Whether a probe is a request to the container, and no command in it."""
    return isinstance(probe, dict) and any(probe.get(kind) for kind in ("httpGet", "tcpSocket", "grpc"))
