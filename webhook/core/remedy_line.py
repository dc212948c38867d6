"""A line to paste: what a remedy adds, where, and how it is written there.

A line works as YAML and, where it is a member of a mapping, as an entry of a Python dict too: ``"key": 'value'``. Values are quoted after
the names of a pod are filled in, so that no name can change the line's structure.
"""

from __future__ import annotations

import json
import re
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LINE_CHARACTERS: Final = 4096
"""A longer line is not shown: sixteen described sidecars take less than half of it."""

_SINGLE_QUOTABLE: Final = re.compile(r"[ -&(-\[\]-~]*")
"""Printable ASCII without a single quote and a backslash: in single quotes it means the same in YAML and in Python."""


PATCH_COMMAND: Final = "kubectl patch --local --filename=POD.yaml --output=yaml --patch="
"""Prints the manifest in POD.yaml as it is with a strategic merge patch, and connects to no cluster."""


class LinePlace(StrEnum):
    """Where a line belongs."""

    ANNOTATIONS = "annotations"
    """The pod's annotations."""

    LABELS = "labels"
    """The pod's labels."""

    SPEC = "spec"
    """The pod's spec."""

    CONTAINER = "container"
    """The container that the remedy is about."""

    ARGS = "args"
    """The args of that container."""

    ENV = "env"
    """The env of that container."""

    SPARK_CONF = "spark-conf"
    """The options of spark-submit."""

    SETTINGS = "settings"
    """The webhook's settings."""

    MANIFEST = "manifest"
    """A command for the file with the pod's manifest, or its template: a line cannot remove anything."""

    CLUSTER = "cluster"
    """A command for an administrator of the cluster."""

    @property
    def is_command(self) -> bool:
        """Whether the line is run, and not added to anything."""
        return self in {LinePlace.MANIFEST, LinePlace.CLUSTER}

    @property
    def is_in_pod(self) -> bool:
        """Whether the line changes the pod itself."""
        return self not in {LinePlace.SETTINGS, LinePlace.CLUSTER}


class RemedyLine(msgspec.Struct, frozen=True):
    """A line to paste, with places for the names of a pod, as `str.format_map` takes them.

    Args:
        place: Where it belongs.
        key: The member that it sets; empty for a word of ``args`` and for a command.
        value: The member's value: a text with places, or a JSON value. Of a command: what it applies, or the whole of it.

    """

    place: LinePlace
    key: str
    value: str | bool | dict[str, object]

    def filled(self, names: Mapping[str, object]) -> str:
        """The line as it is pasted."""
        value = self.value.format_map(names) if isinstance(self.value, str) else self.value
        match self.place:
            case LinePlace.ARGS:
                line = json.dumps(value)
            case LinePlace.ENV:
                line = json.dumps({"name": self.key, "value": value})
            case LinePlace.SPARK_CONF:
                line = " ".join(f"--conf {key}={value}" for key in self.key.split())
            case LinePlace.CLUSTER:
                line = str(value)
            case LinePlace.MANIFEST:
                line = f"{PATCH_COMMAND}{shlex.quote(str(value))}"
            case LinePlace.SETTINGS:
                line = f"{self.key}: {_quoted(value)}"
            case _:
                line = f"{json.dumps(self.key)}: {_quoted(value)}"
        return line


def _quoted(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) and _SINGLE_QUOTABLE.fullmatch(value) else json.dumps(value)
