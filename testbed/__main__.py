"""`python -m testbed build`, `start [LEVEL]`, `stop`: what `make cluster` and its kin call.

The levels are api-server, old-api-server, newest-api-server, node, mesh and airflow; mesh where none is named.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

from testbed import binaries, levels, prerequisites, standing
from testbed.images import catalogue
from testbed.images.archive import archive
from testbed.images.command import ImageError
from testbed.mesh import proxy_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.binaries import Program
    from testbed.images.archive import Image

HOW_TO: Final = """
The level {level} stands, with the webhook in place and the namespace `tasks` opted in. It took {seconds:.0f} s.

  export KUBECONFIG={kubeconfig}
  {try_it}
"""

WITHOUT_A_NODE: Final = """{kubectl} create -f {first_pod} --dry-run=server -o yaml

shows what the webhook makes of a pod; there is no node to run it."""

WITH_A_NODE: Final = """{kubectl} create -f {first_pod}
  {kubectl} get pod first --namespace tasks --watch

The pod's task ends with 3 after five seconds; without the webhook its istio-proxy would keep it running for ever."""

WITH_AIRFLOW: Final = """
Airflow, with one slot, is at {airflow}; everybody is its admin. Start its DAG `ten_tasks`, and label the namespace
airflow-sidecar-webhook=disabled to see it get stuck."""

STOPPED: Final = "`make cluster-stop` ends the cluster and leaves nothing of it but its logs, and what was built for the next start."


PROGRAMS_OF: Final = {
    "api-server": levels.OF_API_SERVER,
    "old-api-server": levels.OF_API_SERVER,
    "newest-api-server": (binaries.NEWEST_KUBE_APISERVER, binaries.ETCD),
    "node": (*levels.OF_API_SERVER, *levels.OF_NODE),
    "mesh": (*levels.OF_API_SERVER, *levels.OF_NODE, *levels.OF_MESH),
    "airflow": (*levels.OF_API_SERVER, *levels.OF_NODE, *levels.OF_MESH),
}
IMAGES_OF: Final[dict[str, tuple[Callable[[], Image], ...]]] = {
    "node": (catalogue.pause, catalogue.task, catalogue.stand_in_istio_agent),
    "mesh": (catalogue.pause, catalogue.task, proxy_image),
    "airflow": (catalogue.pause, catalogue.task, proxy_image, catalogue.airflow),
}
"""What a level is built of, for those levels that run pods."""


def build(_: str) -> None:
    """Build what this machine can and does not have yet, programs first, and say what it cannot: the tests of that are skipped."""
    try:
        _build(binaries.PROGRAMS, ())
        _build((), (*catalogue.ALONE, proxy_image))
    except RuntimeError as error:
        print(error, file=sys.stderr)


def start(level: str) -> None:
    """Start a level to try things on, and say how."""
    _build(PROGRAMS_OF[level], IMAGES_OF.get(level, ()))
    began = time.monotonic()
    cluster = standing.start(level)
    facts = {"kubectl": _kubectl(), "first_pod": cluster.first_pod, "airflow": cluster.airflow}
    try_it = (WITHOUT_A_NODE if level.endswith("api-server") else WITH_A_NODE) + (WITH_AIRFLOW if cluster.airflow else "")
    seconds = time.monotonic() - began
    print(HOW_TO.format(level=level, seconds=seconds, kubeconfig=cluster.kubeconfig, try_it=try_it.format(**facts)) + STOPPED)


def stop(_: str) -> None:
    """End it."""
    print("the cluster is gone" if standing.stop() else "no cluster stands")


def _build(programs: Sequence[Program], images: Sequence[Callable[[], Image]]) -> None:
    reason = prerequisites.lacking() if images else ""
    if reason:
        raise RuntimeError(reason)
    for program in programs:
        binaries.find(program)
    for image in images:
        archive(image())


def _kubectl() -> str:
    found = binaries.find(binaries.KUBECTL)
    return "kubectl" if shutil.which("kubectl") else str(found)


COMMANDS: Final[dict[str, Callable[[str], None]]] = {"build": build, "start": start, "stop": stop, "hold": standing.hold}
USUAL: Final = "mesh"


def main(arguments: list[str]) -> int:
    """Run one command; 1 where it cannot be done, with the reason, 2 where there is no such command or level."""
    name, level, *more = [*arguments, USUAL] if len(arguments) == 1 else [*arguments, "", ""]
    command = COMMANDS.get(name)
    if command is None or level not in standing.LEVELS or any(more):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        command(level)
    except (RuntimeError, TimeoutError, ImageError, binaries.BuildError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
