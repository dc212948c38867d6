"""``python -m release.workflows``: what actionlint finds in the workflows. Without actionlint and without Go to build it, that is said."""

from __future__ import annotations

import subprocess
import sys

from release.checkout import ROOT
from testbed import binaries


def main() -> None:
    """Print what was found, or why nothing was checked. Exit code 1: something was found."""
    try:
        actionlint = binaries.find(binaries.ACTIONLINT)
    except (binaries.NoGoError, binaries.BuildError) as error:
        print(f"the workflows: not checked by actionlint: {error}")
        return
    sys.exit(subprocess.run([actionlint], cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
