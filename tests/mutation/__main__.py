"""``python -m tests.mutation [--every N] [MODULE...]``, as `make mutants` runs it; without a module, everything that is mutated (`MUTATED`).

Each survivor is printed. The rows of the modules are renewed in `summary.md`, unless only a sample was tried. Exit code 1: a module misses
its row of `floors.yaml`, or an explanation in `equivalent.yaml` has no survivor.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import msgspec

from tests.mutation import runner
from tests.mutation.copies import COPY, ROOT, write_copy
from tests.mutation.equivalent import equivalents
from tests.mutation.floor import floors
from tests.mutation.mutant import Result
from tests.mutation.summary import renew, table
from tests.mutation.verdict import counts_of, problems
from tests.support import search

if TYPE_CHECKING:
    from collections.abc import Sequence

MUTATED: Final = (
    "webhook/core/*.py",
    "certs/*.py",
    *(
        f"webhook/reaper/{name}.py"
        for name in ("act", "agenda", "decision", "left_pod_watch", "left_pods", "notice", "pod_event", "pod_watch")
    ),
)
"""Of the reaper, what its tests run without threads and connections."""

TESTS: Final = ("tests/unit/core", "tests/unit/certs", "tests/unit/reaper", "tests/unit/test_settings.py", "tests/golden")
LEFT_OUT: Final = (
    "tests/unit/core/test_cost.py",
    "tests/unit/core/test_face.py",
    "tests/unit/core/test_properties.py",
    "tests/unit/core/test_never_worse.py",
    "tests/unit/core/test_real_pods.py",
    "tests/unit/certs/test_manager_hostile.py",
    "tests/unit/certs/test_rotation_interleaved.py",
    "tests/unit/reaper/test_agenda_interleaved.py",
    "tests/unit/reaper/test_controller.py",
    "tests/unit/reaper/test_decision_interleaved.py",
    "tests/unit/reaper/test_sweep.py",
)
"""They take longer than all others together. A mutant that only they kill, by luck or by one of 149 pods, has no test that says what is wrong."""

OPTIONS: Final = (
    "--capture=no",
    "--assert=plain",
    "--tb=no",
    "--timeout=0",
    f"--hypothesis-profile={search.MUTANTS}",
    "--no-header",
    "--quiet",
)
"""Nobody reads the report of a failure. `runner` has a time limit of its own."""


def all_modules() -> list[str]:
    """Dotted names of the modules that are mutated."""
    paths = [path.relative_to(ROOT) for pattern in MUTATED for path in sorted(ROOT.glob(pattern)) if path.stem != "__init__"]
    return [path.with_suffix("").as_posix().replace("/", ".") for path in paths]


def main(arguments: Sequence[str]) -> int:
    """Try the mutants, print what became of them, and judge it."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try only every N-th mutant: a sample, which is not judged")
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    options = parser.parse_args(arguments)
    began, tried = time.monotonic(), commit()
    mutants = write_copy(options.modules or all_modules())[:: options.every]
    (COPY / runner.MUTANTS).write_bytes(msgspec.json.encode(mutants))
    command = [
        "nice",
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-p",
        runner.__name__,
        *OPTIONS,
        *(f"--ignore={path}" for path in LEFT_OUT),
        *TESTS,
    ]
    subprocess.run(command, cwd=COPY, env={"PYTHONPATH": str(COPY)}, check=True)
    results = [msgspec.json.decode(line, type=Result) for line in (COPY / runner.RESULTS).read_bytes().splitlines()]
    explained = equivalents()
    counts = counts_of(results, explained)
    print(*table(counts, dict.fromkeys(counts, "")), sep="\n")
    print(f"{(time.monotonic() - began) / 60:.0f} minutes")
    if options.every == 1:
        renew(counts, tried, all_modules())
    found = list(problems(results, explained, floors())) if options.every == 1 else []
    for problem in found:
        print(problem, file=sys.stderr)
    return bool(found)


def commit() -> str:
    """The commit that the copy is made of, and its date."""
    shown = subprocess.run(
        ["git", "show", "--no-patch", "--format=%h of %cs", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT, check=False).returncode != 0
    return shown.stdout.strip() + (" with changes" if changed else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
