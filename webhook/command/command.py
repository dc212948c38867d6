"""A command of the program, and its help."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Final

from webhook.command.exit_code import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.settings import Settings

PROGRAM: Final = "airflow-sidecar-webhook"

PLUGIN: Final = "kubectl airflow-sidecar"
"""The program as a plugin of kubectl."""

PLUGIN_FILE: Final = "kubectl-airflow_sidecar"
"""The file that kubectl runs for it: in the name of a file, an underscore stands for a dash (kubectl plugin list --help)."""

FILE: Final = "FILE"
"""What the help calls an argument that is the name of a file."""

HELP_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class HelpExample:
    """An example in a command's help. A test runs each.

    Args:
        purpose: What it is for.
        line: The line for a POSIX shell.

    """

    purpose: str
    line: str

    def line_of(self, program: str) -> str:
        """The line with this name of the program."""
        return self.line.replace(f"{PROGRAM} ", f"{program} ")


@dataclass(frozen=True, slots=True)
class Command:
    """A command. Its module holds all of it; `webhook.command.main` lists it.

    Args:
        name: The word on the command line.
        summary: One line for the list of commands.
        description: The first paragraph of its help.
        examples: Its examples.
        add_arguments: Adds its arguments to its parser; ``--config`` is there already.
        run: Runs it and returns its exit code. UnusableError. Its options also have ``make_parser``, which makes the program's parser, by
            the program's name.

    """

    name: str
    summary: str
    description: str
    examples: tuple[HelpExample, ...]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Settings], ExitCode]

    def epilog(self, program: str) -> str:
        """The end of its help: examples with this name of the program, and exit codes."""
        examples = "\n".join(f"  # {example.purpose}\n  {example.line_of(program)}\n" for example in self.examples)
        return f"examples:\n{examples}\n{exit_codes()}"

    def add_to(self, commands: argparse._SubParsersAction[argparse.ArgumentParser], shared: argparse.ArgumentParser, program: str) -> None:
        """Add its parser to those of the program, whose name is ``program``; ``shared`` has the arguments of every command."""
        parser = commands.add_parser(
            self.name,
            parents=[shared],
            help=self.summary,
            description=fill(self.description, HELP_WIDTH),
            epilog=self.epilog(program),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_arguments(parser)
        parser.set_defaults(run=self.run)


def exit_codes() -> str:
    """The exit codes, for a help text."""
    return "\n".join(["exit codes:", *(f"  {code}  {code.sentence}" for code in ExitCode)])
