"""The place of components that need no machine of their own: processes on the loopback, for any user."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from testbed import slot
from testbed.process import Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Host:
    """This machine's loopback, and a folder for files."""

    address = "127.0.0.1"

    def __init__(self) -> None:
        """Take a slot. RuntimeError: none is free."""
        self._slot = slot.take()
        self.number = self._slot.number
        self.folder = self._slot.folder
        self.logs = self._slot.logs

    def port(self, usual: int) -> int:
        """A port that is free now; never the usual one, since other clusters may run here."""
        del usual
        with socket.socket() as probe:
            probe.bind((self.address, 0))
            port: int = probe.getsockname()[1]
            return port

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        """Start a component."""
        return Process(name, command, self.logs / f"{name}.log", environment)

    def end(self) -> None:
        """Release the slot; whoever started processes here has ended them."""
        self._slot.release()
