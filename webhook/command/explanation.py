"""What the webhook would do to a pod, for people and for machines."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from webhook.command import assumed_cluster
from webhook.command.assumed_cluster import cluster_of
from webhook.command.pod_file import DEFAULT_NAMESPACE, full_name
from webhook.command.terminal import KEY_WIDTH, Style, printable
from webhook.core import UNKNOWN_CLUSTER, Cluster, MalformedPodError, NativeSupport, Outcome, cluster_at_admission, may_be_held_up, treat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.command.pod_course import PodCourse
    from webhook.command.terminal import Palette
    from webhook.core import Catalogue, Policy, Remedy

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

    """

    pod: dict[str, Any]
    outcome: Outcome
    script: str
    full_name: str
    cluster: Cluster
    now: datetime
    about_cluster: str = ""
    course: PodCourse | None = None

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
        if self.course is not None or self.outcome.status is not None:
            return True
        try:
            return bool(self.outcome.remedies) and may_be_held_up(self.pod, catalogue)
        except MalformedPodError:
            return False

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "pod": self.full_name,
            "course": msgspec.to_builtins(self.course),
            "cluster": assumed_cluster.as_json(self.cluster),
            "result": self.outcome.result,
            "reason": self.outcome.reason,
            "sentence": self.outcome.reason.sentence,
            "status": self.status,
            "remedies": msgspec.to_builtins(self.outcome.remedies),
            "warnings": list(self.outcome.warnings),
            "patch": list(self.outcome.operations),
        }

    def as_text(self, palette: Palette) -> str:
        """For people: what has happened, result, reason, status, what to do, warnings and a diff."""
        lines = [palette.paint(printable(self.full_name), Style.BOLD), *self._course(palette), *self._result(palette)]
        lines += [palette.member(key, text) for key, text in self._members()]
        lines += [line for remedy in self.outcome.remedies for line in self._remedy(remedy, palette)]
        if not self._is_seen:
            lines += [f"  {palette.paint(line, DIFF_STYLES.get(line[:1]))}" for line in self._diff()]
        return "\n".join(lines)

    @property
    def _is_seen(self) -> bool:
        """Whether the pod lives, and was treated at its creation: nothing of it changes any more."""
        return self.course is not None and self.course.is_seen

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
        if self._is_seen:
            return
        outcome = self.outcome
        what = "" if self.course is None else "a new pod like it: "
        yield f"  {what}{palette.paint(outcome.result, Style.BOLD)} ({outcome.reason}): {outcome.reason.sentence}"

    def _members(self) -> Iterator[tuple[str, str]]:
        if self.about_cluster:
            yield "cluster", self.about_cluster
        yield from ((key, _as_text(value)) for key, value in self.status.items() if key not in {"treatment", "reason"})
        from_remedies = {warning for remedy in self.outcome.remedies for warning in remedy.warnings}
        yield from (("warning", warning) for warning in self.outcome.warnings if warning not in from_remedies)

    def _remedy(self, remedy: Remedy, palette: Palette) -> Iterator[str]:
        """What holds, if it was not said before, what to do, and the line to paste on a line of its own."""
        what = remedy.text if remedy.reason == self.outcome.reason else f"{remedy.sentence} {remedy.text}"
        yield palette.member("what to do" if self.course is None else "new pods", f"{remedy.subject}: {what}")
        if remedy.line:
            yield f"  {'':{KEY_WIDTH}} {remedy.verb.capitalize()} {remedy.where}:"
            yield palette.pasted(remedy.line)

    def _diff(self) -> Iterator[str]:
        before, after = (self._as_yaml(pod) for pod in (self.pod, self.outcome.patched(self.pod)))
        return (printable(line.rstrip("\n")) for line in difflib.unified_diff(before, after, "pod as created", "pod as patched", n=2))

    def _as_yaml(self, pod: dict[str, Any]) -> list[str]:
        text = yaml.safe_dump(_shown(pod, self.script), sort_keys=False, width=140, allow_unicode=True)
        return text.splitlines(keepends=True)


@dataclass(frozen=True, slots=True)
class Explainer:
    """What pods are explained by.

    Args:
        policy: The webhook's.
        cluster: The assumed one, or the one from which pods are read.
        namespace: Shown where a pod names none.
        context: Of the kubeconfig, for the lines of kubectl; None: the current one.
        now: The time.

    """

    policy: Policy
    cluster: Cluster = UNKNOWN_CLUSTER
    namespace: str = DEFAULT_NAMESPACE
    context: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def of_file(self, pod: dict[str, Any]) -> Explanation:
        """Apply the webhook's rules to a pod on the assumed cluster; where nothing is known of it, as at the pod's admission."""
        cluster = cluster_of(pod, self.cluster, self.policy.catalogue)
        return self._at_admission(pod, cluster) if cluster.support is NativeSupport.UNKNOWN else self._explain(pod, cluster, "")

    def of_cluster(self, pod: dict[str, Any]) -> Explanation:
        """Apply the rules to a pod that lives as at its admission, as far as its status says; else on this cluster."""
        return self._at_admission(pod, self.cluster)

    def _at_admission(self, pod: dict[str, Any], cluster: Cluster) -> Explanation:
        recorded = cluster_at_admission(pod)
        about = _use_at_admission(recorded) if recorded else "" if cluster.support is NativeSupport.UNKNOWN else _use(cluster)
        return self._explain(pod, recorded or cluster, about)

    def _explain(self, pod: dict[str, Any], cluster: Cluster, about: str) -> Explanation:
        name = full_name(pod, self.namespace)
        outcome = treat(pod, self.policy, cluster)
        return Explanation(pod, outcome, self.policy.script, name, cluster, self.now, about, self._course(pod))

    def _course(self, pod: dict[str, Any]) -> PodCourse | None:
        if not isinstance(pod.get("status"), dict) or "phase" not in pod["status"]:
            return None
        # A pod that is about to be created needs neither the doctor nor the reaper.
        from webhook.command.kubectl import Kubectl  # noqa: PLC0415
        from webhook.command.pod_course import read_course  # noqa: PLC0415

        namespace, _, name = full_name(pod, self.namespace).partition("/")
        return read_course(pod, self.policy.catalogue, Kubectl(self.context, namespace, name), self.now)


def _use(cluster: Cluster) -> str:
    return f"native sidecars are {'used' if cluster.is_native else 'not used'} ({cluster.support})"


def _use_at_admission(cluster: Cluster) -> str:
    """From the status, which does not say why native sidecars were used."""
    return f"native sidecars were {'used' if cluster.is_native else f'not used ({cluster.support})'} at this pod's admission"


def _shown(value: Any, script: str, key: str = "") -> Any:
    """A copy to show: of the wrapper only its length, and no values of env and args, which hold secrets and are never changed."""
    if key == "args" and isinstance(value, list):
        return [f"<{len(value)} unchanged words>"]
    if isinstance(value, dict):
        shown = {name: _shown(item, script, name) for name, item in value.items()}
        return shown | {"value": "<hidden>"} if key == "env" and "value" in value else shown
    if isinstance(value, list):
        return [_shown(item, script, key) for item in value]
    return f"<the wrapper, {len(script)} characters>" if value == script else value


def _as_text(value: object) -> str:
    return ", ".join(f"{key}: {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
