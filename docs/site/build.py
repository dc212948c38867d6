"""``python -m docs.site.build FOLDER``: the site of the checked-out version, in a folder of its own beside those of other versions."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sphinx.cmd.build import main as sphinx

from docs.site.versions import complete, minor_of
from webhook import __version__

CONFIGURATION: Final = Path(__file__).parent
ROOT: Final = CONFIGURATION.parents[1]
OPTIONS: Final = ("--quiet", "--fail-on-warning", "--keep-going", "--builder", "html")


def main(site: Path) -> int:
    """Build it anew. The exit code of Sphinx: a broken link is a warning, and a warning is an error."""
    pages = site / minor_of(__version__)
    shutil.rmtree(pages, ignore_errors=True)
    with TemporaryDirectory() as parsed:
        code = sphinx([*OPTIONS, "--doctree-dir", parsed, "--conf-dir", str(CONFIGURATION), str(ROOT), str(pages)])
    if code == 0:
        (pages / ".buildinfo").unlink()  # for a next run of Sphinx over the same folder, which there is none of
        complete(site)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
