"""Breaks the product on purpose, and shows that the tests notice: `python -m tests.breakages [NAME...]`.

Each breakage is made in a work tree of the last commit, and each of its test files has to fail there. `make test` and `make e2e` show that
they pass on the whole product.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.work_tree import work_tree

if TYPE_CHECKING:
    from pathlib import Path

TESTS_FAILED: Final = 1
"""pytest's exit code when a test failed; it has another one when no test could start."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement in a file.

    Args:
        file: The path in the project.
        whole: The text to replace, where it occurs first.
        broken: The text that replaces it.

    """

    file: str
    whole: str
    broken: str


@dataclass(frozen=True, slots=True)
class Breakage:
    """A way to break the product.

    Args:
        name: What is broken.
        edits: The replacements.
        levels: The test files of which each must fail.

    """

    name: str
    edits: tuple[Edit, ...]
    levels: tuple[str, ...]


WRAPPER: Final = "webhook/data/wrapper.sh"
API_SERVER: Final = "tests/e2e/api_server/test_real_pods.py"
NODE: Final = "tests/e2e/node/test_exit_codes.py"
MESH: Final = "tests/e2e/mesh/test_end.py"
LAW: Final = "tests/unit/core/test_never_worse.py"
DECISIONS: Final = "tests/unit/reaper/test_decision_interleaved.py"
REPLICAS: Final = "tests/unit/reaper/test_agenda_interleaved.py"
DECISION: Final = "webhook/reaper/decision.py"
AGENDA: Final = "webhook/reaper/agenda.py"
NO_PROOF: Final = Edit("webhook/core/admission.py", "        prove(facts.pod, operations)\n", "        del prove\n")

BREAKAGES: Final = (
    Breakage("no-quit", (Edit(WRAPPER, "    asw_each asw_quit\n", "    :\n"),), ("tests/wrapper/test_quitting.py", NODE, MESH)),
    Breakage(
        "wrong-port",
        (
            Edit(
                "webhook/data/sidecars/istio.yaml",
                "    port: 15020\n    path: /quitquitquit\n",
                "    port: 15029\n    path: /quitquitquit\n",
            ),
        ),
        (NODE, MESH),
    ),
    Breakage("exit-code-lost", (Edit(WRAPPER, '  exit "$1"\n', "  exit 0\n"),), ("tests/wrapper/test_exit_codes.py", NODE, MESH)),
    Breakage(
        "label-over-63",
        (Edit("webhook/core/short_name.py", "[: MAX_LABEL_CHARACTERS - _HASH_CHARACTERS - 1]", ""), NO_PROOF),
        ("tests/unit/core/test_short_name.py", API_SERVER),
    ),
    Breakage(
        "args-flattened",
        (Edit("webhook/core/wrapper.py", '"--", *words]', '"--", " ".join(words)]'),),
        ("tests/unit/core/test_real_pods.py", API_SERVER, NODE),
    ),
    Breakage(
        "patch-does-not-apply",
        (Edit("webhook/core/operations.py", '"metadata", "annotations")', '"metadata", "annotation", "nowhere")'), NO_PROOF),
        ("tests/unit/core/test_real_pods.py", API_SERVER),
    ),
    Breakage("entrypoint-guessed", (Edit("webhook/core/decision.py", "if policy.guesses_entrypoint and", "if"),), (LAW,)),
    Breakage("first-unknown-is-task", (Edit("webhook/core/main_container.py", "    if len(names) == 1:\n", "    if names:\n"),), (LAW,)),
    Breakage(
        "placeholder-treated", (Edit("webhook/core/sidecar.py", "        if not self.left_by_injector:\n", "        if True:\n"),), (LAW,)
    ),
    Breakage("hook-holds-task-up", (Edit("webhook/core/decision.py", "    if not hooks:\n", "    if True:\n"),), (LAW,)),
    Breakage(
        "act-while-task-runs",
        (Edit(DECISION, "    if pod.task_end is None:\n        return _task_at_work(pod)\n", ""),),
        (DECISIONS,),
    ),
    Breakage(
        "act-before-result-read",
        (Edit(DECISION, "    ReaperReason.XCOM_NOT_TAKEN: ContainerKind.XCOM,\n", ""),),
        (DECISIONS, REPLICAS),
    ),
    Breakage(
        "act-while-debugged",
        (Edit(DECISION, "    if pod.debug_containers:\n", "    if False:\n"),),
        (DECISIONS, REPLICAS),
    ),
    Breakage(
        "act-in-grace",
        (Edit(DECISION, "    if now < ended_at + policy.grace:\n", "    if False:\n"),),
        (DECISIONS, REPLICAS),
    ),
    Breakage(
        "act-in-drain",
        (Edit(DECISION, "in MAY_TAKE_EFFECT and self.now < drained_at:\n", "in MAY_TAKE_EFFECT and False:\n"),),
        (DECISIONS, REPLICAS),
    ),
    Breakage(
        "deadline-of-success",
        (Edit(DECISION, "if end.exit_code != 0 or self.policy.end_successful else None", "if True else None"),),
        (DECISIONS, REPLICAS),
    ),
    Breakage(
        "forgotten-after-grace",
        (Edit(DECISION, ", _names(pod.running), again_at=ended_at + policy.grace)", ", _names(pod.running))"),),
        (DECISIONS, REPLICAS),
    ),
    Breakage(
        "forgotten-in-pause",
        (Edit(DECISION, "PodDecision(ReaperReason.PAUSE, names, again_at=until)", "PodDecision(ReaperReason.PAUSE, names)"),),
        (DECISIONS, REPLICAS),
    ),
    Breakage(
        "memory-lost",
        (Edit(AGENDA, "        self._past = {**taken_over, **under_way}\n", "        self._past = under_way\n"),),
        (REPLICAS,),
    ),
    Breakage(
        "never-after-no-act",
        (Edit(AGENDA, "replace(known, act=None, decide_at=decide_at)", "replace(known, act=None, decide_at=None)"),),
        (REPLICAS,),
    ),
    Breakage(
        "act-twice-at-once",
        (Edit(AGENDA, "            decide_at = None if known.act is not None else now\n", "            decide_at = now\n"),),
        ("tests/unit/reaper/test_agenda.py",),
    ),
    Breakage(
        "act-on-another-pod",
        (Edit("webhook/reaper/task_pods.py", "progress is not None and progress.uid == pod.uid", "progress is not None"),),
        ("tests/unit/command/test_reaper.py",),
    ),
)


def noticed(breakage: Breakage, level: str) -> bool:
    """Whether these tests fail on the broken product."""
    with work_tree() as tree:
        for edit in breakage.edits:
            make(tree, edit)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", level]
        return subprocess.run(command, cwd=tree, check=False, stdout=subprocess.DEVNULL).returncode == TESTS_FAILED


def make(tree: Path, edit: Edit) -> None:
    """Break one file."""
    path = tree / edit.file
    text = path.read_text("utf-8")
    assert edit.whole in text, f"{edit.file} no longer holds {edit.whole!r}"
    path.write_text(text.replace(edit.whole, edit.broken, 1), "utf-8")


def main(names: list[str]) -> int:
    """Print a line for each breakage and level; 1 where one was not noticed."""
    unknown = set(names) - {breakage.name for breakage in BREAKAGES}
    assert not unknown, f"no such breakage: {', '.join(sorted(unknown))}"
    missed = 0
    for breakage in BREAKAGES:
        for level in breakage.levels if not names or breakage.name in names else ():
            was_noticed = noticed(breakage, level)
            missed += not was_noticed
            print(f"{breakage.name:22} {level:40} {'noticed' if was_noticed else 'NOT NOTICED'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
