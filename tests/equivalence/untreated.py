"""``python -m tests.equivalence.untreated [COMMIT]``: the pods that stay untreated, then and now; prints what differs, and why.

A pod counts as untreated where it has more than one regular container, and neither a wrapper, nor the kubelet, nor the sidecar itself ends
what runs beside the task. The pods are the captured ones, alone and with each injector's sidecar, the catalogue's examples and the cases;
each on a cluster of which nothing is known, and on one with native sidecars. ``untreated.yaml`` has the rule for each pod that was treated
at that commit, and is not today. Exit code 1: such a pod has no row there, or a row has no such pod.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import jsonpatch
import msgspec
import yaml

from tests.cases.case import PODS
from tests.equivalence import decide_today
from tests.equivalence.__main__ import COMMIT, decided_at
from tests.equivalence.subjects import known_pods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.json_object import JSONObject

FILE: Final = Path(__file__).with_name("untreated.yaml")
CLUSTERS: Final = ("unknown", "native")
POLICY: Final = "default"
TREATMENTS: Final = frozenset({"wrapped", "native"})
ENDS_BY_ITSELF: Final = "ends-by-itself"


class TreatmentRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why pods that were treated are not any more.

    Args:
        pods: Globs on their names.
        clusters: Those on which that is so.
        reason: The reason today, as in `Decision`.
        why: The rule that makes it right.

    """

    pods: tuple[str, ...]
    clusters: tuple[str, ...]
    reason: str
    why: str

    def is_about(self, pod: str, cluster: str, reason: str) -> bool:
        """Whether it is about this pod."""
        return cluster in self.clusters and reason == self.reason and any(fnmatchcase(pod, pattern) for pattern in self.pods)


class Decision(NamedTuple):
    """What became of a pod: result and reason, and whether it stays untreated."""

    words: str
    is_untreated: bool


Decisions = dict[tuple[str, str], Decision]
"""By the names of the cluster and of the pod."""


def pods_and_cases() -> Iterator[tuple[str, JSONObject]]:
    """(name, pod) of each."""
    yield from known_pods()
    for path in PODS:
        yield f"case {path.stem}", yaml.safe_load(path.read_text("utf-8"))


def main(commit: str) -> int:
    """Print the difference; 1 where it is not as the file says."""
    found = dict(pods_and_cases())
    with TemporaryDirectory() as folder:
        pods, before, today = (Path(folder) / name for name in ("pods.json", "before", "today"))
        pods.write_text(json.dumps(list(found.items())), "utf-8")
        decided_at(commit, pods, before, POLICY)
        decide_today.main(pods, today, {POLICY: decide_today.POLICIES[POLICY]})
        then, now = (dict(_decisions(path.read_text("utf-8").splitlines(), found)) for path in (before, today))
    rules = msgspec.yaml.decode(FILE.read_bytes(), type=list[TreatmentRule])
    for cluster in CLUSTERS:
        _print(cluster, then, now, rules)
    problems = list(_problems(then, now, rules))
    for problem in problems:
        print(problem, file=sys.stderr)
    return bool(problems)


def _decisions(lines: Iterable[str], pods: dict[str, JSONObject]) -> Iterator[tuple[tuple[str, str], Decision]]:
    for line in lines:
        (name, cluster, _), (result, reason, patch, _) = json.loads(line)
        if cluster in CLUSTERS:
            is_treated = result in TREATMENTS or reason == ENDS_BY_ITSELF or not _has_others(pods[name], patch)
            yield (cluster, name), Decision(f"{result}, {reason}", not is_treated)


def _has_others(pod: JSONObject, patch: list[dict[str, Any]]) -> bool:
    """Whether the pod has a regular container beside the task's; the wrapper's script changes nothing about that."""
    return len(jsonpatch.apply_patch(pod, patch)["spec"]["containers"]) > 1


def _print(cluster: str, then: Decisions, now: Decisions, rules: list[TreatmentRule]) -> None:
    names = [name for at, name in now if at == cluster]
    left = [[name for name in names if decisions[cluster, name].is_untreated] for decisions in (then, now)]
    print(f"\nCluster {cluster}: of {len(names)} pods, untreated then {len(left[0])}, untreated today {len(left[1])}")
    groups: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name in names:
        before, today = then[cluster, name], now[cluster, name]
        if before.is_untreated or today.is_untreated:
            groups[_kind(before, today), before.words, today.words].append(name)
    for (kind, before_words, words), members in sorted(groups.items()):
        if kind:
            print(f"\n{kind}: {len(members)}; then {before_words}; today {words}")
            for name in members:
                print(f"  {name}{_why(rules, name, cluster, words) if kind == LOST else ''}")


LOST: Final = "treated then, untreated today"


def _kind(then: Decision, now: Decision) -> str:
    if then.is_untreated and now.is_untreated:
        return "" if then.words == now.words else "untreated, for another reason"
    return LOST if now.is_untreated else "untreated then, treated today"


def _why(rules: list[TreatmentRule], name: str, cluster: str, words: str) -> str:
    return "".join(f": {rule.why}" for rule in rules if rule.is_about(name, cluster, words))


def _problems(then: Decisions, now: Decisions, rules: list[TreatmentRule]) -> Iterator[str]:
    lost = [(name, cluster, today.words) for (cluster, name), today in now.items() if _kind(then[cluster, name], today) == LOST]
    for one in lost:
        if not any(rule.is_about(*one) for rule in rules):
            yield f"no rule for {one}"
    for rule in rules:
        if not any(rule.is_about(*one) for one in lost):
            yield f"no pod for {rule}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else COMMIT))
