"""The layer of small images with a shell: Debian's static BusyBox, with its applets as links."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from testbed.images.command import ImageError, require_root, run
from testbed.images.layer import Layer, put, put_folder

BUSYBOX: Final = Path("/bin/busybox")
PASSWD: Final = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUP: Final = b"root:x:0:\nnogroup:x:65534:\n"


def busybox() -> Layer:
    """``/bin`` with every applet, ``/etc/passwd``, ``/tmp`` for all; no certificates of authorities."""
    if not BUSYBOX.exists():
        message = f"{BUSYBOX} is missing; on Debian and Ubuntu: apt-get install busybox-static"
        raise ImageError(message)
    return Layer("busybox", (Path(__file__), BUSYBOX), _make)


def _make(root: Path) -> None:
    require_root("the BusyBox layer")
    put(root, "bin/busybox", BUSYBOX.read_bytes(), 0o755)
    put(root, "etc/passwd", PASSWD)
    put(root, "etc/group", GROUP)
    put_folder(root, "root", 0o700)
    put_folder(root, "tmp", 0o1777)
    # By the copy in its own root: one that is not static fails here and not in a pod.
    run("chroot", root, "/bin/busybox", "--install", "-s", "/bin", package="coreutils")
