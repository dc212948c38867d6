"""What the wrapper adds to a task: `python -m benchmarks.overhead`, about a minute.

In each round and each shell the same task runs bare and wrapped, one after the other, in alternating order. The wrapped one is beside a
stand-in for Istio's agent that is ready already, so no figure has a wait for the proxy's own start.
Exit status: 0 with figures, 2 without any, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.output import INTERRUPTED, NO_FIGURES, progress, write_figures
from benchmarks.report import middle, table
from benchmarks.wrapper import SHELLS, path_of
from demo.stand_in_istio_agent import StandInIstioAgent
from testbed.wait import until
from tests.wrapper.main_container import SCRIPT
from tests.wrapper.sidecars import istio
from webhook.core.pod_options import WhenNotReady
from webhook.core.wrapper import Entrypoint, EntrypointSource, Wrap, wrapped_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.wrapper import MeasuredShell

AGENT_SECONDS: Final = 60.0


class OverheadError(Exception):
    """A task failed."""


@dataclass(frozen=True)
class Cost:
    """What one run of the task took, with all processes that it waited for, in seconds."""

    elapsed: float
    processor: float


@dataclass(frozen=True)
class CostPair:
    """The same task bare and wrapped, one right after the other."""

    shell: str
    bare: Cost
    wrapped: Cost


def main() -> int:
    """Read the command line, measure, print a table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=51, help="rounds (51)")
    rounds = parser.parse_args().rounds
    shells = [shell for shell in SHELLS if not missing(shell)]
    try:
        with tempfile.TemporaryDirectory() as directory:
            paths = {shell.name: path_of(shell, Path(directory)) for shell in shells}
            pairs = [pair(shell, paths[shell.name], number) for number in range(rounds) for shell in shells]
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OverheadError, OSError, TimeoutError) as error:
        progress(f"no figures: {error}")
        return NO_FIGURES
    report(pairs)
    return 0 if pairs else NO_FIGURES


def missing(shell: MeasuredShell) -> bool:
    """Whether this machine lacks the shell or one of its programs, which is reported."""
    lacking = shell.missing()
    if lacking:
        progress(f"{shell.name} is left out: install {', '.join(lacking)}")
    return bool(lacking)


def pair(shell: MeasuredShell, path: Path, number: int) -> CostPair:
    """Run the task bare and wrapped; in each second round the wrapped one comes first."""
    task = [*shell.argv, "-c", ":"]
    if number % 2:
        wrapped = wrapped_cost(shell, task, path)
        return CostPair(shell.name, cost(task, path), wrapped)
    bare = cost(task, path)
    return CostPair(shell.name, bare, wrapped_cost(shell, task, path))


def wrapped_cost(shell: MeasuredShell, task: Sequence[str], path: Path) -> Cost:
    """Run the wrapped task beside an agent that is ready, and see that the agent quits."""
    with StandInIstioAgent(ready_after_seconds=0) as agent:
        until(lambda: any(event.name == "ready" for event in agent.events), "the stand-in for the agent is ready", AGENT_SECONDS)
        command = wrapped_command(
            Wrap(
                entrypoint=Entrypoint(EntrypointSource.COMMAND),
                sidecars=(istio(agent),),
                wait_seconds=120,
                when_not_ready=WhenNotReady.FAIL,
                shell=shell.argv,
            ),
            SCRIPT,
        )
        found = cost([*command, *task], path)
        agent.wait_exit(AGENT_SECONDS)
    return found


def cost(argv: Sequence[str], path: Path) -> Cost:
    """Run a program to its end.

    Raises:
        OverheadError: It did not end with 0.

    """
    began = time.monotonic()
    process = os.posix_spawn(argv[0], list(argv), {"PATH": str(path)})
    _, status, used = os.wait4(process, 0)
    elapsed = time.monotonic() - began
    if status != 0:
        message = f"{argv[0]} ended with the wait status {status}"
        raise OverheadError(message)
    return Cost(elapsed, used.ru_utime + used.ru_stime)


def report(pairs: Sequence[CostPair]) -> None:
    """Print a table, and write all pairs to a new file."""
    print(table(rows(pairs)))
    write_figures("overhead", {"pairs": [asdict(it) for it in pairs]})


def rows(pairs: Sequence[CostPair]) -> list[list[str]]:
    """The table of all shells."""
    head = ["wrapper in", "rounds", "bare ms", "wrapped ms", "ratio", "added ms", "added CPU ms"]
    return [head, *(row(name, own) for name, own in pairs_by_shell(pairs).items())]


def pairs_by_shell(pairs: Sequence[CostPair]) -> dict[str, list[CostPair]]:
    """The pairs of each shell."""
    return {name: [it for it in pairs if it.shell == name] for name in dict.fromkeys(it.shell for it in pairs)}


def row(name: str, pairs: Sequence[CostPair]) -> list[str]:
    """One line of the table: medians; ratio and difference are of the two runs of a pair, with the 95 % confidence interval."""
    return [
        name,
        str(len(pairs)),
        f"{median(it.bare.elapsed for it in pairs) * 1e3:.1f}",
        f"{median(it.wrapped.elapsed for it in pairs) * 1e3:.1f}",
        middle([it.wrapped.elapsed / it.bare.elapsed for it in pairs], 0),
        middle([(it.wrapped.elapsed - it.bare.elapsed) * 1e3 for it in pairs], 0),
        middle([(it.wrapped.processor - it.bare.processor) * 1e3 for it in pairs], 1),
    ]


if __name__ == "__main__":
    sys.exit(main())
