from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from demo.stand_in_istio_agent import Behaviour, StandInIstioAgent
from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS, FakeSidecar, Reaction
from tests.wrapper.fake_uptime import MOUNTS, FakeUptime
from tests.wrapper.main_container import container, end_of, exits_with, python
from tests.wrapper.messages import NOT_STARTED, RUNS_ANYWAY, not_ready, quit_not_accepted, stopped
from tests.wrapper.parallel import check_in_parallel
from tests.wrapper.requirements import require_program, require_root
from tests.wrapper.shell_image import dash_alone
from tests.wrapper.sidecars import istio
from webhook.core.catalogue import FoundSidecar
from webhook.core.pod_options import WhenNotReady
from webhook.core.sidecar import Endpoint

if TYPE_CHECKING:
    from tests.wrapper.shell_image import ShellImage

LONG_SECONDS = 3600


def test_the_task_starts_when_the_proxy_is_ready_and_not_before(shell: ShellImage) -> None:
    """The stand-in gets ready after some time, as a proxy with a slow control plane. It cannot show traffic that would have failed before."""
    with StandInIstioAgent(ready_after_seconds=0.4) as agent:
        ended = container(shell, istio(agent)).run(python("import time; print(time.monotonic())"))
        assert (ended.code, ended.stderr) == (0, b"")
        assert agent.wait_exit(TIMEOUT_SECONDS) == 0
        became_ready = next(event.at for event in agent.events if event.name == "ready")
        assert float(ended.stdout) > became_ready


def test_a_sidecar_that_is_not_ready_is_checked_again(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [503, Reaction.RESET, 500, 404, 200], "POST /quit": [Reaction.STOP]}) as fake:
        ended = container(shell, fake.as_sidecar()).run(exits_with(4))
        assert (ended.code, ended.stderr) == (4, b"")
        assert fake.requests == ["GET /ready"] * 5 + ["POST /quit"]


def test_the_task_waits_for_every_sidecar(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}, name="first") as first:  # noqa: SIM117 - too long as one
        with FakeSidecar({"GET /ready": [503, 503, 200], "POST /quit": [Reaction.STOP]}, name="second") as second:
            ended = container(shell, first.as_sidecar(), second.as_sidecar()).run(exits_with(0))
            assert (ended.code, ended.stderr) == (0, b"")
            assert first.requests.count("GET /ready") == 1
            assert second.requests.count("GET /ready") == 3


def test_a_timeout_fails_with_code_69_and_one_line_and_the_sidecars_quit(shells: list[ShellImage]) -> None:
    def check(shell: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}) as fake:
            ended = container(shell, fake.as_sidecar(), wait_seconds=1).run(python("print('ran')"))
            assert (ended.code, ended.stdout) == (69, b"")
            assert ended.lines == [not_ready("fake", 1, NOT_STARTED)]
            assert fake.requests[-1] == "POST /quit"

    check_in_parallel(check, shells)


def test_with_when_not_ready_run_the_task_starts_after_the_timeout(shells: list[ShellImage]) -> None:
    def check(shell: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}) as fake:
            ended = container(shell, fake.as_sidecar(), wait_seconds=1, when_not_ready=WhenNotReady.RUN).run(python("print('ran')"))
            assert (ended.code, ended.stdout) == (0, b"ran\n")
            assert ended.lines == [not_ready("fake", 1, RUNS_ANYWAY)]
            assert fake.requests[-1] == "POST /quit"

    check_in_parallel(check, shells)


def test_a_readiness_request_that_hangs_does_not_delay_the_timeout(shells: list[ShellImage]) -> None:
    def check(shell: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [Reaction.HANG], "POST /quit": [Reaction.STOP]}) as fake:
            ended = container(shell, fake.as_sidecar(), wait_seconds=1).run(exits_with(0))
            assert ended.code == 69
            assert fake.requests[-1] == "POST /quit"

    check_in_parallel(check, shells)


def test_a_sidecar_that_never_listens_has_a_minute_until_it_is_given_up(shell: ShellImage, tmp_path: Path) -> None:
    """Another sidecar shows when the wait has begun."""
    uptime = FakeUptime(tmp_path)
    with FakeSidecar({"GET /ready": [503]}, name="other") as other, FakeSidecar({}, listens=False) as absent:
        where = uptime.seen_by(container(shell, other.as_sidecar(quit_by=None), absent.as_sidecar(), wait_seconds=1))
        with where.started(exits_with(0)) as process:
            other.wait_for("GET /ready")
            uptime.advance(2)
            assert process.stderr is not None
            assert process.stderr.readline().decode() == f"{not_ready('fake', 1)}\n"
            uptime.wait_until_seen()
            uptime.advance(58)
            uptime.wait_until_seen()
            assert process.poll() is None, "it is tried for 60 s from the start of the wrapper"
            uptime.advance(1)
            uptime.pass_until_end(process)
            ended = end_of(process)
    assert (ended.code, ended.lines) == (69, [quit_not_accepted(absent, "refused")])


def test_a_proxy_that_stops_before_it_is_ready_is_noticed_long_before_the_timeout(shells: list[ShellImage]) -> None:
    """The stand-in exits as the agent does when Envoy crashes; with restartPolicy Never nothing starts it again."""

    def check(shell: ShellImage) -> None:
        with StandInIstioAgent(Behaviour.DIES_BEFORE_READY) as agent:
            ended = container(shell, istio(agent), wait_seconds=LONG_SECONDS).run(exits_with(0))
            assert ended.code == 69
            assert ended.lines == [stopped("istio-proxy")]

    check_in_parallel(check, shells)


def test_a_stopped_sidecar_is_noticed_beside_one_that_is_alive(shells: list[ShellImage]) -> None:
    def check(shell: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [503], "POST /quit": [200]}, name="alive") as alive:  # noqa: SIM117 - too long as one
            with FakeSidecar({"GET /ready": [503, Reaction.RESET_AND_STOP]}, name="gone") as gone:
                sidecars = gone.as_sidecar(), alive.as_sidecar()
                ended = container(shell, *sidecars, wait_seconds=LONG_SECONDS, when_not_ready=WhenNotReady.RUN).run(exits_with(0))
                assert ended.lines == [stopped("gone", RUNS_ANYWAY)]

    check_in_parallel(check, shells)


def test_a_sidecar_has_stopped_when_it_has_refused_for_a_second_however_many_refusals_that_are(
    shells: list[ShellImage], tmp_path: Path
) -> None:
    """And whatever the pause between two of them: bash needs no sleep, dash does.

    Another sidecar counts the rounds. The clock counts whole seconds, so a second is over at the second tick at the earliest.
    """
    fast = without_pause(dash_alone(tmp_path / "fast"))
    slow = with_pause_of_a_second(dash_alone(tmp_path / "slow"))

    def check(case: tuple[ShellImage, int]) -> None:
        shell, rounds = case
        with (
            TemporaryDirectory(dir=tmp_path) as directory,
            FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}, name="alive") as alive,
            FakeSidecar({"GET /ready": [503, Reaction.RESET_AND_STOP]}, name="gone") as gone,
        ):
            uptime = FakeUptime(Path(directory))
            where = container(shell, gone.as_sidecar(), alive.as_sidecar(), wait_seconds=LONG_SECONDS)
            with uptime.seen_by(where).started(exits_with(0)) as process:
                gone.wait_for("GET /ready", 2)
                for _ in range(2):
                    alive.wait_for("GET /ready", alive.requests.count("GET /ready") + rounds)
                    assert process.poll() is None
                    uptime.advance(1)
                uptime.pass_until_end(process)
                ended = end_of(process)
            assert (ended.code, ended.lines) == (69, [stopped("gone")])

    check_in_parallel(check, [*((shell, 12) for shell in shells), (fast, 12), (slow, 3)])


def without_pause(image: ShellImage) -> ShellImage:
    """Replace `sleep` by a program that returns immediately."""
    return with_sleep(image, "exit 0")


def with_pause_of_a_second(image: ShellImage) -> ShellImage:
    """Replace `sleep` by one that knows whole seconds only, as POSIX has it."""
    return with_sleep(image, f'case $1 in *.*) exit 1 ;; esac; exec {Path(image.path, "sleep").resolve()} "$@"')


def with_sleep(image: ShellImage, program: str) -> ShellImage:
    sleep = Path(image.path, "sleep")
    sleep.unlink()
    sleep.write_text(f"#!{image.path}/sh\n{program}\n", "utf-8")
    sleep.chmod(0o755)
    return image


def test_a_sidecar_whose_listener_is_away_while_its_agent_answers_has_not_stopped(shells: list[ShellImage]) -> None:
    """The listener for readiness disappears and comes back, as Envoy's does when the agent starts it again."""

    def check(shell: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}, listens=False) as late:  # noqa: SIM117 - too long as one
            with FakeSidecar({"GET /alive": [200]}, name="agent") as agent:
                shape = late.as_sidecar()
                sidecar = FoundSidecar(
                    shape.name, shape.id, shape.ready, Endpoint(agent.port, "/alive"), shape.quit, shape.quit_order, ends_by_itself=False
                )
                with container(shell, sidecar, wait_seconds=LONG_SECONDS).started(exits_with(0)) as process:
                    agent.wait_for("GET /alive", 15)
                    late.listen()
                    assert process.wait(TIMEOUT_SECONDS) == 0

    check_in_parallel(check, shells)


def test_without_a_readable_uptime_the_wait_ends_by_another_clock(shells: list[ShellImage], tmp_path: Path) -> None:
    """By bash's SECONDS, by date, or by counted pauses where the image has no date. The quit request has a deadline of its own."""
    require_root()
    (tmp_path / "uptime").touch()
    unshare, bash, mount = (str(require_program(name)) for name in ("unshare", "bash", "mount"))
    before = (unshare, "--mount", bash, "-c", MOUNTS, mount, str(tmp_path / "uptime"))

    def check(shell: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [503], "POST /quit": [503]}) as fake:
            ended = replace(container(shell, fake.as_sidecar(), wait_seconds=2), before=before).run(exits_with(0))
            assert (ended.code, ended.lines) == (69, [not_ready("fake", 2), quit_not_accepted(fake, "503")])
            assert ended.seconds >= 3

    check_in_parallel(check, shells)


def test_with_wait_seconds_0_the_task_does_not_wait(shell: ShellImage) -> None:
    with FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}) as fake:
        ended = container(shell, fake.as_sidecar(), wait_seconds=0).run(python("print('ran')"))
        assert (ended.code, ended.stdout, ended.stderr) == (0, b"ran\n", b"")
        assert fake.requests == ["POST /quit"]
