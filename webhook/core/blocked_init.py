"""Init containers of an agent that a mesh cuts off from the network.

A mesh's init container redirects all traffic of the pod to the mesh proxy. A proxy that is a regular container starts after all init
containers, so an init container behind the redirection waits for the network for ever (hashicorp/vault-k8s#41). Its injector can put it
first, but does so for every other init container as well, so only the pod's author can say whether that is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from webhook.core.condition import any_holds, glob

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.core.catalogue import Catalogue, Injectors
    from webhook.core.facts import Facts
    from webhook.core.pod import Pod
    from webhook.core.sidecar import Sidecar


class BlockedInit(msgspec.Struct, frozen=True):
    """An init container that waits for the network for ever.

    Args:
        name: The container's name.
        proxy: The title of the mesh's proxy.
        annotation: The annotation by which its injector puts it first.
        value: What that has to be.

    """

    name: str
    proxy: str
    annotation: str
    value: str

    @property
    def warning(self) -> str:
        """The line for whoever creates the pod."""
        return (
            f"airflow-sidecar-webhook: {self.name} needs the network before the {self.proxy} runs, and may wait for ever. "
            f'Set the annotation {self.annotation}: "{self.value}"'
        )


def blocked_inits(
    after: Facts, order: Sequence[str], catalogue: Catalogue, injectors: Injectors, *, uses_native: bool
) -> Iterator[BlockedInit]:
    """Those of a pod; ``after``: the pod after its conversion; ``order``: names of its init containers then."""
    for agent in catalogue.with_init_first:
        rule = agent.init_first
        if rule is None or not _is_shown(agent, after.pod) or any_holds(rule.unless, after.pod, None):
            continue
        mesh = _redirecting(agent, after, order, catalogue, injectors, uses_native=uses_native)
        if mesh is not None:
            yield BlockedInit(rule.container, mesh.title, rule.annotation, rule.value)


def _is_shown(agent: Sidecar, pod: Pod) -> bool:
    """Whether the pod may have this agent, by its annotations; nearly every pod has none of them."""
    keys = agent.hint.annotations_of_when if agent.hint else None
    return keys is None or not keys.isdisjoint(pod.annotations)


def _redirecting(
    agent: Sidecar, after: Facts, order: Sequence[str], catalogue: Catalogue, injectors: Injectors, *, uses_native: bool
) -> Sidecar | None:
    """The mesh that redirects the traffic before the agent's init container runs; None: there is none."""
    rule = agent.init_first
    if rule is not None and rule.container in order:
        place = order.index(rule.container)
        before = order[:place]
        later = [*(one.name for one in after.sidecars), *(name for name in after.native_sidecars if name in order[place:])]
        meshes = [after.rows[name] for name in later if after.rows[name].starts_first]
        return next((mesh for mesh in meshes if _has_redirected(mesh, before)), None)
    if uses_native or agent.hint is None or not injectors.are_in_play(agent, agent.hint, after.pod):
        return None
    to_come = ((mesh, hint) for mesh, hint in catalogue.with_native_hint if mesh.starts_first)
    return next((mesh for mesh, hint in to_come if injectors.are_in_play(mesh, hint, after.pod)), None)


def _has_redirected(mesh: Sidecar, before: Sequence[str]) -> bool:
    """Whether the first of the mesh's init containers, which redirects, is among these; a CNI plugin needs none."""
    return any(glob(pattern).match(name) for pattern in mesh.init_containers[:1] for name in before)
