"""What is said about one pod, for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.command.explain_document import AssumedCluster, ExplainedPod
from webhook.command.pod_change import PodChange
from webhook.command.terminal import Style, printable
from webhook.core import (
    Cluster,
    MalformedPodError,
    NativeSupport,
    Outcome,
    PodOrigin,
    SkipReason,
    may_stay_running,
    misspelt_annotations,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from webhook.command.terminal import Palette
    from webhook.core import Catalogue, Remedy
    from webhook.course.pod_course import PodCourse

UNLABELLED: Final[Mapping[str, PodOrigin]] = {
    SkipReason.NOT_AIRFLOW: PodOrigin.KUBERNETES_POD_OPERATOR,
    SkipReason.SPARK_SUBMIT: PodOrigin.SPARK,
}
"""Reasons of pods that may be Airflow's without a label, and whose label they would have."""

TEMPLATE_HINT: Final = (
    "If it is Airflow's pod template, say what makes pods of it, since Airflow adds the label then: "
    "--as kubernetes-executor or --as pod-operator."
)

DIFF_STYLES: Final = MappingProxyType({"+": Style.GREEN, "-": Style.RED, "@": Style.CYAN})
"""By the first character of a line of a unified diff."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A pod and what the webhook would do to it.

    Args:
        pod: The pod as it was given.
        outcome: What the rules decided.
        script: The wrapper's text; only its length is shown.
        full_name: Namespace and name.
        cluster: The cluster that was assumed, read, or recorded in the pod's status.
        now: When it was explained.
        about_cluster: What is said of it for this pod alone; empty: nothing.
        course: What has happened to the pod so far; None: it is about to be created, or is no task pod.
        place: The file and the document; empty for a pod of a cluster.
        template_of: The object whose pod template it is; empty: it is a Pod itself.

    """

    pod: dict[str, Any]
    outcome: Outcome
    script: str
    full_name: str
    cluster: Cluster
    now: datetime
    about_cluster: str = ""
    course: PodCourse | None = None
    place: str = ""
    template_of: str = ""

    @property
    def status(self) -> dict[str, Any]:
        """The status that the pod would carry; empty for a pod that is skipped."""
        status: dict[str, Any] = msgspec.to_builtins(self.outcome.status) if self.outcome.status else {}
        return status

    @property
    def needs_a_person(self) -> bool:
        """Whether the pod stays Running until somebody does something."""
        return self.course is not None and self.course.needs_a_person

    def may_be_task_pod(self, catalogue: Catalogue) -> bool:
        """Whether it is Airflow's, or may be so without its labels: one that is meant to end, has not, and has a known sidecar."""
        if self.outcome.reason not in UNLABELLED:
            return self.course is not None or self.outcome.status is not None
        try:
            return bool(self.outcome.remedies) and may_stay_running(self.pod, catalogue)
        except MalformedPodError:
            return False

    def as_document(self) -> ExplainedPod:
        """For machines."""
        outcome = self.outcome
        return ExplainedPod(
            pod=self.full_name,
            place=self.place,
            template_of=self.template_of,
            course=self.course,
            cluster=AssumedCluster(self.cluster.support, str(self.cluster.server) if self.cluster.server else None),
            result=outcome.result,
            reason=outcome.reason,
            sentence=outcome.reason.sentence,
            status=outcome.status,
            remedies=outcome.remedies,
            warnings=outcome.warnings,
            hints=tuple(self._hints()),
            changes=tuple(self._change().containers()),
            patch=outcome.operations,
        )

    def as_text(self, palette: Palette) -> str:
        """For people: what has happened, result, reason, status, what to do, warnings and a diff."""
        lines = [
            palette.paint(printable(self.full_name), Style.BOLD),
            *self._origin(palette),
            *self._course(palette),
            *self._result(palette),
        ]
        lines += [palette.member(key, text) for key, text in self._members()]
        lines += [line for remedy in self._shown_remedies() for line in self._remedy(remedy, palette)]
        if not self._is_seen:
            lines += _change(self._change(), palette)
        return "\n".join(lines)

    def _change(self) -> PodChange:
        """What the patch changes."""
        return PodChange(self.pod, self.outcome.patched(self.pod), self.script)

    def _hints(self) -> Iterator[str]:
        yield from self._misspelt()
        if self.outcome.reason is SkipReason.NOT_AIRFLOW and self.place and not self.template_of and self.course is None:
            yield TEMPLATE_HINT

    def _misspelt(self) -> Iterator[str]:
        """Annotations that misspell one of the webhook's, where no warning names them: the webhook does not read those of every pod."""
        metadata = self.pod.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        keys = [str(key) for key in annotations] if isinstance(annotations, dict) else []
        return (one.warning for one in misspelt_annotations(keys) if one.warning not in self.outcome.warnings)

    @property
    def _is_seen(self) -> bool:
        """Whether the pod lives, and was treated at its creation: nothing of it changes any more, unless another cluster is assumed.

        An audited pod was not treated: what would become of a new one is said of it as of a pod that the webhook has not seen.
        """
        is_assumed = self.cluster.support is not NativeSupport.UNKNOWN and not self.about_cluster
        return self.course is not None and self.course.is_seen and not self.course.is_audited and not is_assumed

    def _origin(self, palette: Palette) -> Iterator[str]:
        if self.place:
            yield palette.member("from", f"{self.place}{f' ({self.template_of})' if self.template_of else ''}")

    def _course(self, palette: Palette) -> Iterator[str]:
        if self.course is None:
            return
        yield f"  {palette.paint(self.course.state, Style.BOLD)}: {self.course.sentence}"
        yield from (palette.member(key, text) for key, text in self.course.members(self.now))
        for step in self.course.now:
            yield palette.member("now", step.text)
            if step.line:
                yield palette.pasted(step.line)

    def _result(self, palette: Palette) -> Iterator[str]:
        """What becomes of the pod; of one that the webhook has seen, the course says it."""
        outcome = self.outcome
        if self._is_seen or (self.course is not None and self.course.not_treated == outcome.reason):
            return
        remedy = self.course.not_treated_remedy if self.course else ""
        if remedy:
            yield palette.member("new pods", remedy)
        what = "" if self.course is None else "then a new pod like it: " if remedy else "a new pod like it: "
        yield f"  {what}{palette.paint(outcome.result, Style.BOLD)} ({outcome.reason}): {outcome.reason.sentence}"

    def _members(self) -> Iterator[tuple[str, str]]:
        if self.about_cluster:
            yield "cluster", self.about_cluster
        yield from ((key, _as_text(value)) for key, value in self.status.items() if key not in self._said_before)
        from_remedies = {warning for remedy in self.outcome.remedies for warning in remedy.warnings}
        yield from (("hint", hint) for hint in self._hints())
        yield from (("warning", warning) for warning in self.outcome.warnings if warning not in from_remedies)

    @property
    def _said_before(self) -> frozenset[str]:
        """Members of the status that lines above have; of a pod that the webhook has seen, the version is the one that treated it."""
        return frozenset({"treatment", "reason", "version"} if self._is_seen else {"treatment", "reason"})

    def _shown_remedies(self) -> Iterator[Remedy]:
        """All but the one of a cluster that nobody has named: the first line says how to."""
        is_assumed = self.cluster.support is NativeSupport.UNKNOWN and not self.about_cluster
        return (remedy for remedy in self.outcome.remedies if not (is_assumed and remedy.reason == NativeSupport.UNKNOWN))

    def _remedy(self, remedy: Remedy, palette: Palette) -> Iterator[str]:
        """What is wrong, if it was not said before, what to do, and the line to paste on a line of its own."""
        what = remedy.text if remedy.reason == self.outcome.reason else f"{remedy.sentence} {remedy.text}"
        yield palette.member("what to do" if self.course is None else "new pods", f"{remedy.subject}: {what}")
        if remedy.line:
            yield palette.below(f"{remedy.verb.capitalize()} {remedy.where}:")
            yield palette.pasted(remedy.line)


def _change(change: PodChange, palette: Palette) -> Iterator[str]:
    """What the patch does to each container, then the diffs."""
    yield from (palette.member("change", str(one)) for one in change.containers())
    yield from (f"  {palette.paint(printable(line), DIFF_STYLES.get(line[:1]))}" for line in change.diff())


def _as_text(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{key}: {item}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
