"""What a component needs of the place it runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testbed.process import Process


class Place(Protocol):
    """The loopback of this machine, or a machine of its own."""

    @property
    def number(self) -> int:
        """Of its slot."""

    @property
    def address(self) -> str:
        """Where its servers are reached from this machine."""

    @property
    def folder(self) -> Path:
        """For the files of this run."""

    @property
    def logs(self) -> Path:
        """One file for each component."""

    def port(self, usual: int) -> int:
        """A port for a server whose usual one is given."""

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        """Run a component."""
