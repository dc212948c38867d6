"""The documentation as a site: built as `make docs-site` does, and served on the loopback."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.quiet_server import QuietServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]

FETCHED: Final = "performance.getEntriesByType('resource').map(entry => entry.name)"
"""In a browser, the addresses of what a page has fetched."""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves the files of a folder, and logs nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


def built(site: Path) -> Path:
    """The site, as `make docs-site` builds it: a warning is an error."""
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\ndocs-site:")[2].splitlines()[1]
    words = recipe.replace("$(BIN)/python", sys.executable).replace("build/site", str(site)).split()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return site


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Its address, for the time of the block."""
    server = QuietServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
