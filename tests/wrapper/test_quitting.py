from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.stand_in_istio_agent import Behaviour, StandInIstioAgent
from testbed.wait import until
from tests.wrapper.at_once import at_once
from tests.wrapper.fake_sidecar import FakeSidecar, Trick
from tests.wrapper.sidecars import istio
from tests.wrapper.wrapped import container, end_of, exits_with, python

if TYPE_CHECKING:
    from tests.wrapper.shell import Shell

SAY = "airflow-sidecar-webhook: "


def fake(*quits: int | Trick, name: str = "fake") -> FakeSidecar:
    return FakeSidecar({"GET /ready": [200], "POST /quit": quits}, name=name)


def test_the_next_sidecar_is_asked_only_once_the_one_before_is_gone(shell: Shell) -> None:
    """A secrets agent's last calls go through the mesh proxy. This one listens for three more requests after its quit."""
    with fake(Trick.LINGER, name="agent") as agent, fake(Trick.END, name="proxy") as proxy:
        ended = container(shell, agent.as_sidecar(), proxy.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert agent.lines == ["GET /ready", "POST /quit", "GET /", "GET /", "GET /"]
        assert proxy.lines == ["GET /ready", "POST /quit"]
        assert proxy.seen[-1].at > agent.seen[-1].at


def test_one_that_stays_after_its_quit_holds_the_next_up_for_seconds_only(shells: list[Shell]) -> None:
    def check(shell: Shell) -> None:
        with fake(200, name="agent") as agent, fake(Trick.END, name="proxy") as proxy:
            ended = container(shell, agent.as_sidecar(), proxy.as_sidecar()).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert proxy.lines[-1] == "POST /quit"
            assert 3 < ended.seconds < 15

    at_once(check, shells)


@pytest.mark.parametrize("status", [404, 405])
def test_a_quit_that_is_not_enabled_is_said_once_and_holds_nothing_up(shell: Shell, status: int) -> None:
    """Vault answers 405, or 404, where agent-enable-quit is not set."""
    with fake(status, name="vault-agent") as agent, fake(Trick.END, name="proxy") as proxy:
        ended = container(shell, agent.as_sidecar(), proxy.as_sidecar()).run(exits_with(3))
        line = (
            f"{SAY}vault-agent answered {status} to POST:{agent.port}/quit: its quit endpoint is not enabled, so the pod may stay Running"
        )
        assert (ended.code, ended.lines) == (3, [line])
        assert agent.lines == ["GET /ready", "POST /quit"]
        assert proxy.lines[-1] == "POST /quit"
        assert ended.seconds < 4


def test_a_reply_that_is_lost_is_no_failure(shell: Shell) -> None:
    with fake(Trick.RESET_AND_END) as gone:
        ended = container(shell, gone.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")


def test_a_reply_that_is_lost_from_one_that_lives_is_asked_for_again(shell: Shell) -> None:
    with fake(Trick.RESET, 200) as lives:
        ended = container(shell, lives.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert lives.lines == ["GET /ready", "POST /quit", "POST /quit"]


def test_one_that_ended_under_the_task_is_no_failure(shell: Shell) -> None:
    with FakeSidecar({"GET /ready": [200], "GET /end": [Trick.END]}) as gone:
        task = python(f"import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:{gone.port}/end'); os._exit(3)")
        ended = container(shell, gone.as_sidecar()).run(task)
        assert (ended.code, ended.stderr) == (3, b"")
        assert ended.seconds < 3


def test_one_that_does_not_listen_yet_is_asked_until_it_does(shells: list[Shell]) -> None:
    """The stand-in opens its port after the task ended: a short task that did not wait."""
    task = python("import os, time; os.write(1, str(time.monotonic()).encode()); os._exit(3)")

    def check(shell: Shell) -> None:
        with StandInIstioAgent(Behaviour.LATE_LISTENER, ready_after_seconds=1.5) as agent:
            ended = container(shell, istio(agent), wait_seconds=0).run(task)
            assert (ended.code, ended.stderr) == (3, b"")
            assert agent.wait_exit(20) == 0
            assert next(event.at for event in agent.events if event.name == "ready") > float(ended.stdout)

    at_once(check, shells)


def test_one_that_comes_up_long_after_the_task_is_asked_to_quit(shells: list[Shell]) -> None:
    """Its image was still on its way: given up on, it would run for ever."""

    def check(shell: Shell) -> None:
        with StandInIstioAgent(Behaviour.LATE_LISTENER, ready_after_seconds=8) as agent:
            ended = container(shell, istio(agent), wait_seconds=0).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert agent.wait_exit(20) == 0

    at_once(check, shells)


def test_one_that_never_comes_up_is_given_up_soon_after_a_term_and_the_code_is_the_tasks(shells: list[Shell]) -> None:
    """Without a TERM it is asked for 60 s."""
    task = python("import os; print(os.getpid(), flush=True); os._exit(3)")

    def check(shell: Shell) -> None:
        with FakeSidecar({}, listens=False) as absent, container(shell, absent.as_sidecar(ready=None)).started(task) as process:
            assert process.stdout
            ended_task = Path(f"/proc/{int(process.stdout.readline())}")
            until(lambda: not ended_task.exists(), "the task has ended", 20)
            until(lambda: ended_after(process, signal.SIGTERM), "the wrapper ends", 20)
            ended = end_of(process)
            assert ended.code == 3
            assert ended.lines == [f"{SAY}fake did not take POST:{absent.port}/quit (refused), so the pod may stay Running"]

    at_once(check, shells)


def ended_after(process: subprocess.Popen[bytes], number: signal.Signals) -> bool:
    """Whether a process has ended; if it has not, it gets the signal, once more where an earlier one came too early."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
        return True
    process.send_signal(number)
    return False


def test_a_quit_that_fails_is_said_once_and_the_code_is_the_tasks(shells: list[Shell]) -> None:
    def check(case: tuple[Shell, int | Trick, str]) -> None:
        shell, answer, told = case
        with fake(answer) as fails:
            ended = container(shell, fails.as_sidecar()).run(exits_with(3))
            assert (ended.code, ended.stdout) == (3, b"")
            assert ended.lines == [f"{SAY}fake did not take POST:{fails.port}/quit ({told}), so the pod may stay Running"]
            assert ended.seconds < 15

    answers: tuple[tuple[int | Trick, str], ...] = ((Trick.HANG, "lost"), (500, "500"), (503, "503"), (Trick.RESET, "lost"))
    at_once(check, [(shell, *answer) for shell in shells for answer in answers])


@pytest.mark.parametrize(("code", "asked"), [(0, True), (1, False), (143, False)])
def test_where_a_failed_task_runs_again_the_sidecars_quit_after_success_alone(shell: Shell, code: int, asked: bool) -> None:
    with fake(Trick.END) as stays:
        ended = container(shell, stays.as_sidecar(), only_after_success=True).run(exits_with(code))
        assert (ended.code, ended.stderr) == (code, b"")
        assert ("POST /quit" in stays.lines) is asked


def test_proxies_in_the_environment_are_not_asked(shell: Shell, ready_sidecar: FakeSidecar) -> None:
    names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY")
    ended = container(shell, ready_sidecar.as_sidecar()).with_env(**dict.fromkeys(names, "http://127.0.0.1:1")).run(exits_with(3))
    assert (ended.code, ended.stderr) == (3, b"")
    assert ready_sidecar.lines == ["GET /ready", "POST /quit"]


def test_a_sidecar_on_the_ipv6_loopback_alone_is_found(shell: Shell) -> None:
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Trick.END]}, host="::1") as six:
        ended = container(shell, six.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert six.lines == ["GET /ready", "POST /quit"]


def test_a_quit_by_get_is_a_get(shell: Shell) -> None:
    with FakeSidecar({"GET /ready": [200], "GET /quit": [Trick.END]}) as by_get:
        ended = container(shell, by_get.as_sidecar(quit_by="GET")).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert by_get.lines == ["GET /ready", "GET /quit"]


def test_a_sidecar_without_a_quit_is_waited_for_only(shell: Shell) -> None:
    with FakeSidecar({"GET /ready": [200]}) as silent:
        ended = container(shell, silent.as_sidecar(quit_by=None)).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert silent.lines == ["GET /ready"]
