"""Builds what levels of the test bed are made of: programs one after the other, images beside them.

Go compiles on all cores but for loading, downloading and linking. So meanwhile a second thread downloads the modules of the programs
that come next, and a third one makes the images that need no program. One Go build at a time: its linker alone takes 2 GB.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from testbed import binaries, levels, prerequisites
from testbed.images import catalogue
from testbed.images.webhook_image import webhook_image
from testbed.mesh import proxy_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.binaries import Program
    from testbed.images.archive import LoadableImage

    Images = Sequence[Callable[[], LoadableImage]]

IN_A_MESH: Final = ("mesh", "without-webhook", "airflow")
"""The levels with Istio."""

PROGRAMS_OF: Final = {
    "api-server": levels.OF_API_SERVER,
    "old-api-server": levels.OF_API_SERVER,
    "newest-api-server": (binaries.NEWEST_KUBE_APISERVER, binaries.ETCD),
    "node": (*levels.OF_API_SERVER, *levels.OF_NODE),
    **dict.fromkeys(IN_A_MESH, (*levels.OF_API_SERVER, *levels.OF_NODE, *levels.OF_MESH)),
}
"""The programs of each level."""

IMAGES_OF: Final[dict[str, Images]] = {
    "node": (catalogue.pause, catalogue.task, catalogue.stand_in_istio_agent),
    "mesh": (catalogue.pause, catalogue.task),
    "without-webhook": (catalogue.pause, catalogue.task, webhook_image),
    "airflow": (catalogue.pause, catalogue.task, catalogue.airflow),
}
"""The images of each level that need no program."""

IMAGES_OF_PROGRAMS_OF: Final[dict[str, Images]] = dict.fromkeys(IN_A_MESH, (proxy_image,))
"""The images of each level that are made of a program."""


def build_level(level: str) -> None:
    """Build what a level needs and this machine does not have yet. NoGoError, BuildError, ImageError; RuntimeError: no node runs here."""
    _build(PROGRAMS_OF[level], IMAGES_OF.get(level, ()), IMAGES_OF_PROGRAMS_OF.get(level, ()))


def build_everything() -> None:
    """Build what any level needs and this machine does not have yet. Errors as of `build_level`, after all that can be built is."""
    _build(binaries.PROGRAMS, catalogue.ALONE, (proxy_image,))


def _build(programs: Sequence[Program], images: Images, of_programs: Images) -> None:
    reason = prerequisites.missing() if images else ""
    with ThreadPoolExecutor(2) as others:
        beside = [others.submit(binaries.download, programs), others.submit(_make, () if reason else images)]
        for program in programs:
            binaries.find(program)
        for one in beside:
            one.result()
    if reason:
        raise RuntimeError(reason)
    _make(of_programs)


def _make(images: Images) -> None:
    for image in images:
        image().archive()
