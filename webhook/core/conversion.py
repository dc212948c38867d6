"""The conversion: which known sidecars become native (KEP-753), their order then, and what changes in them.

Istio's own rendering is the reference: a converted sidecar has the same fields, in the same order among the init containers, as one
that Istio's injector renders natively (istio pkg/kube/inject/webhook.go reorderPod).
"""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core.aggregate import Aggregate, has_amounts
from webhook.core.catalogue import locate
from webhook.core.cluster import NAMED_PORTS_SEEN
from webhook.core.condition import any_holds, glob
from webhook.core.helper import is_helper
from webhook.core.kubexit import is_ended_by_kubexit
from webhook.core.lifecycle import edited_lifecycle_hooks, is_post_start_known
from webhook.core.mesh import PendingMesh, goes_over_network, has_mesh, has_regular_mesh
from webhook.core.move import Move
from webhook.core.pod import ABSENT
from webhook.core.pod_options import DescribedSidecar
from webhook.core.reasons import NotConvertedReason
from webhook.core.sidecar import QUICK_STARTUP
from webhook.core.startup_probe import is_startup_known
from webhook.core.version import Version, read_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from webhook.core.catalogue import FoundSidecar
    from webhook.core.cluster import Cluster
    from webhook.core.facts import Facts
    from webhook.core.pod import Container
    from webhook.core.sidecar import Convert, Sidecar

RESIZE_POLICY_TAKEN: Final = Version(1, 33)
"""Older servers refuse resizePolicy on an init container (validation.go validateInitContainers; KEP-1287 for sidecars is of 1.33)."""

GCSFUSE_DRIVER: Final = "gcsfuse.csi.storage.gke.io"
"""Its volumes are served by a sidecar, and no init container can mount them (gcs-fuse-csi-driver issue #38)."""


MAX_RECORD_CHARACTERS: Final = 32 * 1024
"""An injector's record of its containers that is longer stays as it is."""


class Completion(msgspec.Struct, frozen=True):
    """What an init container that is, or was, a native sidecar lacks.

    Args:
        name: The container's name.
        is_restored: Whether it gets back the ``restartPolicy`` that another webhook has removed.
        startup_probe: A startup probe to add; None: none.

    """

    name: str
    is_restored: bool = False
    startup_probe: dict[str, Any] | None = None


class Conversion(msgspec.Struct, frozen=True):
    """What becomes native.

    Args:
        moves: The containers that are moved.
        order: Names of all init containers afterwards; empty where none is moved.
        annotations: Annotations by which the injectors accept the converted pod.
        duplicates: Regular containers to remove, since they are native already.
        not_converted: Known sidecars that stay regular containers, and why.
        completions: What native sidecars of other webhooks lack.

    """

    moves: tuple[Move, ...] = ()
    order: tuple[str, ...] = ()
    annotations: dict[str, str] = {}
    duplicates: tuple[str, ...] = ()
    not_converted: dict[str, NotConvertedReason] = {}
    completions: tuple[Completion, ...] = ()

    @property
    def restored(self) -> tuple[str, ...]:
        """Names of the native sidecars that get back their ``restartPolicy``."""
        return tuple([one.name for one in self.completions if one.is_restored]) if self.completions else ()

    def after_conversion(self, facts: Facts) -> Facts:
        """The pod as it is afterwards."""
        if not self.order and not self.duplicates and not self.completions:
            return facts
        moved = {move.name for move in self.moves}
        left = tuple([sidecar for sidecar in facts.sidecars if sidecar.name not in moved and sidecar.name not in self.duplicates])
        native = moved.union(facts.native_sidecars, self.restored)
        restored = {*facts.restored, *self.restored}
        order = self.order or [container.name for container in facts.pod.init_containers]
        return msgspec.structs.replace(
            facts,
            sidecars=left,
            native_sidecars=tuple([name for name in order if name in native]),
            restored=tuple([name for name in order if name in restored]),
            converted=tuple([name for name in order if name in facts.converted or (name in moved and facts.rows[name].is_placed_again)]),
        )


NO_CONVERSION: Final = Conversion()


def convert(facts: Facts, cluster: Cluster, pending: PendingMesh, *, awaits_injection: bool) -> Conversion:
    """What can become native in this pod, on a cluster with native sidecars; ``pending``: of its mesh proxy.

    ``awaits_injection``: only after an injector that has yet to come (`webhook.core.sidecar.Sidecar.awaited_when`).

    Which of several unknown containers is the task's need not be known. With no unknown container at all nothing is moved: what seems a
    sidecar is the task then, and one regular container must stay.
    """
    completions = _completions(facts, pending)
    containers = {container.name: container for container in facts.pod.spec.containers}
    if not facts.sidecars or (facts.main is None and not facts.others) or len(containers) < len(facts.pod.spec.containers):
        return Conversion(order=_order(facts, [], ()), completions=completions)
    removed = duplicates(facts)
    staying = [sidecar for sidecar in facts.sidecars if sidecar.name not in removed]
    reasons = {one.name: _why_not_converted(one, containers[one.name], facts, cluster) for one in staying}
    if awaits_injection:
        reasons = {name: why or NotConvertedReason.BEFORE_AGENT for name, why in reasons.items()}
    if has_regular_mesh(facts, [name for name, why in reasons.items() if why is not None]):
        pending = PendingMesh.REGULAR
    if pending is not PendingMesh.NONE:
        reasons = {one.name: reasons[one.name] or _why_probes_fail(one, containers[one.name], facts, pending) for one in staying}
    not_converted = {name: why for name, why in reasons.items() if why is not None}
    moved = [sidecar for sidecar in staying if sidecar.name not in not_converted]
    return Conversion(
        moves=tuple([_move(one, containers[one.name], facts, cluster, pending) for one in moved]),
        order=_order(facts, [containers[one.name] for one in moved], removed),
        annotations=_annotations(facts, moved),
        duplicates=removed,
        not_converted=not_converted,
        completions=completions,
    )


def duplicates(facts: Facts) -> tuple[str, ...]:
    """Names of the known sidecars that are native, and are there once more as regular containers."""
    names = {*facts.native_sidecars, *facts.unmarked}
    return tuple([sidecar.name for sidecar in facts.sidecars if sidecar.name in names])


def are_the_same(names: tuple[str, ...], facts: Facts, cluster: Cluster) -> bool:
    """Whether nothing is lost when the regular containers of these `duplicates` are removed."""
    regular = {container.name: container for container in facts.pod.spec.containers}
    native = {container.name: container for container in facts.pod.init_containers}
    found = [sidecar for sidecar in facts.sidecars if sidecar.name in names]
    return all(_move(one, regular[one.name], facts, cluster).gives(native[one.name], regular[one.name]) for one in found)


def _completions(facts: Facts, pending: PendingMesh) -> tuple[Completion, ...]:
    """What the native sidecars of injectors lack, so that the task waits for them as it would for converted ones."""
    if not facts.native_sidecars and not facts.unmarked:
        return ()
    completions = []
    for container in facts.pod.init_containers:
        is_restored = container.name in facts.unmarked
        if not is_restored and container.name not in facts.native_sidecars:
            continue
        row = facts.rows[container.name]
        rule = row.convert
        is_completed = rule is not None and rule.completes_native
        probe = _startup_probe(locate(row, facts.pod, container), rule, container, facts, pending) if rule and is_completed else None
        if is_restored or probe is not None:
            completions.append(Completion(container.name, is_restored, probe))
    return tuple(completions)


def can_be_native(container: Container, facts: Facts, cluster: Cluster) -> bool:
    """Whether an unknown container of this pod would become native if its user described it as a sidecar that may."""
    if facts.main is None:
        return False
    row = DescribedSidecar(container.name, native=True).as_sidecar()
    described = msgspec.structs.replace(facts, rows=facts.rows | {container.name: row})
    return _why_not_converted(locate(row, facts.pod, container), container, described, cluster) is None


def late_meshes(facts: Facts) -> frozenset[str]:
    """Names of the mesh proxies, also of native ones and placeholders, whose variables an init container outside their block writes."""
    pod = facts.pod
    inits = [container.name for container in pod.init_containers]
    proxies = {name for name, row in facts.rows.items() if row.starts_first} if inits else set[str]()
    return _late(facts, [one for one in (*pod.spec.containers, *pod.init_containers) if one.name in proxies], inits)


def _late(facts: Facts, meshes: list[Container], inits: list[str]) -> frozenset[str]:
    """Those of these mesh proxies whose variables come from a file that an init container outside the blocks of all of them writes.

    A mount alone is no reason: Vault's injector mounts its volume in the proxy as well, and its init container needs the proxy's network.
    """
    first = _first(facts, meshes, inits) if meshes else []
    rest = [name for name in inits if name not in first]
    if not meshes or not rest:
        return frozenset()
    needs = Needs(facts, rest)
    return frozenset([container.name for container in meshes if needs.by_volumes(container.variable_volumes)])


def _rule(row: Sidecar) -> Convert:
    if row.convert is None:
        message = f"sidecar {row.id} has no rule for its conversion"
        raise LookupError(message)
    return row.convert


def _why_not_converted(sidecar: FoundSidecar, container: Container, facts: Facts, cluster: Cluster) -> NotConvertedReason | None:
    row = facts.rows[sidecar.name]
    rule = row.convert
    if is_ended_by_kubexit(container) or sidecar.name in facts.awaited_by_kubexit:
        return NotConvertedReason.KUBEXIT
    if sidecar.is_one_time or row.native is None or rule is None:
        return NotConvertedReason.ONE_TIME if sidecar.is_one_time else NotConvertedReason.NOT_CONVERTIBLE
    if row.native.is_refused(facts.pod) or any_holds(rule.unless, facts.pod, container) or _has_other_mode(rule, container):
        return NotConvertedReason.OPTED_OUT
    if rule.found_since is not None and not rule.found_since.is_reached(facts.pod, container, cluster.injector_versions.get(row.id)):
        return NotConvertedReason.OLD_MESH
    return _why_container_stays(sidecar, container, facts, cluster) or _why_injector_objects(row, facts, cluster)


def _why_container_stays(sidecar: FoundSidecar, container: Container, facts: Facts, cluster: Cluster) -> NotConvertedReason | None:
    """What of the container's own keeps it regular."""
    row = facts.rows[sidecar.name]
    rule = _rule(row)
    if container.restartPolicy is not None or container.restartPolicyRules != ABSENT:
        return NotConvertedReason.OWN_RESTARTS
    if not is_post_start_known(container.lifecycle_hooks, rule.drops_lifecycle_hooks):
        return NotConvertedReason.POST_START
    own = None if row.left_by_injector else container.field("startupProbe")
    if not is_startup_known(own, rule, sidecar, container) or (own and _reads_from_later(sidecar, container, facts)):
        return NotConvertedReason.STARTUP_PROBE
    if rule.requires_startup_probe and container.startupProbe == ABSENT and _startup_probe(sidecar, rule, container, facts) is None:
        return NotConvertedReason.NO_PROBE
    return _why_ports_stay(rule, container, cluster) or _why_volumes_stay(container, facts)


def _reads_from_later(sidecar: FoundSidecar, container: Container, facts: Facts) -> bool:
    """Whether it may need a file that a sidecar behind it writes, such as an agent's, and no init container before."""
    later = {name for name, row in facts.rows.items() if row.quit_order < sidecar.quit_order or row.starts_last}
    if not later:
        return False
    present = (*facts.pod.spec.containers, *facts.pod.init_containers)
    written = {volume for one in present if one.name in later for volume in one.written_volumes}
    before = {volume for one in facts.pod.init_containers if one.name not in later for volume in one.written_volumes}
    shared = written.intersection(container.needed_volumes).difference(before)
    return not shared.isdisjoint(facts.pod.spec.writable_volumes)


def _has_other_mode(rule: Convert, container: Container) -> bool:
    return any(container.environment.get(name, value) != value for name, value in rule.env.items())


def _why_probes_fail(sidecar: FoundSidecar, container: Container, facts: Facts, pending: PendingMesh) -> NotConvertedReason | None:
    """Whether a mesh proxy that starts later, or that has yet to be injected, may have probes of this container fail.

    Where it is only possible that one is injected, a sidecar whose own startup probe is a request waits for that in any case: the proxy may
    be a regular one, and without native sidecars the task starts at least. Because of a liveness probe it waits only if the wrapper can
    end it meanwhile, and never because of a startup probe that the task can do without.
    """
    row = facts.rows[sidecar.name]
    if row.is_mesh:
        return None
    rule = _rule(row)
    own, added = container.field("startupProbe"), _startup_probe(sidecar, rule, container, facts, pending)
    if pending.is_regular and (goes_over_network(own) or (rule.requires_startup_probe and not (own or added))):
        return NotConvertedReason.BEHIND_MESH
    is_counted = pending is PendingMesh.EXPECTED or rule.requires_startup_probe
    probes = [own, added if is_counted else None]
    if pending >= PendingMesh.EXPECTED or (pending is PendingMesh.POSSIBLE and sidecar.quit is not None):
        probes.append(container.field("livenessProbe"))
    may_fail = pending is not PendingMesh.REGULAR and any(map(goes_over_network, probes))
    return NotConvertedReason.BEFORE_MESH if may_fail else None


def _why_ports_stay(rule: Convert, container: Container, cluster: Cluster) -> NotConvertedReason | None:
    if any(port.hostPort for port in container.open_ports):
        return NotConvertedReason.HOST_PORT
    named = [port.name for port in container.open_ports if port.name and port.name not in rule.ports_without_service]
    are_seen = cluster.server is not None and cluster.server >= NAMED_PORTS_SEEN
    return NotConvertedReason.NAMED_PORT if named and not are_seen else None


def _why_volumes_stay(container: Container, facts: Facts) -> NotConvertedReason | None:
    served = facts.pod.spec.volumes_of(GCSFUSE_DRIVER)
    return NotConvertedReason.CSI_VOLUME if any(mount.name in served for mount in container.mounts) else None


def _why_injector_objects(row: Sidecar, facts: Facts, cluster: Cluster) -> NotConvertedReason | None:
    """Whether the injector could add its container again: it searches one list only, may be called again, and obeys no annotation."""
    if row.native is None or row.native.reinvocation_safe is not False:
        return None
    is_called_once = cluster.reinvoked is not None and row.id not in cluster.reinvoked
    return None if is_called_once or _is_obeying(row, facts, cluster) else NotConvertedReason.REINJECTION


def _is_obeying(row: Sidecar, facts: Facts, cluster: Cluster) -> bool:
    """Whether the injector obeys the annotations by which it accepts a converted container."""
    rule = _rule(row)
    since, found = read_version(rule.annotations_since or ""), cluster.injector_versions.get(row.id)
    is_new = since is not None and found is not None and found >= since
    return is_new and not any_holds(rule.annotations_unless, facts.pod, None)


def _move(sidecar: FoundSidecar, container: Container, facts: Facts, cluster: Cluster, pending: PendingMesh = PendingMesh.NONE) -> Move:
    row = facts.rows[sidecar.name]
    rule = row.convert
    if rule is None:
        return Move(sidecar.name)
    keeps_resize_policy = cluster.server is not None and cluster.server >= RESIZE_POLICY_TAKEN
    return Move(
        name=sidecar.name,
        lifecycle_hooks=edited_lifecycle_hooks(container, rule, sidecar),
        startup_probe=_startup_probe(sidecar, rule, container, facts, pending),
        env=tuple([{"name": name, "value": value} for name, value in rule.env.items() if name not in container.environment]),
        loses_resize_policy=container.resizePolicy != ABSENT and not keeps_resize_policy,
    )


def _startup_probe(
    sidecar: FoundSidecar, rule: Convert, container: Container, facts: Facts, pending: PendingMesh = PendingMesh.NONE
) -> dict[str, Any] | None:
    """The startup probe to add; None: none. A mesh proxy that starts later than a sidecar would have its requests fail."""
    if container.startupProbe != ABSENT:
        return None
    is_optional = pending.is_possible and not rule.requires_startup_probe
    if rule.startup_probe_from_readiness and container.readiness:
        is_answered = not ((pending.is_regular or is_optional) and goes_over_network(container.readiness))
        return container.readiness | QUICK_STARTUP if is_answered else None
    is_not_answered = is_optional or pending > PendingMesh.POSSIBLE or has_mesh(facts)
    if rule.startup_probe is None or (rule.startup_port_from is not None and is_not_answered):
        return None
    port = rule.startup_port_from.port(facts.pod, container) if rule.startup_port_from else sidecar.ready and sidecar.ready.port
    return with_port(rule.startup_probe, port) if port else None


def with_port(probe: dict[str, Any], port: int) -> dict[str, Any]:
    """A copy with the port in the places that say ``{port}``."""
    return {key: with_port(item, port) if isinstance(item, dict) else port if item == "{port}" else item for key, item in probe.items()}


def _annotations(facts: Facts, moved: list[FoundSidecar]) -> dict[str, str]:
    annotations: dict[str, str] = {}
    for sidecar in moved:
        rule = _rule(facts.rows[sidecar.name])
        annotations |= {key: value for key, value in rule.annotations.items() if key not in facts.pod.annotations}
        for key in filter(None, (rule.status_annotation, rule.overrides_annotation)):
            if key in facts.pod.annotations:
                annotations[key] = _with_entry_moved(facts.pod.annotations[key], sidecar.name)
    return annotations


def _with_entry_moved(text: str, name: str) -> str:
    """An injector's record of its own containers, with this container among the init containers; any other text unchanged.

    Istio's status lists names, with null for an empty list; its overrides list containers, without a member for an empty list.
    """
    if len(text) > MAX_RECORD_CHARACTERS:
        return text
    try:
        record = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return text
    regular, inits = (record.get(key) or [] for key in ("containers", "initContainers"))
    if not isinstance(regular, list) or not isinstance(inits, list):
        return text
    moved = [one for one in regular if _name_of(one) == name]
    if not moved:
        return text
    record["initContainers"] = [*inits, *moved]
    record["containers"] = [one for one in regular if _name_of(one) != name] or None
    if record["containers"] is None and moved != [name]:
        del record["containers"]
    return msgspec.json.encode(record).decode()


def _name_of(entry: object) -> object:
    return entry.get("name") if isinstance(entry, dict) else entry


def _order(facts: Facts, moved: list[Container], duplicates: tuple[str, ...]) -> tuple[str, ...]:
    """The order of all init containers; empty where it is as it was.

    What an earlier review has moved gets its place like what moves now, as if it were still regular: another webhook may have added init
    containers since, which that review could not see.
    """
    present = facts.pod.init_containers
    again = [one for one in present if one.name in facts.converted]
    if not moved and not again:
        return ()
    inits = [one for one in present if one not in again]
    regular = [one for one in facts.pod.spec.containers if one.name not in duplicates]
    placed = sorted([*moved, *again], key=lambda one: (-facts.rows[one.name].quit_order, one.name))
    order = tuple(_first_not_raising(facts, placed, inits, [*regular, *again]))
    return () if order == tuple([one.name for one in present]) else order


def _first_not_raising(facts: Facts, moved: list[Container], inits: list[Container], regular: list[Container]) -> Sequence[str]:
    """The first order that does not raise the pod's aggregate requests or limits, by which the API server may refuse it.

    The last one never does: there each sidecar starts after all init containers with amounts.
    """
    *earlier, last = _orders(facts, moved, inits)
    names = {container.name for container in moved}
    if not _has_amounts_behind(inits, earlier[0], names):
        return earlier[0]
    native = {container.name for container in inits if container.is_native_sidecar or container.name in facts.unmarked}
    try:
        before = Aggregate(regular, inits, native)
    except ValueError:
        return last
    return next((order for order in earlier if not before.is_raised(order, names)), last)


def _has_amounts_behind(inits: list[Container], order: Sequence[str], moved: set[str]) -> bool:
    """Whether an init container behind the first sidecar that is moved has requests or limits; in most pods none has."""
    containers = {container.name: container for container in inits}
    behind = dropwhile(lambda name: name not in moved, order)
    return any(has_amounts(containers[name]) for name in behind if name not in moved)


def _orders(facts: Facts, moved: list[Container], present: list[Container]) -> tuple[Sequence[str], ...]:
    """Places as early as can be; mesh proxies as early, the others after all init containers with amounts; all after those.

    A mesh proxy is the first, unless its variables come from a file that an init container outside its block writes: the kubelet could not
    create it before that one has ended, and would start no init container behind it. Then it is behind that one, and the init containers
    have their own order, as without native sidecars.

    An init container without amounts is no reason for a later place: it may also come later than the webhook, by another injector, and
    the order must not depend on that.
    """
    inits = [container.name for container in present]
    with_amounts = {one.name for one in present if has_amounts(one) and not one.is_native_sidecar}
    meshes = [container for container in moved if facts.rows[container.name].starts_first]
    others = [container for container in moved if not facts.rows[container.name].starts_first]
    late = [container.name for container in others if facts.rows[container.name].starts_last]
    early = [container for container in others if container.name not in late]
    first = _first(facts, meshes, inits)
    rest = [name for name in inits if name not in first]
    last = [*_in_places(facts, [*meshes, *early], inits, with_amounts.union(first)), *late]
    if _late(facts, meshes, inits):
        return [*_in_places(facts, [*meshes, *early], inits, set(first)), *late], last
    return (
        [*first, *_in_places(facts, early, rest, set()), *late],
        [*first, *_in_places(facts, early, rest, with_amounts), *late],
        last,
    )


def _first(facts: Facts, meshes: list[Container], inits: list[str]) -> list[str]:
    """The wrapper's helper, which needs nothing, and each mesh proxy after its own init containers."""
    first = [container.name for container in facts.pod.init_containers if is_helper(container)]
    for container in meshes:
        row = facts.rows[container.name]
        block = [*_matching(row.init_containers, inits), container.name, *_matching(_rule(row).next_init_containers, inits)]
        first += [name for name in block if name not in first]
    return first


def _in_places(facts: Facts, moved: list[Container], rest: list[str], before: set[str]) -> Iterator[str]:
    """Each behind the init containers that it needs, see `Needs`, behind those in ``before``, and behind the mesh proxies before it."""
    slots: dict[int, list[str]] = {}
    needs = Needs(facts, rest) if rest else None
    earliest = max([place for place, name in enumerate(rest, start=1) if name in before], default=0)
    for container in moved:
        place = max(earliest, needs.of(container)) if needs else 0
        slots.setdefault(place, []).append(container.name)
        if facts.rows[container.name].starts_first:
            earliest = place
    yield from slots.get(0, ())
    for place, name in enumerate(rest, start=1):
        yield name
        yield from slots.get(place, ())


def _matching(patterns: tuple[str, ...], names: Iterable[str]) -> list[str]:
    return [name for pattern in patterns for name in names if glob(pattern).match(name)]


class Needs:
    """How many of these init containers go before a container that becomes native: all up to the last one that it needs.

    It needs its own init containers, mesh proxies, and those that write into one of its volumes, or of those from whose files its variables
    come, or use its port. What the init containers have is read once for all containers.
    """

    def __init__(self, facts: Facts, rest: list[str]) -> None:
        """Index ``rest``, the names of init containers in their order, by what another container may need them for."""
        self._facts, self._rest = facts, rest
        self._places = {name: place for place, name in enumerate(rest, start=1)}
        self._by_volume: dict[str | None, int] = {}
        self._by_port: dict[int, int] = {}
        writable = facts.pod.spec.writable_volumes
        # In their order, so that the last one with a volume or a port is the one that counts. One that starts last in any case is needed by
        # none: the review that moves it finds it among the regular containers, and a later one must come to the same order.
        late = {name for name, row in facts.rows.items() if row.starts_last}
        for init in [one for one in facts.pod.init_containers if one.name in self._places and one.name not in late]:
            place = self._places[init.name]
            self._by_volume |= {name: place for name in init.written_volumes if name in writable}
            self._by_port |= dict.fromkeys(_numbers(init), place)
        self._meshes = self._last(list(self._of_meshes()))

    def of(self, container: Container) -> int:
        """The number for this container."""
        own = self._last(_matching(self._facts.rows[container.name].init_containers, self._rest))
        by_port = max([self._by_port.get(number, 0) for number in _numbers(container)], default=0)
        return max(own, self._meshes, self.by_volumes(container.needed_volumes), by_port)

    def by_volumes(self, names: list[str | None]) -> int:
        """The number for the last one that writes into one of these volumes."""
        return max([self._by_volume.get(name, 0) for name in names], default=0)

    def _last(self, names: list[str]) -> int:
        return max([self._places[name] for name in names], default=0)

    def _of_meshes(self) -> Iterator[str]:
        for name in (*self._facts.native_sidecars, *self._facts.unmarked):
            row = self._facts.rows[name]
            if row.starts_first:
                yield from [name] if name in self._places else []
                yield from _matching((*row.init_containers, *_rule(row).next_init_containers), self._rest)


def _numbers(container: Container) -> set[int]:
    return {port.containerPort for port in container.open_ports if port.containerPort}
