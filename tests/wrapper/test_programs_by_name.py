"""A task whose program is given by its name runs the one that the image's PATH has, whatever shell runs the wrapper.

The busybox of Debian prefers its own programs (CONFIG_FEATURE_PREFER_APPLETS), in its shell and in its env.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.wrapper.differences import PREFERS_ITS_OWN
from tests.wrapper.fake_sidecar import FakeSidecar, Reaction
from tests.wrapper.main_container import container
from tests.wrapper.requirements import require_program
from tests.wrapper.shell_image import bash_as_sh, busybox, dash_alone, dash_and_bash, helper_and_programs, helper_that_obeys_path
from tests.wrapper.test_unusable_programs import IMAGES, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.wrapper.main_container import MainContainer
    from tests.wrapper.shell_image import ShellImage

BUSYBOXES: Final = (busybox, helper_and_programs)
OF_THE_IMAGE: Final = '#!{bash}\nprintf "%s," of the image "$@"\nexit 7\n'
APPLET: Final = "find"
"""A program that a busybox has, and that the wrapper does not use."""


def with_path(image: ShellImage, *more: str) -> MainContainer:
    """A container that starts in the image's directory, with these before the image's own in PATH."""
    before = (str(require_program("bash")), "-c", f'cd {image.path}; exec "$@"', "bash")
    return replace(container(replace(image, path=":".join((*more, image.path)))), before=before)


@pytest.mark.parametrize("make", [*IMAGES, helper_that_obeys_path])
def test_a_program_by_its_name_is_the_images(make: Callable[[Path], ShellImage], tmp_path: Path) -> None:
    image = make(tmp_path / "bin")
    put(image, APPLET, OF_THE_IMAGE)
    ended = container(image).run([APPLET, "a b", "c"])
    assert (ended.code, ended.stdout, ended.stderr) == (7, b"of,the,image,a b,c,", b"")


@pytest.mark.parametrize("make", BUSYBOXES)
def test_a_file_that_is_not_executable_is_passed_over_and_an_empty_entry_of_path_is_the_directory(
    make: Callable[[Path], ShellImage], tmp_path: Path
) -> None:
    image = make(tmp_path / "bin")
    first = replace(image, path=str(tmp_path / "first"))
    Path(first.path, APPLET).mkdir(parents=True)
    put(image, APPLET, OF_THE_IMAGE)
    put(first, "nice", "", 0o644)
    put(image, "nice", OF_THE_IMAGE)
    where = with_path(image, first.path)
    here = replace(with_path(image), shell=replace(image, path=f"{first.path}:"))
    assert [one.run([program]).code for one in (where, here) for program in (APPLET, "nice")] == [7] * 4


@pytest.mark.parametrize("make", BUSYBOXES)
def test_a_program_that_the_image_does_not_have_or_may_not_execute_is_not_the_busyboxs(
    make: Callable[[Path], ShellImage], tmp_path: Path
) -> None:
    image = make(tmp_path / "bin")
    put(image, "nice", "text\n", 0o644)
    for program, code in ((APPLET, 127), ("nice", 126)):
        with FakeSidecar({"POST /quit": [Reaction.STOP]}) as fake:
            ended = container(image, fake.as_sidecar(), wait_seconds=0).run([program])
            assert (ended.code, ended.stdout, program in ended.stderr.decode()) == (code, b"", True)
            assert fake.requests[-1] == "POST /quit"


def zeroth_argument(make: Callable[[Path], ShellImage], folder: Path) -> str:
    """What a task that is called ``own`` sees as its argv[0]."""
    image = make(folder)
    (folder / "own").symlink_to(require_program("dash"))
    return container(image).run(["own", "-c", 'printf %s "$0"']).stdout.decode()


@pytest.mark.parametrize("make", [dash_and_bash, bash_as_sh, dash_alone, helper_that_obeys_path])
def test_the_program_sees_the_name_by_which_it_was_called(make: Callable[[Path], ShellImage], tmp_path: Path) -> None:
    assert zeroth_argument(make, tmp_path / "bin") == "own"


@pytest.mark.parametrize("make", BUSYBOXES)
def test_beside_a_busybox_that_prefers_its_own_programs_it_sees_its_path(make: Callable[[Path], ShellImage], tmp_path: Path) -> None:
    assert zeroth_argument(make, tmp_path / "bin") in {"own", str(tmp_path / "bin/own")}, PREFERS_ITS_OWN
