"""Makes the root of the webhook's image, in the Dockerfile's build stage: ``python3 root.py FOLDER``.

It copies this interpreter, its standard library, the shared libraries that they and the packages load, and no other program.
It also copies what scanners read: each Debian package's entry as distroless images have it (``/var/lib/dpkg/status.d``), its copyright
file, and the ``dist-info`` of each wheel. Run it in a folder with ``packages``, ``busybox`` and ``LICENSE``.
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
"""The kubernetes package's second client, for asyncio: a third of the image, and nothing imports it."""

ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/:/none\nnonroot:x:65532:65532:nonroot:/:/none\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
}
COMPILE = ("-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")
"""By default bytecode is valid only for a source with one modification time, and the files of an image may get another one (PEP 552)."""


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
    _copy_package_records(root, {interpreter, *libraries, *_modules()})
    output_of(sys.executable, *COMPILE, "-s", root, root / STANDARD_LIBRARY.relative_to("/"), root / "packages")


def output_of(*command: str | Path, may_fail: bool = False) -> str:
    """The output of a program of the base."""
    done = subprocess.run(command, check=not may_fail, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603  ours
    return done.stdout


def _copy_merged_folders(root: Path) -> None:
    """Make /lib and the like links if they are links in the base: the dynamic loader's path contains them."""
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
    """The compiled modules that were copied. The loader finds the libraries of a wheel beside its modules."""
    return [path for path in root.rglob("*.so*") if path.is_file() and not path.is_symlink()]


def _modules() -> list[Path]:
    """A file of each Debian package that the standard library may be split into."""
    return [STANDARD_LIBRARY / name for name in ("os.py", "asyncio/__init__.py")]


def _libraries(programs: tuple[Path, ...]) -> set[Path]:
    """The libraries of the base that these load, and the loader."""
    output = output_of("ldd", *programs, may_fail=True)
    if missing := re.findall(r"(\S+) => not found", output):
        sys.exit(f"the base lacks {', '.join(sorted(set(missing)))}")
    found = re.findall(r"(?:=> |^\s)(/\S+) \(0x", output, re.MULTILINE)
    return {Path(path) for path in found if not path.startswith((str(HERE), sys.argv[1]))}


def _copy_static_busybox(root: Path) -> None:
    # It must run in images that have no libraries, or those of another libc.
    if " => " in output_of("ldd", HERE / "busybox", may_fail=True):
        sys.exit("the busybox is not static")
    shutil.copy(HERE / "busybox", root / "busybox")
    (root / "busybox").chmod(0o755)


def _copy_package_records(root: Path, files: set[Path]) -> None:
    for path, lines in ACCOUNTS.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(lines)
    cache = Path("/etc/ld.so.cache")
    if cache.exists():
        _copy(cache, root)
    shutil.copy(HERE / "LICENSE", root / "LICENSE")
    for package in _debian_packages(files):
        status = output_of("dpkg-query", "--status", package)
        entry = root / "var/lib/dpkg/status.d" / package.partition(":")[0]
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(status)
        copyright_file = Path("/usr/share/doc", entry.name, "copyright")
        if copyright_file.exists():
            _copy(copyright_file, root)


def _debian_packages(files: set[Path]) -> list[str]:
    """The Debian packages of these files; none if the base is not Debian."""
    if not shutil.which("dpkg-query"):
        return []
    # dpkg finds a file only by the path in its package, from before or after /lib became a link.
    names = {str(name) for file in files for name in (file, file.resolve(), str(file).removeprefix("/usr"), f"/usr{file}")}
    output = output_of("dpkg-query", "--search", *names, may_fail=True)
    owners = [line.partition(": ")[0] for line in output.splitlines() if ": /" in line and not line.startswith(("dpkg-query", "diversion"))]
    return sorted({owner.split(",")[0] for owner in owners})


if __name__ == "__main__":
    main()
