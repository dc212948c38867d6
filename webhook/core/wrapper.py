"""The wrapped command of the main container: how it is written, and how the original command is read back from it.

A wrapped command is ``[SHELL, "-c", SCRIPT, "airflow-sidecar-webhook", OPTION..., "--", WORD...]``; ``args`` do not change. The option
``--entrypoint-source`` says whether the words after ``--`` are the user's command. So a second review of a wrapped pod starts from the
original command and has the same outcome.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from webhook.core.names import HELPER_BUSYBOX, PREFIX
from webhook.core.pod_options import ShellSource, WhenNotReady
from webhook.core.pre_encoded import PreEncoded
from webhook.core.sidecar import Endpoint, FoundSidecar

IMAGE_SHELL: Final = ("/bin/sh",)
HELPER_SHELL: Final = (HELPER_BUSYBOX, "sh")


class EntrypointSource(StrEnum):
    """Where the entrypoint comes from: the container's command, the pod's annotation, the entrypoint table, or a search in the image."""

    COMMAND = "command"
    ANNOTATION = "annotation"
    TABLE = "table"
    IN_IMAGE = "in-image"


class Entrypoint(msgspec.Struct, frozen=True):
    """What the wrapper runs before the args.

    Args:
        source: Where it comes from.
        words: The argv; with `EntrypointSource.COMMAND` the container's own command.
        candidates: Possible entrypoints, used when ``words`` is empty: the wrapper runs the first one that exists in the image.

    """

    source: EntrypointSource
    words: tuple[str, ...] = ()
    candidates: tuple[tuple[str, ...], ...] = ()


class Wrap(msgspec.Struct, frozen=True):
    """How the main container is wrapped.

    Args:
        entrypoint: What runs before the args.
        sidecars: The sidecars that the wrapper waits for, in the order of their quit requests.
        wait_seconds: How long to wait for the sidecars; 0 does not wait.
        when_not_ready: What to do when they are not ready by then.
        only_after_success: Whether quit requests are sent only after exit code 0 (restartPolicy OnFailure).
        shell: The words that start the shell.

    """

    entrypoint: Entrypoint
    sidecars: tuple[FoundSidecar, ...]
    wait_seconds: int
    when_not_ready: WhenNotReady
    only_after_success: bool
    shell: tuple[str, ...] = IMAGE_SHELL

    @property
    def shell_source(self) -> ShellSource:
        """Where the shell comes from."""
        return ShellSource.HELPER if self.shell == HELPER_SHELL else ShellSource.IMAGE


def wrapper_script(source: str) -> PreEncoded:
    """The text for ``sh -c``: the wrapper's source without comments and indentation, in a variable, so that it can be passed on to bash.

    Raises:
        ValueError: The source contains a single quote, or something that the kubelet would expand (`expand`_).

    .. _expand: kubernetes third_party/forked/golang/expansion/expand.go

    """
    lines = (line.strip(" ") for line in source.splitlines())
    body = "\n".join(line for line in lines if line and not line.startswith("#"))
    for forbidden in ("'", "$(", "$$"):
        if forbidden in body:
            message = f"the wrapper's source must not contain {forbidden}"
            raise ValueError(message)
    return PreEncoded(f"asw_script='{body}'\neval \"$asw_script\"")


def wrapped_command(wrap: Wrap, script: str) -> list[str]:
    """The container's new command."""
    words = wrap.entrypoint.words
    if wrap.entrypoint.source is not EntrypointSource.COMMAND:
        words = tuple(map(unexpanded, words))
    return [*wrap.shell, "-c", script, PREFIX, *_options(wrap), "--", *words]


def unexpanded(word: str) -> str:
    """A word of an image's ENTRYPOINT, written for a command, which the kubelet expands: ``$$`` stands for ``$``."""
    return word.replace("$", "$$")


def original_command(command: list[str] | None) -> list[str] | None:
    """The command before the webhook wrapped it, or the command itself where it is not wrapped; None where the pod set none."""
    if not command:
        return None
    start = _start_of_options(command)
    if start is None:
        return command
    source, end = _read_options(command, start)
    if source is None:
        return command
    return command[end:] if source == EntrypointSource.COMMAND else None


def _options(wrap: Wrap) -> list[str]:
    options = ["--wait-seconds", str(wrap.wait_seconds), "--when-not-ready", str(wrap.when_not_ready)]
    options += ("--quit", "on-success" if wrap.only_after_success else "always")
    options += ("--entrypoint-source", str(wrap.entrypoint.source))
    if wrap.shell_source is ShellSource.HELPER:
        options += ("--busybox", HELPER_BUSYBOX)
    for sidecar in wrap.sidecars:
        options += ("--sidecar", sidecar.name, _place(sidecar.ready), _place(sidecar.alive), _request(sidecar.quit))
    for candidate in wrap.entrypoint.candidates:
        options += ("--try-entrypoint", *map(unexpanded, candidate), "--end-try")
    return options


def _place(endpoint: Endpoint | None) -> str:
    """``PORT/PATH``; ``-`` for none."""
    return "-" if endpoint is None else f"{endpoint.port}{unexpanded(endpoint.path)}"


def _request(endpoint: Endpoint | None) -> str:
    """``METHOD:PORT/PATH``; ``-`` for none."""
    return "-" if endpoint is None else f"{endpoint.method}:{_place(endpoint)}"


_VALUES_OF_SIDECAR: Final = 4


def _start_of_options(command: list[str]) -> int | None:
    """The index of the first option, after ``SHELL -c SCRIPT airflow-sidecar-webhook``; SHELL is one word, or two (busybox sh)."""
    for flag in (1, 2):
        if command[flag : flag + 1] == ["-c"] and command[flag + 2 : flag + 3] == [PREFIX]:
            return flag + 3
    return None


def _read_options(command: list[str], start: int) -> tuple[str | None, int]:
    """The value of ``--entrypoint-source`` and the index after ``--``; (None, 0) for a command that the webhook did not write."""
    source, position = None, start
    while position < len(command) and command[position] != "--":
        option = command[position]
        if option == "--entrypoint-source":
            source = command[position + 1] if position + 1 < len(command) else None
        position = _after_option(command, position, option)
    return (source, position + 1) if position < len(command) else (None, 0)


def _after_option(command: list[str], position: int, option: str) -> int:
    if option == "--sidecar":
        return position + 1 + _VALUES_OF_SIDECAR
    if option == "--try-entrypoint":
        return command.index("--end-try", position) + 1 if "--end-try" in command[position:] else len(command)
    return position + 2
