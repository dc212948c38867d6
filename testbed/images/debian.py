"""The layer of all larger images: a small Debian with Python, made once by debootstrap."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from testbed.cache import remove
from testbed.images.command import require_root, run
from testbed.images.layer import Layer, put_folder

SUITE: Final = "bookworm"
PYTHON_VERSION: Final = "3.11"
"""Of Debian's ``python3`` in this suite."""

PACKAGES: Final = Path(__file__).parent / "debian" / "packages.txt"

ACCOUNTS: Final = {
    "etc/passwd": "airflow:x:50000:0:Airflow:/home/airflow:/bin/bash\nistio-proxy:x:1337:1337:Istio:/home/istio-proxy:/bin/bash\n",
    "etc/group": "istio-proxy:x:1337:\n",
}
"""The users of the images above, as Airflow's and Istio's own have them."""

EMPTIED: Final = (
    "dev",
    "run",
    "tmp",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache",
    "var/log",
    "var/lib/apt/lists",
)
"""What no container needs, or what differs from one run of debootstrap to the next."""

REMOVED: Final = (
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/diversions-old",
)
"""What debootstrap took from this machine, and back-up copies."""

COMPILE: Final = ("/usr/bin/python3", "-I", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")
"""Compiles folders of Python files once and for all. An image's files have no times, and by default bytecode holds only for a source of
a certain time (PEP 552): each start would compile everything again.
"""


def debian() -> Layer:
    """Debian's essential packages and those of ``debian/packages.txt``."""
    return Layer("debian", (Path(__file__), PACKAGES), _make)


def _make(root: Path) -> None:
    require_root("the Debian layer")
    include = ",".join(PACKAGES.read_text().split())
    # In a mount namespace of its own: what debootstrap mounts below the folder ends with it, even where it is killed.
    bootstrap = ("unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={include}", SUITE, str(root), *_mirror())
    run(*bootstrap, package="debootstrap")
    run("chroot", root, *COMPILE, "/usr/lib/python3", f"/usr/lib/python{PYTHON_VERSION}", package="coreutils")
    for path, lines in ACCOUNTS.items():
        with (root / path).open("a") as file:
            file.write(lines)
    for folder in EMPTIED:
        mode = (root / folder).stat().st_mode & 0o7777
        shutil.rmtree(root / folder)
        put_folder(root, folder, mode)
    for path in REMOVED:
        remove(root / path)


def _mirror() -> tuple[str, ...]:
    """The mirror that this machine's apt takes the suite from; none where it has another, and debootstrap takes its default."""
    if not shutil.which("apt-get"):
        return ()
    fields = ("Created-By: Packages", f"Release: {SUITE}", "Component: main")
    found = run("apt-get", "indextargets", "--format", "$(REPO_URI)", *fields, package="apt").split()
    return tuple(uri for uri in found if uri.startswith(("http://", "https://", "file:/")))[:1]
