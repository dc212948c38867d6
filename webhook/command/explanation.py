"""What the webhook would do to a pod, for people and for machines."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsonpatch
import msgspec
import yaml

from webhook.command.assumed_cluster import as_json
from webhook.command.pod_file import as_request
from webhook.core import STATUS_ANNOTATION, UNKNOWN_CLUSTER, Cluster, Outcome, admit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core import Policy

COLOURS: Final = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}
BOLD: Final = "\x1b[1m"
DIM: Final = "\x1b[2m"
PLAIN: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One pod and what comes of it.

    Args:
        pod: As it was given.
        outcome: What the webhook decided.
        script: The wrapper's text, shown by its size alone.
        where: Namespace and name.
        cluster: What the cluster was taken for.

    """

    pod: dict[str, Any]
    outcome: Outcome
    script: str
    where: str
    cluster: Cluster

    @property
    def status(self) -> dict[str, Any]:
        """The status document that the pod would carry; empty for a pod that is not touched."""
        text = (self.after["metadata"].get("annotations") or {}).get(STATUS_ANNOTATION) if self.outcome.result != "skipped" else None
        return msgspec.json.decode(text) if text else {}

    @property
    def after(self) -> dict[str, Any]:
        """The pod with the patch applied."""
        return jsonpatch.JsonPatch(list(self.outcome.operations)).apply(self.pod)  # type: ignore[no-any-return]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "pod": self.where,
            "cluster": as_json(self.cluster),
            "result": self.outcome.result,
            "reason": self.outcome.reason,
            "sentence": self.outcome.reason.advice,
            "status": self.status,
            "warnings": list(self.outcome.warnings),
            "patch": list(self.outcome.operations),
        }

    def as_text(self, *, colour: bool) -> str:
        """For people: rule, reason and a diff."""
        bold, dim, plain = (BOLD, DIM, PLAIN) if colour else ("", "", "")
        lines = [
            f"{bold}{self.where}{plain}",
            f"  {bold}{self.outcome.result}{plain} ({self.outcome.reason}): {self.outcome.reason.advice}",
        ]
        lines += [f"  {dim}{key:<12}{plain} {_shown(value)}" for key, value in self.status.items() if key not in {"treatment", "reason"}]
        told = self.outcome.reason.advice
        lines += [f"  {dim}{'warning':<12}{plain} {warning}" for warning in self.outcome.warnings if told not in warning]
        lines += [f"  {_coloured(line) if colour else line}" for line in self._diff()]
        return "\n".join(lines)

    def _diff(self) -> Iterator[str]:
        before, after = (self._as_yaml(pod) for pod in (self.pod, self.after))
        return (line.rstrip("\n") for line in difflib.unified_diff(before, after, "as it was created", "as the webhook leaves it", n=2))

    def _as_yaml(self, pod: dict[str, Any]) -> list[str]:
        text = yaml.safe_dump(_without(pod, self.script), sort_keys=False, width=140, allow_unicode=True)
        return text.splitlines(keepends=True)


def explain(pod: dict[str, Any], policy: Policy, namespace: str, cluster: Cluster = UNKNOWN_CLUSTER) -> Explanation:
    """Ask the same rules that the service asks."""
    request = as_request(pod, namespace)
    where = f"{request.namespace}/{request.name or '(no name)'}"
    return Explanation(pod, admit(request, policy, cluster), policy.script, where, cluster)


def wants_colour() -> bool:
    """Whether stdout is a terminal that may be coloured (https://no-color.org is asked by the caller's environment)."""
    return sys.stdout.isatty()


def _without(value: Any, script: str, key: str = "") -> Any:
    """A copy to show: the wrapper's text by its size, and no values of env and args, which hold secrets and are never changed."""
    if key == "args" and isinstance(value, list):
        return [f"<{len(value)} words, as they were>"]
    if isinstance(value, dict):
        shown = {name: _without(item, script, name) for name, item in value.items()}
        return shown | {"value": "<hidden>"} if key == "env" and "value" in value else shown
    if isinstance(value, list):
        return [_without(item, script, key) for item in value]
    return f"<the wrapper, {len(script)} characters>" if value == script else value


def _shown(value: object) -> str:
    return ", ".join(f"{key}: {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)


def _coloured(line: str) -> str:
    colour = COLOURS.get(line[:1])
    return f"{colour}{line}{PLAIN}" if colour else line
