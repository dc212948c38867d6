"""Makes all images and lists them: `python -m cluster.images [--proxy PILOT_AGENT BOOTSTRAP]`. Needs root, gcc, debootstrap and BusyBox."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from cluster.images import catalogue
from cluster.images.archive import Image, archive
from cluster.images.command import ImageError


def main() -> int:
    """Print each image's name, size and the time that it took now; 1 where one cannot be made."""
    try:
        for image in chosen():
            print(row(image), flush=True)
    except ImageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def chosen() -> tuple[Image, ...]:
    """The images that the command line leaves: Istio's proxy needs files of an Istio."""
    parser = argparse.ArgumentParser(prog="python -m cluster.images", description=__doc__)
    parser.add_argument("--proxy", nargs=2, type=Path, metavar=("PILOT_AGENT", "BOOTSTRAP"), help="make Istio's proxy, too, of these")
    proxy: list[Path] | None = parser.parse_args().proxy
    return (*catalogue.alone(), *((catalogue.proxy(*proxy),) if proxy else ()))


def row(image: Image) -> str:
    """Make an image and describe it in a line."""
    started = time.monotonic()
    path = archive(image)
    return f"{image.reference:42} {path.stat().st_size / 1e6:7.1f} MB {time.monotonic() - started:7.1f} s"


if __name__ == "__main__":
    sys.exit(main())
