"""The catalogue: the search for sidecars in a pod by its rows, and for the injectors that will handle the pod.

`webhook.core.sidecar` has the rows' language.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from webhook.core.condition import MAX_IMAGE_CHARACTERS, any_holds, glob
from webhook.core.kubexit import is_ended_by_kubexit
from webhook.core.sidecar import Endpoint

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from webhook.core.condition import Condition
    from webhook.core.pod import Container, Pod
    from webhook.core.sidecar import InjectorHint, Match, Sidecar


class FoundSidecar(msgspec.Struct, frozen=True):
    """A sidecar in a pod, with its endpoints resolved.

    Args:
        name: The container's name.
        id: The row of the catalogue.
        ready: Answers 2xx when the task may start; None: the task does not wait for it.
        alive: Answers anything while the process is up; None: it serves no status.
        quit: Ends it with exit code 0; None: it has no quit request, or it is not enabled.
        quit_order: See `Sidecar`.
        ends_by_itself: See `Sidecar`; also where it is a one-time form.
        is_one_time: Whether it ends whatever else runs: once its work is done, or by kubexit.

    """

    name: str
    id: str
    ready: Endpoint | None
    alive: Endpoint | None
    quit: Endpoint | None
    quit_order: int
    ends_by_itself: bool
    is_one_time: bool = False


def locate(sidecar: Sidecar, pod: Pod, container: Container) -> FoundSidecar:
    """The endpoints of a sidecar in the container that its row identifies.

    Where the process serves no status at all (Istio's status port "0"), its readiness can only be a 503, so it is not waited for.
    A one-time form has none: it may have ended before anything is sent. So has one that kubexit ends and awaits.
    """
    if sidecar.is_one_time(pod, container) or is_ended_by_kubexit(container):
        return FoundSidecar(container.name, sidecar.id, None, None, None, sidecar.quit_order, ends_by_itself=True, is_one_time=True)
    alive = None if sidecar.alive is None else sidecar.alive.locate(pod, container)
    is_mute = sidecar.alive is not None and alive is None
    return FoundSidecar(
        name=container.name,
        id=sidecar.id,
        ready=None if is_mute or sidecar.ready is None else sidecar.ready.locate(pod, container),
        alive=alive,
        quit=None if sidecar.quit is None else sidecar.quit.locate(pod, container),
        quit_order=sidecar.quit_order,
        ends_by_itself=sidecar.ends_by_itself and (sidecar.match is None or sidecar.match.has_name(container.name)),
    )


class Injectors(msgspec.Struct, frozen=True):
    """The injectors of a cluster, by the ids of their rows.

    Args:
        everywhere: Those that handle every pod of the opted-in namespaces.
        installed: Those whose webhook is installed.
        are_known: Whether no other is installed.

    """

    everywhere: frozenset[str] = frozenset()
    installed: frozenset[str] = frozenset()
    are_known: bool = False

    def are_without(self, sidecar: Sidecar) -> bool:
        """Whether the cluster is known not to have the injector of this row, whatever a pod shows."""
        return self.are_known and bool(sidecar.injected_by) and sidecar.id not in self.installed and sidecar.id not in self.everywhere

    def are_in_play(self, sidecar: Sidecar, hint: InjectorHint, pod: Pod) -> bool:
        """Whether the injector of this row will handle this pod, and this hint is set for it."""
        is_installed = sidecar.id in self.everywhere or (hint.when_installed and sidecar.id in self.installed)
        return hint.is_in_play(pod, is_installed=is_installed) and not any_holds(sidecar.not_injected_when, pod, None)


class Catalogue:
    """All known sidecars; the first row that matches wins, and an admin's own rows come before the built-in ones."""

    def __init__(self, sidecars: tuple[Sidecar, ...]) -> None:
        """Index the rows. Few names and images occur again and again, so the possible rows of each are cached."""
        self.sidecars = sidecars
        self.with_hints = tuple([one for one in sidecars if one.hint or (one.native and one.native.hint)])
        self.with_native_hint = tuple([(one, one.native.hint) for one in sidecars if one.native and one.native.hint])
        meshes = [(one, one.native.hint if one.native and one.native.hint else one.hint) for one in sidecars if one.is_mesh]
        self.meshes = tuple([(one, hint) for one, hint in meshes if hint or one.injected_when])
        self.with_init_first = tuple([one for one in sidecars if one.init_first])
        self.with_quit_hint = tuple([(one, one.hint) for one in sidecars if one.hint])
        self._installed_with_quit_hint = frozenset([one.id for one, hint in self.with_quit_hint if hint.when_installed])
        self._annotations_of_quit_hints = _annotations_of([(one,) for _, hint in self.with_quit_hint for one in hint.when])
        self._awaited = tuple([one for one in sidecars if one.awaited_when])
        self._annotations_of_awaited = _annotations_of([entry for one in sidecars for entry in one.awaited_when])
        self.injected = tuple(sidecar for sidecar in sidecars if sidecar.injected_by)
        self._injected_inits = tuple({pattern for one in sidecars for pattern in one.init_containers})
        self._rows = lru_cache(maxsize=1024)(self._possible_rows)

    def find(self, pod: Pod, container: Container) -> Sidecar | None:
        """The row that identifies this container, or None."""
        image = container.image or ""
        is_usual = len(container.name) + len(image) <= MAX_IMAGE_CHARACTERS
        for sidecar, match in self._rows(container.name, image) if is_usual else self._possible_rows(container.name, image):
            if match.fits(pod, container):
                return sidecar
        return None

    def is_injected_init(self, name: str) -> bool:
        """Whether an init container of this name comes with some sidecar."""
        return any(glob(pattern).match(name) for pattern in self._injected_inits)

    def awaits_injection(self, pod: Pod, injectors: Injectors) -> bool:
        """Whether an injector has yet to come before which no sidecar of this pod becomes native (`Sidecar.awaited_when`)."""
        keys = self._annotations_of_awaited
        if keys is not None and keys.isdisjoint(pod.annotations.keys()):
            # Nearly every pod.
            return False
        return any(one.is_awaited(pod) and not injectors.are_without(one) for one in self._awaited)

    @property
    def native_annotations(self) -> dict[str, str]:
        """All annotations that make some injector render native sidecars."""
        return {key: value for _, hint in self.with_native_hint for key, value in hint.annotations.items()}

    def native_hints(self, pod: Pod, injectors: Injectors, regular: AbstractSet[str] = frozenset()) -> list[InjectorHint]:
        """The annotations that make the injectors of this pod render native sidecars, but for those with the names in ``regular``."""
        in_play = [(sidecar, hint) for sidecar, hint in self.with_native_hint if injectors.are_in_play(sidecar, hint, pod)]
        return [hint for sidecar, hint in in_play if not sidecar.has_name_of(regular)]

    def quit_hints(
        self, pod: Pod, injectors: Injectors, *, beside_native: bool, regular: AbstractSet[str] = frozenset()
    ) -> list[InjectorHint]:
        """The annotations that make the injectors of this pod enable quit requests.

        ``beside_native``: only where one may be needed although the cluster has native sidecars. ``regular``: names of sidecars that the
        pod describes as not native, so that theirs are needed.
        """
        keys = self._annotations_of_quit_hints
        is_installed = injectors.everywhere or not injectors.installed.isdisjoint(self._installed_with_quit_hint)
        if keys is not None and not is_installed and keys.isdisjoint(pod.annotations.keys()):
            # Nearly every pod.
            return []
        in_play = [(sidecar, hint) for sidecar, hint in self.with_quit_hint if injectors.are_in_play(sidecar, hint, pod)]
        return [hint for sidecar, hint in in_play if not beside_native or sidecar.has_name_of(regular) or sidecar.wants_quit_hint(pod)]

    def _possible_rows(self, name: str, image: str) -> tuple[tuple[Sidecar, Match], ...]:
        rows = [(sidecar, sidecar.match.narrowed(name, image)) for sidecar in self.sidecars if sidecar.match is not None]
        return tuple([(sidecar, match) for sidecar, match in rows if match is not None])


def _annotations_of(entries: list[tuple[Condition, ...]]) -> frozenset[str] | None:
    """Annotations of which a pod has at least one where all conditions of some entry hold; None where an entry reads none."""
    keys = [frozenset([condition.annotation for condition in entry if condition.annotation is not None]) for entry in entries]
    return frozenset[str]().union(*keys) if all(keys) else None
