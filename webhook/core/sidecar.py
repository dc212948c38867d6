"""A sidecar as the catalogue describes it, and where its endpoints are in one given container."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import yaml

from webhook.core.condition import MAX_IMAGE_CHARACTERS, Condition, any_holds, flag_value, glob, image_matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core.pod import Container, Pod

MAX_PORT = 65535
MAX_PORT_DIGITS = 5
Port = Annotated[int, msgspec.Meta(ge=1, le=MAX_PORT)]
# One word of a request line: anything visible. It travels to the wrapper as a field between blanks.
Path = Annotated[str, msgspec.Meta(pattern=r"^/[!-~]*\Z", max_length=1024)]
ContainerName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9*?]([-a-z0-9*?]*[a-z0-9*?])?\Z", max_length=63)]

# ``proxy.istio.io/config`` is written by users: a document longer than this is no list of a few settings.
MAX_DOCUMENT_CHARACTERS = 4096

YES: Final = frozenset({"1", "t", "true", "y", "yes", "on"})
"""Words that one injector or another takes for "true", in small letters (Go's strconv.ParseBool; dapr kit utils/strings.go IsTruthy)."""

QUICK_STARTUP: Final = {"initialDelaySeconds": 0, "periodSeconds": 1, "failureThreshold": 600, "successThreshold": 1}
"""What a readiness probe becomes as a startup probe: asked each second, and long enough for a slow start."""


class PortSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a port may have been moved to: an annotation, an environment variable or a flag of the sidecar.

    With ``field`` the value is a JSON or YAML mapping and the port stands under that key.
    """

    annotation: str | None = None
    env: str | None = None
    flag: str | None = None
    field: str | None = None

    def find(self, pod: Pod, container: Container) -> str | None:
        """The port as written there, or None where this source says nothing."""
        if self.annotation is not None:
            text = pod.annotations.get(self.annotation)
        elif self.env is not None:
            text = container.environment.get(self.env)
        else:
            text = None if self.flag is None else flag_value(container.words, self.flag)
        return document_field(text, self.field) if text and self.field is not None else text


def document_field(text: str, key: str) -> str | None:
    """One top-level value of a JSON or YAML mapping that a user wrote, as text; None for anything that is not one."""
    return _document_field(text, key) if len(text) <= MAX_DOCUMENT_CHARACTERS and key in text else None


@lru_cache(maxsize=256)
def _document_field(text: str, key: str) -> str | None:
    try:
        # BaseLoader: scalars stay text, and there are no merge keys, whose expansion grows without bound.
        document: Any = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - BaseLoader makes nothing but text, lists and dicts
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    value = document.get(key) if isinstance(document, dict) else None
    return value if isinstance(value, str) else None


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An HTTP endpoint on the loopback: 2xx means yes. Port "0" in a source means that it is switched off (Istio's status port)."""

    port: Port
    path: Path
    port_from: tuple[PortSource, ...] = ()

    def locate(self, pod: Pod, container: Container) -> str | None:
        """``PORT/PATH`` in this container, or None where it is switched off."""
        port = self._port(pod, container)
        return f"{port}{self.path}" if port else None

    def _port(self, pod: Pod, container: Container) -> int:
        for source in self.port_from:
            written = source.find(pod, container)
            if written is None:
                continue
            # An address may stand before the port, as in 0.0.0.0:4191.
            found = written.rpartition(":")[2]
            # Five digits at most: Python refuses to read very long numbers, and a user may have written one.
            if found.isascii() and found.isdigit() and len(found) <= MAX_PORT_DIGITS and int(found) <= MAX_PORT:
                return int(found)
        return self.port


class Quit(Endpoint, frozen=True, forbid_unknown_fields=True):
    """The request that ends the sidecar with exit code 0.

    It is there unless a condition of ``disabled_by`` holds, and where ``enabled_by`` is not empty, only if one of those holds.
    """

    method: Literal["GET", "POST"] = "POST"
    enabled_by: tuple[Condition, ...] = ()
    disabled_by: tuple[Condition, ...] = ()

    def locate(self, pod: Pod, container: Container) -> str | None:
        """``METHOD:PORT/PATH`` in this container, or None where the endpoint is not enabled."""
        if any_holds(self.disabled_by, pod, container) or (self.enabled_by and not any_holds(self.enabled_by, pod, container)):
            return None
        where = super().locate(pod, container)
        return where and f"{self.method}:{where}"


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a sidecar is told from everything else: a name AND a marker; a name alone means several products.

    Args:
        names: Globs on the container's name; any fits. Empty: any name.
        markers: Conditions; one must hold.
        unless: Conditions; none may hold.

    """

    names: tuple[ContainerName, ...] = ()
    markers: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()

    def could_fit(self, name: str, image: str) -> bool:
        """Whether a container of this name and image can be such a sidecar in some pod."""
        if self.names and not any(glob(one).match(name) for one in self.names):
            return False
        return not self.markers or any(marker.image is None or image_matches(image, marker.image) for marker in self.markers)

    def fits(self, pod: Pod, container: Container) -> bool:
        """Whether this container, which `could_fit`, is such a sidecar."""
        if self.markers and not any_holds(self.markers, pod, container):
            return False
        return not any_holds(self.unless, pod, container)


class InjectorHint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Annotations that an injector obeys, set before it injects.

    Args:
        annotations: What to set. They belong together: where the user has set one of them otherwise, none is set.
        when: The injector is in play for this pod: one of these holds (or the admin says that it is installed).
        when_installed: Whether it works on pods without a mark on them, so that it is in play wherever it is installed.
        unless: One of these holds: it has injected already, so that asking comes too late, or the user wants no injection.
        since: The version that understands it.

    """

    annotations: dict[str, str]
    when: tuple[Condition, ...]
    when_installed: bool = False
    unless: tuple[Condition, ...] = ()
    since: str | None = None

    def is_in_play(self, pod: Pod, *, is_installed: bool) -> bool:
        """Whether the injector is still to come for this pod; ``is_installed``: it works on every pod."""
        return (is_installed or any_holds(self.when, pod, None)) and not any_holds(self.unless, pod, None)

    def is_refused(self, pod: Pod) -> bool:
        """Whether the user has said something else; another word for yes is none."""
        present = pod.annotations
        return any(not _says(present.get(key, value), value) for key, value in self.annotations.items())


def _says(written: str, wanted: str) -> bool:
    return written == wanted or (wanted == "true" and written.strip().lower() in YES)


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ends the process from outside, and what comes of it.

    Args:
        name: The signal it ends on.
        exit_code: Its exit code then; None where that is not known.
        drain_seconds: How long it may take by default.

    """

    name: Literal["SIGTERM", "SIGINT"] = "SIGTERM"
    exit_code: int | None = None
    drain_seconds: int | None = None


class Convert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a regular container of this kind becomes a native sidecar, as its own injector would have it where there is one that can.

    Args:
        is_first: Whether the init containers need it: it goes before them all, its own helpers (``init_helpers``) before it. Others go
            before the user's init containers too, but behind every init container that they take something from.
        followed_by: Init containers that come right after it.
        drops_hooks: Words of a command, all of which stand in a postStart or preStop hook that a native sidecar has no use for: one
            that waits for itself, or sleeps until the task has ended. A postStart hook that is not told so is not moved.
        pre_stop: The command of a preStop hook to add where none is left; ``{port}`` is the port of ``alive``.
        pre_stop_ports: The ports for which that command works; empty: every one.
        pre_stop_since: The version, as the image's tag tells it, that knows this command.
        startup_probe: A probe to add where there is none, so that what comes after it waits; ``{port}`` is the port of ``ready``.
        startup_from_readiness: Whether its readinessProbe, where it has one, is that probe too: only where it needs nothing started later.
        needs_probe: Whether it is moved only where a startup probe, its own or one of these, makes the task wait for it.
        env: Variables that tell the program its mode.
        annotations: What makes its injector accept the moved container, or find it again.
        accepted_since: The version, as the image's tag tells it, whose injector obeys these annotations.
        status_annotation: Where the injector has written down the names of its containers, by list.
        overrides_annotation: Where the injector has written down what the user set of its containers, by list.
        own_ports: Names of its ports that no Service asks for; a Service does not see the named port of a native sidecar before 1.32.
        unless: It is not moved where one of these holds.

    """

    is_first: bool = False
    followed_by: tuple[str, ...] = ()
    drops_hooks: tuple[tuple[str, ...], ...] = ()
    pre_stop: tuple[str, ...] = ()
    pre_stop_ports: tuple[Port, ...] = ()
    pre_stop_since: str | None = None
    startup_probe: dict[str, Any] | None = None
    startup_from_readiness: bool = False
    needs_probe: bool = False
    env: dict[str, str] = {}
    annotations: dict[str, str] = {}
    accepted_since: str | None = None
    status_annotation: str | None = None
    overrides_annotation: str | None = None
    own_ports: tuple[str, ...] = ()
    unless: tuple[Condition, ...] = ()


class Native(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How this sidecar becomes a native one (KEP-753).

    Args:
        by_injector: What makes its injector render it natively (an annotation, a Helm value, "always"), or None.
        since: The injector's version that can.
        hint: See `InjectorHint`: what makes the injector do it for one pod.
        convert: See `Convert`; None: it is never moved.
        reinject_safe: Whether its injector accepts a pod in which the container was moved; None where that is not known.

    """

    by_injector: str | None = None
    since: str | None = None
    hint: InjectorHint | None = None
    convert: Convert | None = None
    reinject_safe: bool | None = None


class Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the catalogue.

    Args:
        id: Its name here, in the status of a pod, and for the setting that lists installed injectors.
        title: Its name for people.
        match: How it is told; None for products that put no container into a pod that has to be ended.
        init_helpers: Globs on the names of the init containers that come with it, the first one first.
        ready: Answers 2xx when the task may start; None where the task need not wait.
        alive: Answers anything while the process is up, earlier than ``ready``; tells "not yet" from "gone".
        quit: How it is asked to end; None where it cannot be.
        order: Who is asked to quit first: lower first. Agents 10, things other sidecars may depend on later, mesh proxies 90. Native
            sidecars stand in the other direction, since the kubelet ends the last one first.
        injected_by: Globs on the name of the webhook (in a MutatingWebhookConfiguration) that injects it.
        hint: What lets it be ended by a call, see `InjectorHint`.
        ends_by_itself: Whether it ends without being asked once no other container runs.
        keep: Whether it must outlive the task and is never to be touched.
        signal: See `Signal`.
        native: See `Native`.
        never: What must never be done to it.
        source: Where these facts come from.

    """

    id: str
    title: str
    source: tuple[str, ...]
    match: Match | None = None
    init_helpers: tuple[str, ...] = ()
    ready: Endpoint | None = None
    alive: Endpoint | None = None
    quit: Quit | None = None
    order: int = 50
    injected_by: tuple[str, ...] = ()
    hint: InjectorHint | None = None
    ends_by_itself: bool = False
    keep: bool = False
    signal: Signal | None = None
    native: Native | None = None
    never: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a sidecar that would be told by nothing."""
        if self.match is not None and not self.match.markers and not self.match.names:
            message = f"sidecar {self.id}: match needs names or markers"
            raise ValueError(message)

    def hint_for(self, *, native: bool) -> InjectorHint | None:
        """The annotations for its injector, where native sidecars are used, and where they are not."""
        if native and self.native is not None and (self.native.hint or self.native.convert):
            return self.native.hint
        return self.hint


class FoundSidecar(msgspec.Struct, frozen=True):
    """A sidecar in a pod, with its endpoints resolved.

    Args:
        name: The container's name.
        id: The row of the catalogue.
        ready: ``PORT/PATH`` or None.
        alive: ``PORT/PATH`` or None.
        quit: ``METHOD:PORT/PATH`` or None.
        order: See `Sidecar`.
        ends_by_itself: See `Sidecar`.

    """

    name: str
    id: str
    ready: str | None
    alive: str | None
    quit: str | None
    order: int
    ends_by_itself: bool


def locate(sidecar: Sidecar, pod: Pod, container: Container) -> FoundSidecar:
    """Resolve the endpoints of a sidecar in the container that it was told by.

    Where the process serves no status at all (Istio's status port "0"), its readiness can only be a 503, so it is not waited for.
    """
    alive = _located(sidecar.alive, pod, container)
    is_mute = sidecar.alive is not None and alive is None
    return FoundSidecar(
        name=container.name,
        id=sidecar.id,
        ready=None if is_mute else _located(sidecar.ready, pod, container),
        alive=alive,
        quit=_located(sidecar.quit, pod, container),
        order=sidecar.order,
        ends_by_itself=sidecar.ends_by_itself,
    )


def _located(endpoint: Endpoint | None, pod: Pod, container: Container) -> str | None:
    return None if endpoint is None else endpoint.locate(pod, container)


class Catalogue:
    """All known sidecars, in the order in which they are tried: the admin's own rows before ours."""

    def __init__(self, sidecars: tuple[Sidecar, ...]) -> None:
        """Set apart what only some pods need. Few names and images come again and again, so the rows for each are remembered."""
        self.sidecars = sidecars
        self.hinting = tuple(sidecar for sidecar in sidecars if sidecar.hint is not None or (sidecar.native and sidecar.native.hint))
        self.injected = tuple(sidecar for sidecar in sidecars if sidecar.injected_by)
        self._rows = lru_cache(maxsize=4096)(self._possible_rows)

    def find(self, pod: Pod, container: Container) -> Sidecar | None:
        """The row that this container is told by, or None."""
        image = container.image or ""
        is_usual = len(container.name) + len(image) <= MAX_IMAGE_CHARACTERS
        for sidecar, match in self._rows(container.name, image) if is_usual else self._possible_rows(container.name, image):
            if match.fits(pod, container):
                return sidecar
        return None

    def hints(self, pod: Pod, *, native: bool, everywhere: frozenset[str], installed: frozenset[str]) -> Iterator[InjectorHint]:
        """The annotations for the injectors in play for this pod; ``everywhere`` work on every pod, ``installed`` are known to be there."""
        for sidecar in self.hinting:
            hint = sidecar.hint_for(native=native)
            if hint is None:
                continue
            is_installed = sidecar.id in everywhere or (hint.when_installed and sidecar.id in installed)
            if hint.is_in_play(pod, is_installed=is_installed):
                yield hint

    def _possible_rows(self, name: str, image: str) -> tuple[tuple[Sidecar, Match], ...]:
        rows = ((sidecar, sidecar.match) for sidecar in self.sidecars if sidecar.match is not None)
        return tuple((sidecar, match) for sidecar, match in rows if match.could_fit(name, image))


def parse_sidecars(document: object) -> tuple[Sidecar, ...]:
    """Rows of the catalogue from a decoded YAML or JSON list.

    Raises:
        ValueError: Says which field of which row is wrong, as ``$[2].quit.port``, or that an id comes twice.

    """
    sidecars = msgspec.convert(document or [], tuple[Sidecar, ...], strict=False)
    ids = [sidecar.id for sidecar in sidecars]
    for name in ids:
        if ids.count(name) > 1:
            message = f"the id {json.dumps(name)} stands twice"
            raise ValueError(message)
    return sidecars
