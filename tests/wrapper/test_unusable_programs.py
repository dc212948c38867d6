"""Programs that the image has, and that cannot be used: there is no way back once the wrapper has become one of them."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from testbed.wait import until
from tests.wrapper.fake_sidecar import TIMEOUT_SECONDS, FakeSidecar, Reaction
from tests.wrapper.http_clients import with_client
from tests.wrapper.main_container import container, end_of, exits_with, python
from tests.wrapper.messages import NO_HTTP_CLIENT
from tests.wrapper.parallel import check_in_parallel
from tests.wrapper.requirements import require_program
from tests.wrapper.shell_image import bash_alone, bash_as_sh, busybox, dash_alone, dash_and_bash, helper_and_programs
from tests.wrapper.test_capabilities import ENDS_BY_TERM_OR_LINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.wrapper.shell_image import ShellImage

# What ld.so ends with where LD_LIBRARY_PATH names other libraries, as those of conda, is 127 or 1.
CANNOT_START: Final = {
    "lacks a library": "#!{sh}\nexit 127\n",
    "has another version of a library": "#!{sh}\nexit 1\n",
    "lacks its interpreter": "#!/no/such/interpreter\n",
    "is no program": "\x7fELF",
}
NO_BASH: Final = CANNOT_START | {
    "is a script for sh": '#!{sh}\nexec {sh} "$@"\n',
    "drops its first argument": '#!{sh}\nshift\nexec {sh} "$@"\n',
    "succeeds and does nothing": "#!{sh}\nexit 0\n",
    "reads its input": "#!{sh}\nexec {cat}\n",
    "prints before it is bash": '#!{sh}\necho hello\nexec {bash} "$@"\n',
}
DOES_NOTHING: Final = {
    # The kubelet makes every file executable in some volumes, and a shell runs such a text as a script.
    "is a text of assignments": "A=1\nB=2\n",
    "succeeds and does nothing": "#!{sh}\nexit 0\n",
}
UNUSABLE: Final = (
    CANNOT_START
    | DOES_NOTHING
    | {
        "reads its input and prints its words": '#!{sh}\nwhile read -r line; do :; done\nprintf "%s" "$*"\n',
        "drops its words and prints the environment": "#!{bash}\nexport -p\n",
    }
)
STAYS_THE_PARENT: Final = '#!{bash}\n{env} "$@"\nexit $?\n'
"""An env that starts its program as a child and waits, as that of uutils before 0.2 does."""

TOOLS: Final = ("tr", "cat", "head", "sleep", "timeout")
"""What the wrapper starts beside env and an HTTP client."""

READS_INPUT: Final = python("import sys; sys.stdout.write(sys.stdin.read()); sys.exit(7)")


def put(image: ShellImage, name: str, text: str, mode: int = 0o755) -> None:
    """Put a program of this text into the image, instead of the one of that name."""
    program = Path(image.path, name)
    program.unlink(missing_ok=True)
    real = {name: require_program(name) for name in ("bash", "cat", "env")}
    program.write_text(text.format(sh=image.program, **real), "utf-8")
    program.chmod(mode)


def with_wget(image: Path) -> ShellImage:
    """An image without bash whose only HTTP client is wget, which needs more programs than curl."""
    return dash_alone(image, ("wget",))


IMAGES: Final = (dash_and_bash, bash_as_sh, bash_alone, with_wget, busybox, helper_and_programs)


def assert_task_runs(image: ShellImage) -> None:
    """Run a task beside a sidecar that is ready at the second request: input, output, code and requests are as they should be."""
    with FakeSidecar({"GET /ready": [503, 200], "POST /quit": [Reaction.STOP]}) as fake:
        ended = container(image, fake.as_sidecar()).run(READS_INPUT, b"of the task")
        assert (ended.code, ended.stdout, ended.stderr) == (7, b"of the task", b"")
        # A request that has no answer within 2 s, as on a busy machine, is sent again.
        assert fake.requests[:2] == ["GET /ready", "GET /ready"]
        assert fake.requests[-1] == "POST /quit"


@pytest.mark.parametrize("make", IMAGES)
@pytest.mark.parametrize("what", UNUSABLE)
def test_an_env_that_cannot_be_used_is_not_used(make: Callable[[Path], ShellImage], what: str, tmp_path: Path) -> None:
    image = make(tmp_path / "bin")
    put(image, "env", UNUSABLE[what])
    assert_task_runs(image)


@pytest.mark.parametrize("make", IMAGES)
def test_an_env_that_stays_the_parent_of_its_program_is_not_used(make: Callable[[Path], ShellImage], tmp_path: Path) -> None:
    """It would get the signals that are sent to the task."""
    image = make(tmp_path / "bin")
    put(image, "env", STAYS_THE_PARENT)
    with container(image).started(python(ENDS_BY_TERM_OR_LINE)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_SECONDS)
        ended = end_of(process)
    assert (ended.code, ended.stderr) == (7, b"")


def test_an_env_that_one_shell_passes_over_on_the_path_and_the_next_does_not_is_not_used(tmp_path: Path) -> None:
    """In a search of PATH, dash goes on where a program lacks its interpreter, bash does not."""
    image = dash_and_bash(tmp_path / "bin")
    first = replace(image, path=str(tmp_path / "first"))
    Path(first.path).mkdir()
    put(first, "env", UNUSABLE["lacks its interpreter"])
    assert_task_runs(replace(first, path=f"{first.path}:{image.path}"))


@pytest.mark.parametrize("make", IMAGES)
@pytest.mark.parametrize("what", ["succeeds and does nothing", "reads its input and prints its words"])
def test_a_tool_that_cannot_be_used_changes_nothing(make: Callable[[Path], ShellImage], what: str, tmp_path: Path) -> None:
    def check(tool: str) -> None:
        image = make(tmp_path / tool)
        put(image, tool, UNUSABLE[what])
        assert_task_runs(image)

    check_in_parallel(check, TOOLS)


@pytest.mark.parametrize("make", [dash_alone, busybox])
@pytest.mark.parametrize("what", [*NO_BASH, "may not be executed"])
def test_a_bash_that_cannot_be_used_is_not_used(make: Callable[[Path], ShellImage], what: str, tmp_path: Path) -> None:
    image = make(tmp_path / "bin")
    put(image, "bash", NO_BASH.get(what, "#!{bash}\n"), 0o755 if what in NO_BASH else 0o644)
    assert_task_runs(image)


def test_a_program_that_hangs_delays_the_task_until_it_ends_and_is_not_used_then(tmp_path: Path) -> None:
    """The limit that docs/wrapper.md describes: a try has no limit of time."""

    def check(name: str) -> None:
        image = with_wget(tmp_path / name)
        tried, released = tmp_path / f"{name}-tried", tmp_path / f"{name}-released"
        put(image, name, f"#!{{sh}}\n: >>{tried}\nuntil [ -e {released} ]; do sleep 0.05; done\n")
        with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
            task = python(f"import os, sys; sys.exit(7 if os.path.exists({str(released)!r}) else 1)")
            with container(image, fake.as_sidecar()).started(task) as process:
                until(tried.exists, "the program is tried", TIMEOUT_SECONDS)
                released.touch()
                output = process.communicate(timeout=TIMEOUT_SECONDS)
            assert (process.returncode, *output) == (7, b"", b"")
            assert (fake.requests[0], fake.requests[-1]) == ("GET /ready", "POST /quit")

    check_in_parallel(check, ("bash", "env", "curl"))


@pytest.mark.parametrize("what", CANNOT_START | DOES_NOTHING)
def test_an_http_client_that_cannot_be_used_is_not_used(what: str, tmp_path: Path) -> None:
    image = with_client("python3", tmp_path / "bin")
    for name in ("curl", "wget"):
        put(image, name, UNUSABLE[what])
    assert_task_runs(image)
    put(image, "python3", UNUSABLE[what])
    with FakeSidecar({}) as fake:
        ended = container(image, fake.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.lines, fake.requests) == (3, [NO_HTTP_CLIENT], [])
