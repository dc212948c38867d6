from __future__ import annotations

from typing import TYPE_CHECKING

from demo.stand_in_istio_agent import Behaviour, StandInIstioAgent
from tests.wrapper.at_once import at_once
from tests.wrapper.fake_sidecar import FakeSidecar, Trick
from tests.wrapper.sidecars import istio
from tests.wrapper.wrapped import container, exits_with, python
from webhook.core.pod_options import WhenNotReady
from webhook.core.sidecar import Endpoint, FoundSidecar

if TYPE_CHECKING:
    from tests.wrapper.shell import Shell

LONG_SECONDS = 3600
SAY = "airflow-sidecar-webhook: "


def test_the_task_starts_once_the_proxy_is_ready_and_not_before(shell: Shell) -> None:
    """The stand-in gets ready after a time, as a proxy with a slow control plane; it shows no traffic that would have failed before."""
    with StandInIstioAgent(ready_after_seconds=0.4) as agent:
        ended = container(shell, istio(agent)).run(python("import time; print(time.monotonic())"))
        assert (ended.code, ended.stderr) == (0, b"")
        assert agent.wait_exit(20) == 0
        became_ready = next(event.at for event in agent.events if event.name == "ready")
        assert float(ended.stdout) > became_ready


def test_not_ready_at_first_is_asked_again(shell: Shell) -> None:
    with FakeSidecar({"GET /ready": [503, Trick.RESET, 500, 404, 200], "POST /quit": [Trick.END]}) as fake:
        ended = container(shell, fake.as_sidecar()).run(exits_with(4))
        assert (ended.code, ended.stderr) == (4, b"")
        assert fake.lines == ["GET /ready"] * 5 + ["POST /quit"]


def test_two_sidecars_are_both_waited_for(shell: Shell) -> None:
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Trick.END]}, name="first") as first:  # noqa: SIM117 - too long as one
        with FakeSidecar({"GET /ready": [503, 503, 200], "POST /quit": [Trick.END]}, name="second") as second:
            ended = container(shell, first.as_sidecar(), second.as_sidecar()).run(exits_with(0))
            assert (ended.code, ended.stderr) == (0, b"")
            assert first.lines.count("GET /ready") == 1
            assert second.lines.count("GET /ready") == 3


def test_time_over_fails_with_69_one_line_and_the_quit(shells: list[Shell]) -> None:
    def check(shell: Shell) -> None:
        with FakeSidecar({"GET /ready": [503], "POST /quit": [Trick.END]}) as fake:
            ended = container(shell, fake.as_sidecar(), wait_seconds=1).run(python("print('ran')"))
            assert (ended.code, ended.stdout) == (69, b"")
            assert ended.lines == [f"{SAY}fake was not ready after 1 s: the task was not started"]
            assert fake.lines[-1] == "POST /quit"

    at_once(check, shells)


def test_time_over_with_run_starts_the_task_all_the_same(shells: list[Shell]) -> None:
    def check(shell: Shell) -> None:
        with FakeSidecar({"GET /ready": [503], "POST /quit": [Trick.END]}) as fake:
            ended = container(shell, fake.as_sidecar(), wait_seconds=1, when_not_ready=WhenNotReady.RUN).run(python("print('ran')"))
            assert (ended.code, ended.stdout) == (0, b"ran\n")
            assert ended.lines == [f"{SAY}fake was not ready after 1 s: the task runs anyway"]
            assert fake.lines[-1] == "POST /quit"

    at_once(check, shells)


def test_a_readiness_that_hangs_is_not_ready_and_does_not_hold_the_deadline_up(shells: list[Shell]) -> None:
    def check(shell: Shell) -> None:
        with FakeSidecar({"GET /ready": [Trick.HANG], "POST /quit": [Trick.END]}) as fake:
            ended = container(shell, fake.as_sidecar(), wait_seconds=1).run(exits_with(0))
            assert ended.code == 69
            assert ended.seconds < 8
            assert fake.lines[-1] == "POST /quit"

    at_once(check, shells)


def test_one_that_never_listens_is_late_and_the_line_says_that_it_may_stay(shells: list[Shell]) -> None:
    def check(shell: Shell) -> None:
        with FakeSidecar({}, listens=False) as fake:
            ended = container(shell, fake.as_sidecar(), wait_seconds=1).run(exits_with(0), patience_seconds=90)
            assert ended.code == 69
            assert ended.seconds > 58, "it has a minute to come up"
            assert ended.lines == [
                f"{SAY}fake was not ready after 1 s: the task was not started",
                f"{SAY}fake did not take POST:{fake.port}/quit (refused), so the pod may stay Running",
            ]

    at_once(check, shells)


def test_a_proxy_that_dies_before_it_is_ready_is_noticed_long_before_the_deadline(shells: list[Shell]) -> None:
    """The stand-in exits as the agent does when Envoy crashes; with restartPolicy Never nothing brings it back."""

    def check(shell: Shell) -> None:
        with StandInIstioAgent(Behaviour.DIES_BEFORE_READY, ready_after_seconds=0.5) as agent:
            ended = container(shell, istio(agent), wait_seconds=LONG_SECONDS).run(exits_with(0))
            assert ended.code == 69
            assert ended.lines == [f"{SAY}istio-proxy was up and is gone before it was ready: the task was not started"]

    at_once(check, shells)


def test_one_that_is_gone_is_noticed_beside_one_that_is_alive(shells: list[Shell]) -> None:
    def check(shell: Shell) -> None:
        with FakeSidecar({"GET /ready": [503], "POST /quit": [200]}, name="alive") as alive:  # noqa: SIM117 - too long as one
            with FakeSidecar({"GET /ready": [503, Trick.RESET_AND_END]}, name="gone") as gone:
                sidecars = gone.as_sidecar(), alive.as_sidecar()
                ended = container(shell, *sidecars, wait_seconds=LONG_SECONDS, when_not_ready=WhenNotReady.RUN).run(exits_with(0))
                assert ended.lines == [f"{SAY}gone was up and is gone before it was ready: the task runs anyway"]

    at_once(check, shells)


def test_nine_refusals_in_a_row_are_not_ten(shells: list[Shell]) -> None:
    """The listener of the readiness goes for a while and comes back, as Envoy's does when the agent starts it again."""

    def check(shell: Shell) -> None:
        with FakeSidecar({"GET /ready": [200], "POST /quit": [Trick.END]}, listens=False) as late:  # noqa: SIM117 - too long as one
            with FakeSidecar({"GET /alive": [200]}, name="agent") as agent:
                shape = late.as_sidecar()
                sidecar = FoundSidecar(
                    shape.name, shape.id, shape.ready, Endpoint(agent.port, "/alive"), shape.quit, shape.quit_order, ends_by_itself=False
                )
                with container(shell, sidecar, wait_seconds=LONG_SECONDS).started(exits_with(0)) as process:
                    agent.wait_for("GET /alive", 15)
                    late.listen()
                    assert process.wait(20) == 0

    at_once(check, shells)


def test_zero_seconds_do_not_wait(shell: Shell) -> None:
    with FakeSidecar({"GET /ready": [503], "POST /quit": [Trick.END]}) as fake:
        ended = container(shell, fake.as_sidecar(), wait_seconds=0).run(python("print('ran')"))
        assert (ended.code, ended.stdout, ended.stderr) == (0, b"ran\n", b"")
        assert fake.lines == ["POST /quit"]
