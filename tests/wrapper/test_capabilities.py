"""A task that changes to another user, and a wrapper that may not signal that user."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import pytest

from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS
from tests.wrapper.http_clients import with_client
from tests.wrapper.main_container import container, end_of, python
from tests.wrapper.messages import signal_not_sent
from tests.wrapper.requirements import require_program, require_root
from tests.wrapper.shell_image import bash_as_sh, busybox, dash_alone, dash_and_bash, helper_and_programs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.wrapper.fake_sidecar import FakeSidecar
    from tests.wrapper.shell_image import ShellImage

USER = 50_000
ENDS_BY_TERM_OR_LINE = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
os.write(1, b"up\\n")
os.read(0, 1)
os._exit(8)
"""


@dataclass(frozen=True, slots=True)
class UserChange:
    """A wrapper, and a task that has changed its user.

    Args:
        wrapper: The options of setpriv for the wrapper.
        to_task: Those for the task, which starts with the wrapper's user.
        user: The task's user.

    """

    wrapper: tuple[str, ...]
    to_task: tuple[str, ...]
    user: int

    def before_wrapper(self) -> tuple[str, ...]:
        """The words before the wrapper."""
        require_root()
        return (str(require_program("setpriv")), *self.wrapper, "--")

    def task(self, program: str) -> list[str]:
        """The task that runs these lines of Python."""
        return [str(require_program("setpriv")), *self.to_task, "--", *python(program)]


READS_ALL: Final = ("--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
"""Such a user may read the folders of a test run."""

ROOT_WITHOUT_KILL: Final = UserChange(("--bounding-set=-kill",), (f"--reuid={USER}", *READS_ALL), USER)
"""As with ``drop: [ALL]`` and ``add: [SETUID, SETGID]``."""

NOT_ROOT: Final = UserChange(
    (f"--reuid={USER}", "--clear-groups", "--inh-caps=+dac_override,+setuid", "--ambient-caps=+dac_override,+setuid"), ("--reuid=0",), 0
)
"""The task becomes root. The capability stands for a setuid program such as sudo, which needs a file system without nosuid."""

USER_CHANGES: Final = (pytest.param(ROOT_WITHOUT_KILL, id="root-without-kill"), pytest.param(NOT_ROOT, id="not-root"))


def ended_after_term(
    image: ShellImage, sidecar: FakeSidecar, change: UserChange = ROOT_WITHOUT_KILL, *, reaches_the_task: bool = True
) -> tuple[int, list[str]]:
    """Code and lines of a wrapper that got a TERM, and a line for the task after it."""
    where = replace(container(image, sidecar.as_sidecar()), before=change.before_wrapper())
    with where.started(change.task(ENDS_BY_TERM_OR_LINE)) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        if reaches_the_task:
            process.wait(TIMEOUT_SECONDS)
            ended = end_of(process)
        else:
            assert process.stderr is not None
            line = process.stderr.readline()
            process.stdin.write(b".")
            process.stdin.flush()
            ended = end_of(process)
            return ended.code, [line.decode().rstrip("\n"), *ended.lines]
    return ended.code, ended.lines


@pytest.mark.parametrize("make", [dash_and_bash, bash_as_sh, dash_alone])
def test_a_process_of_the_tasks_user_sends_the_signal(
    make: Callable[[Path, tuple[str, ...]], ShellImage], ready_sidecar: FakeSidecar
) -> None:
    with TemporaryDirectory() as readable:
        Path(readable).chmod(0o755)
        assert ended_after_term(make(Path(readable, "bin"), ("curl", "setpriv")), ready_sidecar) == (7, [])
    assert ready_sidecar.requests[-1] == "POST /quit"


@pytest.mark.parametrize("make", [busybox, helper_and_programs])
def test_the_images_setpriv_sends_the_signal_and_not_that_of_a_busybox(
    make: Callable[[Path], ShellImage], ready_sidecar: FakeSidecar
) -> None:
    with TemporaryDirectory() as readable:
        Path(readable).chmod(0o755)
        image = make(Path(readable, "bin"))
        Path(image.path, "setpriv").symlink_to(require_program("setpriv"))
        assert ended_after_term(image, ready_sidecar) == (7, [])


def test_python_sends_the_signal_where_there_is_no_setpriv(ready_sidecar: FakeSidecar, tmp_path: Path) -> None:
    assert ended_after_term(with_client("python3", tmp_path / "bin"), ready_sidecar) == (7, [])


def test_a_setpriv_that_does_nothing_is_not_taken_for_a_signal_that_was_sent(ready_sidecar: FakeSidecar, tmp_path: Path) -> None:
    image = with_client("python3", tmp_path / "bin")
    for name in ("setpriv", "gosu"):
        program = Path(image.path, name)
        program.write_text("", "utf-8")
        program.chmod(0o755)
    assert ended_after_term(image, ready_sidecar) == (7, [])


@pytest.mark.parametrize("change", USER_CHANGES)
def test_a_signal_that_cannot_be_sent_is_reported_in_one_line(shell: ShellImage, ready_sidecar: FakeSidecar, change: UserChange) -> None:
    code, lines = ended_after_term(shell, ready_sidecar, change, reaches_the_task=False)
    assert (code, lines) == (8, [signal_not_sent(signal.SIGTERM, change.user)])
    assert ready_sidecar.requests[-1] == "POST /quit"
