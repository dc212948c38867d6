"""What every benchmark shares: its lines, its exit status, and the folder of its figures."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.machine import machine

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

RESULTS: Final = Path(__file__).parent / "results"
"""The folder of the figures."""

MISSED: Final = 1
NO_FIGURES: Final = 2
INTERRUPTED: Final = 130
"""The exit statuses where a target was missed, where there are no figures, and after Ctrl-C."""

MEBIBYTE: Final = 1024 * 1024


def progress(line: str) -> None:
    """Print a line about the progress to standard error; tables go to standard output."""
    print(line, file=sys.stderr, flush=True)


def write_figures(name: str, figures: JSONObject) -> None:
    """Write the figures of a benchmark to a new file, with the day, the command and the machine, and report its path."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    document = {"measured": f"{now:%Y-%m-%d}", "command": command(), "machine": machine(), **figures}
    path = RESULTS / f"{name}-{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    progress(f"written to {path}")


def command() -> str:
    """How this program was started: `python -m` and its words."""
    return " ".join(("python", *sys.orig_argv[sys.orig_argv.index("-m") :]))
