"""A pod as the decision needs it: what created it, which container is the task's, which containers are sidecars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from webhook.core import names
from webhook.core.cached_property import CachedProperty
from webhook.core.catalogue import FoundSidecar, locate
from webhook.core.earlier_status import NO_STATUS, EarlierStatus, read_earlier_status
from webhook.core.kubexit import awaited_by_kubexit
from webhook.core.main_container import find_task_containers
from webhook.core.origin import PodOrigin, pod_origin
from webhook.core.placement import names_windows
from webhook.core.pod import Container, Pod
from webhook.core.pod_options import InvalidAnnotations, PodOptions, read_pod_options
from webhook.core.sidecar import Sidecar
from webhook.core.wrapper import Argv, is_wrapped, original_argv

if TYPE_CHECKING:
    from webhook.core.catalogue import Catalogue


class Facts(msgspec.Struct, frozen=True, dict=True):
    """What the decision is made from.

    Args:
        pod: The pod.
        origin: What of Airflow's created it; None: nothing of Airflow's.
        options: The pod options: the user's annotations for this webhook.
        invalid_annotations: Those that are ignored.
        main: Index of the task's container in ``spec.containers``; None: it could not be identified.
        main_container: The task's container.
        argv: The main container's own command and args, without this webhook's wrapper.
        sidecars: Known sidecars among the regular containers, in the order of their quit requests.
        native_sidecars: Names of known sidecars that are native already.
        unmarked: Names of known native sidecars from which another webhook has removed what makes them native: plain init containers now.
        restored: Names of known sidecars to which an earlier review gave that back.
        converted: Names of the native sidecars, those in ``unmarked`` among them, that an earlier review has converted, and a later one
            may place anew.
        placeholders: Names of regular containers that their injector has yet to fill.
        before: The status that an earlier review wrote.
        rows: The catalogue's row of each known container, by its name.
        outlasting: Names of regular containers that work on after the task and then end, as the user or an admin says.
        others: Names of regular containers that are neither the task's nor known. Where ``main`` is None one of them may be the task's.

    """

    pod: Pod
    origin: PodOrigin | None
    options: PodOptions
    invalid_annotations: InvalidAnnotations
    main: int | None
    main_container: Container | None
    argv: Argv
    sidecars: tuple[FoundSidecar, ...]
    native_sidecars: tuple[str, ...]
    rows: dict[str, Sidecar]
    outlasting: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    unmarked: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    converted: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()
    before: EarlierStatus = NO_STATUS

    @property
    def is_wrapped(self) -> bool:
        """Whether the task has the wrapper of an earlier review; it waits for its sidecars, also where somebody has removed them since."""
        return self.main_container is not None and is_wrapped(self.main_container.command, self.main_container.args)

    @CachedProperty
    def awaited_by_kubexit(self) -> frozenset[str]:
        """Names of the containers that have to be regular ones, since kubexit awaits them."""
        return awaited_by_kubexit(self.pod)

    @CachedProperty
    def names_windows(self) -> bool:
        """Whether the pod runs on Windows, as it says itself."""
        return names_windows(self.pod.spec)


def read_facts(pod: Pod, catalogue: Catalogue) -> Facts:
    """Read a pod."""
    options, bad = read_pod_options(pod.annotations)
    known = {one.name: row for one in pod.spec.containers if (row := _sidecar_of(pod, one, options, catalogue)) is not None}
    task = find_task_containers(pod, options, known)
    container = None if task.main is None else pod.spec.containers[task.main]
    before = read_earlier_status(pod.annotations)
    native = _native(pod, options, catalogue)
    unmarked = _unmarked(pod, options, catalogue, before)
    placeholders = [one.name for one in pod.spec.containers if one.name in known and known[one.name].is_placeholder(pod, one)]
    return Facts(
        pod=pod,
        origin=pod_origin(pod),
        options=options,
        invalid_annotations=InvalidAnnotations((*bad.named, *task.invalid), bad.more) if task.invalid else bad,
        main=task.main,
        main_container=container,
        argv=Argv(None) if container is None else original_argv(container.command, container.args),
        sidecars=_found(pod, known, task.main, placeholders),
        native_sidecars=tuple(native),
        rows=known | native | unmarked,
        outlasting=(*task.outlasting, *[name for name, row in known.items() if row.works_after_task]),
        others=task.others,
        unmarked=tuple(unmarked),
        restored=tuple([name for name in native if name in before.restored]),
        converted=_converted(native | unmarked, before),
        placeholders=tuple(placeholders),
        before=before,
    )


def _converted(native: dict[str, Sidecar], before: EarlierStatus) -> tuple[str, ...]:
    if not before.converted:
        return ()
    return tuple([name for name, row in native.items() if name in before.converted and row.is_placed_again])


def _sidecar_of(pod: Pod, container: Container, options: PodOptions, catalogue: Catalogue) -> Sidecar | None:
    if container.name == names.BASE_CONTAINER:
        # Airflow's own name for the task, whatever image it runs.
        return None
    for sidecar in options.sidecars:
        if sidecar.id == container.name != names.XCOM_CONTAINER:
            return sidecar
    return catalogue.find(pod, container)


def _found(pod: Pod, known: dict[str, Sidecar], main: int | None, placeholders: list[str]) -> tuple[FoundSidecar, ...]:
    found = []
    for position, container in enumerate(pod.spec.containers):
        row = known.get(container.name)
        if row is None or row.must_outlive_task or row.works_after_task or position == main or container.name in placeholders:
            continue
        found.append(locate(row, pod, container))
    found.sort(key=lambda one: (one.quit_order, one.name))
    return tuple(found)


def _native(pod: Pod, options: PodOptions, catalogue: Catalogue) -> dict[str, Sidecar]:
    return {
        one.name: row
        for one in pod.init_containers
        if one.is_native_sidecar and (row := _sidecar_of(pod, one, options, catalogue)) is not None
    }


def _unmarked(pod: Pod, options: PodOptions, catalogue: Catalogue, before: EarlierStatus) -> dict[str, Sidecar]:
    """Known sidecars among the plain init containers that were native.

    An injector that decodes pods with types from before Kubernetes 1.28 drops ``restartPolicy``. What shows it is a field that no other
    init container may have, so that the API server would refuse the pod, or the status of an earlier review.
    """
    found = {}
    for init in pod.init_containers:
        if init.restartPolicy is None and (init.has_native_fields or before.was_native(init.name)):
            row = _sidecar_of(pod, init, options, catalogue)
            if row is not None and row.native is not None and not row.is_placeholder(pod, init) and not row.is_one_time(pod, init):
                found[init.name] = row
    return found
