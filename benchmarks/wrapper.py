"""How long a wrapped task waits: from a ready proxy to the start of the task, from its end to the end of the container.

The wrapped command is the one that the webhook gave the pod, with the ports of a stand-in for
Istio's agent, run in shells that find no more programs than an image of their kind has.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Final

from demo.stand_in_istio_agent import StandInIstioAgent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

TRIALS: Final = 12
TRIAL_DEADLINE_SECONDS: Final = 30.0
# Later than any shell begins to poll, and each trial by another part of the poll's interval.
READY_AFTER_SECONDS: Final = 0.4
READY_STEP_SECONDS: Final = 0.0137

# The task prints the time, waits for a line, and prints the time again: in seconds since the epoch,
# with nanoseconds.
STAMP: Final = "/bin/date +%s.%N"
TASK: Final = ("/bin/sh", "-c", f"{STAMP}; read -r line; {STAMP}")
SHELL_OF_THE_POD: Final = "/bin/sh"
ISTIO_STATUS_PORT: Final = "15020"
ISTIO_READY_PORT: Final = "15021"


class WrapperError(Exception):
    """A wrapped task failed."""


@dataclass(frozen=True)
class MeasuredShell:
    """A shell and the programs on its PATH."""

    name: str
    argv: tuple[str, ...]
    programs: tuple[str, ...]

    def missing(self) -> list[str]:
        """Return those that this machine lacks."""
        return [it for it in (self.name, *self.programs) if shutil.which(it) is None]


COREUTILS: Final = ("cat", "date", "env", "head", "sleep", "timeout", "tr")
SHELLS: Final = (
    MeasuredShell("bash", ("/bin/bash",), ("bash", *COREUTILS)),
    MeasuredShell("dash", ("/bin/dash",), ("curl", *COREUTILS)),
    MeasuredShell("busybox", ("/bin/busybox", "sh"), ()),
)


@dataclass(frozen=True)
class WrapperTrial:
    """One wrapped task. Times are in seconds."""

    shell: str
    ready_to_start: float
    added_to_end: float


def trials(command: Sequence[str], directory: Path, progress: Callable[[str], None]) -> list[WrapperTrial]:
    """Return trials of the pod's command, 12 in every shell that this machine has.

    A shell in which a task fails has fewer, and the reason is printed.

    Raises:
        WrapperError: The command is no wrapper.

    """
    wrapper = without_entrypoint(command)
    made: list[WrapperTrial] = []
    for shell in SHELLS:
        if missing := shell.missing():
            progress(f"the wrapper in {shell.name} is left out: install {', '.join(missing)}")
            continue
        try:
            made.extend(trials_in(shell, wrapper, path_of(shell, directory)))
        except (WrapperError, subprocess.TimeoutExpired) as error:
            progress(f"the wrapper in {shell.name} failed: {error}")
    return made


def trials_in(shell: MeasuredShell, wrapper: Sequence[str], path: Path) -> Iterator[WrapperTrial]:
    """Yield the trials in one shell."""
    for number in range(TRIALS):
        yield trial(shell, wrapper, path, READY_AFTER_SECONDS + number * READY_STEP_SECONDS)


def without_entrypoint(command: Sequence[str]) -> Sequence[str]:
    """Return the wrapper up to the words it runs: those of the image, which this machine lacks.

    Where it ends with `--`, the wrapper searches the image for them, and finds none here.

    Raises:
        WrapperError: The command is no wrapper.

    """
    if command[:2] != [SHELL_OF_THE_POD, "-c"] or "--" not in command:
        message = f"the pod's command is no wrapper: {command[:2]}"
        raise WrapperError(message)
    return command if command[-1] == "--" else command[: command.index("--") + 1]


def by_shell(trials: Sequence[WrapperTrial]) -> dict[str, list[WrapperTrial]]:
    """Return the trials of each shell."""
    shells: dict[str, list[WrapperTrial]] = {}
    for it in trials:
        shells.setdefault(it.shell, []).append(it)
    return shells


def trial(shell: MeasuredShell, command: Sequence[str], path: Path, ready_after_seconds: float) -> WrapperTrial:
    """Run one task beside an agent that gets ready after some time, until both have ended."""
    with StandInIstioAgent(ready_after_seconds=ready_after_seconds) as agent:
        argv = [*shell.argv, *at_ports_of(agent, command[1:]), *TASK]
        epoch = time.time() - time.monotonic()
        with running_task(argv, path) as task:
            started = stamp(task.stdout.readline() if task.stdout else "", task)
            ready = next(it.at for it in agent.events if it.name == "ready")
            rest, _ = task.communicate("\n", TRIAL_DEADLINE_SECONDS)
            ended = time.monotonic()
        # The agent ends only after a quit request.
        agent.wait_exit(TRIAL_DEADLINE_SECONDS)
    return WrapperTrial(shell.name, started - epoch - ready, ended - (stamp(rest, task) - epoch))


@contextmanager
def running_task(argv: Sequence[str], path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a wrapped task, and end it with the block, or after 30 s, if it still runs."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, env={"PATH": str(path)}, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    deadline = Timer(TRIAL_DEADLINE_SECONDS, process.kill)
    deadline.start()
    try:
        yield process
    finally:
        deadline.cancel()
        process.kill()
        process.wait()


def stamp(line: str, task: subprocess.Popen[str]) -> float:
    """Return a time that the task printed.

    Raises:
        WrapperError: It printed none.

    """
    try:
        return float(line)
    except ValueError as error:
        message = f"the task printed no time; its exit code is {task.poll()}"
        raise WrapperError(message) from error


def at_ports_of(agent: StandInIstioAgent, words: Sequence[str]) -> list[str]:
    """Return the words with the agent's own ports for Istio's."""
    ports = {ISTIO_STATUS_PORT: agent.status_port, ISTIO_READY_PORT: agent.ready_port}
    pattern = re.compile(rf"\b({ISTIO_STATUS_PORT}|{ISTIO_READY_PORT})\b")
    return [pattern.sub(lambda found: str(ports[found[0]]), word) for word in words]


def path_of(shell: MeasuredShell, directory: Path) -> Path:
    """Return a new directory with links to the shell's programs, for busybox to all its applets."""
    path = directory / f"{shell.name}-programs"
    path.mkdir()
    for name in shell.programs:
        (path / name).symlink_to(str(shutil.which(name)))
    if shell.name == "busybox":
        subprocess.run(["/bin/busybox", "--install", "-s", str(path)], check=True)
    return path
