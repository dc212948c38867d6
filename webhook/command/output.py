"""The choice between output for people and for machines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from webhook.core import to_json

if TYPE_CHECKING:
    import argparse


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--output``."""
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="output format (default: %(default)s)")


def write_json(value: object) -> None:
    """Write a JSON value to stdout, indented."""
    sys.stdout.write(msgspec.json.format(to_json(value)).decode() + "\n")
