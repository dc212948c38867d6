"""What to do about one pod: the remedy of each reason, with the pod's own names, and a line to paste where one helps.

It is computed from facts and decision, for whoever creates the pod (warnings), for ``explain`` and for ``doctor``. The status annotation
holds only the reasons' words and the containers' names: from them, and from the pod, everything here is computed again. No remedy holds
args, or a value of ``env``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from textwrap import wrap
from typing import TYPE_CHECKING, Final, TypedDict

import msgspec

from webhook.core.cluster import NativeSupport
from webhook.core.condition import any_holds
from webhook.core.container_end import ContainerEnd
from webhook.core.conversion import can_be_native
from webhook.core.names import PREFIX, SIDECARS_ANNOTATION
from webhook.core.origin import PodOrigin
from webhook.core.pod_options import MAX_DESCRIBED_SIDECARS, is_container_name
from webhook.core.reasons import DESCRIBE, OTHER_CLUSTER, REMOVE, ContainerReason, NotConvertedReason, Reason, SkipReason, Treatment
from webhook.core.remedy_line import MAX_LINE_CHARACTERS, LinePlace, RemedyLine
from webhook.core.removal import container_removal, placement_removal
from webhook.core.review import MAX_WARNING_CHARACTERS
from webhook.core.sidecar import MAX_NAME_CHARACTERS
from webhook.core.wrapper import EntrypointSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from webhook.core.cluster import Cluster
    from webhook.core.condition import Condition
    from webhook.core.decision import Mutate
    from webhook.core.facts import Facts
    from webhook.core.pod import Container, Pod
    from webhook.core.reasons import ExplainedWord
    from webhook.core.sidecar import Sidecar

MAX_IMAGE_CHARACTERS: Final = 200
"""Of an image's name in a remedy: it has to fit into a warning."""

MAX_NAMED_CONTAINERS: Final = 3
"""So many containers are named in a remedy's sentence; of the others only their number is said."""

PRESSING: Final = frozenset({Reason.SOME_KEEP_RUNNING, *(reason for reason in Reason if reason.treatment is Treatment.LEFT)})
"""The reasons of pods that may stay Running; a reason of a container is always one."""

BEFORE_INJECTION: Final = frozenset({NotConvertedReason.BEFORE_MESH, NotConvertedReason.BEFORE_AGENT})
"""Why a sidecar becomes native only after an injection."""

ENDING: Final = BEFORE_INJECTION | {NotConvertedReason.STARTUP_PROBE}
"""Those whose remedy has the kubelet end a sidecar that keeps running."""

ENDED_BY_KUBELET: Final = frozenset({Reason.SPARK, Reason.NO_QUIT})
"""Reasons of pods that native sidecars would end."""

YES: Final = "true"
"""The word for yes that a line has, of those that a program reads."""

GLOB: Final = "*?["
"""Characters with a meaning in a condition's value."""

_IMAGE: Final = re.compile(rf"[\w][\w./:@-]{{0,{MAX_IMAGE_CHARACTERS - 1}}}", re.ASCII)

PLACES: Final[Mapping[LinePlace, str]] = {
    LinePlace.ANNOTATIONS: "metadata.annotations of the pod",
    LinePlace.LABELS: "metadata.labels of the pod",
    LinePlace.SPEC: "spec of the pod",
    LinePlace.CONTAINER: "the container {containers}",
    LinePlace.ARGS: "args of the container {containers}",
    LinePlace.ENV: "env of the container {containers}",
    LinePlace.SPARK_CONF: "the options of spark-submit",
    LinePlace.SETTINGS: "the webhook's settings",
    LinePlace.MANIFEST: "on the pod's manifest or template, as POD.yaml",
    LinePlace.CLUSTER: "as an administrator of the cluster",
}
"""Where a line belongs, or is run, for people."""

METADATA_OF: Final[Mapping[PodOrigin, str]] = {
    PodOrigin.KUBERNETES_EXECUTOR: "metadata.{place} of pod_template_file, or of the task's pod_override",
    PodOrigin.KUBERNETES_POD_OPERATOR: "{place} of the operator (KubernetesPodOperator)",
    PodOrigin.SPARK: "spec.driver.{place} and spec.executor.{place} of the SparkApplication",
    PodOrigin.CHART_JOB: "the pod {place} of this job in the chart's values",
}
"""Where annotations and labels of a pod of this origin are set."""

NAME_UNKNOWN: Final = frozenset({Reason.MAIN_CONTAINER_AMBIGUOUS, Reason.UNKNOWN_CONTAINER})
"""Reasons whose own remedy says what to do about unknown containers."""

CANNOT_QUIT: Final = frozenset({Reason.SPARK, Reason.WINDOWS})
"""Reasons of pods in which no quit request can be sent, and which cannot be changed so that one can."""


class PodNames(TypedDict):
    """What remedies and lines may name of a pod.

    ``containers``: the containers that the remedy is about. ``image``: the task's. ``candidates``: the containers that may be the task's.
    ``outlasting``: the value of the annotation ``outlives-task`` that names every unknown container, and those that it names already.
    ``described``: the value of the annotation ``sidecars`` that describes these containers, and those that it describes already.
    ``removal``: the patch of the pod that removes the reason, as JSON; empty: there is none.
    ``configuration``: how kubectl selects the configuration of the injector's webhook.
    """

    containers: str
    image: str
    candidates: str
    outlasting: str
    described: str
    removal: str
    configuration: str


NO_NAMES: Final = PodNames(containers="", image="", candidates="", outlasting="", described="", removal="", configuration="")


class Remedy(msgspec.Struct, frozen=True):
    """What to do about one reason.

    Args:
        reason: The reason's word.
        containers: Names of the containers that it is about; empty: the pod.
        sentence: What is wrong.
        text: What to do.
        is_pressing: Whether the pod may stay Running without it, or its task may run otherwise than its image says.
        place: Where the line belongs, or is run; None: there is no line.
        where: The same for people.
        line: What to paste there.

    """

    reason: str
    containers: tuple[str, ...]
    sentence: str
    text: str
    is_pressing: bool
    place: LinePlace | None = None
    where: str = ""
    line: str = ""

    @property
    def subject(self) -> str:
        """The reason's word and, where it is about containers, their names."""
        return f"{shown_names(self.containers)} ({self.reason})" if self.containers else self.reason

    @property
    def verb(self) -> str:
        """What to do with the line, before ``where``."""
        return "run" if self.place is not None and self.place.is_command else "add to"

    @property
    def instruction(self) -> str:
        """What to do, with the line to paste and where."""
        return f"{self.text} {self.verb.capitalize()} {self.where}: {self.line}" if self.line else self.text

    @property
    def warnings(self) -> Iterator[str]:
        """Lines for whoever creates the pod, each as long as a warning may be."""
        warning = f"{PREFIX}: {self.subject}:"
        for part in (self.sentence, self.text):
            if len(warning) + len(part) >= MAX_WARNING_CHARACTERS:
                yield from _wrapped(warning)
                warning = f"{PREFIX}:"
            warning += f" {part}"
        yield from _wrapped(warning)
        if self.line:
            warning = f"{PREFIX}: {self.verb} {self.where}: {self.line}"
            is_whole = len(warning) <= MAX_WARNING_CHARACTERS
            yield warning if is_whole else f"{PREFIX}: the command explain prints what to {self.verb} {self.where}"


def remedies_of_skip(pod: Pod, reason: SkipReason) -> tuple[Remedy, ...]:
    """What to do about a pod that is skipped."""
    if reason is SkipReason.NOT_AIRFLOW and pod.spec.restartPolicy not in {"Never", "OnFailure"}:
        return ()
    names = _names_of(_duplicates(pod)) if reason is SkipReason.DUPLICATE_NAMES else NO_NAMES
    remedy = _filled(reason, (), names, None)
    return () if remedy is None else (remedy,)


def _duplicates(pod: Pod) -> list[str]:
    """Names that two containers or two volumes have."""
    containers = Counter(container.name for container in (*pod.spec.containers, *pod.init_containers))
    volumes = Counter(volume.name for volume in pod.spec.volumes or ())
    return [name for counted in (containers, volumes) for name, count in counted.items() if count > 1]


def remedy_of_reason(facts: Facts, reason: Reason) -> Remedy | None:
    """What to do about the reason of a pod, with its names; None: there is nothing to do."""
    return _filled(reason, (), _names_of_pod(facts), facts.origin)


def remedies_of(facts: Facts, mutate: Mutate, cluster: Cluster) -> tuple[Remedy, ...]:
    """What to do about a pod that is treated: about its reason, its containers, and what is not native."""
    of_support = _of_virtual_node(facts, cluster) if mutate.no_native is NativeSupport.VIRTUAL_NODE else _of_support(mutate.no_native)
    if not _may_need_any(facts, mutate):
        return of_support
    found = [_for_cluster(remedy, mutate) for remedy in _remedies(facts, mutate, cluster) if remedy is not None]
    return (*found, *of_support, *_of_not_converted(facts, mutate))


def _for_cluster(remedy: Remedy, mutate: Mutate) -> Remedy:
    """The remedy, with what is added on a cluster without native sidecars."""
    is_answer = mutate.no_native is not None and remedy.reason in ENDED_BY_KUBELET
    return msgspec.structs.replace(remedy, text=f"{remedy.text} {OTHER_CLUSTER}") if is_answer else remedy


def _may_need_any(facts: Facts, mutate: Mutate) -> bool:
    """Whether the pod may need a remedy of its own: most pods need none, and are not read again for that.

    The reason of a pod in which a known sidecar keeps running has a remedy.
    """
    wrap = mutate.wrap
    is_guessed = wrap is not None and wrap.entrypoint.source is EntrypointSource.GUESSED
    return bool(mutate.reason.remedy or facts.others or is_guessed or mutate.conversion.not_converted)


@cache
def _of_support(support: NativeSupport | None) -> tuple[Remedy, ...]:
    """The remedy of a cluster without native sidecars, which names nothing of a pod."""
    remedy = None if support is None else _filled(support, (), NO_NAMES, None)
    return () if remedy is None else (remedy,)


def _of_virtual_node(facts: Facts, cluster: Cluster) -> tuple[Remedy, ...]:
    removal = placement_removal(facts.pod, cluster.virtual_nodes)
    remedy = _filled(NativeSupport.VIRTUAL_NODE, (), _names_of((), removal=removal), facts.origin)
    return () if remedy is None else (remedy,)


def _of_not_converted(facts: Facts, mutate: Mutate) -> Iterator[Remedy]:
    for name, why in mutate.conversion.not_converted.items():
        row = facts.rows[name]
        container = facts.pod.spec.containers[facts.pod.spec.container_names.index(name)]
        names = _names_of((name,), removal=container_removal(why, container, row))
        names["configuration"] = row.configuration or "NAME"
        remedy = _filled(why, (name,), names, facts.origin)
        if remedy is not None:
            yield msgspec.structs.replace(remedy, is_pressing=True) if _is_explained_by(name, mutate, ENDING) else remedy


def _remedies(facts: Facts, mutate: Mutate, cluster: Cluster) -> Iterator[Remedy | None]:
    main = facts.main_container
    names = _names_of_pod(facts)
    running = [name for name, end in mutate.ends.items() if end is ContainerEnd.KEEPS_RUNNING]
    if facts.others or not running or not all(_is_awaiting_injection(name, mutate) for name in running):
        yield _filled(mutate.reason, (), names, facts.origin)
    if main is not None and mutate.wrap is not None and mutate.wrap.entrypoint.source is EntrypointSource.GUESSED:
        yield _filled(ContainerReason.ENTRYPOINT_GUESSED, (main.name,), names, facts.origin)
    if main is None and facts.others and mutate.reason not in NAME_UNKNOWN:
        yield _filled(Reason.MAIN_CONTAINER_AMBIGUOUS, (), names, facts.origin)
    yield from _of_containers(facts, mutate, cluster)
    if mutate.reason in CANNOT_QUIT:
        for name in running:
            off = facts.rows[name].injection_off
            line = None if off is None else _line_for(off)
            yield _filled(ContainerReason.CANNOT_BE_ENDED, (name,), _names_of((name,)), facts.origin, line)


def _of_containers(facts: Facts, mutate: Mutate, cluster: Cluster) -> Iterator[Remedy | None]:
    unknown = facts.others
    endless = _endless(facts, mutate) if mutate.may_wrap else []
    if not unknown and not endless:
        return
    containers = {container.name: container for container in facts.pod.spec.containers}
    lines = {name: _enabling_line(facts.rows[name], facts.pod, containers[name]) for name in endless}
    for name, line in lines.items():
        if line is not None:
            yield _filled(ContainerReason.QUIT_DISABLED, (name,), _names_of((name,)), facts.origin, line)
    without_quit = [name for name, line in lines.items() if line is None and not _is_explained_by(name, mutate, ENDING)]
    # The annotation holds no more, and each costs some 20 µs.
    few = unknown[:MAX_DESCRIBED_SIDECARS]
    native = [name for name in few if mutate.uses_native and can_be_native(containers[name], facts, cluster)]
    quit_ = [name for name in (*few, *without_quit[:MAX_DESCRIBED_SIDECARS]) if name not in native] if mutate.may_wrap else []
    described = _described(facts, native, quit_)
    for reason, names in ((ContainerReason.UNKNOWN, unknown), (ContainerReason.NO_QUIT, without_quit)):
        if names and (native or quit_):
            yield _filled(reason, tuple(names), _names_of(names, _value_for(names, described)), facts.origin)
    if unknown and not (native or quit_) and facts.main is not None and mutate.reason not in NAME_UNKNOWN:
        yield from _of_never_ended(facts)


def _of_never_ended(facts: Facts) -> Iterator[Remedy | None]:
    """Of unknown containers in a pod in which the webhook ends nothing: what they are is for the pod's user to say."""
    unknown = facts.others
    described = _described(facts, list(unknown[:MAX_DESCRIBED_SIDECARS]), [])
    names = _names_of(unknown, _value_for(unknown, described))
    names["outlasting"] = _names_of_pod(facts)["outlasting"]
    yield _filled(ContainerReason.END_UNKNOWN, unknown, names, facts.origin)
    yield _filled(ContainerReason.NEVER_ENDED, unknown, names, facts.origin)


def _endless(facts: Facts, mutate: Mutate) -> list[str]:
    """The sidecars that no request ends, and that do not end by themselves either, but for those that become native after an injection."""
    after = mutate.conversion.after_conversion(facts)
    running = [one.name for one in after.sidecars if one.quit is None and mutate.ends[one.name] is ContainerEnd.KEEPS_RUNNING]
    return [name for name in running if not _is_awaiting_injection(name, mutate)]


def _is_awaiting_injection(name: str, mutate: Mutate) -> bool:
    """Whether nothing ends this sidecar as it is, and it becomes native after an injection: its remedy is then of that."""
    return _is_explained_by(name, mutate, BEFORE_INJECTION)


def _is_explained_by(name: str, mutate: Mutate, reasons: AbstractSet[NotConvertedReason]) -> bool:
    """Whether nothing ends this sidecar as it is, and one of these reasons says why it is not native."""
    return mutate.conversion.not_converted.get(name) in reasons and mutate.ends[name] is ContainerEnd.KEEPS_RUNNING


def _enabling_line(row: Sidecar, pod: Pod, container: Container) -> RemedyLine | None:
    """The line that enables the quit request of a sidecar; None: no line does."""
    if row.quit is None or any_holds(row.quit.disabled_by, pod, container):
        return None
    # What is added to args does not reach a program that a script starts.
    has_script = container.words != container.argv
    lines = (_line_for(condition) for condition in row.quit.enabled_by)
    return next((line for line in lines if line is not None and not (has_script and line.place is LinePlace.ARGS)), None)


def _line_for(condition: Condition) -> RemedyLine | None:
    """The line that makes a condition hold; None: no line does, or no single one."""
    if condition.none_of or (condition.one_of and YES not in condition.one_of):
        return None
    value = YES if condition.one_of else condition.value
    if condition.flag is not None:
        return RemedyLine(LinePlace.ARGS, "", condition.flag if value is None else f"{condition.flag}={value}")
    if value is None or any(character in value for character in GLOB):
        return None
    if condition.annotation is not None:
        return RemedyLine(LinePlace.ANNOTATIONS, condition.annotation, value)
    if condition.label is not None:
        return RemedyLine(LinePlace.LABELS, condition.label, value)
    return None if condition.env is None else RemedyLine(LinePlace.ENV, condition.env, value)


def _described(facts: Facts, native: list[str], quit_: list[str]) -> dict[str, str]:
    """The elements of the annotation ``sidecars`` by container: those that it has, and as many of these as have room in it.

    Whoever pastes it writes the port and the path of a quit request: without them the value is not valid, and is ignored with a warning.
    """
    written = json.loads(facts.pod.annotations[SIDECARS_ANNOTATION]) if facts.options.sidecars else []
    new = {name: json.dumps({"name": name, "native": True}) for name in native}
    new |= {name: f'{{"name": {json.dumps(name)}, "quit": {{"port": PORT, "path": "PATH"}}}}' for name in quit_}
    found = {one["name"]: json.dumps(one) for one in written}
    for name, element in new.items():
        if is_container_name(name) and (name in found or len(found) < MAX_DESCRIBED_SIDECARS):
            found[name] = element
    return found


def _value_for(names: Sequence[str], described: dict[str, str]) -> str:
    """The value of the annotation ``sidecars`` with these elements; empty: none of the named containers has room in it."""
    return "" if described.keys().isdisjoint(names) else f"[{', '.join(described.values())}]"


def _filled(
    reason: ExplainedWord, containers: tuple[str, ...], names: PodNames, origin: PodOrigin | None, line: RemedyLine | None = None
) -> Remedy | None:
    """The remedy of a reason with names in it; None: there is nothing to do. ``line``: instead of the one in the reason's row."""
    if not reason.remedy:
        return None
    template = line or reason.line
    pasted = template.filled(names) if template else ""
    is_empty = (template is DESCRIBE and not names["described"]) or (template is REMOVE and not names["removal"])
    text = reason.remedy.format_map(names)
    if template is None or is_empty or len(pasted) > MAX_LINE_CHARACTERS:
        return Remedy(reason, containers, reason.sentence, text, _is_pressing(reason))
    where = _where(template.place, names, origin)
    return Remedy(reason, containers, reason.sentence, text, _is_pressing(reason), template.place, where, pasted)


def _where(place: LinePlace, names: PodNames, origin: PodOrigin | None) -> str:
    if origin is not None and place in {LinePlace.ANNOTATIONS, LinePlace.LABELS}:
        return METADATA_OF[origin].format(place=place)
    return PLACES[place].format_map(names)


def _wrapped(warning: str) -> list[str]:
    """A warning, in several parts where it is too long for one."""
    if len(warning) <= MAX_WARNING_CHARACTERS:
        return [warning]
    return wrap(warning, MAX_WARNING_CHARACTERS, subsequent_indent=f"{PREFIX}: ", break_on_hyphens=False)


def _is_pressing(reason: ExplainedWord) -> bool:
    return isinstance(reason, ContainerReason) or reason in PRESSING


def _names_of_pod(facts: Facts) -> PodNames:
    image = facts.main_container.image if facts.main_container else None
    outlasting = {*facts.options.outlives_task, *filter(is_container_name, facts.others)}
    return {
        **NO_NAMES,
        "containers": "of the task",
        "image": image if image is not None and _IMAGE.fullmatch(image) else "IMAGE",
        "candidates": shown_names(facts.others),
        "outlasting": ",".join(sorted(outlasting)),
    }


def _names_of(containers: Sequence[str], described: str = "", removal: Mapping[str, object] | None = None) -> PodNames:
    as_json = "" if removal is None else json.dumps(removal)
    return {**NO_NAMES, "containers": shown_names(containers), "described": described, "removal": as_json}


def shown_names(names: Sequence[str]) -> str:
    """Names of containers in a sentence: the first few, each cut, and the number of the others."""
    shown = [name if is_container_name(name) else json.dumps(name[:MAX_NAME_CHARACTERS]) for name in names[:MAX_NAMED_CONTAINERS]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
