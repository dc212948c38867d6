"""From a decision to the operations that carry it out: only where the pod is not so already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.core import names
from webhook.core.helper import helper_container, helper_mount, helper_volume
from webhook.core.patch import Operation, add, add_entries, add_items, remove
from webhook.core.status import status_of
from webhook.core.wrapper import wrapped_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webhook.core.decision import Mutate
    from webhook.core.facts import Facts
    from webhook.core.pod import Container, Named
    from webhook.core.policy import Policy


def operations_for(facts: Facts, mutate: Mutate, policy: Policy) -> tuple[Operation, ...]:
    """The patch."""
    return (*_metadata(facts, mutate), *_command(facts, mutate, policy), *_helper(facts, mutate, policy))


def _metadata(facts: Facts, mutate: Mutate) -> list[Operation]:
    metadata = facts.pod.metadata
    annotations = mutate.annotations | {names.STATUS: status_of(facts, mutate)}
    labels = add_entries(mutate.labels, metadata.labels, "metadata", "labels")
    return labels + add_entries(annotations, metadata.annotations, "metadata", "annotations")


def _command(facts: Facts, mutate: Mutate, policy: Policy) -> list[Operation]:
    main = facts.main_container
    if main is None:
        return []
    own = None if facts.command is None else list(facts.command)
    wanted = wrapped_command(mutate.wrap, policy.script) if mutate.wrap else own
    if wanted == (main.command or None):
        return []
    place = ("spec", "containers", facts.main or 0, "command")
    return [remove(*place) if wanted is None else add(wanted, *place)]


def _helper(facts: Facts, mutate: Mutate, policy: Policy) -> list[Operation]:
    """The helper goes before all init containers: they may need the network, it needs nothing."""
    main, spec = facts.main_container, facts.pod.spec
    operations: list[Operation] = []
    if main is None or mutate.wrap is None or not mutate.wrap.helper:
        return operations
    if not _named(facts.pod.init_containers, names.HELPER_CONTAINER):
        container = helper_container(facts.pod, main, policy.helper_image)
        place = ("spec", "initContainers")
        operations.append(add(container, *place, 0) if spec.initContainers else add([container], *place))
    if not _named(spec.volumes or [], names.HELPER_VOLUME):
        operations += add_items([helper_volume()], spec.volumes, "spec", "volumes")
    if not _named(main.mounts, names.HELPER_VOLUME):
        operations += add_items([helper_mount()], main.mounts, "spec", "containers", facts.main or 0, "volumeMounts")
    return operations


def _named(entries: Sequence[Container | Named], name: str) -> bool:
    return any(entry.name == name for entry in entries)
