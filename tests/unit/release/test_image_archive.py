"""What is in an image is read from the records that its build leaves in it."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Final

import pytest

from release.image_archive import read_image

if TYPE_CHECKING:
    from pathlib import Path

RECORDS: Final = {
    "var/lib/dpkg/status.d/libc6": "Package: libc6\nStatus: install ok installed\nArchitecture: arm64\nVersion: 2.36-9+deb12u14\n",
    "packages/msgspec-0.22.0.dist-info/METADATA": "Metadata-Version: 2.4\nName: msgspec\nVersion: 0.22.0\n\nA description: with a colon.\n",
    "busybox": "\x7fELF … BusyBox v1.37.0 (2026-01-01) multi-call binary",
    "usr/local/lib/python3.13/os.py": "",
    "packages/msgspec/__init__.py": "Name: none\n",
    "packages/other/METADATA": "Name: none\nVersion: 1\n",
}


def tar(files: dict[str, bytes]) -> bytes:
    """An archive of these files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def image(path: Path, records: dict[str, str]) -> Path:
    """A docker-archive whose image has each record in a layer of its own."""
    layers = {f"{number}.tar": tar({name: text.encode()}) for number, (name, text) in enumerate(records.items())}
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": [*layers]}]
    config = {"architecture": "arm64", "os": "linux"}
    path.write_bytes(tar({"manifest.json": json.dumps(manifest).encode(), "config.json": json.dumps(config).encode(), **layers}))
    return path


def test_debian_packages_wheels_busybox_and_the_interpreter_are_listed(tmp_path: Path) -> None:
    found = read_image(image(tmp_path / "image.tar", RECORDS))

    assert found.architecture == "arm64"
    assert [package.to_string() for package in found.packages] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=arm64",
        "pkg:generic/busybox@1.37.0?arch=arm64",
        "pkg:generic/python@3.13",
        "pkg:pypi/msgspec@0.22.0",
    ]


def test_another_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    path.write_bytes(tar({"a file": b""}))

    with pytest.raises(KeyError):
        read_image(path)
