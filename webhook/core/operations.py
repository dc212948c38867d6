"""From a decision to the JSON Patch operations that carry it out; none for what the pod already has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.core import names
from webhook.core.helper import has_helper_mount, helper_container, helper_mount, helper_volume, resources_since
from webhook.core.patch import Operation, add, add_entries, add_items, move, remove
from webhook.core.wrapper import wrapped_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from webhook.core.decision import Mutate
    from webhook.core.facts import Facts
    from webhook.core.move import Move
    from webhook.core.policy import Policy
    from webhook.core.status import Status


def operations_for(facts: Facts, mutate: Mutate, status: Status, policy: Policy) -> tuple[Operation, ...]:
    """The patch. Containers are moved last, so that indexes into ``spec.containers`` are those of the pod in the request."""
    return (
        *_entries(facts, mutate.labels, mutate.annotations, status),
        *_command(facts, mutate, policy),
        *_completed(facts, mutate),
        *_helper(facts, mutate, policy),
        *_conversion(facts, mutate),
    )


def operations_for_audit(facts: Facts, status: Status) -> tuple[Operation, ...]:
    """The patch of an audited pod: its status, and nothing that an injector or the mesh reads."""
    return tuple(_entries(facts, {}, {}, status))


def _entries(facts: Facts, labels: Mapping[str, str], annotations: Mapping[str, str], status: Status) -> list[Operation]:
    """These labels and annotations, and those of the status."""
    metadata = facts.pod.metadata
    all_labels = {**labels, names.TREATMENT_LABEL: str(status.treatment)}
    all_annotations = {**annotations, names.STATUS_ANNOTATION: status.as_text()}
    of_labels = add_entries(all_labels, metadata.labels, "metadata", "labels")
    return of_labels + add_entries(all_annotations, metadata.annotations, "metadata", "annotations")


def _command(facts: Facts, mutate: Mutate, policy: Policy) -> list[Operation]:
    main = facts.main_container
    if main is None:
        return []
    argv = facts.argv
    command, args = argv.wrapped(wrapped_command(mutate.wrap, policy.script)) if mutate.wrap else argv.unwrapped()
    here = ("spec", "containers", facts.main or 0)
    return [*_words(command, main.command, *here, "command"), *_words(args, main.args, *here, "args")]


def _words(wanted: list[str], present: list[str] | None, *place: str | int) -> list[Operation]:
    if wanted == (present or []):
        return []
    return [add(wanted, *place) if wanted else remove(*place)]


def _completed(facts: Facts, mutate: Mutate) -> list[Operation]:
    """Before any init container is added or moved, so that the indexes are those of the pod in the request."""
    operations: list[Operation] = []
    if not mutate.conversion.completions:
        return operations
    inits = [container.name for container in facts.pod.init_containers]
    for one in mutate.conversion.completions:
        here = ("spec", "initContainers", inits.index(one.name))
        if one.is_restored:
            operations.append(add("Always", *here, "restartPolicy"))
        if one.startup_probe is not None:
            operations.append(add(one.startup_probe, *here, "startupProbe"))
    return operations


def _helper(facts: Facts, mutate: Mutate, policy: Policy) -> list[Operation]:
    """The helper goes before all init containers: they may need the network, it needs nothing."""
    main, spec = facts.main_container, facts.pod.spec
    operations: list[Operation] = []
    if main is None or mutate.wrap is None or not mutate.wrap.uses_helper:
        return operations
    place = ("spec", "initContainers")
    inits = [container.name for container in facts.pod.init_containers]
    if names.HELPER_CONTAINER not in inits:
        container = helper_container(facts.pod, main, policy.helper_image)
        operations.append(add(container, *place, 0) if inits else add([container], *place))
    else:
        index = inits.index(names.HELPER_CONTAINER)
        resources = resources_since(facts.pod.init_containers[index], main)
        operations += [add(resources, *place, index, "resources")] if resources else []
    if names.HELPER_VOLUME not in spec.volume_names:
        operations += add_items([helper_volume()], spec.volumes, "spec", "volumes")
    if not has_helper_mount(main):
        operations += add_items([helper_mount()], main.mounts, "spec", "containers", facts.main or 0, "volumeMounts")
    return operations


def _conversion(facts: Facts, mutate: Mutate) -> list[Operation]:
    """``move`` takes the whole container, with every field that is unknown here."""
    operations: list[Operation] = []
    if not mutate.conversion.duplicates and not mutate.conversion.order:
        return operations
    regular = [container.name for container in facts.pod.spec.containers]
    for name in mutate.conversion.duplicates:
        operations.append(remove("spec", "containers", regular.index(name)))
        regular.remove(name)
    return operations + _moved(facts, mutate, regular) if mutate.conversion.order else operations


def _moved(facts: Facts, mutate: Mutate, regular: list[str]) -> list[Operation]:
    current = [container.name for container in facts.pod.init_containers]
    wanted = list(mutate.conversion.order)
    operations: list[Operation] = []
    if mutate.wrap and mutate.wrap.uses_helper and names.HELPER_CONTAINER not in current:
        current.insert(0, names.HELPER_CONTAINER)
        wanted.insert(0, names.HELPER_CONTAINER)
    elif not current:
        operations.append(add([], "spec", "initContainers"))
    operations += _moves(current, regular, wanted)
    for one in mutate.conversion.moves:
        operations += _edits(one, facts, wanted.index(one.name))
    return operations


def _moves(current: list[str], regular: list[str], wanted: Sequence[str]) -> Iterator[Operation]:
    """Moves that give the init containers this order; names that are missing come from the regular containers."""
    for place, name in enumerate(wanted):
        if current[place : place + 1] == [name]:
            continue
        if name in current:
            yield move(("spec", "initContainers", current.index(name)), "spec", "initContainers", place)
            current.remove(name)
        else:
            yield move(("spec", "containers", regular.index(name)), "spec", "initContainers", place)
            regular.remove(name)
        current.insert(place, name)


def _edits(moved: Move, facts: Facts, place: int) -> Iterator[Operation]:
    """Changes in the container that was moved to this index."""
    here = ("spec", "initContainers", place)
    container = next(one for one in facts.pod.spec.containers if one.name == moved.name)
    yield add("Always", *here, "restartPolicy")
    if moved.lifecycle_hooks:
        yield add(moved.lifecycle_hooks, *here, "lifecycle")
    elif moved.lifecycle_hooks is not None:
        yield remove(*here, "lifecycle")
    if moved.startup_probe:
        yield add(moved.startup_probe, *here, "startupProbe")
    if moved.env:
        yield from add_items(list(moved.env), container.variables, *here, "env")
    if moved.loses_resize_policy:
        yield remove(*here, "resizePolicy")
