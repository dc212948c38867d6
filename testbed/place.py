"""What a component needs of the machine that it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testbed.process import Process


class Place(Protocol):
    """This machine's loopback (`testbed.host`), or a machine within this one (`testbed.machine`)."""

    @property
    def number(self) -> int:
        """The number of its slot."""

    @property
    def address(self) -> str:
        """The address of its servers, as seen from this machine."""

    @property
    def folder(self) -> Path:
        """The folder for the files of this run."""

    @property
    def logs(self) -> Path:
        """The folder with a log file for each component."""

    def port(self, usual: int) -> int:
        """A free port for a server whose usual port is given."""

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        """Start a component."""
