"""The language of the catalogue: what a row says of a sidecar, and how that is read in one given container.

A row says how its container is identified, where its endpoints are, what its injector needs, and how it becomes native.
`webhook.core.catalogue` searches a pod by these rows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from webhook.core.cached_property import CachedProperty
from webhook.core.condition import Condition, all_hold, any_holds, glob, image_matches, is_word
from webhook.core.pod import MAX_PORT
from webhook.core.version import image_version, read_version

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from webhook.core.pod import Container, Pod
    from webhook.core.version import Version

MAX_PORT_DIGITS = 5
Port = Annotated[int, msgspec.Meta(ge=1, le=MAX_PORT)]
# One word of a request line: anything visible. It travels to the wrapper as a field between blanks.
Path = Annotated[str, msgspec.Meta(pattern=r"^/[!-~]*\Z", max_length=1024)]
MAX_NAME_CHARACTERS: Final = 63
"""Of a container: a DNS label (apimachinery pkg/util/validation, IsDNS1123Label)."""

ContainerName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9*?]([-a-z0-9*?]*[a-z0-9*?])?\Z", max_length=MAX_NAME_CHARACTERS)]

MESH_QUIT_ORDER: Final = 90
"""The place of mesh proxies among the quit requests of a pod."""

QUICK_STARTUP: Final = {"initialDelaySeconds": 0, "periodSeconds": 1, "failureThreshold": 600, "successThreshold": 1}
"""What changes in a readiness probe that becomes a startup probe: once a second, up to ten minutes."""


class PortSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a port may be set: an annotation of the pod; an environment variable, a flag or a probe of the sidecar.

    With ``field`` the value is a JSON or YAML mapping, and the port is the value of that key. A probe says the port by number.
    """

    annotation: str | None = None
    env: str | None = None
    flag: str | None = None
    probe: Literal["readiness"] | None = None
    field: str | None = None

    def port(self, pod: Pod, container: Container) -> int | None:
        """The port that is set there, 0 to 65535; None: none is."""
        if self.annotation is not None:
            text = pod.annotations.get(self.annotation)
        elif self.env is not None:
            text = container.environment.get(self.env)
        elif self.probe is not None:
            text = container.readiness_port
        else:
            text = None if self.flag is None else container.flags.get(self.flag)
        if text and self.field is not None:
            text = pod.documents.field(text, self.field)
        return _port_in(text) if text else None


class PathSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a path may be set: an environment variable or a flag of the sidecar."""

    env: str | None = None
    flag: str | None = None

    def path(self, container: Container) -> str | None:
        """The path that is set there; None: none is."""
        return container.flags.get(self.flag) if self.flag is not None else container.environment.get(self.env or "")


def _port_in(text: str) -> int | None:
    # An address may stand before the port, as in 0.0.0.0:4191. Five digits at most, and one character more is searched for what is before
    # them: Python refuses to read very long numbers, and a user may have written one.
    found = text[-MAX_PORT_DIGITS - 1 :].rpartition(":")[2]
    is_port = found.isascii() and found.isdigit() and len(found) <= MAX_PORT_DIGITS and int(found) <= MAX_PORT
    return int(found) if is_port else None


class Endpoint(msgspec.Struct, frozen=True):
    """An HTTP endpoint of one container, on the loopback.

    Args:
        port: 1 to 65535.
        path: With its leading slash.
        method: How it is requested.

    """

    port: int
    path: str
    method: Literal["GET", "POST"] = "GET"


class EndpointRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the sidecars of a row have an HTTP endpoint; 2xx means yes.

    Args:
        port: The default port.
        path: The path.
        port_from: Where the port may be set otherwise; the first that says a port wins. Port 0 switches the endpoint off
            (Istio's status port).

    """

    port: Port
    path: Path
    port_from: tuple[PortSource, ...] = ()

    def locate(self, pod: Pod, container: Container) -> Endpoint | None:
        """The endpoint in this container; None where it is switched off."""
        port = self._port(pod, container)
        return Endpoint(port, self.path) if port else None

    def _port(self, pod: Pod, container: Container) -> int:
        for source in self.port_from:
            found = source.port(pod, container)
            if found is not None:
                return found
        return self.port


class QuitRule(EndpointRule, frozen=True, forbid_unknown_fields=True):
    """Where the sidecars of a row take the request that ends them with exit code 0.

    Args:
        method: How it is requested.
        enabled_by: Conditions; one must hold for the endpoint to exist. Empty: it always exists.
        disabled_by: Conditions; none may hold.

    """

    method: Literal["GET", "POST"] = "POST"
    enabled_by: tuple[Condition, ...] = ()
    disabled_by: tuple[Condition, ...] = ()

    def locate(self, pod: Pod, container: Container) -> Endpoint | None:
        """The endpoint in this container; None where it is not enabled."""
        if any_holds(self.disabled_by, pod, container) or (self.enabled_by and not any_holds(self.enabled_by, pod, container)):
            return None
        port = self._port(pod, container)
        return Endpoint(port, self.path, self.method) if port else None


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a container is identified as this sidecar: by its name and a marker; a name alone fits several products.

    Args:
        names: Globs on the container's name; one must match. Empty: any name.
        markers: Conditions; one must hold.
        unless: Conditions; none may hold.
        any_name_with: Conditions on the container; where one holds, its name does not count: a user may have renamed it by an annotation
            with which the injector patches its own container.

    """

    names: tuple[ContainerName, ...] = ()
    markers: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    any_name_with: tuple[Condition, ...] = ()

    def narrowed(self, name: str, image: str) -> Match | None:
        """What a pod has to fulfil for a container with this name and image to be this sidecar; None: in no pod it is."""
        if len(name) > MAX_NAME_CHARACTERS:
            return None
        has_name = self.has_name(name)
        if not has_name and not self.any_name_with:
            return None
        markers = tuple([marker for marker in self.markers if marker.image is None or image_matches(image, marker.image)])
        if self.markers and not markers:
            return None
        return Match((), markers, self.unless, () if has_name else self.any_name_with)

    def fits(self, pod: Pod, container: Container) -> bool:
        """Whether a container is this sidecar, where this is `narrowed` to its name and image."""
        if self.markers and not any_holds(self.markers, pod, container):
            return False
        if any_holds(self.unless, pod, container):
            return False
        return not self.any_name_with or any_holds(self.any_name_with, pod, container)

    def has_name(self, name: str) -> bool:
        """Whether one of the names is this one."""
        return not self.names or any(glob(one).match(name) for one in self.names)


class InjectorHint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Pod annotations that configure an injector, set before it injects.

    Args:
        annotations: What is set. All or nothing: where the user has set one of them to another value, none is set.
        yes_words: Words that the injector reads like the values in ``annotations``: a user's own word of these stays.
        any_case: Whether the injector reads those words, in small letters here, in any case.
        when: Conditions, one of which shows that the injector will handle this pod.
        when_installed: Whether the injector may handle pods that show nothing of it, so that being installed is enough.
        unless: Conditions; where one holds, none is set although the injector may handle the pod: the injection is done, so that they come
            too late, or they are not wanted.
        with_native: Whether they are also set on a cluster with native sidecars: only after the injection is it known whether the
            container becomes native, and then it is too late for them.
        since: The injector's version that understands the annotations.

    """

    annotations: dict[str, str]
    when: tuple[Condition, ...]
    yes_words: frozenset[str] = frozenset()
    any_case: bool = False
    when_installed: bool = False
    unless: tuple[Condition, ...] = ()
    with_native: bool = False
    since: str | None = None

    def is_in_play(self, pod: Pod, *, is_installed: bool) -> bool:
        """Whether the annotations are set on this pod; ``is_installed``: the injector handles every pod."""
        return (is_installed or self.is_shown(pod)) and not any_holds(self.unless, pod, None)

    def is_shown(self, pod: Pod) -> bool:
        """Whether the pod itself shows that the injector will handle it."""
        keys = self.annotations_of_when
        if keys is not None and keys.isdisjoint(pod.annotations.keys()):
            return False
        return any_holds(self.when, pod, None)

    @CachedProperty
    def annotations_of_when(self) -> frozenset[str] | None:
        """The annotations that ``when`` reads; None where it reads anything else. Most pods have none of them."""
        keys = [condition.annotation for condition in self.when]
        return None if None in keys else frozenset([key for key in keys if key is not None])

    def is_refused(self, pod: Pod) -> bool:
        """Whether the user has set one of the annotations to another value, by the words of this injector."""
        present = pod.annotations
        return any(not self._is_same(present.get(key, value), value) for key, value in self.annotations.items())

    def _is_same(self, written: str, wanted: str) -> bool:
        return written == wanted or is_word(written, self.yes_words, any_case=self.any_case)


class StopSignal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signal that ends the process, and how it ends then.

    Args:
        name: The signal.
        exit_code: The exit code after it; None: not known.
        drain_seconds: The longest time from the signal to the exit, by default; None: not known.

    """

    name: Literal["SIGTERM", "SIGINT"] = "SIGTERM"
    exit_code: int | None = None
    drain_seconds: int | None = None


class FirstVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which version of a product on something holds.

    Args:
        versions: The first version, by the word in front of it, such as ``edge`` of ``edge-24.5.1``; an empty one: there is none.
        annotation: The pod's annotation in which the injector writes the version; None: it is that of the installed injector, or, where
            that is not known, the tag of the sidecar's image. An image's version with another major number is a vendor's, which
            counts something else.
        when: Conditions; where none of them holds, every version will do. Empty: the version always matters.

    """

    versions: dict[str, str]
    annotation: str | None = None
    when: tuple[Condition, ...] = ()

    def is_reached(self, pod: Pod, container: Container, installed: Version | None) -> bool:
        """Whether it holds for this container of the pod; False also of a version that cannot be read. ``installed``: the injector's."""
        if self.when and not any_holds(self.when, pod, container):
            return True
        if self.annotation is None:
            first, found = read_version(self.versions.get("", "")), installed or image_version(container.image or "")
            return first is not None and found is not None and found.major == first.major and found >= first
        word, _, number = pod.annotations.get(self.annotation, "").partition("-")
        first, found = read_version(self.versions.get(word, "")), read_version(number)
        return first is not None and found is not None and found >= first


class Convert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How this regular container becomes a native sidecar, as its own injector renders one where it can.

    Args:
        starts_first: Whether it starts before all other init containers, behind its own ``init_containers`` only: a mesh proxy, whose
            network the others need. Any other sidecar also starts before the user's init containers, but behind each one that it
            depends on (a volume that is written, a port).
        starts_last: Whether it starts after all other init containers, where its own injector puts a native one.
        next_init_containers: Its init containers that start right after it.
        drops_lifecycle_hooks: Each entry is a list of words. A postStart or preStop hook whose command has all words of one entry is
            removed: it waits for the sidecar itself, or sleeps until the task has ended. Any other postStart hook prevents the conversion.
        pre_stop: The command of a preStop hook, added where none is left; ``{port}`` is the port of ``alive``.
        pre_stop_ports: The ports with which that command works; empty: all.
        pre_stop_since: The first version, by the image's tag, that has this command.
        startup_probe: A startupProbe, added where the container has none; ``{port}`` is the port of ``ready``.
        startup_port_from: Where the port of startup_probe is set, if it is not the port of ``ready``: the kubelet probes at the pod's
            address. Where none is set there, or a mesh takes the pod's traffic, no probe is added.
        completes_native: Whether startup_probe is also added to a container that its injector itself has made native.
        startup_probe_from_readiness: Whether its readinessProbe is added as its startupProbe. Only for one that becomes ready without
            anything that starts later.
        requires_startup_probe: Whether it is converted only where it has a startupProbe, its own or an added one.
        startup_commands: Each entry is a list of words. A startupProbe of the container's own whose command has all words of one entry
            needs nothing that starts later. One with any other command prevents the conversion, unless the task waits for it.
        startup_paths: The paths that it answers itself, where it sends other requests on, as to the task; empty: it answers all. A
            startupProbe of the container's own with another path prevents the conversion likewise.
        startup_paths_from: Where further paths are set that it answers itself.
        env: Environment variables that switch the program to its native mode.
        annotations: Pod annotations by which its injector accepts the converted container.
        annotations_since: The first version of the injector that understands these annotations. An image's tag does not show that
            version: a pod may set its own image.
        annotations_unless: Conditions; where one holds, the injector does not obey these annotations.
        status_annotation: The annotation in which the injector lists the names of its containers.
        overrides_annotation: The annotation in which the injector lists what the user set in its containers.
        ports_without_service: Names of its ports that no Service refers to. A Service does not find the named port of a native sidecar
            before Kubernetes 1.32, so any other named port prevents the conversion there.
        unless: Conditions; where one holds it is not converted.
        found_since: The first version of a mesh whose other parts, such as its CNI plugin, find the proxy among the init containers. With
            an older one no traffic would be redirected to it, and the task would not start; None: all do.

    """

    starts_first: bool = False
    starts_last: bool = False
    next_init_containers: tuple[str, ...] = ()
    drops_lifecycle_hooks: tuple[tuple[str, ...], ...] = ()
    pre_stop: tuple[str, ...] = ()
    pre_stop_ports: tuple[Port, ...] = ()
    pre_stop_since: str | None = None
    startup_probe: dict[str, Any] | None = None
    startup_port_from: PortSource | None = None
    completes_native: bool = False
    startup_probe_from_readiness: bool = False
    requires_startup_probe: bool = False
    startup_commands: tuple[tuple[str, ...], ...] = ()
    startup_paths: tuple[Path, ...] = ()
    startup_paths_from: tuple[PathSource, ...] = ()
    env: dict[str, str] = {}
    annotations: dict[str, str] = {}
    annotations_since: str | None = None
    annotations_unless: tuple[Condition, ...] = ()
    status_annotation: str | None = None
    overrides_annotation: str | None = None
    ports_without_service: tuple[str, ...] = ()
    unless: tuple[Condition, ...] = ()
    found_since: FirstVersion | None = None


class Native(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How this sidecar becomes a native one (KEP-753).

    Args:
        by_injector: What makes its injector render it natively (an annotation, a Helm value, a version); None: nothing does.
        since: The injector's first version that can.
        hint: The annotations that make the injector do it for one pod.
        convert: How the webhook does it; None: the webhook never does.
        reinvocation_safe: Whether its injector can be called again for a pod in which the container was converted. One that cannot adds
            a second container of the same name, and the pod is refused. None: not known.
        image_set_by: Conditions; where one holds, the pod itself has set the image, so that its tag suggests no version of the injector.

    """

    by_injector: str | None = None
    since: str | None = None
    hint: InjectorHint | None = None
    convert: Convert | None = None
    reinvocation_safe: bool | None = None
    image_set_by: tuple[Condition, ...] = ()

    def is_refused(self, pod: Pod) -> bool:
        """Whether the pod itself says that this sidecar must not be native."""
        if self.hint is not None and self.hint.is_refused(pod):
            return True
        return self.convert is not None and any_holds(self.convert.unless, pod, None)


class InitFirst(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an injector puts its init container before all others.

    Args:
        container: The init container, which needs the network.
        annotation: The pod's annotation that does it.
        value: What that has to be.
        unless: Conditions; where one holds, it is first already, it needs no mesh, or there is none.

    """

    container: str
    annotation: str
    value: str
    unless: tuple[Condition, ...] = ()


class Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the catalogue.

    Args:
        id: Its name in the pod's status, in the setting ``injectors`` and in the docs.
        title: Its name for people.
        match: How its container is identified; None: the product puts no container into a pod that has to be ended.
        init_containers: Globs on the names of the init containers that come with it, in the order in which they start.
        init_first: How its injector puts its init container before the one of a mesh, behind which it has no network; None: it has none
            that needs the network.
        ready: Answers 2xx when the task may start; None: the task does not wait for it.
        alive: Answers with any status while the process runs, earlier than ``ready``; distinguishes "not yet" from "gone".
        quit: The request that ends it; None: no request does.
        quit_order: Position among the quit requests of the pod, lowest first: agents 10, what others may depend on later, mesh proxies 90.
            Native sidecars start in the opposite order, since the kubelet ends the last one first.
        injected_by: Globs on the name of its injector's webhook in a MutatingWebhookConfiguration.
        configuration: How ``kubectl get`` selects that configuration: its name, or a selector of labels; None: not known.
        injection_off: The label or annotation of a pod to which its injector adds nothing, with its value; None: not known.
        injected_when: Conditions, one of which shows that its injector will handle the pod; only without a hint, whose ``when`` says it.
        not_injected_when: Conditions, one of which shows that its injector adds nothing to the pod: no hint is set, no proxy awaited.
        injected_by_namespace: Whether its injector, once it is installed, may handle a pod that shows nothing of it, as by a label of the
            namespace.
        awaited_when: Each entry is a list of conditions. Where all of one entry hold, its injector gives the init containers of the pod
            other mounts than the containers, so the pod's sidecars become native only after the injection.
        is_reinvoked: Whether the injector's own chart sets ``reinvocationPolicy: IfNeeded``, so that it may be called again for a pod.
        left_by_injector: What only its injector leaves: each entry is a list of conditions, and the container was injected where all of
            one entry hold. Any other container that the row identifies is a placeholder, by which a user customises what the injector
            will add: it is neither moved, waited for nor ended. Empty: nothing injects it.
        hint: The annotations that make its injector enable the quit request.
        ends_by_itself: Whether it ends without a request once every other regular container has ended: a controller of the product
            ends it then, and finds it by its name.
        one_time: Conditions, one of which shows that it does its work once and ends: it is neither waited for, sent a quit request nor
            made native, since a native sidecar that ends is started again.
        must_outlive_task: Whether something reads from it after the task, so that it is neither ended nor converted.
        works_after_task: Whether it works on after the task and then ends, so that the sidecars of its pod have to run until then.
        stop_signal: The signal that ends it.
        native: How it becomes a native sidecar; None: it stays a regular container.
        cautions: What must not be done to it, and why.
        sources: Where these facts come from.

    """

    id: str
    title: str
    sources: tuple[str, ...]
    match: Match | None = None
    init_containers: tuple[str, ...] = ()
    init_first: InitFirst | None = None
    ready: EndpointRule | None = None
    alive: EndpointRule | None = None
    quit: QuitRule | None = None
    quit_order: int = 50
    injected_by: tuple[str, ...] = ()
    configuration: str | None = None
    injection_off: Condition | None = None
    injected_when: tuple[Condition, ...] = ()
    not_injected_when: tuple[Condition, ...] = ()
    injected_by_namespace: bool = False
    awaited_when: tuple[tuple[Condition, ...], ...] = ()
    is_reinvoked: bool = False
    left_by_injector: tuple[tuple[Condition, ...], ...] = ()
    hint: InjectorHint | None = None
    ends_by_itself: bool = False
    one_time: tuple[Condition, ...] = ()
    must_outlive_task: bool = False
    works_after_task: bool = False
    stop_signal: StopSignal | None = None
    native: Native | None = None
    cautions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a sidecar that nothing identifies."""
        if self.match is not None and not self.match.markers and not self.match.names:
            message = f"sidecar {self.id}: match needs names or markers"
            raise ValueError(message)

    def is_placeholder(self, pod: Pod, container: Container) -> bool:
        """Whether this container, which the row identifies, has yet to be filled by the injector."""
        if not self.left_by_injector:
            return False
        for entry in self.left_by_injector:  # noqa: SIM110  as in `any_holds`
            if all_hold(entry, pod, container):
                return False
        return True

    def is_awaited(self, pod: Pod) -> bool:
        """Whether the sidecars of this pod become native only after its injector has come, which it has not yet."""
        return any(all_hold(entry, pod, None) for entry in self.awaited_when) and not self.is_past_injection(pod)

    def is_past_injection(self, pod: Pod) -> bool:
        """Whether the pod shows that its injector adds nothing to it, or has been there already."""
        return any_holds(self.not_injected_when, pod, None) or any(all_hold(entry, pod, None) for entry in self.left_by_injector)

    def is_one_time(self, pod: Pod, container: Container) -> bool:
        """Whether this container, which the row identifies, does its work once and ends."""
        return bool(self.one_time) and any_holds(self.one_time, pod, container)

    def wants_quit_hint(self, pod: Pod) -> bool:
        """Whether the quit request of its sidecar may be needed on a cluster with native sidecars."""
        native = self.native
        if self.hint is None or self.hint.with_native or native is None or not (native.hint or native.convert):
            return self.hint is not None
        return native.is_refused(pod)

    def has_name_of(self, names: AbstractSet[str]) -> bool:
        """Whether its container has one of these names."""
        return self.match is not None and not names.isdisjoint(self.match.names)

    @property
    def convert(self) -> Convert | None:
        """How the webhook makes it native; None: it never does."""
        return self.native.convert if self.native is not None else None

    @property
    def starts_first(self) -> bool:
        """See `Convert`."""
        return self.convert is not None and self.convert.starts_first

    @property
    def starts_last(self) -> bool:
        """See `Convert`."""
        return self.convert is not None and self.convert.starts_last

    @property
    def is_placed_again(self) -> bool:
        """Whether a later review may place it anew once it is converted.

        Not a mesh proxy: what stands behind its init container needs it. Not one that an annotation has its injector render natively: then
        the pod must be the same, whoever made it native.
        """
        return self.convert is not None and not self.starts_first and (self.native is None or self.native.hint is None)

    @property
    def is_mesh(self) -> bool:
        """Whether it is a mesh proxy."""
        return self.quit_order == MESH_QUIT_ORDER

    @property
    def has_any_name(self) -> bool:
        """Whether its image or its program identifies it under any name: people write such a container themselves."""
        return self.match is not None and not self.match.names


def parse_sidecars(document: object) -> tuple[Sidecar, ...]:
    """Rows of the catalogue from a decoded YAML or JSON list.

    Raises:
        ValueError: Names the wrong field and its row, as ``$[2].quit.port``, or the id that two rows have.

    """
    sidecars = msgspec.convert(document or [], tuple[Sidecar, ...], strict=False)
    ids = [sidecar.id for sidecar in sidecars]
    for name in ids:
        if ids.count(name) > 1:
            message = f"two rows have the id {json.dumps(name)}"
            raise ValueError(message)
    return sidecars
