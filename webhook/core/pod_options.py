"""Pod options: what a user sets for one pod, in its annotations. A value that is not allowed is ignored with a warning; the task starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from webhook.core import names
from webhook.core.condition import Condition
from webhook.core.entrypoint import Words
from webhook.core.misspelling import HALVES, NearAnnotations
from webhook.core.sidecar import MAX_NAME_CHARACTERS, Convert, EndpointRule, Match, Native, Path, Port, QuitRule, Sidecar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DESCRIBED_SIDECARS: Final = 16

MAX_OPTION_CHARACTERS: Final = 256 * 1024
"""A longer value is not read: all annotations of a pod together may not be longer (apimachinery objectmeta.go)."""

MAX_OPTION_COMMAS: Final = 4096
"""A value with more is not read either: its items would cost more than all the rest of the pod. JSON may write each comma as ``\\u002c``,
so that `webhook.core.pod.MAX_COMMAS` does not count it."""

MAX_NAMED: Final = 16
"""So many unknown annotations are named; of the others only their number is reported. As many keys with another prefix are compared with
the webhook's."""

MAX_KEY_CHARACTERS: Final = 253 + 1 + 63
"""The longest valid key of an annotation: a prefix, a slash, a name (apimachinery pkg/util/validation, IsQualifiedName)."""

_PREFIX: Final = f"{names.PREFIX}/"

_CONTAINER_NAME: Final = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")

ContainerName = Annotated[str, msgspec.Meta(pattern=_CONTAINER_NAME.pattern, max_length=MAX_NAME_CHARACTERS)]

MAX_WAIT_SECONDS: Final = 540
"""Airflow fails a task that is still queued after 600 s, and the token in its args lives as long ([scheduler] task_queued_timeout)."""


class Mode(StrEnum):
    """How a pod is treated."""

    AUTO = "auto"
    NATIVE = "native"
    WRAP = "wrap"
    LABEL_ONLY = "label-only"
    OFF = "off"


class WhenNotReady(StrEnum):
    """What the wrapper does when the sidecars are not ready in time."""

    FAIL = "fail"
    RUN = "run"


class ShellSource(StrEnum):
    """Where the wrapper's shell comes from."""

    IMAGE = "image"
    HELPER = "helper"


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An HTTP endpoint of a container, as a user describes it."""

    port: Port
    path: Path


class QuitAddress(Address, frozen=True, forbid_unknown_fields=True):
    """The request that ends the container with exit code 0."""

    method: Literal["GET", "POST"] = "POST"


class DescribedSidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One element of the ``sidecars`` annotation: a container of this pod that has to be ended, and how.

    Args:
        name: The container's name.
        quit: Its quit request; None: it has none.
        ready: Answers 2xx when the task may start.
        native: Whether it may become a native sidecar, where the cluster has those. With ``ready`` it needs a probe of its own then: the
            kubelet probes at the pod's address, where an endpoint on the loopback does not answer.

    """

    name: ContainerName
    quit: QuitAddress | None = None
    ready: Address | None = None
    native: bool = False

    def as_sidecar(self) -> Sidecar:
        """As a row of the catalogue. The annotation itself is the marker."""
        marker = Condition(annotation=names.SIDECARS_ANNOTATION)
        return Sidecar(
            id=self.name,
            title=self.name,
            sources=(names.SIDECARS_ANNOTATION,),
            match=Match(names=(self.name,), markers=(marker,)),
            quit=None if self.quit is None else QuitRule(self.quit.port, self.quit.path, method=self.quit.method),
            ready=None if self.ready is None else EndpointRule(self.ready.port, self.ready.path),
            native=self._native() if self.native else None,
        )

    def _native(self) -> Native:
        """Its own readiness probe is its startup probe only where the task is to wait for it: it may become ready only after the task.

        Of any startup probe its user knows that it is one of a native sidecar.
        """
        is_awaited = self.ready is not None
        convert = Convert(startup_probe_from_readiness=is_awaited, requires_startup_probe=is_awaited, startup_commands=((),))
        return Native(convert=convert)


DescribedSidecars = Annotated[tuple[DescribedSidecar, ...], msgspec.Meta(max_length=MAX_DESCRIBED_SIDECARS)]

_DESCRIBED: Final = msgspec.json.Decoder(DescribedSidecars)
_WORDS: Final = msgspec.json.Decoder(Words)


class PodOptions(msgspec.Struct, frozen=True):
    """The annotations, read.

    Args:
        mode: How to treat the pod; None: as the settings say.
        main_container: The name of the task's container.
        entrypoint: What the main container's image runs (its ENTRYPOINT), as an argv.
        shell: Where the wrapper's shell comes from.
        sidecars: Further sidecars of this pod.
        outlives_task: Names of containers that work on after the task, and then end.
        wait_seconds: How long to wait for the sidecars, 0 to 540.
        when_not_ready: What to do after that.

    """

    mode: Mode | None = None
    main_container: str | None = None
    entrypoint: tuple[str, ...] | None = None
    shell: ShellSource | None = None
    sidecars: tuple[Sidecar, ...] = ()
    outlives_task: frozenset[str] = frozenset()
    wait_seconds: int | None = None
    when_not_ready: WhenNotReady | None = None


@dataclass(frozen=True, slots=True)
class InvalidAnnotation:
    """An annotation that does not exist, or whose value is not allowed.

    Args:
        key: The annotation.
        allowed: What it may hold.
        meant: The annotation that its key misspells; empty: none.

    """

    key: str
    allowed: str
    meant: str = ""

    @property
    def warning(self) -> str:
        """The line the person sees who creates the pod; at most 256 characters reach him (apiserver endpoints/filters/warning.go)."""
        why = f"there is no such annotation; did you mean {self.meant}?" if self.meant else f"allowed is {self.allowed}"
        return f"annotation {self.key} is ignored: {why}"


class InvalidAnnotations(msgspec.Struct, frozen=True):
    """The annotations of a pod that are meant for the webhook and are ignored.

    Args:
        named: Those whose value is not allowed, the first `MAX_NAMED` that do not exist, and those that misspell the webhook's prefix.
        more: The number of further ones that have the webhook's prefix and do not exist.

    """

    named: tuple[InvalidAnnotation, ...] = ()
    more: int = 0

    @property
    def warnings(self) -> list[str]:
        """A line for each one that is named, and one for the others."""
        lines = [invalid.warning for invalid in self.named]
        if self.more:
            lines.append(f"{self.more} more annotations that start with {_PREFIX} are ignored: there are no such annotations")
        return lines


def read_pod_options(annotations: dict[str, str]) -> tuple[PodOptions, InvalidAnnotations]:
    """The user's annotations, and those that mean nothing."""
    if not _may_have_option(annotations):
        return NO_OPTIONS, ALL_VALID
    found: dict[str, Any] = {}
    unknown = [key for key in annotations if _is_unknown(key)]
    bad = [*_named(unknown), *_misspelt_prefixes(annotations)]
    for key, option in POD_OPTIONS.items():
        if key not in annotations:
            continue
        try:
            found[option.field] = option.read(_bounded(annotations[key]))
        except (ValueError, RecursionError):
            bad.append(InvalidAnnotation(key, option.allowed))
    return PodOptions(**found), InvalidAnnotations(tuple(bad), len(unknown[MAX_NAMED:]))


def misspelt_annotations(keys: Iterable[str]) -> list[InvalidAnnotation]:
    """The keys of annotations that misspell one of the webhook's, among the first `MAX_NAMED` that look so."""
    listed = list(keys)
    if not _may_have_option(listed):
        return []
    named = [*_named([key for key in listed if _is_unknown(key)]), *_misspelt_prefixes(listed)]
    return [one for one in named if one.meant]


def _may_have_option(keys: Iterable[str]) -> bool:
    """Whether a key has the webhook's prefix, or one like it; of nearly every pod none has."""
    together = "\n".join(keys)
    return any(half in together for half in HALVES)


def _named(unknown: list[str]) -> list[InvalidAnnotation]:
    """The first of the keys that have the webhook's prefix and do not exist."""
    allowed = f"one of {', '.join(POD_OPTIONS)}"
    return [InvalidAnnotation(key[:MAX_KEY_CHARACTERS], allowed, NEAR_OPTIONS.nearest(key) or "") for key in unknown[:MAX_NAMED]]


def _misspelt_prefixes(keys: Iterable[str]) -> list[InvalidAnnotation]:
    """The keys with another prefix that misspell an annotation of the webhook's, among the first that look so."""
    like = islice((key for key in keys if not key.startswith(_PREFIX) and any(half in key for half in HALVES)), MAX_NAMED)
    meant = [(key, NEAR_OPTIONS.nearest(key)) for key in like]
    return [InvalidAnnotation(key[:MAX_KEY_CHARACTERS], "", near) for key, near in meant if near]


def _bounded(text: str) -> str:
    if len(text) > MAX_OPTION_CHARACTERS or text.count(",") > MAX_OPTION_COMMAS:
        raise ValueError
    return text


def _is_unknown(key: str) -> bool:
    return key.startswith(_PREFIX) and key not in POD_OPTIONS and key != names.STATUS_ANNOTATION


@dataclass(frozen=True, slots=True)
class PodOption:
    """One annotation that a user may set on a pod.

    Args:
        field: The field of `PodOptions` that it fills.
        read: Reads its value; ValueError: the value is not allowed.
        allowed: What it may hold, for people.
        purpose: What it sets, for people.

    """

    field: str
    read: Callable[[str], object]
    allowed: str
    purpose: str


def _one_of(values: type[StrEnum]) -> str:
    return ", ".join(values)


def is_container_name(text: str) -> bool:
    """Whether a container may have this name."""
    return len(text) <= MAX_NAME_CHARACTERS and _CONTAINER_NAME.match(text) is not None


def _container_name(text: str) -> str:
    return msgspec.convert(text, ContainerName)


def _container_names(text: str) -> frozenset[str]:
    return msgspec.convert([name.strip() for name in text.split(",")], frozenset[ContainerName])


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > MAX_WAIT_SECONDS:
        raise ValueError
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    return _WORDS.decode(text)


def _sidecars(text: str) -> tuple[Sidecar, ...]:
    return tuple(one.as_sidecar() for one in _DESCRIBED.decode(text))


NO_OPTIONS: Final = PodOptions()
ALL_VALID: Final = InvalidAnnotations()

POD_OPTIONS: Final = {
    names.MODE_ANNOTATION: PodOption("mode", Mode, _one_of(Mode), "How the pod is treated; overrides the setting `mode`."),
    names.MAIN_CONTAINER_ANNOTATION: PodOption(
        "main_container",
        _container_name,
        "the name of a container of the pod",
        "Which container holds the task, where it is not called `base` and another one is no known sidecar either.",
    ),
    names.ENTRYPOINT_ANNOTATION: PodOption(
        "entrypoint",
        _words,
        'a JSON list of words, like ["/usr/bin/tini", "--", "/run.sh"]',
        "The ENTRYPOINT of the main container's image, where the pod sets no command.",
    ),
    names.SHELL_ANNOTATION: PodOption(
        "shell",
        ShellSource,
        _one_of(ShellSource),
        "Where the wrapper's shell comes from: the image has one, or the helper image brings it.",
    ),
    names.SIDECARS_ANNOTATION: PodOption(
        "sidecars",
        _sidecars,
        'a JSON list like [{"name": "cache", "quit": {"port": 9091, "path": "/quit", "method": "POST"}}]',
        "Sidecars of this pod that the catalogue does not have: the container's name, its quit request, and when it is ready.",
    ),
    names.OUTLIVES_TASK_ANNOTATION: PodOption(
        "outlives_task",
        _container_names,
        "names of containers of the pod, separated by commas",
        "Containers that work on after the task and then end by themselves; the pod's sidecars have to run until then.",
    ),
    names.WAIT_SECONDS_ANNOTATION: PodOption(
        "wait_seconds",
        _seconds,
        f"a whole number of seconds from 0 to {MAX_WAIT_SECONDS}",
        "How long the task waits for its sidecars to be ready; 0: it does not wait.",
    ),
    names.WHEN_NOT_READY_ANNOTATION: PodOption(
        "when_not_ready", WhenNotReady, _one_of(WhenNotReady), "What the task does when they are not ready by then."
    ),
}
"""Every annotation that a user may set, by its key."""

NEAR_OPTIONS: Final = NearAnnotations(POD_OPTIONS)
