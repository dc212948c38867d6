"""What `explain` costs: `python -m benchmarks.explain`, two minutes.

Each run is the installed program on one core, from the start of its process to its end, with the bytecode that an installation writes.
One pod of a file, beside a bare interpreter; then the summary of many pods of a file, as a list in JSON and as documents in YAML.
Exit status: 0 when every target was met, 1 when one was missed, 2 without figures, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import yaml

from benchmarks.output import INTERRUPTED, MISSED, NO_FIGURES, progress, write_figures
from benchmarks.program_cost import run_program
from benchmarks.report import middle, table
from benchmarks.running_pods import istio_pod, named, status_of
from webhook.command.command import PROGRAM
from webhook.command.exit_code import ExitCode
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.program_cost import ProgramCost
    from tests.support.json_object import JSONObject

CORE: Final = 0
INSTALLED: Final = str(Path(sys.executable).with_name(PROGRAM))
NAMESPACES: Final = 100

ONE_POD_SECONDS: Final = 0.4
SUMMARY_SECONDS: Final = 20.0
SUMMARY_MEBIBYTES: Final = 300.0


class ExplainError(Exception):
    """A run failed."""


@dataclass(frozen=True)
class ExplainRuns:
    """The runs of one command line.

    Args:
        name: What it does.
        costs: One for each run.

    """

    name: str
    costs: tuple[ProgramCost, ...]

    @property
    def seconds(self) -> float:
        """The median time from start to end."""
        return median(one.seconds for one in self.costs)

    @property
    def peak_mebibytes(self) -> float:
        """The largest resident memory of all runs."""
        return max(one.peak_mebibytes for one in self.costs)


def main() -> int:
    """Read the command line, measure, print a table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explain", description=__doc__)
    parser.add_argument("--runs", type=int, default=51, help="runs for one pod (51)")
    parser.add_argument("--pods", type=int, default=10_000, help="pods of each summary (10000)")
    parser.add_argument("--summaries", type=int, default=3, help="runs of each summary (3)")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as directory:
            os.sched_setaffinity(0, {CORE})
            return measure(given, Path(directory))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ExplainError, OSError) as error:
        progress(f"no figures: {error}")
        return NO_FIGURES


def measure(given: argparse.Namespace, directory: Path) -> int:
    """Make all measurements with the files of this directory, and report them."""
    environ = environment(directory / "bytecode")
    pod, pods, in_yaml = directory / "pod.json", directory / "pods.json", directory / "pods.yaml"
    pod.write_text(json.dumps(named(istio_pod(), "tasks", 1)), "utf-8")
    write_pods(pods, given.pods)
    write_yaml(in_yaml, given.pods)
    bare = runs("bare interpreter", [sys.executable, "-c", "pass"], environ, given.runs)
    one = runs("explain of one pod", [INSTALLED, "explain", str(pod)], environ, given.runs)
    stuck = [INSTALLED, "explain", "--summary", str(pods)]
    summary = runs(f"explain --summary of {given.pods:,} pods in JSON", stuck, environ, given.summaries)
    summed_up = [INSTALLED, "explain", "--summary", str(in_yaml)]
    of_yaml = runs(f"explain --summary of {given.pods:,} pods in YAML", summed_up, environ, given.summaries)
    return report((bare, one, summary, of_yaml), verdicts(one, (summary, of_yaml)))


def environment(bytecode: Path) -> dict[str, str]:
    """No setting of the webhook's, and a folder into which the first run writes the bytecode of all modules."""
    left_out = {"PYTHONDONTWRITEBYTECODE"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out and not name.startswith(PREFIX)}
    return {**kept, "PYTHONPYCACHEPREFIX": str(bytecode)}


def write_pods(path: Path, count: int) -> None:
    """A list of Running pods, written one by one: a large process makes the memory of its children look large."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{"apiVersion": "v1", "kind": "List", "items": [')
        for number, pod in enumerate(running_pods(count)):
            file.write(f"{',' if number else ''}\n{json.dumps(pod)}")
        file.write("]}\n")


def write_yaml(path: Path, count: int) -> None:
    """The same pods, a document each."""
    with path.open("w", encoding="utf-8") as file:
        for pod in running_pods(count):
            file.write(f"---\n{yaml.dump(pod, Dumper=yaml.CSafeDumper)}")


def running_pods(count: int) -> Iterator[JSONObject]:
    """So many Running pods."""
    pod = istio_pod()
    return ({**named(pod, f"tasks-{number % NAMESPACES}", number), "status": status_of(pod, number)} for number in range(count))


def runs(name: str, command: Sequence[str], environ: Mapping[str, str], count: int) -> ExplainRuns:
    """Run a command once to fill the caches, and then so many times."""
    progress(f"{name}: {count} runs")
    return ExplainRuns(name, tuple([run(command, environ) for _ in range(count + 1)][1:]))


def run(command: Sequence[str], environ: Mapping[str, str]) -> ProgramCost:
    """Run it once. ExplainError: it did not do its work."""
    found = run_program(command, environ)
    if found.exit_code not in {ExitCode.DONE, ExitCode.PROBLEM}:
        message = f"{' '.join(command)} ended with the exit code {found.exit_code}"
        raise ExplainError(message)
    return found.cost


def verdicts(one: ExplainRuns, summaries: Sequence[ExplainRuns]) -> dict[str, bool]:
    """Each target, and whether it was met."""
    return {
        f"one pod in at most {ONE_POD_SECONDS} s": one.seconds <= ONE_POD_SECONDS,
        f"each summary in at most {SUMMARY_SECONDS:.0f} s": max(it.seconds for it in summaries) <= SUMMARY_SECONDS,
        f"each summary in at most {SUMMARY_MEBIBYTES:.0f} MiB": max(it.peak_mebibytes for it in summaries) <= SUMMARY_MEBIBYTES,
    }


def report(measured: Sequence[ExplainRuns], targets: Mapping[str, bool]) -> int:
    """Print the figures and the targets, and write them to a file; the exit status."""
    print(table(rows(measured)))
    for target, is_met in targets.items():
        print(f"{'met   ' if is_met else 'missed'}  {target}")
    write_figures("explain", {"runs": [asdict(one) for one in measured], "targets": dict(targets)})
    return 0 if all(targets.values()) else MISSED


def rows(measured: Sequence[ExplainRuns]) -> list[list[str]]:
    """The table of all command lines."""
    return [["", "runs", "seconds", "seconds of a processor", "peak MiB"], *map(row, measured)]


def row(one: ExplainRuns) -> list[str]:
    """One line of the table; medians with the 95 % confidence interval."""
    digits = 3
    seconds = middle([cost.seconds for cost in one.costs], digits)
    return [
        one.name,
        str(len(one.costs)),
        seconds,
        middle([cost.processor_seconds for cost in one.costs], digits),
        f"{one.peak_mebibytes:.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
