"""The main process of a container: a task with or without the wrapper around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from testbed.wait import until
from tests.support.oracles.kubelet_expansion import container_argv
from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS
from webhook.core.names import HELPER_BUSYBOX
from webhook.core.pod_options import WhenNotReady
from webhook.core.wrapper import HELPER_SHELL, IMAGE_SHELL, Entrypoint, EntrypointSource, Wrap, wrapped_command, wrapper_script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.wrapper.shell_image import ShellImage
    from webhook.core.catalogue import FoundSidecar

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = (ROOT / "webhook/data/wrapper.sh").read_text("utf-8")
SCRIPT: Final = wrapper_script(SOURCE)
PYTHON: Final = (str(Path(sys.executable).resolve()), "-I", "-S")
"""The first words of a task that runs Python, independent of PATH."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a run. `code` is negative where a signal ended the process itself, as in `subprocess`."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def lines(self) -> list[str]:
        """The lines of standard error."""
        return self.stderr.decode().splitlines()


@dataclass(frozen=True, slots=True)
class MainContainer:
    """The main container of a pod.

    Args:
        shell: The image.
        wrap: What the wrapper does.
        env: The environment that the pod sets, apart from PATH.
        before: Words before the command: a program that changes the process's surroundings and runs the rest.

    """

    shell: ShellImage
    wrap: Wrap
    env: dict[bytes, bytes] = field(default_factory=dict)
    before: tuple[str, ...] = ()

    def argv(self, task: Sequence[str]) -> list[str]:
        """The argv that the container runtime starts: the wrapped command, expanded as the kubelet does, and the task as args."""
        command = container_argv({"command": wrapped_command(self.wrap, SCRIPT)}, {})
        program = HELPER_BUSYBOX if self.shell.helper else "/bin/sh"
        wrapper = [self.shell.program if word == program else word for word in command]
        return [*self.before, *wrapper, *task]

    def with_env(self, **variables: str) -> MainContainer:
        """The same container with more variables."""
        more = {name.encode(): value.encode() for name, value in variables.items()}
        return replace(self, env=self.env | more)

    def environment(self) -> dict[bytes, bytes]:
        """All variables; PATH is that of the image."""
        return {b"PATH": self.shell.path.encode(), **self.env}

    @contextmanager
    def started(self, task: Sequence[str], **streams: int | IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        """Run the wrapped task in a session of its own; the end of the block kills the session."""
        with started(self.argv(task), self.environment(), **streams) as process:
            yield process

    def run(self, task: Sequence[str], stdin: bytes = b"") -> Ended:
        """Run the wrapped task to its end."""
        return run(self.argv(task), self.environment(), stdin)

    def run_unwrapped(self, task: Sequence[str], stdin: bytes = b"") -> Ended:
        """Run the task without the wrapper."""
        return run([*self.before, *task], self.environment(), stdin)


def container(
    shell: ShellImage,
    *sidecars: FoundSidecar,
    wait_seconds: int = 3600,
    when_not_ready: WhenNotReady = WhenNotReady.FAIL,
    restart_codes: frozenset[int] = frozenset(),
    candidates: tuple[tuple[str, ...], ...] = (),
) -> MainContainer:
    """A main container beside these sidecars. The task is given to `run` or `started`, as the args of the container."""
    source = EntrypointSource.GUESSED if candidates else EntrypointSource.COMMAND
    entrypoint = Entrypoint(source, candidates=candidates)
    wrap = Wrap(
        entrypoint=entrypoint,
        sidecars=sidecars,
        wait_seconds=wait_seconds,
        when_not_ready=when_not_ready,
        restart_codes=restart_codes,
        shell=HELPER_SHELL if shell.helper else IMAGE_SHELL,
    )
    return MainContainer(shell, wrap)


@contextmanager
def started(argv: Sequence[str], env: dict[bytes, bytes], **streams: int | IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process as the leader of a session; the end of the block kills the session."""
    pipes: dict[str, int | IO[bytes]] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, env=env, start_new_session=True, **{**pipes, **streams}) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            kill_session(process.pid)


def run(argv: Sequence[str], env: dict[bytes, bytes], stdin: bytes = b"") -> Ended:
    """Run a program to its end, which must come within a minute."""
    before = time.monotonic()
    with started(argv, env) as process:
        stdout, stderr = process.communicate(stdin, timeout=TIMEOUT_SECONDS)
        return Ended(process.returncode, stdout, stderr, time.monotonic() - before)


def processes_of_session(leader: int) -> list[str]:
    """The processes that still run in the session of this leader, as ``PID (NAME) STATE …`` (proc_pid_stat(5)); a zombie does not run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            line = stat.read_text("utf-8", "replace")
            state, _parent, _group, session, *_ = line.rpartition(")")[2].split()
            if int(session) == leader and state not in {"Z", "X"}:
                found.append(line)
    return found


def wait_for_end_of_session(leader: int) -> None:
    """Wait until no process of the session runs: a process that was killed needs a moment."""
    until(lambda: not processes_of_session(leader), "nothing that the wrapper started runs longer than the wrapper", TIMEOUT_SECONDS)


def kill_session(leader: int) -> None:
    """Kill the process group of a session leader, if it still exists."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def end_of(process: subprocess.Popen[bytes]) -> Ended:
    """Wait until a started process ends by itself."""
    before = time.monotonic()
    stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    return Ended(process.returncode, stdout, stderr, time.monotonic() - before)


def python(program: str, *args: str) -> list[str]:
    """A task that runs these lines of Python."""
    return [*PYTHON, "-c", program, *args]


def exits_with(code: int) -> list[str]:
    """A task that ends immediately."""
    return python(f"import os; os._exit({code})")
