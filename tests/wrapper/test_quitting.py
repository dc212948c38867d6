from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.stand_in_istio_agent import StandInIstioAgent, reserved_ports
from testbed.wait import until
from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS, FakeSidecar, Reaction
from tests.wrapper.fake_uptime import FakeUptime
from tests.wrapper.main_container import container, end_of, exits_with, python
from tests.wrapper.messages import quit_not_accepted, quit_not_enabled
from tests.wrapper.parallel import check_in_parallel
from tests.wrapper.sidecars import istio
from webhook.core.restart import EXIT_CODES, FAILURES

if TYPE_CHECKING:
    from tests.wrapper.shell_image import ShellImage


def fake(*quits: int | Reaction, name: str = "fake") -> FakeSidecar:
    return FakeSidecar({"GET /ready": [200], "POST /quit": quits}, name=name)


def test_a_sidecar_gets_its_quit_only_after_the_previous_one_has_stopped(shell: ShellImage, tmp_path: Path) -> None:
    """The last requests of a secrets agent go through the mesh proxy. This agent listens for three more requests after its quit."""
    with fake(Reaction.STOP_LATER, name="agent") as agent, fake(Reaction.STOP, name="proxy") as proxy:
        where = FakeUptime(tmp_path).seen_by(container(shell, agent.as_sidecar(), proxy.as_sidecar()))
        ended = where.run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        # A request that takes more than 2 s, on a busy machine, is sent again.
        assert list(dict.fromkeys(agent.requests)) == ["GET /ready", "POST /quit", "GET /"]
        assert list(dict.fromkeys(proxy.requests)) == ["GET /ready", "POST /quit"]
        assert proxy.received[-1].at > agent.received[-1].at


def test_a_sidecar_that_does_not_stop_after_its_quit_delays_the_next_one_by_5_s_at_most(shell: ShellImage, tmp_path: Path) -> None:
    uptime = FakeUptime(tmp_path)
    with fake(200, name="agent") as agent, fake(Reaction.STOP, name="proxy") as proxy:
        where = uptime.seen_by(container(shell, agent.as_sidecar(), proxy.as_sidecar()))
        with where.started(exits_with(3)) as process:
            agent.wait_for("GET /", 2)
            uptime.advance(5)
            agent.wait_for("GET /", agent.requests.count("GET /") + 2)
            assert "POST /quit" not in proxy.requests
            uptime.advance(1)
            ended = end_of(process)
        assert (ended.code, ended.stderr) == (3, b"")
        assert proxy.requests[-1] == "POST /quit"


@pytest.mark.parametrize("status", [404, 405])
def test_a_quit_that_is_not_enabled_gives_one_line_and_delays_nothing(shell: ShellImage, tmp_path: Path, status: int) -> None:
    """Vault answers 405, or 404, where agent-enable-quit is not set. The wrapper's clock stands still: any delay would last."""
    with fake(status, name="vault-agent") as agent, fake(Reaction.STOP, name="proxy") as proxy:
        where = FakeUptime(tmp_path).seen_by(container(shell, agent.as_sidecar(), proxy.as_sidecar()))
        ended = where.run(exits_with(3))
        assert (ended.code, ended.lines) == (3, [quit_not_enabled(agent, status)])
        assert agent.requests == ["GET /ready", "POST /quit"]
        assert proxy.requests[-1] == "POST /quit"


def test_a_sidecar_that_stops_before_it_answers_its_quit_is_no_failure(shell: ShellImage) -> None:
    with fake(Reaction.RESET_AND_STOP) as gone:
        ended = container(shell, gone.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")


def test_a_quit_without_an_answer_is_repeated_while_the_sidecar_lives(shell: ShellImage, tmp_path: Path) -> None:
    with fake(Reaction.RESET, 200) as lives:
        ended = FakeUptime(tmp_path).seen_by(container(shell, lives.as_sidecar())).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert lives.requests == ["GET /ready", "POST /quit", "POST /quit"]


def test_a_sidecar_that_stopped_during_the_task_is_no_failure_and_delays_nothing(shell: ShellImage, tmp_path: Path) -> None:
    """The wrapper's clock stands still: any delay would last."""
    with FakeSidecar({"GET /ready": [200], "GET /end": [Reaction.STOP]}) as gone:
        task = python(f"import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:{gone.port}/end'); os._exit(3)")
        ended = FakeUptime(tmp_path).seen_by(container(shell, gone.as_sidecar())).run(task)
        assert (ended.code, ended.stderr) == (3, b"")


def test_the_quit_is_repeated_until_the_sidecar_listens(shells: list[ShellImage]) -> None:
    """The stand-in opens its port after the end of the task: a short task that did not wait."""

    def check(shell: ShellImage) -> None:
        with reserved_ports(2) as (status_port, ready_port):
            agent = StandInIstioAgent(status_port=status_port, ready_port=ready_port)
            with container(shell, istio(agent), wait_seconds=0).started(PRINTS_ITS_ID) as process:
                wait_for_end_of_task(process)
                with agent:
                    ended = end_of(process)
                    assert (ended.code, ended.stderr) == (3, b"")
                    assert agent.wait_exit(TIMEOUT_SECONDS) == 0

    check_in_parallel(check, shells)


def test_a_sidecar_that_starts_long_after_the_task_quits(shell: ShellImage, tmp_path: Path) -> None:
    """Its image was still being pulled. Without the request it would never end."""
    uptime = FakeUptime(tmp_path)
    with FakeSidecar({"POST /quit": [Reaction.STOP]}, listens=False) as late:
        with uptime.seen_by(container(shell, late.as_sidecar(), wait_seconds=0)).started(exits_with(3)) as process:
            uptime.wait_until_seen()
            uptime.advance(59)
            uptime.wait_until_seen()
            late.listen()
            ended = end_of(process)
        assert (ended.code, ended.stderr) == (3, b"")
        assert late.requests == ["POST /quit"]


def test_a_sidecar_that_never_starts_is_given_up_soon_after_a_term_and_the_code_is_the_tasks(shells: list[ShellImage]) -> None:
    """Without a TERM it is tried for 60 s."""

    def check(shell: ShellImage) -> None:
        with FakeSidecar({}, listens=False) as absent, container(shell, absent.as_sidecar(ready=None)).started(PRINTS_ITS_ID) as process:
            wait_for_end_of_task(process)
            until(lambda: ended_after(process, signal.SIGTERM), "the wrapper ends", TIMEOUT_SECONDS)
            ended = end_of(process)
            assert ended.code == 3
            assert ended.lines == [quit_not_accepted(absent, "refused")]

    check_in_parallel(check, shells)


PRINTS_ITS_ID = python("import os; print(os.getpid(), flush=True); os._exit(3)")


def wait_for_end_of_task(process: subprocess.Popen[bytes]) -> None:
    """Wait until this task is gone, while its wrapper still runs."""
    assert process.stdout
    task = Path(f"/proc/{int(process.stdout.readline())}")
    until(lambda: not task.exists(), "the task has ended", TIMEOUT_SECONDS)


def ended_after(process: subprocess.Popen[bytes], number: signal.Signals) -> bool:
    """Whether a process has ended. If not, it gets the signal, once more where an earlier one came too early."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
        return True
    process.send_signal(number)
    return False


def test_a_quit_that_fails_gives_one_line_and_the_code_is_the_tasks(shells: list[ShellImage]) -> None:
    def check(case: tuple[ShellImage, int | Reaction, str]) -> None:
        shell, answer, shown = case
        with fake(answer) as fails:
            ended = container(shell, fails.as_sidecar()).run(exits_with(3))
            assert (ended.code, ended.stdout) == (3, b"")
            assert ended.lines == [quit_not_accepted(fails, shown)]

    answers: tuple[tuple[int | Reaction, str], ...] = (
        (Reaction.HANG, "no answer"),
        (500, "500"),
        (503, "503"),
        (Reaction.RESET, "no answer"),
    )
    check_in_parallel(check, [(shell, *answer) for shell in shells for answer in answers])


@pytest.mark.parametrize(
    ("restart_codes", "code", "quits"),
    [
        pytest.param(FAILURES, 0, True, id="on failure, after success"),
        pytest.param(FAILURES, 1, False, id="on failure, after 1"),
        pytest.param(FAILURES, 143, False, id="on failure, after 143"),
        pytest.param(frozenset({42, 43}), 42, False, id="after 42 and 43, after 42"),
        pytest.param(frozenset({42, 43}), 43, False, id="after 42 and 43, after 43"),
        pytest.param(frozenset({42, 43}), 4, True, id="after 42 and 43, after 4"),
        pytest.param(FAILURES - {3}, 3, True, id="after all but 0 and 3, after 3"),
        pytest.param(FAILURES - {3}, 33, False, id="after all but 0 and 3, after 33"),
        pytest.param(EXIT_CODES, 0, False, id="always"),
    ],
)
def test_after_a_code_for_which_the_task_runs_again_no_sidecar_quits(
    shell: ShellImage, restart_codes: frozenset[int], code: int, quits: bool
) -> None:
    with fake(Reaction.STOP) as stays:
        ended = container(shell, stays.as_sidecar(), restart_codes=restart_codes).run(exits_with(code))
        assert (ended.code, ended.stderr) == (code, b"")
        assert ("POST /quit" in stays.requests) is quits


def test_proxies_in_the_environment_are_not_used(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY")
    ended = container(shell, ready_sidecar.as_sidecar()).with_env(**dict.fromkeys(names, "http://127.0.0.1:1")).run(exits_with(3))
    assert (ended.code, ended.stderr) == (3, b"")
    assert ready_sidecar.requests == ["GET /ready", "POST /quit"]


def test_a_sidecar_that_listens_on_the_ipv6_loopback_only_is_found(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}, host="::1") as six:
        ended = container(shell, six.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert six.requests == ["GET /ready", "POST /quit"]


def test_a_quit_with_method_get_is_a_get(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [200], "GET /quit": [Reaction.STOP]}) as by_get:
        ended = container(shell, by_get.as_sidecar(quit_by="GET")).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert by_get.requests == ["GET /ready", "GET /quit"]


def test_a_sidecar_without_a_quit_endpoint_gets_no_quit(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [200]}) as silent:
        ended = container(shell, silent.as_sidecar(quit_by=None)).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert silent.requests == ["GET /ready"]
