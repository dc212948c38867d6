"""``completion``: the script by which a shell completes the commands, their options and the names of files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from webhook.command.command import FILE, PROGRAM, Command, HelpExample
from webhook.command.exit_code import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from webhook.settings import Settings

SHELLS: Final = ("bash", "zsh", "fish")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell whose script is printed")


def _run(options: Namespace, _: Settings) -> ExitCode:
    import shtab  # noqa: PLC0415  no other command needs it

    # By its own name, also when kubectl runs it: kubectl completes what follows its own name itself.
    parser: ArgumentParser = options.make_parser(PROGRAM)
    for one in _parsers(parser):
        for action in one._actions:  # noqa: SLF001  argparse has no public list of them, and shtab reads this one, too
            if action.metavar == FILE:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks
    sys.stdout.write(shtab.complete(parser, options.shell) + "\n")
    return ExitCode.DONE


def _parsers(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """The parser, and those of its commands."""
    yield parser
    for action in parser._actions:  # noqa: SLF001  as above
        if isinstance(action.choices, dict):
            yield from action.choices.values()


COMMAND: Final = Command(
    name="completion",
    summary="print the script by which a shell completes the commands",
    description="Prints a script for bash, zsh or fish that completes the commands, their options and the names of files. Save it where "
    "the shell looks for such scripts (docs/command_line.md).",
    examples=(
        HelpExample("The script for bash, for a folder such as ~/.local/share/bash-completion/completions:", f"{PROGRAM} completion bash"),
        HelpExample("The script for zsh, for a folder of its fpath:", f"{PROGRAM} completion zsh"),
        HelpExample("The script for fish, for ~/.config/fish/completions:", f"{PROGRAM} completion fish"),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
