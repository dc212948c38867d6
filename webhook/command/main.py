"""``airflow-sidecar-webhook``: runs one of the commands, and turns what stopped it into an exit code and lines on stderr."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from webhook import __version__
from webhook.command import bug_report, completion, doctor, explain, patch, reaper, report, serve
from webhook.command.command import FILE, PLUGIN, PLUGIN_FILE, PROGRAM, exit_codes
from webhook.command.errors import UnusableError, UsageError
from webhook.command.exit_code import ExitCode
from webhook.command.output import JSON, Failure, FailureDocument, add_output_argument, write_json
from webhook.command.terminal import printable
from webhook.core import RulesError
from webhook.settings import CONFIG, SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = (
    serve.COMMAND,
    explain.COMMAND,
    patch.COMMAND,
    doctor.COMMAND,
    report.COMMAND,
    reaper.COMMAND,
    bug_report.COMMAND,
    completion.COMMAND,
)

NO_PLACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors by which a device or a file system refuses what is written: it is full, a quota or a limit is reached, or the disk fails."""


def main() -> int:
    """The program: run the command that was typed; its exit code."""
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        # Ends by the signal, as a program that does not catch it: by its status a shell knows that its script must end too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
        raise


def run(words: Sequence[str]) -> int:
    """Run one command; its exit code. KeyboardInterrupt."""
    if sys.stdout is None:
        # Python's word for a descriptor that was closed before the program started (>&-).
        sys.stderr.write(f"{PROGRAM}: stdout is closed, so the output cannot be written\n")
        return ExitCode.UNUSABLE
    try:
        code = _exit_code_of(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) needs no more.
        _drop_output()
        return ExitCode.DONE
    except OSError as problem:
        if problem.errno not in NO_PLACE:
            raise
        _drop_output()
        sys.stderr.write(f"{PROGRAM}: the output cannot be written: {problem.strerror}\n")
        return ExitCode.UNUSABLE
    return code


def _exit_code_of(words: Sequence[str]) -> ExitCode:
    options = argparse.Namespace(output=_output(words), make_parser=_parser)
    try:
        _parser(_program(sys.argv[0])).parse_args(words, options)
        code: ExitCode = options.run(options, read_settings(os.environ, options.config))
    except UsageError as problem:
        sys.stderr.write(problem.usage)
        return _say(problem, ExitCode.UNUSABLE, options)
    except (UnusableError, SettingsError) as problem:
        return _say(problem, ExitCode.UNUSABLE, options)
    except RulesError as bug:
        return _say(bug, ExitCode.BUG, options)
    return code


def _drop_output() -> None:
    """Keep Python from complaining once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(problem: Exception, code: ExitCode, options: argparse.Namespace) -> ExitCode:
    lines = tuple(str(problem).splitlines())
    for line in lines:
        sys.stderr.write(f"{PROGRAM}: {printable(line)}\n")
    if options.output == JSON:
        write_json(FailureDocument(1, Failure(code, lines)))
    return code


class ArgumentsParser(argparse.ArgumentParser):
    """A parser that raises what is wrong with the arguments; so do those of the commands, which `argparse` makes of the same class."""

    def error(self, message: str) -> NoReturn:
        """Raise a UsageError."""
        raise UsageError(message, self.format_usage())


def _output(words: Sequence[str]) -> str:
    """The output format that these arguments name, whether or not the rest of them can be used."""
    parser = ArgumentsParser(add_help=False)
    add_output_argument(parser)
    try:
        output: str = parser.parse_known_args(words)[0].output
    except UsageError:
        return ""
    return output


def _program(path: str) -> str:
    """The name by which a person called the program, from the path of the file that runs."""
    return PLUGIN if Path(path).stem == PLUGIN_FILE else PROGRAM


def _parser(program: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = ArgumentsParser(
        prog=program,
        description="Lets Airflow's task pods end when they have injected sidecars.",
        epilog=f"{program} COMMAND --help shows examples.\n\n{exit_codes()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, metavar=FILE, help=f"settings as YAML (default: ${CONFIG})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands, shared, program)
    return parser
