from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from demo.stand_in_istio_agent import Behaviour, StandInIstioAgent
from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS
from tests.wrapper.main_container import MainContainer, container, python
from tests.wrapper.messages import NOTHING_TO_RUN
from tests.wrapper.requirements import require_program
from tests.wrapper.shell_image import busybox, dash_alone, dash_and_bash
from tests.wrapper.sidecars import istio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tests.wrapper.fake_sidecar import FakeSidecar
    from tests.wrapper.main_container import Ended
    from tests.wrapper.shell_image import ShellImage

# The signals that end a process by default (signal(7)), without those that some kernels or shells use for themselves; no core is written.
DEADLY = [number for number in range(1, 16) if number != signal.SIGTRAP] + [signal.SIGXCPU, signal.SIGSYS, signal.SIGVTALRM]


def run_each(where: MainContainer, tasks: Iterable[list[str]]) -> list[Ended]:
    """Run the container once for each task, two at the same time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(where.run, tasks))


def check_codes(image: ShellImage, codes: Sequence[int]) -> None:
    """The container ends with each of these codes, in silence, where its task does."""
    dash = str(require_program("dash"))
    ended = run_each(container(image), ([dash, "-c", f"exit {code}"] for code in codes))
    assert [run.code for run in ended] == list(codes)
    assert {run.stdout + run.stderr for run in ended} == {b""}


@pytest.mark.parametrize(("first", "make"), list(enumerate([dash_and_bash, dash_alone, busybox])))
def test_the_container_ends_with_every_exit_code_of_its_task(first: int, make: Callable[[Path], ShellImage], tmp_path: Path) -> None:
    """Every third in bash, in dash and in busybox; in every other image the wrapper runs in one of them."""
    check_codes(make(tmp_path / "bin"), range(first, 256, 3))


def test_the_container_ends_with_an_exit_code_that_has_a_meaning(shell: ShellImage) -> None:
    """To the wrapper, a shell, the kubelet or Airflow."""
    check_codes(shell, (0, 1, 2, 3, 69, 71, 99, 100, 125, 126, 127, 128, 129, 130, 137, 143, 159, 192, 254, 255))


def test_a_task_that_is_killed_by_a_signal_gives_128_plus_its_number(shell: ShellImage) -> None:
    die = (
        "import os, resource, signal, sys; number = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
        "number in (9, 19) or signal.signal(number, signal.SIG_DFL); os.kill(os.getpid(), number)"
    )
    ended = run_each(container(shell), (python(die, str(int(number))) for number in DEADLY))
    assert [run.code for run in ended] == [128 + number for number in DEADLY]
    assert {run.stdout + run.stderr for run in ended} == {b""}


def test_a_missing_command_gives_127_and_the_sidecars_quit(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    ended = container(shell, ready_sidecar.as_sidecar()).run(["/no/such/program", "x"])
    assert ended.code == 127
    assert b"/no/such/program" in ended.stderr
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_a_file_that_is_not_executable_gives_126_and_the_sidecars_quit(
    shell: ShellImage, ready_sidecar: FakeSidecar, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("text\n", "utf-8")
    ended = container(shell, ready_sidecar.as_sidecar()).run([str(tmp_path / "plain")])
    assert ended.code == 126
    assert str(tmp_path / "plain").encode() in ended.stderr
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_without_command_args_and_entrypoint_nothing_runs_and_one_line_says_so(shell: ShellImage, ready_sidecar: FakeSidecar) -> None:
    ended = container(shell, ready_sidecar.as_sidecar()).with_env(GIVEN="hidden").run([])
    assert (ended.code, ended.stdout) == (127, b"")
    assert ended.lines == [NOTHING_TO_RUN]
    assert ready_sidecar.requests[-1] == "POST /quit"


def test_the_stand_in_for_istios_agent_ends_after_the_task(shell: ShellImage) -> None:
    """The stand-in answers as Istio's agent does. It cannot show a mesh, a drain or a container that the kubelet watches."""
    for behaviour in (Behaviour.AS_ISTIO, Behaviour.REPLY_LOST):
        with StandInIstioAgent(behaviour) as agent:
            ended = container(shell, istio(agent)).run(python("print('worked'); import os, sys; sys.stdout.flush(); os._exit(3)"))
            assert (ended.code, ended.stdout, ended.stderr) == (3, b"worked\n", b"")
            assert agent.wait_exit(TIMEOUT_SECONDS) == 0
            assert agent.requests[-1] == "POST /quitquitquit"
