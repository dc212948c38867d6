"""A network of its own for a part of a test: each port is free there, and nothing outside meets what listens in it."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from typing import Final

from tests.wrapper.requirements import require_root

CLONE_NEWNET: Final = 0x40000000
"""unshare(2). Python has it as os.CLONE_NEWNET from 3.12 on."""

SIOCSIFFLAGS: Final = 0x8914
"""netdevice(7), linux/sockios.h."""

IFF_UP: Final = 1
"""netdevice(7), linux/if.h."""


def enter_own_network() -> None:
    """Move this thread, and the threads and processes that it starts from now on, to a new network that has only the loopback device.

    Raises:
        OSError: The kernel refuses it.

    """
    require_root()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
