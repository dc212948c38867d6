"""From a decision to the operations that carry it out: only where the pod is not so already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.core import names
from webhook.core.helper import helper_container, helper_mount, helper_volume
from webhook.core.patch import Operation, add, add_entries, add_items, remove
from webhook.core.status import status_of
from webhook.core.wrapper import wrapped_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core.decision import Mutate
    from webhook.core.facts import Facts
    from webhook.core.pod import Container
    from webhook.core.policy import Policy


def operations_for(facts: Facts, mutate: Mutate, policy: Policy) -> tuple[Operation, ...]:
    """The patch."""
    return (*_metadata(facts, mutate), *_command(facts, mutate, policy), *_helper(facts, mutate, policy))


def _metadata(facts: Facts, mutate: Mutate) -> Iterator[Operation]:
    metadata = facts.pod.metadata
    annotations = mutate.annotations | {names.STATUS: status_of(facts, mutate)}
    yield from add_entries(mutate.labels, metadata.labels, "metadata", "labels")
    yield from add_entries(annotations, metadata.annotations, "metadata", "annotations")


def _command(facts: Facts, mutate: Mutate, policy: Policy) -> Iterator[Operation]:
    main = facts.main_container
    if main is None:
        return
    own = None if facts.command is None else list(facts.command)
    wanted = wrapped_command(mutate.wrap, policy.script) if mutate.wrap else own
    if wanted == (main.command or None):
        return
    place = ("spec", "containers", facts.main or 0, "command")
    yield remove(*place) if wanted is None else add(wanted, *place)


def _helper(facts: Facts, mutate: Mutate, policy: Policy) -> Iterator[Operation]:
    """The helper goes before all init containers: they may need the network, it needs nothing."""
    main, spec = facts.main_container, facts.pod.spec
    if main is None or mutate.wrap is None or not mutate.wrap.helper:
        return
    if not _named(facts.pod.init_containers, names.HELPER_CONTAINER):
        container = helper_container(facts.pod, main, policy.helper_image)
        yield (add(container, "spec", "initContainers", 0) if spec.initContainers else add([container], "spec", "initContainers"))
    if not any(volume.name == names.HELPER_VOLUME for volume in spec.volumes or ()):
        yield from add_items([helper_volume()], spec.volumes, "spec", "volumes")
    if not any(mount.name == names.HELPER_VOLUME for mount in main.mounts):
        yield from add_items([helper_mount()], main.mounts, "spec", "containers", facts.main or 0, "volumeMounts")


def _named(containers: list[Container], name: str) -> bool:
    return any(container.name == name for container in containers)
