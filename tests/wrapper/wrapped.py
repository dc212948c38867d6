"""A program run as a container's main process, bare or with the wrapper around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from tests.support.oracles.kubelet_expansion import container_argv
from tests.wrapper.fake_sidecar import PATIENCE_SECONDS
from webhook.core.names import HELPER_BUSYBOX
from webhook.core.pod_options import WhenNotReady
from webhook.core.wrapper import HELPER_SHELL, IMAGE_SHELL, Entrypoint, EntrypointSource, Wrap, wrapped_command, wrapper_script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.wrapper.shell import Shell
    from webhook.core.sidecar import FoundSidecar

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = (ROOT / "webhook/data/wrapper.sh").read_text("utf-8")
SCRIPT: Final = wrapper_script(SOURCE)
PYTHON: Final = (str(Path(sys.executable).resolve()), "-I", "-S")
"""A Python that needs nothing of PATH, as the first words of a task."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What was left of a run; `code` is negative where a signal ended the process itself."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def lines(self) -> list[str]:
        """The lines of standard error."""
        return self.stderr.decode().splitlines()


@dataclass(frozen=True, slots=True)
class Container:
    """The main container of a pod: its shell, what the wrapper is told, and the environment."""

    shell: Shell
    wrap: Wrap
    env: dict[bytes, bytes] = field(default_factory=dict)
    before: tuple[str, ...] = ()

    def argv(self, task: Sequence[str]) -> list[str]:
        """What the runtime starts: our command, expanded by the kubelet, and the task as args."""
        command = container_argv({"command": wrapped_command(self.wrap, SCRIPT)}, {})
        program = HELPER_BUSYBOX if self.shell.helper else "/bin/sh"
        ours = [self.shell.program if word == program else word for word in command]
        return [*self.before, *ours, *task]

    def with_env(self, **variables: str) -> Container:
        """The same with more variables."""
        more = {name.encode(): value.encode() for name, value in variables.items()}
        return replace(self, env=self.env | more)

    def environment(self) -> dict[bytes, bytes]:
        """PATH is the image's own."""
        return {b"PATH": self.shell.path.encode(), **self.env}

    @contextmanager
    def started(self, task: Sequence[str], **streams: int | IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        """The wrapped task as a session of its own, which ends with the block."""
        with started(self.argv(task), self.environment(), **streams) as process:
            yield process

    def run(self, task: Sequence[str], given: bytes = b"", patience_seconds: float = 3 * PATIENCE_SECONDS) -> Ended:
        """Run the wrapped task to its end."""
        return run(self.argv(task), self.environment(), given, patience_seconds)

    def run_bare(self, task: Sequence[str], given: bytes = b"") -> Ended:
        """Run the task without the wrapper."""
        return run([*self.before, *task], self.environment(), given)


def container(
    shell: Shell,
    *sidecars: FoundSidecar,
    wait_seconds: int = 20,
    when_not_ready: WhenNotReady = WhenNotReady.FAIL,
    only_after_success: bool = False,
    candidates: tuple[tuple[str, ...], ...] = (),
) -> Container:
    """A container with these sidecars beside it; what the task is comes as args."""
    source = EntrypointSource.IN_IMAGE if candidates else EntrypointSource.COMMAND
    entrypoint = Entrypoint(source, candidates=candidates)
    return Container(
        shell, Wrap(entrypoint, sidecars, wait_seconds, when_not_ready, only_after_success, HELPER_SHELL if shell.helper else IMAGE_SHELL)
    )


@contextmanager
def started(argv: Sequence[str], env: dict[bytes, bytes], **streams: int | IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process as the leader of a session; all that is left of the session is killed with the block."""
    pipes: dict[str, int | IO[bytes]] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, env=env, start_new_session=True, **{**pipes, **streams}) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            kill_session(process.pid)


def run(argv: Sequence[str], env: dict[bytes, bytes], given: bytes = b"", patience_seconds: float = 3 * PATIENCE_SECONDS) -> Ended:
    """Run a program to its end."""
    before = time.monotonic()
    with started(argv, env) as process:
        stdout, stderr = process.communicate(given, timeout=patience_seconds)
        return Ended(process.returncode, stdout, stderr, time.monotonic() - before)


def kill_session(leader: int) -> None:
    """Kill the process group that a session leader made, if anything of it is left."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def end_of(process: subprocess.Popen[bytes]) -> Ended:
    """Wait for a started process to end by itself."""
    before = time.monotonic()
    stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    return Ended(process.returncode, stdout, stderr, time.monotonic() - before)


def python(program: str, *args: str) -> list[str]:
    """A task that runs these lines of Python."""
    return [*PYTHON, "-c", program, *args]


def exits_with(code: int) -> list[str]:
    """A task that ends at once."""
    return python(f"import os; os._exit({code})")
