from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS, FakeSidecar, Reaction
from tests.wrapper.main_container import container, end_of, python
from tests.wrapper.messages import signal_before_the_task
from tests.wrapper.requirements import require_program
from tests.wrapper.shell_image import dash_alone

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.wrapper.main_container import MainContainer
    from tests.wrapper.shell_image import ShellImage

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
ENDING = FORWARDED[:4]
NOT_FORWARDED = {
    signal.SIGKILL,
    signal.SIGSTOP,
    *(signal.SIGILL, signal.SIGTRAP, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGPIPE, signal.SIGCHLD),
    *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
}
EVERY_STOP_SIGNAL = sorted(signal.valid_signals() - NOT_FORWARDED)

TRIALS = 20
"""Signals at a random moment, for each image: of a fault that shows in one of five, each image alone notices 99 %."""

PRINTS_SIGNALS = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 16))
os.write(1, b"up\\n")
while True:
    number = signal.sigwait(range(1, 16))
    os.write(1, f"{number}\\n".encode())
    if number == signal.SIGTERM:
        os._exit(7)
"""
PRINTS_EVERY_SIGNAL = """
import os, signal
every = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
signal.pthread_sigmask(signal.SIG_BLOCK, every)
os.write(1, b"up\\n")
while True:
    number = signal.sigwait(every - {signal.SIGCHLD})
    if number == signal.SIGTERM:
        os._exit(7)
    os.write(1, f"{int(number)}\\n".encode())
"""
IGNORES_TERM = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"up\\n")
os.read(0, 1)
os._exit(5)
"""
DIES_BY_DEFAULT = """
import os, signal
for number in range(1, 16):
    number in (9,) or signal.signal(number, signal.SIG_DFL)
os.write(1, b"up\\n")
signal.pause()
"""
SLEEPS = "import os, time; os.write(1, b'up\\n'); time.sleep(3600)"
SHORT_WORK = """
import os, signal, sys, time
for number in (1, 10, 12, 15):
    signal.signal(number, lambda *_: None)
os.write(1, b"up\\n")
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    pass
os._exit(37)
"""


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_before_the_task_ends_the_wait_and_the_sidecars_quit(shell: ShellImage, tmp_path: Path, number: signal.Signals) -> None:
    with FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}) as fake:
        task = python("import sys; open(sys.argv[1], 'w')", str(tmp_path / "started"))
        with container(shell, fake.as_sidecar()).started(task) as process:
            fake.wait_for("GET /ready", 2)
            process.send_signal(number)
            ended = end_of(process)
        assert (ended.code, ended.stdout) == (128 + number, b"")
        assert ended.lines == [signal_before_the_task(number.name)]
        assert fake.requests[-1] == "POST /quit"
    assert not (tmp_path / "started").exists()


def test_a_signal_while_the_wrapper_is_set_up_ends_it_and_the_sidecars_quit(tmp_path: Path) -> None:
    """The first program that the wrapper uses, to read its clock, sends the signal to the leader of the session: the wrapper."""
    image = dash_alone(tmp_path / "bin")
    cat = tmp_path / "bin/cat"
    cat.unlink()
    cat.write_text(f"#!{require_program('dash')}\nread -r _ _ _ _ leader _ </proc/self/stat\nkill -TERM $leader\n", "utf-8")
    cat.chmod(0o755)
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
        ended = container(image, fake.as_sidecar()).run(python("print('ran')"))
        assert (ended.code, ended.stdout, ended.lines) == (143, b"", [signal_before_the_task("SIGTERM")])
        assert fake.requests == ["POST /quit"]


def test_user_signals_before_the_task_change_nothing(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}) as fake:
        with container(shell, fake.as_sidecar()).started(python("print('ran')")) as process:
            fake.wait_for("GET /ready")
            process.send_signal(signal.SIGUSR1)
            process.send_signal(signal.SIGUSR2)
            fake.wait_for("GET /ready", 4)
            fake.answer("GET /ready", 200)
            ended = end_of(process)
        assert (ended.code, ended.stdout, ended.stderr) == (0, b"ran\n", b"")


def test_each_signal_reaches_the_task_and_its_exit_code_is_the_containers(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    with container(shell, ready_sidecar.as_sidecar()).started(python(PRINTS_SIGNALS)) as process:
        assert line_of(process) == b"up\n"
        for number in (*FORWARDED[1:], *FORWARDED):
            process.send_signal(number)
            assert line_of(process) == f"{int(number)}\n".encode()
            if number == signal.SIGTERM:
                break
        ended = end_of(process)
    assert (ended.code, ended.stderr) == (7, b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_a_task_that_ignores_term_goes_on_to_its_own_end(shell: ShellImage) -> None:
    with container(shell).started(python(IGNORES_TERM)) as process:
        assert line_of(process) == b"up\n"
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
        assert process.stdin is not None
        process.stdin.write(b".")
        process.stdin.flush()
        ended = end_of(process)
    assert (ended.code, ended.stderr) == (5, b"")


def test_every_signal_that_an_image_may_stop_by_reaches_the_task(shell: ShellImage) -> None:
    """A STOPSIGNAL of httpd is WINCH, of systemd RTMIN+3, of some inits PWR."""
    with container(shell).started(python(PRINTS_EVERY_SIGNAL)) as process:
        assert line_of(process) == b"up\n"
        for number in (number for number in EVERY_STOP_SIGNAL if number != signal.SIGTERM):
            process.send_signal(number)
            assert line_of(process) == f"{int(number)}\n".encode()
        process.send_signal(signal.SIGTERM)
        ended = end_of(process)
    assert (ended.code, ended.stderr) == (7, b"")


def test_signals_that_do_not_end_a_process_one_do_not_end_the_wait(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}) as fake:
        with container(shell, fake.as_sidecar()).started(python("print('ran')")) as process:
            fake.wait_for("GET /ready")
            for number in (number for number in EVERY_STOP_SIGNAL if number not in ENDING):
                process.send_signal(number)
            fake.wait_for("GET /ready", 3)
            fake.answer("GET /ready", 200)
            ended = end_of(process)
        assert (ended.code, ended.stdout, ended.stderr) == (0, b"ran\n", b"")


@pytest.mark.parametrize("number", FORWARDED)
def test_a_task_without_handlers_is_killed_by_a_forwarded_signal(
    shell: ShellImage, ready_sidecar: FakeSidecar, number: signal.Signals
) -> None:
    with container(shell, ready_sidecar.as_sidecar()).started(python(DIES_BY_DEFAULT)) as process:
        assert line_of(process) == b"up\n"
        process.send_signal(number)
        ended = end_of(process)
    assert (ended.code, ended.stderr) == (128 + number, b"")
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_a_second_term_does_not_change_the_tasks_code(shell: ShellImage) -> None:
    with container(shell).started(python(DIES_BY_DEFAULT)) as process:
        assert line_of(process) == b"up\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert end_of(process).code == 143


def test_a_signal_during_the_quit_requests_changes_nothing(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.ANSWER_LATER]}) as fake:
        with container(shell, fake.as_sidecar()).started(python("import os; os._exit(9)")) as process:
            fake.wait_for("POST /quit")
            for number in (*FORWARDED, signal.SIGTERM):
                process.send_signal(number)
            fake.release.set()
            ended = end_of(process)
        assert (ended.code, ended.stderr) == (9, b"")
        assert fake.requests.count("POST /quit") == 1


def test_a_burst_of_signals_never_hides_the_exit_code(shell: ShellImage) -> None:
    """Tasks that end at a random moment of the burst: `wait` also returns for a signal, with a code that is not the task's."""
    chance = random.Random(20)  # noqa: S311 - for the timing
    codes = []
    for _ in range(TRIALS):
        with container(shell).started(python(SHORT_WORK, str(chance.uniform(0.0, 0.02)))) as process:
            assert line_of(process) == b"up\n"
            while process.poll() is None:
                process.send_signal(chance.choice((1, 10, 12, 15)))
                time.sleep(chance.uniform(0.0, 0.002))  # the random timing, not a wait
            codes.append(end_of(process).code)
    assert codes == [37] * TRIALS


def test_a_term_that_comes_as_the_task_ends_does_not_hide_its_code(shell: ShellImage) -> None:
    """A plain `wait` in bash loses one code in five here: its trap leaves waitpid by longjmp after the child is reaped (bash jobs.c, trap.c)."""
    chance = random.Random(22)  # noqa: S311 - for the timing
    codes = []
    for _ in range(TRIALS):
        with container(shell).started(python(SHORT_WORK, "0.01")) as process:
            assert line_of(process) == b"up\n"
            time.sleep(chance.uniform(0.009, 0.012))  # the random timing, not a wait
            process.send_signal(signal.SIGTERM)
            codes.append(end_of(process).code)
    assert codes == [37] * TRIALS


def test_term_at_any_moment_of_the_start_ends_the_container(shell: ShellImage) -> None:
    """TERM kills the shell until it has set its traps (-15), and ends it with 143 from then on. Without TERM the task would run for an hour."""
    chance = random.Random(21)  # noqa: S311 - for the timing
    longest_seconds = 1.5 * seconds_to_start(container(shell))
    codes: list[int] = []
    while len(codes) < TRIALS or 143 not in codes:
        if len(codes) >= TRIALS:
            longest_seconds *= 2  # the machine got slower: each signal so far came too early to show anything
        with container(shell).started(python(SLEEPS)) as process:
            time.sleep(chance.uniform(0.0, longest_seconds))  # the random timing, not a wait
            process.send_signal(signal.SIGTERM)
            codes.append(process.wait(TIMEOUT_SECONDS))
    assert set(codes) <= {143, -15}


def seconds_to_start(where: MainContainer) -> float:
    """How long the start takes on this machine now, until the task runs."""
    before = time.monotonic()
    with where.started(python(SLEEPS)) as process:
        assert line_of(process) == b"up\n"
        return time.monotonic() - before
