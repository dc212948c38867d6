"""Puts the sites of several versions beside each other: ``python -m docs.site.versions FOLDER ARCHIVE …``, as a release publishes them.

A site is a folder named after its minor version, like ``0.1``: a patch release replaces the pages of its minor version.
Beside these folders are ``latest``, a copy of the newest one, ``index.html``, which leads there, and the data for the list of versions.
No network and no library: the workflow that publishes a release runs it without this repository's tools.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATA: Final = "versions.js"
"""A script, since a page that is read as a file may load no JSON. docs/site/static/version_list.js reads it."""

LATEST: Final = "latest"
MINOR: Final = re.compile(r"\d+\.\d+")
ARCHIVE: Final = re.compile(r".+-site-(\d+(?:\.\d+)+)\.tar\.gz")
"""The name of a version's archive, as `release.build` writes it."""

START: Final = f"""<!doctype html>
<meta charset="utf-8">
<title>airflow-sidecar-webhook</title>
<meta http-equiv="refresh" content="0; url={LATEST}/index.html">
<a href="{LATEST}/index.html">The documentation of the newest version</a>
"""


def main(arguments: Sequence[str]) -> None:
    """Unpack the archives into the folder, and write what is beside them."""
    site, *archives = map(Path, arguments)
    site.mkdir(parents=True, exist_ok=True)
    unpack(site, archives)
    complete(site)


def minor_of(version: str) -> str:
    """The minor version, after which a folder is named: ``0.1`` of ``0.1.2``."""
    return ".".join(version.split(".")[:2])


def numbers_of(version: str) -> tuple[int, ...]:
    """A version in parts, by which it is ordered."""
    return tuple(map(int, version.split(".")))


def unpack(site: Path, archives: Iterable[Path]) -> None:
    """The site of the newest patch release of each minor version. ValueError: a file has another name than such an archive."""
    newest = {minor_of(version): path for version, path in sorted(map(_with_version, archives), key=lambda one: numbers_of(one[0]))}
    for minor, path in newest.items():
        shutil.rmtree(site / minor, ignore_errors=True)
        with tarfile.open(path) as archive:
            archive.extractall(site, filter="data")


def _with_version(archive: Path) -> tuple[str, Path]:
    found = ARCHIVE.fullmatch(archive.name)
    if not found:
        message = f"{archive.name} is not named like airflow-sidecar-webhook-site-0.1.0.tar.gz"
        raise ValueError(message)
    return found[1], archive


def complete(site: Path) -> None:
    """Write what is beside the versions' folders, from the folders that are there."""
    folders = sorted((path for path in site.iterdir() if MINOR.fullmatch(path.name)), key=lambda path: numbers_of(path.name), reverse=True)
    data = [{"name": folder.name, "pages": _pages(folder)} for folder in folders]
    (site / DATA).write_text(f"const siteVersions = {json.dumps(data)};\n", "utf-8")
    (site / "index.html").write_text(START, "utf-8")
    shutil.rmtree(site / LATEST, ignore_errors=True)
    shutil.copytree(folders[0], site / LATEST)


def _pages(folder: Path) -> list[str]:
    """The pages of a version, without their ending."""
    return sorted(page.relative_to(folder).with_suffix("").as_posix() for page in folder.rglob("*.html"))


if __name__ == "__main__":
    main(sys.argv[1:])
