"""Runs the programs that make an image's files."""

from __future__ import annotations

import os
import subprocess

TAIL_LINES = 20
"""How much of a failed program's output an error shows."""

TIMEOUT_SECONDS = 1800
"""For the longest, debootstrap over a slow line; two minutes are usual."""


class ImageError(Exception):
    """An image cannot be made on this machine; the text says what is missing or what failed."""


def run(*arguments: str | os.PathLike[str], package: str) -> str:
    """Run a program to its end and return its output. ``package`` is the Debian package that brings it.

    Raises ImageError where it is missing, fails or takes half an hour. Files are made with the usual umask, whatever the user's own is.
    """
    command = [os.fspath(argument) for argument in arguments]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=TIMEOUT_SECONDS, umask=0o022
        )
    except FileNotFoundError:
        message = f"{command[0]} is missing; on Debian and Ubuntu: apt-get install {package}"
        raise ImageError(message) from None
    except subprocess.TimeoutExpired:
        message = f"{' '.join(command)} did not end in {TIMEOUT_SECONDS} s"
        raise ImageError(message) from None
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
        message = f"{' '.join(command)} ended with {done.returncode}:\n{tail}"
        raise ImageError(message)
    return done.stdout


def require_root(what: str) -> None:
    """Raise ImageError for anyone but root."""
    if os.geteuid() != 0:
        message = f"{what} must be made by root: it needs chroot and files of several owners"
        raise ImageError(message)
