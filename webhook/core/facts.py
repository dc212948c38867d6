"""A pod as the rules see it: whose it is, which container is the task's, which are sidecars. Knows where things sit in a Pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import names
from webhook.core.origin import PodOrigin, pod_origin
from webhook.core.pod import Pod
from webhook.core.pod_options import InvalidAnnotation, PodOptions, read_pod_options
from webhook.core.sidecar import FoundSidecar, Sidecar, locate
from webhook.core.wrapper import original_command

if TYPE_CHECKING:
    from webhook.core.pod import Container
    from webhook.core.sidecar import Catalogue

BASE: Final = "base"
"""What Airflow calls the task's container (KubernetesPodOperator.BASE_CONTAINER_NAME, and the executor always)."""


class Facts(msgspec.Struct, frozen=True):
    """What the decision is made from.

    Args:
        pod: The pod.
        origin: Who made it; None: not Airflow's.
        options: The user's annotations.
        invalid_annotations: Those that mean nothing.
        main: Index of the task's container in ``spec.containers``, or None.
        command: The main container's own command, without a wrapper of ours; None where it has none.
        sidecars: Known sidecars among the regular containers, in the order in which they are asked to quit.
        native_sidecars: Names of known sidecars that are native ones already.
        rows: The row of the catalogue for each name in the two before.
        others: Names of regular containers that are neither the task's, nor known, nor kept for Airflow.

    """

    pod: Pod
    origin: PodOrigin | None
    options: PodOptions
    invalid_annotations: tuple[InvalidAnnotation, ...]
    main: int | None
    command: tuple[str, ...] | None
    sidecars: tuple[FoundSidecar, ...]
    native_sidecars: tuple[str, ...]
    rows: dict[str, Sidecar]
    others: tuple[str, ...] = ()

    @property
    def main_container(self) -> Container | None:
        """The task's container."""
        return None if self.main is None else self.pod.spec.containers[self.main]


def read_facts(pod: Pod, catalogue: Catalogue) -> Facts:
    """Read a pod."""
    options, bad = read_pod_options(pod.annotations)
    told = {container.name: _sidecar_of(pod, container, options, catalogue) for container in pod.spec.containers}
    main, misnamed = _find_main(pod, options, told)
    command = None if main is None else original_command(pod.spec.containers[main].command)
    native = _native(pod, options, catalogue)
    return Facts(
        pod=pod,
        origin=pod_origin(pod),
        options=options,
        invalid_annotations=bad + misnamed,
        main=main,
        command=None if command is None else tuple(command),
        sidecars=_found(pod, told, main),
        native_sidecars=tuple(native),
        rows={name: row for name, row in told.items() if row is not None} | native,
        others=tuple([one.name for position, one in enumerate(pod.spec.containers) if told[one.name] is None and position != main]),
    )


def _sidecar_of(pod: Pod, container: Container, options: PodOptions, catalogue: Catalogue) -> Sidecar | None:
    if container.name == BASE:
        # Airflow's own name for the task, whatever image it runs.
        return None
    for sidecar in options.sidecars:
        if sidecar.id == container.name != names.XCOM_CONTAINER:
            return sidecar
    return catalogue.find(pod, container)


def _find_main(pod: Pod, options: PodOptions, told: dict[str, Sidecar | None]) -> tuple[int | None, tuple[InvalidAnnotation, ...]]:
    """The container the user named, else ``base``, else the first that is no sidecar: injectors may have put theirs before it."""
    order = [container.name for container in pod.spec.containers]
    possible = [name for name in order if told[name] is None and name != names.XCOM_CONTAINER]
    misnamed: tuple[InvalidAnnotation, ...] = ()
    if options.main_container is not None:
        # One that he describes as a sidecar himself he may also name; told by the catalogue it is none.
        if options.main_container in possible or told.get(options.main_container) in options.sidecars:
            return order.index(options.main_container), ()
        misnamed = (InvalidAnnotation(names.MAIN_CONTAINER_ANNOTATION, f"one of {', '.join(possible)}"),)
    if BASE in possible:
        return order.index(BASE), misnamed
    return (order.index(possible[0]) if possible else None), misnamed


def _found(pod: Pod, told: dict[str, Sidecar | None], main: int | None) -> tuple[FoundSidecar, ...]:
    found = []
    for position, container in enumerate(pod.spec.containers):
        sidecar = told[container.name]
        if sidecar is not None and not sidecar.must_outlive_task and position != main:
            found.append(locate(sidecar, pod, container))
    found.sort(key=lambda one: (one.quit_order, one.name))
    return tuple(found)


def _native(pod: Pod, options: PodOptions, catalogue: Catalogue) -> dict[str, Sidecar]:
    if not pod.spec.initContainers:
        return {}
    told = {one.name: _sidecar_of(pod, one, options, catalogue) for one in pod.spec.initContainers if one.is_native_sidecar}
    return {name: row for name, row in told.items() if row is not None}
