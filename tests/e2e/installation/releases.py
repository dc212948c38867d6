"""Releases as users get them, whose images are on the node under the names that the charts have: of this checkout, and of the one before.

There is no registry here: where the kubelet would pull an image by its digest, the node has it under that name.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.images.webhook_image import webhook_image
from tests.e2e.release.builds import make_release
from tests.support.work_tree import ROOT, work_tree
from webhook import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.node import NodeCluster

REPOSITORY: Final = "registry.example/team/airflow-sidecar-webhook"
EARLIER_COMMIT: Final = "62876c7c46ac685ebb20f25bb24c1c33936ad848"
"""The first that makes a release."""

EARLIER_VERSION: Final = "0.0.9"
"""Nothing is released yet, so that commit has the version of this one: this one is written into it, as docs/releases.md says."""


@dataclass(frozen=True, slots=True)
class ReleaseFiles:
    """What a user has downloaded.

    Args:
        folder: The folder of its files.
        version: Like ``0.1.0``.
        image: The name of its image, with the digest.

    """

    folder: Path
    version: str
    image: str


def this_release(node: NodeCluster, folder: Path) -> ReleaseFiles:
    """The release that this checkout makes, in a folder. RuntimeError, ImageError."""
    return _release(ROOT, __version__, node, folder)


def release_before(node: NodeCluster, folder: Path) -> ReleaseFiles:
    """The same for `commit_before`."""
    with work_tree(commit_before()) as tree:
        _set_version(tree, EARLIER_VERSION)
        return _release(tree, EARLIER_VERSION, node, folder)


def commit_before() -> str:
    """The commit of the release before. A checkout without history has one commit only: then it is that one, with the lower version."""
    command = ("git", "cat-file", "-e", f"{EARLIER_COMMIT}^{{commit}}")
    is_there = subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.DEVNULL).returncode == 0
    return EARLIER_COMMIT if is_there else "HEAD"


def _set_version(tree: Path, version: str) -> None:
    """Set the version of a checkout, as docs/releases.md says."""
    _replace(tree / "webhook" / "__init__.py", r'(?<=^__version__ = ").*(?="$)', version)
    _replace(tree / "CHANGELOG.md", r"(?<=^## )\S+(?= \()", version)
    subprocess.run([sys.executable, "-m", "manifests.generate"], cwd=tree, check=True)


def _replace(file: Path, pattern: str, by: str) -> None:
    text, count = re.subn(pattern, by, file.read_text("utf-8"), count=1, flags=re.MULTILINE)
    assert count, f"{file.name} has no {pattern}"
    file.write_text(text, "utf-8")


def _release(project: Path, version: str, node: NodeCluster, folder: Path) -> ReleaseFiles:
    image = _published(node, node.load(webhook_image(project)))
    return ReleaseFiles(make_release(folder, project=project, image=image), version, image)


def _published(node: NodeCluster, reference: str) -> str:
    """Give an image of the node the name that it would have in a registry."""
    _, listed = node.ctr("images", "list", f"name=={reference}").splitlines()
    name = f"{REPOSITORY}@{re.findall('sha256:[0-9a-f]{64}', listed)[0]}"
    node.ctr("images", "tag", "--force", reference, name)
    return name
