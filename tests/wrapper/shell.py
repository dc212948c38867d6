"""The shells that a task's image may have, each as a directory that is all of PATH."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.wrapper.requirements import require_program

if TYPE_CHECKING:
    from pathlib import Path

COREUTILS: Final = ("cat", "env", "sleep", "timeout", "tr")
"""What any image with a shell has; of these the wrapper uses all but cat."""


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell and the programs beside it.

    Args:
        name: For the test's id and the table of differences.
        program: What the container's `/bin/sh` is, or the busybox of the helper.
        path: The value of PATH.
        helper: Whether the program is the busybox of the helper.

    """

    name: str
    program: str
    path: str
    helper: bool = False

    @property
    def is_bash(self) -> bool:
        """Whether the script ends up in bash."""
        return "bash" in self.name


def dash_and_bash(image: Path, tools: tuple[str, ...] = ("curl",)) -> Shell:
    """Debian, and Airflow's own image: the wrapper goes on in bash."""
    return _linked("dash-and-bash", image, {"sh": "dash", "bash": "bash"}, tools)


def bash_as_sh(image: Path, tools: tuple[str, ...] = ("curl",)) -> Shell:
    """Red Hat's images: bash in POSIX mode, and bash beside it."""
    return _linked("bash-as-sh", image, {"sh": "bash", "bash": "bash"}, tools)


def bash_alone(image: Path, tools: tuple[str, ...] = ("curl",)) -> Shell:
    """An image in which bash is known as sh only."""
    return _linked("bash-alone", image, {"sh": "bash"}, tools)


def dash_alone(image: Path, tools: tuple[str, ...] = ("curl",)) -> Shell:
    """A slim image without bash."""
    return _linked("dash-alone", image, {"sh": "dash"}, tools)


def busybox(image: Path) -> Shell:
    """Alpine's way: all programs are busybox."""
    program = require_program("busybox")
    image.mkdir()
    for applet in ("sh", "wget", *COREUTILS):
        (image / applet).symlink_to(program)
    return Shell("busybox", str(image / "sh"), str(image))


def busybox_as_helper(_: Path) -> Shell:
    """An image with no program but the task, and the busybox that the helper brought."""
    return Shell("busybox-as-helper", str(require_program("busybox")), "/nonexistent", helper=True)


SHELLS: Final = {
    "dash-and-bash": dash_and_bash,
    "bash-as-sh": bash_as_sh,
    "dash-alone": dash_alone,
    "busybox": busybox,
    "busybox-as-helper": busybox_as_helper,
}
"""The shells that each claim is tested in; `bash_alone` differs from `bash_as_sh` in one place only and has tests of its own."""


def _linked(name: str, image: Path, shells: dict[str, str], tools: tuple[str, ...]) -> Shell:
    image.mkdir()
    for link, program in {**shells, **{tool: tool for tool in (*COREUTILS, *tools)}}.items():
        (image / link).symlink_to(require_program(program))
    return Shell(name, str(image / "sh"), str(image))
