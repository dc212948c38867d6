"""What the webhook would do to a pod, for people and for machines."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from webhook.command import assumed_cluster
from webhook.command.pod_file import full_name
from webhook.command.terminal import Style, printable
from webhook.core import UNKNOWN_CLUSTER, Cluster, NativeSupport, Outcome, cluster_at_admission, treat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.command.terminal import Palette
    from webhook.core import Policy, Remedy

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
        about_cluster: What is said of it for this pod alone; empty: nothing.

    """

    pod: dict[str, Any]
    outcome: Outcome
    script: str
    full_name: str
    cluster: Cluster
    about_cluster: str = ""

    @property
    def status(self) -> dict[str, Any]:
        """The status that the pod would carry; empty for a pod that is skipped."""
        status: dict[str, Any] = msgspec.to_builtins(self.outcome.status) if self.outcome.status else {}
        return status

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "pod": self.full_name,
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
        """For people: result, reason, status, what to do, warnings and a diff."""
        outcome = self.outcome
        lines = [
            palette.paint(printable(self.full_name), Style.BOLD),
            f"  {palette.paint(outcome.result, Style.BOLD)} ({outcome.reason}): {outcome.reason.sentence}",
        ]
        members = [("cluster", self.about_cluster)] if self.about_cluster else []
        members += [(key, _as_text(value)) for key, value in self.status.items() if key not in {"treatment", "reason"}]
        from_remedies = {warning for remedy in outcome.remedies for warning in remedy.warnings}
        members += [("warning", warning) for warning in outcome.warnings if warning not in from_remedies]
        lines += [f"  {palette.paint(f'{key:<12}', Style.DIM)} {printable(text)}" for key, text in members]
        lines += [line for remedy in outcome.remedies for line in self._remedy(remedy, palette)]
        lines += [f"  {palette.paint(line, DIFF_STYLES.get(line[:1]))}" for line in self._diff()]
        return "\n".join(lines)

    def _remedy(self, remedy: Remedy, palette: Palette) -> Iterator[str]:
        """What holds, if it was not said before, what to do, and the line to paste on a line of its own."""
        what = remedy.text if remedy.reason == self.outcome.reason else f"{remedy.sentence} {remedy.text}"
        yield f"  {palette.paint('what to do  ', Style.DIM)} {printable(f'{remedy.subject}: {what}')}"
        if remedy.line:
            yield f"  {'':12} {remedy.verb.capitalize()} {remedy.where}:"
            yield f"  {'':12}   {palette.paint(remedy.line, Style.BOLD)}"

    def _diff(self) -> Iterator[str]:
        before, after = (self._as_yaml(pod) for pod in (self.pod, self.outcome.patched(self.pod)))
        return (printable(line.rstrip("\n")) for line in difflib.unified_diff(before, after, "pod as created", "pod as patched", n=2))

    def _as_yaml(self, pod: dict[str, Any]) -> list[str]:
        text = yaml.safe_dump(_shown(pod, self.script), sort_keys=False, width=140, allow_unicode=True)
        return text.splitlines(keepends=True)


def explain(pod: dict[str, Any], policy: Policy, namespace: str, cluster: Cluster = UNKNOWN_CLUSTER) -> Explanation:
    """Apply the webhook's rules to a pod; ``namespace`` is shown where the pod names none.

    Where nothing is known of the cluster, a pod that carries the webhook's status is explained as at its admission.
    """
    if cluster.support is NativeSupport.UNKNOWN:
        return explain_live(pod, policy, namespace, cluster)
    return Explanation(pod, treat(pod, policy, cluster), policy.script, full_name(pod, namespace), cluster)


def explain_live(pod: dict[str, Any], policy: Policy, namespace: str, cluster: Cluster) -> Explanation:
    """Apply the rules to a pod that lives as at its admission, as far as its status says; else on this cluster."""
    recorded = cluster_at_admission(pod)
    used = recorded or cluster
    about = _use_at_admission(recorded) if recorded else "" if cluster.support is NativeSupport.UNKNOWN else _use(cluster)
    return Explanation(pod, treat(pod, policy, used), policy.script, full_name(pod, namespace), used, about)


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
