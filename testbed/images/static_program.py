"""A layer with one static C program."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from testbed.images.command import run
from testbed.images.layer import Layer, Owner, put_folder


def static_program(source: Path) -> Layer:
    """The program of a C file, at the root of the layer, under the file's name without ``.c``. It needs nothing but the kernel."""
    return Layer(source.stem, (Path(__file__), source), partial(_compile, source), (Owner("", 0, 0),))


def _compile(source: Path, root: Path) -> None:
    put_folder(root, "tmp", 0o1777)
    run("gcc", "-std=c11", "-D_GNU_SOURCE", "-static", "-Os", "-s", "-o", root / source.stem, source, package="gcc libc6-dev")
