"""What is in the webhook's image, read from its docker-archive: ``docker save``, ``skopeo copy`` and buildah write that format.

The image has the records that scanners read (manifests/image/root.py): an entry for each Debian package, and one for each wheel.
"""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final

from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEBIAN_RECORD: Final = re.compile(r"var/lib/dpkg/status\.d/[^/]+")
WHEEL_RECORD: Final = re.compile(r"packages/[^/]+\.dist-info/METADATA")
BUSYBOX: Final = "busybox"
BUSYBOX_VERSION: Final = re.compile(rb"BusyBox v(\d+(?:\.\d+)+)")
STANDARD_LIBRARY: Final = re.compile(r"usr/(?:local/)?lib/python(?P<version>3\.\d+)/os\.py")


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """An image.

    Args:
        architecture: As Go names it, like ``arm64``.
        packages: Each package in it, in alphabetical order.

    """

    architecture: str
    packages: tuple[PackageURL, ...]


def read_image(path: Path) -> ImageArchive:
    """The one image of a docker-archive. OSError, TarError; KeyError, ValueError: it is another kind of archive."""
    with tarfile.open(path) as archive:
        (manifest,) = json.loads(_content(archive, "manifest.json"))
        architecture = json.loads(_content(archive, manifest["Config"]))["architecture"]
        packages = {package for layer in manifest["Layers"] for package in _packages(archive, layer, architecture)}
    return ImageArchive(architecture, tuple(sorted(packages, key=PackageURL.to_string)))


def _packages(archive: tarfile.TarFile, layer: str, architecture: str) -> Iterator[PackageURL]:
    with tarfile.open(fileobj=archive.extractfile(layer)) as files:
        for member in files:
            name = member.name.removeprefix("./").removeprefix("/")
            if member.isfile() and (package := _package(name, files, member, architecture)):
                yield package


def _package(name: str, files: tarfile.TarFile, member: tarfile.TarInfo, architecture: str) -> PackageURL | None:
    """The package whose record, or whose only file, this file is."""
    if DEBIAN_RECORD.fullmatch(name):
        record = HeaderParser().parsestr(_content(files, member).decode())
        return PackageURL("deb", "debian", record["Package"], record["Version"], {"arch": record["Architecture"]})
    if WHEEL_RECORD.fullmatch(name):
        record = HeaderParser().parsestr(_content(files, member).decode())
        return PackageURL("pypi", name=record["Name"], version=record["Version"])
    if name == BUSYBOX and (found := BUSYBOX_VERSION.search(_content(files, member))):
        return PackageURL("generic", name=BUSYBOX, version=found[1].decode(), qualifiers={"arch": architecture})
    if library := STANDARD_LIBRARY.fullmatch(name):
        return PackageURL("generic", name="python", version=library["version"])
    return None


def _content(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        message = f"{member} is no file"
        raise ValueError(message)
    return file.read()
