"""Benchmarks of the webhook beside its peers: `python -m benchmarks`, under six minutes.

Needs two cores, `taskset` and `wrk`, and Go for one of the peers. All traffic stays on 127.0.0.1.
`--beside CHECKOUT` adds the service of an earlier commit, with the environment in its `.venv`.
Exit status: 0 when every target was met, 1 when one was missed, 2 when there are no figures, 130
after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from benchmarks import contestants, load, memory, report, verdicts, wrapper
from benchmarks.comparison import OptionalContestants, agree, compare
from benchmarks.material import Material, prepare
from benchmarks.output import INTERRUPTED, MISSED, NO_FIGURES, RESULTS, progress, write_figures
from benchmarks.rounds import Plan
from benchmarks.server import ServerError, running
from benchmarks.treatment import AnswerError

if TYPE_CHECKING:
    from types import FrameType

    from benchmarks.treatment import ObservedTreatment


def main() -> int:
    """Measure, print the report, write it as JSON, and return the exit status."""
    plan, beside = read_command_line()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    RESULTS.mkdir(exist_ok=True)
    try:
        load.require_machine()
        optional = OptionalContestants(go_peer_or_none(), beside)
        os.sched_setaffinity(0, {load.LOAD_CORE})
        with tempfile.TemporaryDirectory(dir=RESULTS) as directory:
            return measure_all(plan, prepare(Path(directory)), optional)
    except KeyboardInterrupt:
        progress("interrupted; all servers have been stopped")
        return INTERRUPTED
    except (load.LoadError, ServerError, AnswerError, wrapper.WrapperError, OSError) as error:
        progress(f"no figures: {error}")
        return NO_FIGURES


def read_command_line() -> tuple[Plan, Path | None]:
    """Return the plan and, where one is given, the checkout of an earlier commit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each run (3)")
    parser.add_argument("--connections", default="1,16,64", help="numbers of connections (1,16,64)")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="a checkout of an earlier commit, after `make .venv/ready` in it")
    given = parser.parse_args()
    plan = Plan(given.rounds, given.seconds, [int(it) for it in given.connections.split(",")])
    return plan, given.beside and given.beside.absolute()


def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End the run as Ctrl-C does by default: a parent may have had it ignored."""
    raise KeyboardInterrupt


def go_peer_or_none() -> Path | None:
    """Return the Go peer's binary, or report why it is left out of the comparison."""
    progress("building the Go peer; the first build takes minutes")
    try:
        return contestants.build_go_peer(RESULTS)
    except contestants.GoPeerError as error:
        progress(f"{contestants.CONTROLLER_RUNTIME} is left out: {error}")
        return None


def measure_all(plan: Plan, material: Material, optional: OptionalContestants) -> int:
    """Make all measurements in a directory of their own, and report them."""
    readings, treatment = measure_webhook_alone(material)
    trials = try_wrapper(treatment, material)
    results = compare(plan, material, optional, progress)
    verdicts_found = verdicts.rates(results) + verdicts.tail(results) + verdicts.memory(readings)
    verdicts_found += verdicts.wrapper(trials)
    size = material.review.stat().st_size
    found = report.BenchmarkReport(plan, size, results, readings, trials, verdicts_found)
    print(found.text())
    write_figures("service", found.document())
    return 0 if all(it.met for it in verdicts_found) else MISSED


def measure_webhook_alone(material: Material) -> tuple[list[memory.Reading], ObservedTreatment]:
    """Measure the memory of a webhook that was just started, and read what it does to the pod."""
    progress("measuring the memory of the webhook over 100,000 reviews")
    contestant = contestants.webhook(material)
    with running(contestant, material.output("alone")) as server:
        body = material.review.read_bytes()
        readings = memory.readings(server, body, material.certificates.authority)
        return readings, agree(server, material)


def try_wrapper(treatment: ObservedTreatment, material: Material) -> list[wrapper.WrapperTrial]:
    """Run the command that the webhook gave the pod, in every shell."""
    progress("measuring the wrapper in every shell")
    return list(wrapper.trials(treatment.command, material.directory, progress))


if __name__ == "__main__":
    sys.exit(main())
