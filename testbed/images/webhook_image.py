"""The webhook's own image, built from the project's Dockerfile: by buildah, without a container engine, on a base made by debootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from testbed import cache
from testbed.images.archive import ImageRecipe
from testbed.images.catalogue import task
from testbed.images.command import require_root, run
from testbed.images.debian import PYTHON_VERSION, debian
from testbed.images.layer import DIGITS, Layer, hashed, put_folder
from testbed.images.wheels import install

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT: Final = Path(__file__).parents[2]
REPOSITORY: Final = "localhost/airflow-sidecar-webhook"
"""As the chart has it."""

CONTEXT: Final = ("Dockerfile", ".dockerignore", "LICENSE", "certs", "manifests/image/root.py", "requirements/runtime.txt", "webhook")
"""All of the project that decides what is built."""

HERE: Final = Path(__file__).parent
PIP: Final = HERE / "webhook_base" / "requirements.txt"

HOST_FILES: Final = ("/etc/pip.conf", "/etc/ssl/certs", "/etc/resolv.conf")
"""How this machine reaches its package index; the build does so likewise, and nothing of it gets into the image."""


def base() -> ImageRecipe:
    """Debian's Python with pip: what the Dockerfile calls BASE."""
    packages = f"usr/local/lib/python{PYTHON_VERSION}/dist-packages"

    def make(root: Path) -> None:
        put_folder(root, packages)
        install(PIP, root / packages)

    return ImageRecipe("webhook-base", (debian(), Layer("pip", (Path(__file__), HERE / "wheels.py", PIP), make)))


BASES: Final = {"BASE": base, "BUSYBOX": task}
"""What the Dockerfile's build arguments are here."""


@dataclass(frozen=True)
class WebhookImage:
    """The image as a project's files made it at the moment of the digest.

    Args:
        digest: Of all that it is made from, in hexadecimal.
        project: Their folder.

    """

    digest: str
    project: Path

    @property
    def reference(self) -> str:
        """What a pod names, as ``localhost/airflow-sidecar-webhook:0123456789ab``; another content has another tag."""
        return f"{REPOSITORY}:{self.tag}"

    @property
    def tag(self) -> str:
        """The tag alone."""
        return self.digest[:DIGITS]

    def archive(self) -> Path:
        """Its docker-archive, from the cache or built now, which takes two minutes and the package index. ImageError."""
        return cache.made(cache.folder() / "images" / f"webhook-{self.tag}.tar", self._build)

    def _build(self, target: Path) -> None:
        require_root("the webhook's image")
        with TemporaryDirectory(prefix="buildah-", dir=target.parent) as folder:
            # A store of its own, by copies: nothing stays mounted, wherever this runs.
            store = ("--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs")
            buildah = partial(run, "buildah", *store, package="buildah")
            for image in BASES.values():
                buildah("pull", "--quiet", f"docker-archive:{image().archive()}")
            bases = [f"--build-arg={name}={image().reference}" for name, image in BASES.items()]
            volumes = [f"--volume={path}:{path}:ro" for path in HOST_FILES if Path(path).exists()]
            options = ("--quiet", "--isolation=chroot", "--pull-never", "--layers=false", f"--tag={self.reference}")
            buildah("build", *options, *bases, *volumes, self.project)
            buildah("push", "--quiet", self.reference, f"docker-archive:{target}:{self.reference}")


def webhook_image(project: Path = PROJECT) -> WebhookImage:
    """The image of the files as they are now, of this checkout or of another one; nothing is built yet."""
    parts = [part for path in _files(project) for part in (path.relative_to(project).as_posix(), path.read_bytes())]
    return WebhookImage(hashed((Path(__file__).read_bytes(), *(image().digest for image in BASES.values()), *parts)), project)


def _files(project: Path) -> Iterator[Path]:
    for name in CONTEXT:
        path = project / name
        yield from sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts) or [path]
