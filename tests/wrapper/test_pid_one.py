"""The wrapper as process 1, as in every container whose pod does not share its process namespace."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.differences import DIFFERENCES, KILLED_PARENT
from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS, FakeSidecar, Reaction, full_accept_queue, wait_for_a_connect
from tests.wrapper.fake_uptime import MOUNTS
from tests.wrapper.main_container import container, end_of, exits_with, python
from tests.wrapper.messages import (
    CODE_UNKNOWN,
    FEW_FILES,
    NOT_EXECUTED,
    not_ready,
    quit_not_accepted_on,
    signal_before_the_task,
    signal_not_sent,
)
from tests.wrapper.own_network import enter_own_network
from tests.wrapper.parallel import check_in_parallel
from tests.wrapper.requirements import require_program, require_root
from tests.wrapper.shell_image import bash_as_sh, dash_alone, dash_and_bash
from tests.wrapper.test_capabilities import ENDS_BY_TERM_OR_LINE, NOT_ROOT, ROOT_WITHOUT_KILL, USER_CHANGES
from tests.wrapper.test_hostile_sidecars import listener, listening_at
from tests.wrapper.test_limits import own_lines
from tests.wrapper.test_signals import EVERY_STOP_SIGNAL, PRINTS_EVERY_SIGNAL
from tests.wrapper.test_transparency import FUNCTIONS, MISSING_LOCALES, ODD_VARIABLES, differing, environments
from tests.wrapper.test_unusable_programs import STAYS_THE_PARENT, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.wrapper.main_container import MainContainer
    from tests.wrapper.shell_image import ShellImage
    from tests.wrapper.test_capabilities import UserChange

# Twenty children each leave a grandchild behind, which ends after them: process 1 inherits it and has to reap it.
LEAVES_ORPHANS = """
import glob, os, sys
def stat(name):
    try:
        return open(name).read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ("gone", "0")
def states():
    return [state for state, parent, *_ in map(stat, glob.glob("/proc/[0-9]*/stat")) if parent == "1"]
reads, writes = os.pipe()
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            os.close(writes)
            os.read(reads, 1)
        os._exit(0)
    os.wait()
assert len(states()) >= 21, states()
os.close(writes)
while "Z" in states() or len(states()) > 1:
    pass
os._exit(5)
"""
# Not signal.pause(): Python runs the handler of a signal that arrives just before it only after the next signal.
TERM_ENDS = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
os.write(1, b"up\\n")
while True:
    pass
"""

ONE_MORE_ROUND_SECONDS = 0.5
"""A wrapper that took the task for ended would send its quit request meanwhile."""


def as_pid_one(where: MainContainer) -> MainContainer:
    require_root()
    unshare = str(require_program("unshare"))
    return replace(where, before=(unshare, "--pid", "--fork", "--kill-child", "--mount-proc", *where.before))


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii"))


def test_orphans_are_reaped_while_the_task_runs(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    ended = as_pid_one(container(shell, ready_sidecar.as_sidecar())).run(python(LEAVES_ORPHANS))
    assert (ended.code, ended.stdout, ended.stderr) == (5, b"", b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_term_reaches_the_task_of_process_one(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    with as_pid_one(container(shell, ready_sidecar.as_sidecar())).started(python(TERM_ENDS)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(child_of(process.pid), signal.SIGTERM)
        ended = end_of(process)
    assert (ended.code, ended.stderr) == (7, b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_term_kills_a_task_without_handlers_under_process_one(shell: ShellImage) -> None:
    """Unwrapped it would be process 1 itself, and the kernel ignores a TERM to process 1 without a handler: only the kubelet's KILL would end it."""
    with as_pid_one(container(shell)).started(python("import os, signal; os.write(1, b'up\\n'); signal.pause()")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(child_of(process.pid), signal.SIGTERM)
        assert end_of(process).code == 143


# The task survives its own kill, and process 1 does too.
KILLS_ALL_OTHERS = """
import contextlib, os, signal
with contextlib.suppress(ProcessLookupError):
    os.kill(-1, signal.SIGKILL)
os.write(1, b"alone\\n")
os._exit(8)
"""
KILLS_ALL_OTHERS_AND_READS = KILLS_ALL_OTHERS.replace("os._exit(8)", 'os.read(0, 1); os.write(1, b"end\\n"); os._exit(8)')


def test_a_task_that_kills_all_other_processes_runs_to_its_end(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    """In bash its parent is killed too, and with it goes the exit code; one line says so."""
    ended = as_pid_one(container(shell, ready_sidecar.as_sidecar())).run(python(KILLS_ALL_OTHERS))
    assert ended.stdout == b"alone\n"
    assert (ended.code, ended.lines) == ((137, [CODE_UNKNOWN]) if shell.is_bash else (8, [])), KILLED_PARENT
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_a_task_that_has_become_root_and_kills_all_other_processes_runs_to_its_end(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    """A process 1 that is not root may not signal the task, and sees in /proc alone whether it runs."""
    where = as_pid_one(replace(container(shell, ready_sidecar.as_sidecar()), before=NOT_ROOT.before_wrapper()))
    with where.started(NOT_ROOT.task(KILLS_ALL_OTHERS_AND_READS)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"alone\n"
        if shell.is_bash:
            assert process.stderr.readline().decode() == f"{CODE_UNKNOWN}\n"
        assert not ready_sidecar.gets("POST /quit", 1, ONE_MORE_ROUND_SECONDS)
        process.stdin.write(b".")
        process.stdin.flush()
        ended = end_of(process)
    assert (ended.code, ended.stdout, ended.stderr) == (137 if shell.is_bash else 8, b"end\n", b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_a_task_that_kills_a_program_of_the_wrapper_is_not_reported(tmp_path: Path) -> None:
    """As the task starts, the wrapper reads its state with cat, as long as the task is such a shell. Here it always is, without env.

    This cat ends only by the kill, for which the task waits until cat runs.
    """
    image = dash_alone(tmp_path / "bin")
    (tmp_path / "bin/env").unlink()
    hangs = tmp_path / "bin/cat"
    real = hangs.resolve()
    hangs.unlink()
    dash, runs = str(require_program("dash")), tmp_path / "runs"
    hangs.write_text(f'#!{dash}\ncase $1 in */status) : >{runs}; exec sleep 3600 ;; esac\nexec {real} "$@"\n', "utf-8")
    hangs.chmod(0o755)
    ended = as_pid_one(container(image)).run([dash, "-c", f"until [ -e {runs} ]; do :; done; kill -KILL -1; exit 8"])
    assert (ended.code, ended.stderr) == (8, b"")


def test_process_one_is_as_transparent_as_any_other_wrapper(shell: ShellImage) -> None:
    """With variables and exported functions that are named like what the wrapper uses, and control characters."""
    functions = {f"BASH_FUNC_{name}%%".encode(): b"() {  echo captured\n}" for name in FUNCTIONS}
    where = as_pid_one(replace(container(shell), env=ODD_VARIABLES | functions | {b"FUNCNEST": b"1"}))
    unwrapped, wrapped = environments(where)
    assert wrapped == unwrapped
    assert differing(where) == set(DIFFERENCES[shell.name])


def test_a_locale_that_the_image_does_not_have_prints_no_warning_of_process_one(shell: ShellImage) -> None:
    """Except where sh is bash."""
    ended = as_pid_one(container(shell).with_env(**MISSING_LOCALES)).run(exits_with(3))
    assert (ended.code, [line for line in ended.lines if shell.name != "bash-as-sh" or "cannot change locale" not in line]) == (3, [])


def test_process_one_gives_up_a_quit_that_has_no_answer(shells: list[ShellImage]) -> None:
    """Its connection is never established (None), or the answer comes byte by byte or never ends."""

    def check(case: tuple[ShellImage, Reaction | None]) -> None:
        shell, answer = case
        with listener(answer) as port:
            ended = as_pid_one(container(shell, listening_at(port), wait_seconds=0)).run(exits_with(3))
            assert (ended.code, ended.lines) == (3, [quit_not_accepted_on(port, "no answer")])

    check_in_parallel(check, [(shell, answer) for shell in shells for answer in (Reaction.TRICKLE, Reaction.ENDLESS_LINE, None)])


def test_process_one_reads_unusual_answers(shells: list[ShellImage]) -> None:
    """A redirect is not ready, though it leads to what is; the others are a 200."""

    def check(case: tuple[ShellImage, Reaction]) -> None:
        shell, answer = case
        with FakeSidecar({"GET /ready": [Reaction.REDIRECT, answer], "GET /elsewhere": [200], "POST /quit": [answer]}) as fake:
            fake.answer("GET /", Reaction.RESET_AND_STOP)
            ended = as_pid_one(container(shell, fake.as_sidecar())).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert (fake.requests.count("GET /ready"), fake.requests.count("POST /quit")) == (2, 1)

    answers = (Reaction.NO_REASON, Reaction.CONTINUE, Reaction.ENDLESS_BODY)
    check_in_parallel(check, [(shell, answer) for shell in shells for answer in answers])


def test_a_term_ends_the_wait_of_process_one_for_such_a_connection(shells: list[ShellImage]) -> None:
    def check(shell: ShellImage) -> None:
        with full_accept_queue() as port:
            where = as_pid_one(container(shell, listening_at(port, quit_path=None)))
            with where.started(exits_with(0)) as process:
                wait_for_a_connect(port)
                os.kill(child_of(process.pid), signal.SIGTERM)
                ended = end_of(process)
            assert (ended.code, ended.lines) == (143, [signal_before_the_task("SIGTERM")])

    check_in_parallel(check, shells)


def test_what_listens_on_port_1_delays_no_request_of_process_one(shells: list[ShellImage]) -> None:
    def check(shell: ShellImage) -> None:
        enter_own_network()
        with full_accept_queue(1), FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
            ended = as_pid_one(container(shell, fake.as_sidecar())).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert fake.requests == ["GET /ready", "POST /quit"]

    check_in_parallel(check, shells)


def test_process_one_forwards_every_signal_that_an_image_may_stop_by(shell: ShellImage) -> None:
    with as_pid_one(container(shell)).started(python(PRINTS_EVERY_SIGNAL)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        for number in (number for number in EVERY_STOP_SIGNAL if number != signal.SIGTERM):
            os.kill(child_of(process.pid), number)
            assert process.stdout.readline() == f"{int(number)}\n".encode()
        os.kill(child_of(process.pid), signal.SIGTERM)
        ended = end_of(process)
    assert (ended.code, ended.stderr) == (7, b"")


@pytest.mark.parametrize("make", [dash_alone, dash_and_bash, bash_as_sh])
def test_an_int_while_process_one_is_set_up_changes_nothing(make: Callable[[Path], ShellImage], tmp_path: Path) -> None:
    """The first program that the wrapper uses sends it. Unwrapped, the kernel ignores it where process 1 has no handler."""
    image = make(tmp_path / "bin")
    sends_int = tmp_path / "bin/tr"
    real = sends_int.resolve()
    sends_int.unlink()
    sends_int.write_text(f'#!{require_program("dash")}\nkill -INT 1\nexec {real} "$@"\n', "utf-8")
    sends_int.chmod(0o755)
    ended = as_pid_one(container(image)).run(exits_with(3))
    assert (ended.code, ended.stderr) == (3, b"")


@pytest.mark.parametrize("make", [dash_and_bash, bash_as_sh, dash_alone])
def test_a_process_of_the_tasks_user_sends_the_signal_of_process_one(make: Callable[[Path, tuple[str, ...]], ShellImage]) -> None:
    with TemporaryDirectory() as readable:
        Path(readable).chmod(0o755)
        image = make(Path(readable, "bin"), ("curl", "setpriv"))
        where = as_pid_one(replace(container(image), before=ROOT_WITHOUT_KILL.before_wrapper()))
        assert ended_by_term(where, ROOT_WITHOUT_KILL.task(ENDS_BY_TERM_OR_LINE)) == (7, b"")


@pytest.mark.parametrize("make", [dash_and_bash, bash_as_sh, dash_alone])
def test_process_one_does_not_use_an_env_that_stays_the_parent_of_its_program(make: Callable[[Path], ShellImage], tmp_path: Path) -> None:
    image = make(tmp_path / "bin")
    put(image, "env", STAYS_THE_PARENT)
    assert ended_by_term(as_pid_one(container(image)), python(ENDS_BY_TERM_OR_LINE)) == (7, b"")


def ended_by_term(where: MainContainer, task: list[str]) -> tuple[int, bytes]:
    """Code and stderr of a process 1 that got a TERM once its task was up."""
    with where.started(task) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(child_of(process.pid), signal.SIGTERM)
        process.wait(TIMEOUT_SECONDS)
        ended = end_of(process)
    return ended.code, ended.stderr


@pytest.mark.parametrize("change", USER_CHANGES)
def test_process_one_reports_a_signal_that_it_cannot_send(shell: ShellImage, change: UserChange) -> None:
    """The kernel does not deliver a signal of process 1 to a task of another user either."""
    where = as_pid_one(replace(container(shell), before=change.before_wrapper()))
    with where.started(change.task(ENDS_BY_TERM_OR_LINE)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(child_of(process.pid), signal.SIGTERM)
        line = process.stderr.readline().decode()
        process.stdin.write(b".")
        process.stdin.flush()
        ended = end_of(process)
    assert (line, ended.code, ended.stderr) == (f"{signal_not_sent(signal.SIGTERM, change.user)}\n", 8, b"")


def test_process_one_that_cannot_work_ends_with_a_code_and_a_line(shell: ShellImage) -> None:
    """With noexec in SHELLOPTS, which only a bash that runs as sh obeys, and with few files."""
    task = [str(require_program("dash")), "-c", "echo ran; exit 7"]
    noexec = as_pid_one(container(shell).with_env(SHELLOPTS="noexec")).run(task)
    if shell.name == "bash-as-sh":
        assert (noexec.code, noexec.stdout, NOT_EXECUTED in noexec.lines[-1]) == (2, b"", True)
    else:
        assert (noexec.code, noexec.stdout, noexec.stderr) == (7, b"ran\n", b"")
    few = (str(require_program("bash")), "-c", 'ulimit -n 12; exec "$@"', "bash")
    ended = as_pid_one(replace(container(shell), before=few)).run(task)
    assert (ended.code, ended.stdout, [FEW_FILES in line for line in own_lines(ended)]) == (71, b"", [True])


def test_without_a_readable_uptime_process_one_measures_its_times_by_another_clock(shells: list[ShellImage], tmp_path: Path) -> None:
    (tmp_path / "uptime").touch()
    bash, mount = (str(require_program(name)) for name in ("bash", "mount"))

    def check(shell: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}) as fake:
            where = replace(
                container(shell, fake.as_sidecar(), wait_seconds=1), before=(bash, "-c", MOUNTS, mount, str(tmp_path / "uptime"))
            )
            ended = as_pid_one(where).run(exits_with(0))
            assert (ended.code, ended.lines) == (69, [not_ready("fake", 1)])

    check_in_parallel(check, shells)
