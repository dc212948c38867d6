"""`python -m cluster build | start | stop`: what `make cluster` and its kin call."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

from cluster import binaries, prerequisites, standing
from cluster.images import catalogue
from cluster.images.archive import archive
from cluster.images.command import ImageError
from cluster.mesh import proxy_image

if TYPE_CHECKING:
    from collections.abc import Callable

HOW_TO: Final = """
A Kubernetes {kubernetes} with Istio and the webhook stands. It took {seconds:.0f} s.

  export KUBECONFIG={kubeconfig}
  {kubectl} create -f {first_pod}
  {kubectl} get pod first --namespace tasks --watch

The namespace `tasks` is in the mesh and has opted in. The pod's task ends with 3 after five seconds; without the webhook its
istio-proxy would keep it running for ever. `make cluster-stop` ends the cluster and removes every trace of it.
"""


def build() -> None:
    """Build what this machine can and does not have yet, programs first, and say what it cannot: the tests of that are skipped."""
    try:
        _build_programs()
        _build_images()
    except RuntimeError as error:
        print(error, file=sys.stderr)


def start() -> None:
    """Start a cluster to try things on, and say how."""
    _build_programs()
    _build_images()
    began = time.monotonic()
    cluster = standing.start()
    facts = {"kubeconfig": cluster.kubeconfig, "first_pod": cluster.first_pod, "kubectl": _kubectl()}
    print(HOW_TO.format(kubernetes=binaries.KUBE_APISERVER.version, seconds=time.monotonic() - began, **facts))


def stop() -> None:
    """End it."""
    print("the cluster is gone" if standing.stop() else "no cluster stands")


def _build_programs() -> None:
    for program in binaries.PROGRAMS:
        binaries.find(program)


def _build_images() -> None:
    reason = prerequisites.lacking()
    if reason:
        raise RuntimeError(reason)
    for image in (*catalogue.alone(), proxy_image()):
        archive(image)


def _kubectl() -> str:
    found = binaries.find(binaries.KUBECTL)
    return "kubectl" if shutil.which("kubectl") else str(found)


COMMANDS: Final[dict[str, Callable[[], None]]] = {"build": build, "start": start, "stop": stop, "hold": standing.hold}


def main(arguments: list[str]) -> int:
    """Run one command; 1 where it cannot be done, with the reason, 2 where there is no such command."""
    command = COMMANDS.get(" ".join(arguments))
    if command is None:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        command()
    except (RuntimeError, TimeoutError, ImageError, binaries.BuildError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
