"""Images by the shell they have, each as a directory that holds all programs of its PATH."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.wrapper.requirements import require_program

COREUTILS: Final = ("cat", "env", "head", "sleep", "timeout", "tr")
"""The programs that the wrapper uses where they exist; any image with a shell has them."""


@dataclass(frozen=True, slots=True)
class ShellImage:
    """An image: a shell and the programs beside it.

    Args:
        name: The id in test names and the key in `DIFFERENCES`.
        program: The image's `/bin/sh`, or the busybox that the helper container copies into the pod.
        path: The value of PATH.
        helper: Whether `program` is the helper's busybox.

    """

    name: str
    program: str
    path: str
    helper: bool = False

    @property
    def is_bash(self) -> bool:
        """Whether the wrapper runs in bash."""
        return "bash" in self.name


def dash_and_bash(image: Path, tools: tuple[str, ...] = ("curl",)) -> ShellImage:
    """Debian and apache/airflow: sh is dash, and the wrapper continues in bash."""
    return _linked("dash-and-bash", image, {"sh": "dash", "bash": "bash"}, tools)


def bash_as_sh(image: Path, tools: tuple[str, ...] = ("curl",)) -> ShellImage:
    """Red Hat: sh is bash in POSIX mode, and bash is there too."""
    return _linked("bash-as-sh", image, {"sh": "bash", "bash": "bash"}, tools)


def bash_alone(image: Path, tools: tuple[str, ...] = ("curl",)) -> ShellImage:
    """An image with bash under the name sh only."""
    return _linked("bash-alone", image, {"sh": "bash"}, tools)


def dash_alone(image: Path, tools: tuple[str, ...] = ("curl",)) -> ShellImage:
    """A slim image without bash."""
    return _linked("dash-alone", image, {"sh": "dash"}, tools)


def busybox(image: Path) -> ShellImage:
    """Alpine: all programs are busybox."""
    program = require_program("busybox")
    image.mkdir()
    for applet in ("sh", "wget", *COREUTILS):
        (image / applet).symlink_to(program)
    return ShellImage("busybox", str(image / "sh"), str(image))


def busybox_as_helper(_: Path) -> ShellImage:
    """An image with no programs but the task's; the helper container brings busybox."""
    return ShellImage("busybox-as-helper", str(require_program("busybox")), "/nonexistent", helper=True)


def helper_and_programs(image: Path) -> ShellImage:
    """The helper's busybox, and a directory for programs of the image."""
    image.mkdir()
    return replace(busybox_as_helper(image), path=str(image))


STARTS_BY_NAME: Final = """#!{python} -IS
import os, signal, sys
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
programs = {programs}
words = sys.argv[1:] if sys.argv[1] in programs else ["busybox", *sys.argv[1:]]
os.execv(programs[words[0]], words)
"""


def helper_that_obeys_path(image: Path) -> ShellImage:
    """An image with no programs, and a helper whose busybox starts what PATH has, as the default of the Dockerfile does.

    A stand-in, in Python: its sh is dash, its env that of this system, the rest is busybox. It cannot show busybox's own ash, and it is
    slow. Without LC_ALL Python would add a variable (PEP 538).
    """
    image.mkdir()
    program = image.with_name(f"{image.name}-busybox")
    programs = {name: str(require_program(of)) for name, of in {"sh": "dash", "env": "env", "busybox": "busybox"}.items()}
    program.write_text(STARTS_BY_NAME.format(python=Path(sys.executable).resolve(), programs=programs), "utf-8")
    program.chmod(0o755)
    return ShellImage("helper-that-obeys-path", str(program), str(image), helper=True)


SHELLS: Final = {
    "dash-and-bash": dash_and_bash,
    "bash-as-sh": bash_as_sh,
    "dash-alone": dash_alone,
    "busybox": busybox,
    "busybox-as-helper": busybox_as_helper,
}
"""The images that each claim is tested in. `bash_alone` differs from `bash_as_sh` in one place and has its own tests."""


def _linked(name: str, image: Path, shells: dict[str, str], tools: tuple[str, ...]) -> ShellImage:
    image.mkdir()
    for link, program in {**shells, **{tool: tool for tool in (*COREUTILS, *tools)}}.items():
        (image / link).symlink_to(require_program(program))
    return ShellImage(name, str(image / "sh"), str(image))
