"""``python -m release``: write the files of a release of the checked-out commit into ``dist``."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from manifests.rendering import RenderingError
from release.build import CHECKSUMS, build
from release.checkout import ROOT, checkout
from release.contents import ContentsError
from release.published_image import PublishedImage
from release.tag import unready
from testbed.binaries import BuildError, NoGoError

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILURES: Final = (
    RenderingError,
    NoGoError,
    BuildError,
    ContentsError,
    subprocess.CalledProcessError,
    tarfile.TarError,
    OSError,
    ValueError,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build a release, or say why there is none."""
    parser = argparse.ArgumentParser(prog="python -m release", description="Build the files of a release of the checked-out commit.")
    parser.add_argument("--target", type=Path, default=ROOT / "dist", help="folder, which is replaced (default: dist)")
    parser.add_argument("--image", metavar="IMAGE@DIGEST", help="published image that the chart and install.yaml are to name")
    parser.add_argument("--repository", default="", metavar="URL", help="address of the source repository that the chart is to name")
    parser.add_argument("--image-archive", type=Path, action="append", default=[], help="docker-archive of it, to list its contents")
    parser.add_argument("--site", type=Path, help="folder in which `make docs-site` has built the documentation, to pack it")
    parser.add_argument("--tag", help="tag of this commit: refuse to build unless everything is ready for this version")
    options = parser.parse_args(arguments)
    try:
        commit = checkout()
        if options.tag and (reasons := list(unready(options.tag, commit, (ROOT / "CHANGELOG.md").read_text("utf-8")))):
            sys.exit("\n".join(reasons))
        _replace(options.target)
        image = PublishedImage.parse(options.image) if options.image else None
        build(options.target, commit, image, options.repository, options.image_archive, options.site)
    except FAILURES as error:
        sys.exit(f"no release: {error}")


def _replace(target: Path) -> None:
    """Empty the folder of an earlier release, or make a new one. ValueError: it has something else in it."""
    if target.exists() and any(target.iterdir()) and not (target / CHECKSUMS).exists():
        message = f"{target} is not empty, and has no {CHECKSUMS} of an earlier release: remove it, or name another folder"
        raise ValueError(message)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)


if __name__ == "__main__":
    main()
