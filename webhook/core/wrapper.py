"""The wrapped command of the main container: how it is written, and how the original command is read back from it.

A wrapped command is ``[SHELL, "-c", SCRIPT, "airflow-sidecar-webhook", OPTION..., "--", WORD...]``; ``args`` do not change. The option
``--entrypoint-source`` says whether the words after ``--`` are the user's command. So a second review of a wrapped pod starts from the
original command and has the same outcome.

Another webhook may come between the two reviews. One that starts the task by a program of its own puts words before the wrapper
(``/secrets/launch /bin/sh -c …``), or moves the command into ``args`` and sets another command (bank-vaults' ``vault-env``).
So the wrapper is searched in command and args, at every position. What stands before it is a part of the command: the wrapper comes
first again, as where the other webhook came first. A wrapper that guesses the entrypoint stays behind those words instead,
since they must not come between it and the entrypoint.

===========================================  =============================================
argv of the pod, ``|`` before its args       the original, ``|`` before its args
===========================================  =============================================
``WRAPPER -- cmd | args``                    ``cmd | args``
``launch WRAPPER -- cmd | args``             ``launch cmd | args``
``vault-env | WRAPPER -- cmd args``          ``vault-env | cmd args``
``launch WRAPPER(guessed) -- | args``        ``| args``, with ``launch`` before the wrapper
``vault-env | WRAPPER(guessed) -- args``     ``| args``, with ``vault-env |`` before the wrapper
===========================================  =============================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core.catalogue import FoundSidecar
from webhook.core.names import HELPER_BUSYBOX, PREFIX
from webhook.core.pod_options import ShellSource, WhenNotReady
from webhook.core.pre_encoded import PreEncoded
from webhook.core.restart import EXIT_CODES
from webhook.core.shell import word_after

if TYPE_CHECKING:
    from webhook.core.sidecar import Endpoint

IMAGE_SHELL: Final = ("/bin/sh",)
HELPER_SHELL: Final = (HELPER_BUSYBOX, "sh")


class EntrypointSource(StrEnum):
    """Where the entrypoint comes from: the container's command, the pod's annotation, the entrypoint table, or a guess in the image."""

    COMMAND = "command"
    ANNOTATION = "annotation"
    TABLE = "table"
    GUESSED = "guessed"


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
        restart_codes: The exit codes after which the kubelet starts the task again, beside the same sidecars: no quit request is sent.
        shell: The words that start the shell.

    """

    entrypoint: Entrypoint
    sidecars: tuple[FoundSidecar, ...]
    wait_seconds: int
    when_not_ready: WhenNotReady
    restart_codes: frozenset[int] = frozenset()
    shell: tuple[str, ...] = IMAGE_SHELL

    @property
    def uses_helper(self) -> bool:
        """Whether the shell comes from the helper."""
        return self.shell == HELPER_SHELL

    @property
    def shell_source(self) -> ShellSource:
        """Where the shell comes from."""
        return ShellSource.HELPER if self.uses_helper else ShellSource.IMAGE


def wrapper_script(source: str) -> PreEncoded:
    """The text for ``sh -c``: the wrapper's source without comments and indentation, in a variable, so that it can be passed on to bash.

    Raises:
        ValueError: The source contains a single quote, or something that the kubelet would expand (`expand`_).

    .. _expand: kubernetes third_party/forked/golang/expansion/expand.go

    """
    lines = (line.strip() for line in source.splitlines())
    body = "\n".join(line for line in lines if line and not line.startswith("#"))
    for forbidden in ("'", "$(", "$$"):
        if forbidden in body:
            message = f"the wrapper's source must not contain {forbidden}"
            raise ValueError(message)
    return PreEncoded(f"POSIXLY_CORRECT=1 asw_script='{body}'\neval \"$asw_script\"\n{_NOT_EXECUTED}")


_NOT_EXECUTED: Final = "the task was not started: this shell does not execute commands (noexec in SHELLOPTS)"
"""The last line of the script, which no shell reaches: the wrapper exits before. A bash with ``noexec`` in the environment's SHELLOPTS only
parses the script, and would end with 0; the parenthesis is a syntax error, so it prints this line and ends with 2 (1 before bash 5)."""


def wrapped_command(wrap: Wrap, script: str) -> list[str]:
    """The container's new command."""
    words = wrap.entrypoint.words
    if wrap.entrypoint.source is not EntrypointSource.COMMAND:
        words = tuple(map(unexpanded, words))
    return [*wrap.shell, "-c", script, PREFIX, *_options(wrap), "--", *words]


def unexpanded(word: str) -> str:
    """A word of an image's ENTRYPOINT, written for a command, which the kubelet expands: ``$$`` stands for ``$``."""
    return word.replace("$", "$$")


class Argv(msgspec.Struct, frozen=True):
    """Command and args of a container, without the wrapper.

    Args:
        command: What the pod sets; None: nothing.
        args: Likewise, empty where it sets none.
        before: Words of another webhook in ``command``, before a wrapper that must stay behind them.
        before_in_args: Likewise in ``args``, where the wrapper is; None: it is in ``command``.

    """

    command: tuple[str, ...] | None
    args: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    before_in_args: tuple[str, ...] | None = None

    def wrapped(self, wrapper: list[str]) -> tuple[list[str], list[str]]:
        """Command and args with this wrapper, which holds ``command``."""
        if self.before_in_args is None:
            return [*self.before, *wrapper], list(self.args)
        return list(self.before), [*self.before_in_args, *wrapper, *self.args]

    def unwrapped(self) -> tuple[list[str], list[str]]:
        """Command and args with no wrapper."""
        return [*self.before, *(self.command or ())], [*(self.before_in_args or ()), *self.args]


def original_argv(command: list[str] | None, args: list[str] | None) -> Argv:
    """Command and args before the webhook wrapped them; themselves where they are not wrapped."""
    if PREFIX not in (command or ()) and PREFIX not in (args or ()):
        return Argv(tuple(command) if command else None, tuple(args or ()))
    boundary = len(command or ())
    argv = [*(command or ()), *(args or ())]
    found = _find_wrapper(argv)
    if found is None:
        return Argv(tuple(command) if command else None, tuple(args or ()))
    start, source, end = found
    before, before_in_args = argv[: min(start, boundary)], argv[boundary:start]
    if source == EntrypointSource.GUESSED:
        return Argv(None, tuple(argv[end:]), tuple(before), tuple(before_in_args) if start > 0 and start >= boundary else None)
    # Of a wrapper that begins in the command and ends in the args, as many words were left in the command as were of the user's.
    last = boundary if end <= boundary else end + max(0, boundary - start)
    words, rest = argv[end:last], argv[max(end, last) :]
    if source != EntrypointSource.COMMAND and start == 0 and end <= boundary:
        return Argv(None, tuple(rest))
    own, others = (*before, *words), (*before_in_args, *rest)
    if own or before_in_args:
        return Argv(own or None, others)
    # No command is left: the args hold the whole argv.
    return Argv(others or None)


def is_wrapped(command: list[str] | None, args: list[str] | None) -> bool:
    """Whether a container with this command and these args has the webhook's wrapper."""
    return (PREFIX in (command or ()) or PREFIX in (args or ())) and _find_wrapper([*(command or ()), *(args or ())]) is not None


def _options(wrap: Wrap) -> list[str]:
    options = [
        *(("--busybox", HELPER_BUSYBOX) if wrap.uses_helper else ()),
        *("--wait-seconds", str(wrap.wait_seconds)),
        *("--when-not-ready", str(wrap.when_not_ready)),
        *("--quit", _when_to_quit(wrap.restart_codes)),
        *("--entrypoint-source", str(wrap.entrypoint.source)),
    ]
    for sidecar in wrap.sidecars:
        options += ("--sidecar", sidecar.name, _place(sidecar.ready), _place(sidecar.alive), _request(sidecar.quit))
    for candidate in wrap.entrypoint.candidates:
        options += ("--try-entrypoint", *map(unexpanded, candidate), "--end-try")
    return options


def _when_to_quit(restart_codes: frozenset[int]) -> str:
    """By the codes that are fewer: those after which the task starts again, or the others."""
    if not restart_codes:
        return "always"
    ending = EXIT_CODES - restart_codes
    name, codes = ("after", ending) if len(ending) < len(restart_codes) else ("not-after", restart_codes)
    return f"{name}:{','.join(map(str, sorted(codes)))}"


def _place(endpoint: Endpoint | None) -> str:
    """``PORT/PATH``; ``-`` for none."""
    return "-" if endpoint is None else f"{endpoint.port}{unexpanded(endpoint.path)}"


def _request(endpoint: Endpoint | None) -> str:
    """``METHOD:PORT/PATH``; ``-`` for none."""
    return "-" if endpoint is None else f"{endpoint.method}:{_place(endpoint)}"


_VALUES_OF_SIDECAR: Final = 4

MAX_OPTION_WORDS: Final = 4096
"""The options of a wrapper have fewer words: four of each sidecar, and the candidates for an entrypoint. So have the words before it."""


def _find_wrapper(argv: list[str]) -> tuple[int, str, int] | None:
    """The index of the wrapper's shell, the value of ``--entrypoint-source`` and the index after ``--``; None: there is no wrapper."""
    for mark, word in enumerate(argv[:MAX_OPTION_WORDS]):
        start = _start_of_wrapper(argv, mark) if word == PREFIX else None
        if start is not None:
            options = _read_options(argv, mark + 1)
            return None if options is None else (start, *options)
    return None


def _start_of_wrapper(argv: list[str], mark: int) -> int | None:
    """The index of SHELL in ``SHELL -c SCRIPT airflow-sidecar-webhook``; SHELL is one word, or two (``busybox sh``, ``bash --posix``)."""
    if mark < _WORDS_BEFORE_MARK or argv[mark - 2] != "-c":
        return None
    shell = mark - _WORDS_BEFORE_MARK
    has_two_words = shell > 0 and word_after(argv[shell - 1]) == (argv[shell],)
    return shell - 1 if has_two_words else shell


_WORDS_BEFORE_MARK: Final = 3


def _read_options(argv: list[str], start: int) -> tuple[str, int] | None:
    """The value of ``--entrypoint-source`` and the index after ``--``; None for an argv that the webhook did not write."""
    source, position, end = None, start, min(len(argv), start + MAX_OPTION_WORDS)
    while position < end and argv[position] != "--":
        option = argv[position]
        if option == "--entrypoint-source":
            source = argv[position + 1] if position + 1 < end else None
        position = _after_option(argv, position, end)
    return (source, position + 1) if source is not None and position < end else None


def _after_option(argv: list[str], position: int, end: int) -> int:
    option = argv[position]
    if option == "--sidecar":
        return position + 1 + _VALUES_OF_SIDECAR
    if option == "--try-entrypoint":
        try:
            return argv.index("--end-try", position, end) + 1
        except ValueError:
            return end
    return position + 2
