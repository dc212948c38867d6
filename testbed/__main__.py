"""`python -m testbed build`, `start [LEVEL]` or `stop`, as `make e2e`, `make cluster` and `make cluster-stop` call it.

LEVEL is api-server, old-api-server, newest-api-server, node, mesh (the default), without-webhook or airflow.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testbed import binaries, standing
from testbed.build import build_everything, build_level
from testbed.images.command import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

HOW_TO: Final = """
The level {level} is up, {what}. It took {seconds:.0f} s.

  export KUBECONFIG={kubeconfig}
  {try_it}
"""

REGISTERED: Final = "with the webhook registered and the namespace `tasks` opted in"
TO_INSTALL: Final = "with Istio and the namespace `tasks`, and without the webhook"

WITHOUT_A_NODE: Final = """{kubectl} create -f {first_pod} --dry-run=server -o yaml

shows a pod as the webhook changes it; there is no node to run it."""

WITH_A_NODE: Final = """{kubectl} create -f {first_pod}
  {kubectl} get pod first --namespace tasks --watch

The pod's task ends with exit code 3 after five seconds; without the webhook, its istio-proxy would keep the pod Running for ever.
To see that, create one that switches the webhook off. It gets stuck; three minutes after its task has ended, explain says what ends it.

  {kubectl} create -f {stuck_pod}
  {program} explain --namespace tasks pod/stuck"""

WITH_AIRFLOW: Final = """
Airflow, with one slot, is at {airflow}; every visitor is its admin. Start its DAG `ten_tasks`. To see it get stuck, label the namespace
airflow-sidecar-webhook=disabled first."""

INSTALL: Final = """export PATH=$PATH:{programs}

Install the webhook from the files that `make release` writes into dist, as docs/releases.md says: the node has the image of this checkout
under the name that they have. Opt the namespace `tasks` in. This pod's task ends with exit code 3 after five seconds:

  kubectl create -f {first_pod}
  kubectl get pod first --namespace tasks --watch"""

STOPPED: Final = "`make cluster-stop` ends the cluster and removes it; its logs, and what was built, stay for the next start."


def build(_: str) -> None:
    """Build what is missing for any level. Print what this machine cannot build, with the remedy; the tests that need it are skipped."""
    try:
        build_everything()
    except RuntimeError as error:
        print(error, file=sys.stderr)


def start(level: str) -> None:
    """Start a level to try things on, and print how."""
    build_level(level)
    began = time.monotonic()
    print(f"starting the level {level}: seconds on an idle machine, minutes on a busy one", flush=True)
    cluster = standing.start(level)
    facts = {"kubectl": _kubectl(), "program": _program(), "programs": _programs(), **asdict(cluster)}
    what, try_it = _how_to(level)
    seconds = time.monotonic() - began
    print(HOW_TO.format(level=level, what=what, seconds=seconds, kubeconfig=cluster.kubeconfig, try_it=try_it.format(**facts)) + STOPPED)


def stop(_: str) -> None:
    """End that level."""
    print("the cluster is gone" if standing.stop() else "no cluster is up")


def _how_to(level: str) -> tuple[str, str]:
    """What is up, and what to type."""
    if level == standing.WITHOUT_WEBHOOK:
        return TO_INSTALL, INSTALL
    if level.endswith("api-server"):
        return REGISTERED, WITHOUT_A_NODE
    return REGISTERED, WITH_A_NODE + (WITH_AIRFLOW if level == "airflow" else "")


def _programs() -> str:
    """The folders of kubectl and Helm, for the PATH."""
    return ":".join(dict.fromkeys(str(binaries.find(program).parent) for program in (binaries.KUBECTL, binaries.HELM)))


def _program() -> str:
    """The command of the webhook, of the environment that this runs in."""
    return str(Path(sys.executable).parent / "airflow-sidecar-webhook")


def _kubectl() -> str:
    found = binaries.find(binaries.KUBECTL)
    return "kubectl" if shutil.which("kubectl") else str(found)


COMMANDS: Final[dict[str, Callable[[str], None]]] = {"build": build, "start": start, "stop": stop, "hold": standing.hold}
DEFAULT_LEVEL: Final = "mesh"


def main(arguments: list[str]) -> int:
    """Run one command; its exit code: 1 where it fails, with the reason on stderr; 2 for an unknown command or level."""
    name, level, *more = [*arguments, DEFAULT_LEVEL] if len(arguments) == 1 else [*arguments, "", ""]
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
