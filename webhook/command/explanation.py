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
from webhook.command.terminal import Style
from webhook.core import UNKNOWN_CLUSTER, Cluster, Outcome, treat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.command.terminal import Palette
    from webhook.core import Policy

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
        cluster: The assumed cluster.

    """

    pod: dict[str, Any]
    outcome: Outcome
    script: str
    full_name: str
    cluster: Cluster

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
            "sentence": self.outcome.reason.advice,
            "status": self.status,
            "warnings": list(self.outcome.warnings),
            "patch": list(self.outcome.operations),
        }

    def as_text(self, palette: Palette) -> str:
        """For people: result, reason, status, warnings and a diff."""
        advice = self.outcome.reason.advice
        lines = [
            palette.paint(self.full_name, Style.BOLD),
            f"  {palette.paint(self.outcome.result, Style.BOLD)} ({self.outcome.reason}): {advice}",
        ]
        members = [(key, _as_text(value)) for key, value in self.status.items() if key not in {"treatment", "reason"}]
        members += [("warning", warning) for warning in self.outcome.warnings if advice not in warning]
        lines += [f"  {palette.paint(f'{key:<12}', Style.DIM)} {text}" for key, text in members]
        lines += [f"  {palette.paint(line, DIFF_STYLES.get(line[:1]))}" for line in self._diff()]
        return "\n".join(lines)

    def _diff(self) -> Iterator[str]:
        before, after = (self._as_yaml(pod) for pod in (self.pod, self.outcome.patched(self.pod)))
        return (line.rstrip("\n") for line in difflib.unified_diff(before, after, "pod as created", "pod as patched", n=2))

    def _as_yaml(self, pod: dict[str, Any]) -> list[str]:
        text = yaml.safe_dump(_shown(pod, self.script), sort_keys=False, width=140, allow_unicode=True)
        return text.splitlines(keepends=True)


def explain(pod: dict[str, Any], policy: Policy, namespace: str, cluster: Cluster = UNKNOWN_CLUSTER) -> Explanation:
    """Apply the webhook's rules to a pod; ``namespace`` is shown where the pod names none."""
    return Explanation(pod, treat(pod, policy, cluster), policy.script, full_name(pod, namespace), cluster)


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
