"""The choice between output for people and for machines."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from webhook.core import to_json

if TYPE_CHECKING:
    import argparse


JSON: Final = "json"


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stopped a command.

    Args:
        exit_code: Its exit code.
        messages: What is wrong, a line each, as on stderr.

    """

    exit_code: int
    messages: tuple[str, ...]


class FailureDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every command prints with ``-o json`` where it has no result.

    Args:
        version: Of this form.
        error: What stopped it.

    """

    version: Literal[1]
    error: Failure


def add_output_argument(parser: argparse.ArgumentParser, *others: str) -> None:
    """Add ``--output``; ``others`` are formats beside text and JSON."""
    parser.add_argument("-o", "--output", choices=("text", JSON, *others), default="text", help="output format (default: %(default)s)")


def write_json(value: object) -> None:
    """Write a JSON value to stdout, indented. A character that is not printable is escaped (`webhook.command.terminal.printable`)."""
    lines = msgspec.json.format(to_json(value)).decode().split("\n")
    sys.stdout.write("".join(f"{line if line.isprintable() else _escaped(line)}\n" for line in lines))


def _escaped(line: str) -> str:
    return "".join(one if one.isprintable() else json.dumps(one).strip('"') for one in line)
