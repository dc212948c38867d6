"""``python -m release.vulnerabilities``: known vulnerabilities of the pinned dependencies, where pip-audit reaches its database.

Without a network, or with an index that has no such database, nothing is checked: that is said, and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from release.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REQUIREMENTS: Final = ROOT / "requirements" / "runtime.txt"
TIMEOUT_SECONDS: Final = 15
"""For each answer of the database."""

COMMAND: Final = (
    *(sys.executable, "-m", "pip_audit", "--requirement", str(REQUIREMENTS), "--require-hashes", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off", "--timeout", str(TIMEOUT_SECONDS)),
)


def main() -> None:
    """Print what was found, or what was not checked. Exit code 1: something was found."""
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        reason = (done.stderr.strip() or "no output").splitlines()[-1]
        print(f"vulnerabilities of the dependencies: not checked, since pip-audit got no answer: {reason}")
        return
    if found := list(vulnerabilities(packages)):
        sys.exit("\n".join(found))
    print(f"vulnerabilities of the dependencies: {verdict(packages)}")


def vulnerabilities(packages: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each vulnerability in a report of pip-audit."""
    for package in packages:
        for vulnerability in package.get("vulns", ()):
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            yield f"{package['name']} {package['version']} has {vulnerability['id']}, fixed in {fixed}: run make requirements"


def verdict(packages: Sequence[dict[str, Any]]) -> str:
    """What a report says in which nothing was found. The database may know only some of the packages."""
    checked = sum("vulns" in package for package in packages)
    if not checked:
        return f"not checked, since the database that pip-audit reaches has none of the {len(packages)} packages"
    skipped = len(packages) - checked
    return f"none known in {checked} packages" + (f"; {skipped} not checked, since the database does not have them" if skipped else "")


if __name__ == "__main__":
    main()
