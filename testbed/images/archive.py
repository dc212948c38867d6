"""Images as docker-archive tars, which `ctr images import` and `docker load` read.

The format is a tar with ``manifest.json``, a configuration and a tar for each layer (Docker Image Specification v1.2).
The same folders give the same bytes: entries are sorted, times are 0, owners are numbers. Extended attributes are left out.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import sys
import tarfile
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final, Protocol

from testbed import cache
from testbed.images.layer import DIGITS, Layer, Owner, hashed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""The name of an architecture in an image (GOARCH, OCI Image Configuration), by its name in Linux."""


class LoadableImage(Protocol):
    """What a node can load."""

    @property
    def reference(self) -> str:
        """What a pod names; another content has another tag."""

    def archive(self) -> Path:
        """Its docker-archive, from the cache or made now. ImageError."""


@dataclass(frozen=True)
class ImageRecipe:
    """A recipe of an image: its layers, and what a container of it runs by default.

    Args:
        name: Without registry and tag.
        layers: From the lowest to the highest.
        entrypoint: A pod's ``command`` replaces it.
        cmd: A pod's ``args`` replace it.
        user: ``uid`` or ``uid:gid``; root where empty. A pod's ``runAsNonRoot`` needs a number.
        env: Variables of its own.
        working_dir: Absolute.

    """

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    working_dir: str = "/"

    @cached_property
    def digest(self) -> str:
        """Of the layers' recipes and the configuration, in hexadecimal; known before anything is made."""
        return hashed((self.name, json.dumps(self.configuration(())), *(layer.digest for layer in self.layers)))

    @property
    def reference(self) -> str:
        """What a pod names, as ``localhost/task:0123456789ab``: another content has another tag, so IfNotPresent is always right."""
        return f"localhost/{self.name}:{self.digest[:DIGITS]}"

    def archive(self) -> Path:
        """Its docker-archive, from the cache or made now."""
        return cache.made(cache.folder() / "images" / f"{self.name}-{self.digest[:DIGITS]}.tar", partial(_write, self))

    def configuration(self, diff_ids: tuple[str, ...]) -> dict[str, object]:
        """The OCI Image Configuration. ``diff_ids``: SHA-256 of each layer's tar, in hexadecimal."""
        return {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Entrypoint": list(self.entrypoint),
                "Cmd": list(self.cmd),
                "User": self.user,
                "Env": [f"{name}={value}" for name, value in self.env.items()],
                "WorkingDir": self.working_dir,
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}" for diff_id in diff_ids]},
        }


def _write(image: ImageRecipe, path: Path) -> None:
    print(f"making the image {image.name} …", file=sys.stderr, flush=True)
    with tarfile.open(path, "w") as tar:
        diff_ids = tuple(_add_layer(tar, layer, path.parent) for layer in image.layers)
        configuration = json.dumps(image.configuration(diff_ids)).encode()
        name = f"{hashlib.sha256(configuration).hexdigest()}.json"
        layers = [f"{diff_id}/layer.tar" for diff_id in diff_ids]
        manifest = [{"Config": name, "RepoTags": [image.reference], "Layers": layers}]
        _add_file(tar, name, io.BytesIO(configuration))
        _add_file(tar, "manifest.json", io.BytesIO(json.dumps(manifest).encode()))


def _add_layer(tar: tarfile.TarFile, layer: Layer, scratch: Path) -> str:
    """Add a layer's tar and return its SHA-256. A file below ``scratch`` holds it, as a tar wants each entry's size first."""
    with TemporaryFile(dir=scratch) as file:
        write_layer(file, layer.folder(), layer.owners)
        file.seek(0)
        diff_id = hashlib.file_digest(file, "sha256").hexdigest()
        _add_file(tar, f"{diff_id}/layer.tar", file)
    return diff_id


def _add_file(tar: tarfile.TarFile, name: str, file: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = file.seek(0, io.SEEK_END)
    file.seek(0)
    tar.addfile(entry, file)


def write_layer(file: IO[bytes], folder: Path, owners: tuple[Owner, ...]) -> None:
    """Write a folder as a layer's tar: permissions, links, setuid bits and owners as they are, but for ``owners``."""
    with tarfile.open(fileobj=file, mode="w") as tar:
        for child in sorted(folder.iterdir()):
            tar.add(child, child.name, filter=partial(_anywhere, owners))


def _anywhere(owners: tuple[Owner, ...], entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The entry without what differs from machine to machine."""
    entry.mtime = 0
    entry.uname = entry.gname = ""
    for owner in owners:
        if PurePosixPath(entry.name).is_relative_to(owner.path):
            entry.uid, entry.gid = owner.uid, owner.gid
    return entry
