"""Every file of a release, into one folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from docs.site.versions import minor_of
from manifests.rendering import CHART
from release.chart_index import index_of
from release.checkout import ROOT, copy_tracked_files
from release.contents import image_contents, wheel_contents
from release.folder_archive import archive_of
from release.image_archive import read_image
from release.kubectl_files import kubectl_files
from release.notes import notes_of
from release.published_chart import METADATA, name_image, name_repository
from release.python_packages import build_python_packages
from webhook import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from release.checkout import Checkout
    from release.published_image import PublishedImage

CHECKSUMS: Final = "SHA256SUMS"
"""As ``sha256sum --check`` reads it."""

NOTES: Final = "RELEASE_NOTES.md"
REQUIREMENTS: Final = "requirements/runtime.txt"


def build(
    target: Path,
    commit: Checkout,
    image: PublishedImage | None = None,
    repository: str = "",
    image_archives: Sequence[Path] = (),
    site: Path | None = None,
) -> None:
    """Write the files of a release into an empty folder.

    ``image``, ``repository``: what the chart is to name, the latter as an address.
    ``image_archives``: docker-archives of the image, one for each architecture, whose contents are to be listed.
    ``site``: the folder into which `docs.site.build` has written the documentation of this version, to be packed.
    RenderingError, ContentsError, CalledProcessError, OSError, ValueError.
    """
    with TemporaryDirectory() as folder:
        source = Path(folder)
        copy_tracked_files(source)
        build_python_packages(source, target, commit)
        chart = source / CHART.relative_to(ROOT)
        if image:
            name_image(chart, image)
        if repository:
            name_repository(chart, repository)
        archive = target / f"{CHART.name}-{__version__}.tgz"
        archive.write_bytes(archive_of(chart, commit))
        texts = {
            "index.yaml": index_of(archive, (chart / METADATA).read_text("utf-8"), commit),
            **kubectl_files(archive),
            "requirements.txt": (source / REQUIREMENTS).read_text("utf-8"),
            f"{CHART.name}-{__version__}.cdx.json": wheel_contents(__version__, (source / REQUIREMENTS).read_text("utf-8"), commit),
            NOTES: notes_of(__version__, (source / "CHANGELOG.md").read_text("utf-8")).text,
        }
    for packed in map(read_image, image_archives):
        name = f"{CHART.name}-image-{__version__}-{packed.architecture}.cdx.json"
        texts[name] = image_contents(__version__, packed.packages, packed.architecture, commit)
    for name, text in texts.items():
        (target / name).write_text(text, "utf-8")
    if site:
        (target / f"{CHART.name}-site-{__version__}.tar.gz").write_bytes(archive_of(site / minor_of(__version__), commit))
    (target / CHECKSUMS).write_text(checksums(target), "utf-8")


def checksums(folder: Path) -> str:
    """A line for each file of a folder but `CHECKSUMS`."""
    files = sorted(path for path in folder.iterdir() if path.name != CHECKSUMS)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
