"""Makes the root of the webhook's image, in the Dockerfile's build stage: ``python3 root.py FOLDER``.

It copies this interpreter, its standard library, the shared libraries that they and the packages load, and no program beside them.
What scanners go by comes along: each Debian package's entry as distroless images have it (``/var/lib/dpkg/status.d``), its copyright
file, and the ``dist-info`` of each wheel. Run from a folder with ``packages``, ``busybox`` and ``LICENSE``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path.cwd()
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
UNUSED = (
    "*.c",
    "*.pxd",
    "*.pyi",
    "*.pyx",
    "__pycache__",
    "config-*",
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "sqlite3",
    "_sqlite3*",
    "test",
    "tests",
    "tkinter",
    "_tkinter*",
    "turtle.py",
    "turtledemo",
    "venv",
)
"""Parts of Python and of packages that no service uses: tests, sources of compiled modules, other front ends."""

UNUSED_TWIN = "packages/kubernetes/aio"
"""The Kubernetes client once more for asyncio: a third of the image, imported by nothing here."""

ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/:/none\nnonroot:x:65532:65532:nonroot:/:/none\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
}
COMPILE = ("-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")
"""An image's files may get any time, and by default bytecode holds only for a source of a certain time (PEP 552)."""


def main() -> None:
    """Make the folder that the command line names."""
    root = Path(sys.argv[1])
    _copy_merged_folders(root)
    interpreter = Path(sys.executable).resolve()
    _copy(interpreter, root)
    (root / "python3").symlink_to(interpreter)
    _copy_tree(STANDARD_LIBRARY, root / STANDARD_LIBRARY.relative_to("/"))
    _copy_tree(HERE / "packages", root / "packages")
    shutil.rmtree(root / "packages/bin", ignore_errors=True)
    shutil.rmtree(root / UNUSED_TWIN)
    libraries = _libraries((interpreter, *_extensions(root)))
    for library in sorted(libraries):
        _copy(library, root)
    _copy_static_busybox(root)
    _copy_papers(root, {interpreter, *libraries, *_modules()})
    said(sys.executable, *COMPILE, "-s", root, root / STANDARD_LIBRARY.relative_to("/"), root / "packages")


def said(*command: str | Path, may_fail: bool = False) -> str:
    """What a program of the base prints."""
    done = subprocess.run(command, check=not may_fail, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603  ours
    return done.stdout


def _copy_merged_folders(root: Path) -> None:
    """Make /lib and its like links where they are links here: the dynamic loader's path goes through them."""
    root.mkdir()
    for name in ("bin", "lib", "lib64", "sbin"):
        folder = Path("/", name)
        if folder.is_symlink():
            (root / folder.readlink()).mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(folder.readlink())


def _copy(file: Path, root: Path) -> None:
    target = root / file.parent.resolve().relative_to("/") / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


def _copy_tree(folder: Path, target: Path) -> None:
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*UNUSED), ignore_dangling_symlinks=True, dirs_exist_ok=True)


def _extensions(root: Path) -> list[Path]:
    """The compiled modules that were copied. Libraries that a wheel brings are found beside them by the loader itself."""
    return [path for path in root.rglob("*.so*") if path.is_file() and not path.is_symlink()]


def _modules() -> list[Path]:
    """A file of each package that the standard library may be spread over."""
    return [STANDARD_LIBRARY / name for name in ("os.py", "asyncio/__init__.py")]


def _libraries(programs: tuple[Path, ...]) -> set[Path]:
    """The libraries of the base that these load, and the loader."""
    told = said("ldd", *programs, may_fail=True)
    if missing := re.findall(r"(\S+) => not found", told):
        sys.exit(f"the base lacks {', '.join(sorted(set(missing)))}")
    found = re.findall(r"(?:=> |^\s)(/\S+) \(0x", told, re.MULTILINE)
    return {Path(path) for path in found if not path.startswith((str(HERE), sys.argv[1]))}


def _copy_static_busybox(root: Path) -> None:
    # It runs in images that have no libraries, or those of another libc.
    if " => " in said("ldd", HERE / "busybox", may_fail=True):
        sys.exit("the busybox is not static")
    shutil.copy(HERE / "busybox", root / "busybox")
    (root / "busybox").chmod(0o755)


def _copy_papers(root: Path, files: set[Path]) -> None:
    for path, lines in ACCOUNTS.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(lines)
    cache = Path("/etc/ld.so.cache")
    if cache.exists():
        _copy(cache, root)
    shutil.copy(HERE / "LICENSE", root / "LICENSE")
    for package in _debian_packages(files):
        status = said("dpkg-query", "--status", package)
        entry = root / "var/lib/dpkg/status.d" / package.partition(":")[0]
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(status)
        copyright_file = Path("/usr/share/doc", entry.name, "copyright")
        if copyright_file.exists():
            _copy(copyright_file, root)


def _debian_packages(files: set[Path]) -> list[str]:
    """The packages that brought these files; none where the base is no Debian."""
    if not shutil.which("dpkg-query"):
        return []
    # dpkg knows a file by the name under which it was packed, before or after /lib became a link.
    names = {str(name) for file in files for name in (file, file.resolve(), str(file).removeprefix("/usr"), f"/usr{file}")}
    told = said("dpkg-query", "--search", *names, may_fail=True)
    owners = [line.partition(": ")[0] for line in told.splitlines() if ": /" in line and not line.startswith(("dpkg-query", "diversion"))]
    return sorted({owner.split(",")[0] for owner in owners})


if __name__ == "__main__":
    main()
