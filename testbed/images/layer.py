"""A layer of an image: a folder, and what it is made from."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIGITS = 12
"""Hexadecimal digits of a digest in a name: 48 bits, enough for some dozens of images."""


def hashed(parts: tuple[str | bytes, ...]) -> str:
    """SHA-256 of the parts in their order, in hexadecimal; each with its length, so that no two lists run into one."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Owner:
    """Who owns a path of a layer, and all below it.

    Args:
        path: Relative to the layer's root; empty for all of it.
        uid: The user.
        gid: The group.

    """

    path: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Layer:
    """A folder, made by ``make`` from ``made_from`` and cached under their digest, which is known before the folder is made.

    Args:
        name: For people.
        made_from: Everything that decides the content: versions, files, whole folders, layers below. The recipe's own file is one, too.
        make: Fills an empty folder.
        owners: Where the owner is another than the folder's; the last that fits counts.

    """

    name: str
    made_from: tuple[str | Path | Layer, ...]
    make: Callable[[Path], None] = field(compare=False)
    owners: tuple[Owner, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Of what it is made from, in hexadecimal; the machine's architecture is part of it."""
        parts = (part for source in self.made_from for part in _parts(source))
        return hashed((self.name, platform.machine(), repr(self.owners), *parts))

    def folder(self) -> Path:
        """The finished folder, from the cache or made now. Not to be written to."""
        return cache.made(cache.folder() / "images" / "layers" / f"{self.name}-{self.digest[:DIGITS]}", self._make)

    def _make(self, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        self.make(folder)


def _parts(source: str | Path | Layer) -> Iterator[str | bytes]:
    if isinstance(source, str):
        yield source
    elif isinstance(source, Layer):
        yield source.digest
    elif source.is_dir():
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            yield path.relative_to(source).as_posix()
            yield from _parts(path)
    else:
        with source.open("rb") as file:
            yield hashlib.file_digest(file, "sha256").hexdigest()


def put(root: Path, path: str, content: bytes, mode: int = 0o644) -> None:
    """Write a file of a layer, and the folders above it, with modes that do not hang on the user's umask."""
    target = root / path
    put_folder(root, str(Path(path).parent))
    target.write_bytes(content)
    target.chmod(mode)


def put_folder(root: Path, path: str, mode: int = 0o755) -> None:
    """Make a folder of a layer, and those above it with 755. One that is there stays as it is."""
    target = root / path
    for folder in (*reversed(target.relative_to(root).parents), target.relative_to(root)):
        if not (root / folder).is_dir():
            (root / folder).mkdir()
            (root / folder).chmod(mode if root / folder == target else 0o755)
