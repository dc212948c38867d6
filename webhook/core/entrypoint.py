"""What an image runs when a pod gives args but no command: known from a table by image, or guessed inside the image at run time.

Setting ``command`` on a container throws the image's ENTRYPOINT away (https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/),
and the pod does not show the image's. So the wrapper of a container without a command must know the image's entrypoint.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from webhook.core.condition import image_matches

# One element of an argv. Line breaks would split it where the wrapper stores a list in one variable.
Word = Annotated[str, msgspec.Meta(pattern=r"^[^\n\x00]+\Z", max_length=4096)]
Words = Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=32)]


class Image(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the entrypoint table.

    Args:
        image: A glob on the image without tag and digest, or on the end of it after any ``/``.
        entrypoint: The image's ENTRYPOINT, where it is known.
        cmd: The image's CMD, which the container runs when the pod gives no args either; None where it is not known.
        shell: Whether the image has ``/bin/sh``.
        source: Where that is written.

    """

    image: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    entrypoint: tuple[Word, ...] | None = None
    cmd: tuple[Word, ...] | None = None
    shell: bool = False
    source: str = ""

    def words(self, *, has_args: bool) -> tuple[str, ...] | None:
        """What stands before the args, with the CMD where there are none; None where that is not known."""
        if self.entrypoint is None or has_args:
            return self.entrypoint
        return None if self.cmd is None else self.entrypoint + self.cmd


class EntrypointTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Images whose entrypoint or shell is known, and what other images of Airflow may start with.

    Args:
        images: Rows; the first that matches and knows the wanted fact is used.
        candidates: Entrypoints for a guess, tried in this order inside the image: the first whose programs all exist is used.

    """

    images: tuple[Image, ...] = ()
    candidates: tuple[Words, ...] = ()

    def entrypoint_of(self, image: str) -> Image | None:
        """The row that knows what this image runs."""
        for row in self.images:
            if row.entrypoint is not None and image_matches(image, row.image):
                return row
        return None

    def has_shell(self, image: str) -> bool:
        """Whether a row says that this image has a shell."""
        return any(row.shell and image_matches(image, row.image) for row in self.images)

    def before(self, other: EntrypointTable) -> EntrypointTable:
        """This table's rows, then the other's."""
        return EntrypointTable(self.images + other.images, self.candidates + other.candidates)


def parse_entrypoints(document: object) -> EntrypointTable:
    """The table from a decoded YAML or JSON mapping.

    Raises:
        ValueError: Says which field of which row is wrong, as ``$.images[2].entrypoint``.

    """
    return msgspec.convert(document or {}, EntrypointTable, strict=False)
