"""Programs that the image has, and that cannot be used: there is no way back once the wrapper has become one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.wrapper.fake_sidecar import FakeSidecar, Reaction
from tests.wrapper.main_container import container, exits_with, python
from tests.wrapper.messages import NO_HTTP_CLIENT
from tests.wrapper.requirements import require_program
from tests.wrapper.shell_image import busybox, dash_alone

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
    "reads its input": "#!{sh}\nexec cat\n",
    "prints before it is bash": '#!{sh}\necho hello\nexec {bash} "$@"\n',
}
READS_INPUT: Final = python("import sys; sys.stdout.write(sys.stdin.read()); sys.exit(7)")


def put(image: ShellImage, name: str, text: str, mode: int = 0o755) -> None:
    """Put a program of this text into the image, instead of the one of that name."""
    program = Path(image.path, name)
    program.unlink(missing_ok=True)
    program.write_text(text.format(sh=image.program, bash=require_program("bash")), "utf-8")
    program.chmod(mode)


@pytest.mark.parametrize("make", [dash_alone, busybox])
@pytest.mark.parametrize("what", [*NO_BASH, "may not be executed"])
def test_a_bash_that_cannot_be_used_is_not_used(make: Callable[[Path], ShellImage], what: str, tmp_path: Path) -> None:
    image = make(tmp_path / "bin")
    put(image, "bash", NO_BASH.get(what, "#!{bash}\n"), 0o755 if what in NO_BASH else 0o644)
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
        ended = container(image, fake.as_sidecar()).run(READS_INPUT, b"of the task")
        assert (ended.code, ended.stdout, ended.stderr) == (7, b"of the task", b"")
        assert fake.requests == ["GET /ready", "POST /quit"]


@pytest.mark.parametrize("what", CANNOT_START)
def test_an_http_client_that_cannot_start_is_not_used(what: str, tmp_path: Path) -> None:
    image = dash_alone(tmp_path / "bin", ("curl", "wget"))
    put(image, "curl", CANNOT_START[what])
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
        ended = container(image, fake.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stderr) == (3, b"")
        assert fake.requests == ["GET /ready", "POST /quit"]
        put(image, "wget", CANNOT_START[what])
        ended = container(image, fake.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.lines) == (3, [NO_HTTP_CLIENT])
