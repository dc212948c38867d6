"""A cluster that stands until it is stopped, with the webhook in place, for people to try things on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from testbed import binaries, cache, levels, slot
from testbed.api_server import OLD
from testbed.images import catalogue, stand_in
from testbed.manifest import OPTED_IN
from testbed.mesh import INJECTED, LEGACY
from testbed.namespace import MESH_ROOT, SERVICE_ACCOUNT, make_namespace, wait_until_ready
from testbed.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.api import JSONObject
    from testbed.binaries import Program
    from testbed.levels import Level, NodeLevel


START_SECONDS: Final = 400
STOP_SECONDS: Final = 120
FILE: Final = "standing.json"
"""What it tells of itself, in its slot's folder: whoever takes the slot after it clears that away, too."""

NAMESPACE: Final = "tasks"
DAGS: Final = Path(__file__).parent / "airflow" / "dags"

FIRST_TASK: Final = """
echo "the proxy was ready before this line ran"
sleep 5
exit 3
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a standing cluster tells of itself.

    Args:
        number: Its slot.
        process: The process that holds it up.
        kubeconfig: The file for kubectl.
        first_pod: A manifest to try.
        airflow: Where Airflow's pages are; empty where there is none.

    """

    number: int
    process: int
    kubeconfig: str
    first_pod: str
    airflow: str = ""


def start(level: str) -> Standing:
    """Start one of `LEVELS` in the background, and wait for it. RuntimeError: one stands already, or it does not come up, with its log."""
    with cache.locked(cache.folder() / ".standing.lock"):
        return _start(level)


def _start(level: str) -> Standing:
    found = standing()
    if found:
        message = f"a cluster stands already (KUBECONFIG={found.kubeconfig}); `make cluster-stop` ends it"
        raise RuntimeError(message)
    log = cache.folder() / "logs" / "standing.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        command = [sys.executable, "-m", "testbed", "hold", level]
        holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        until(lambda: holder.poll() is not None or standing(), f"the cluster stands; see {log}", START_SECONDS)
    except BaseException:
        # Nobody waits for it any more, and nobody could stop it before it has told of itself.
        holder.kill()
        raise
    if holder.poll() is not None:
        raise RuntimeError(log.read_text())
    return until(standing, "the cluster tells of itself", 1)


def stop() -> bool:
    """End the standing cluster, and remove every trace of it; False: none stands."""
    told = _told()
    if told is None:
        return False
    if slot.held(told.number):
        os.kill(told.process, signal.SIGTERM)
        until(lambda: not slot.held(told.number), "the cluster ends", STOP_SECONDS)
    else:
        # It was killed: the kernel ended what ran, and the folder is still there.
        slot.take([told.number]).release()
    return True


def standing() -> Standing | None:
    """The cluster that stands now."""
    told = _told()
    return told if told and slot.held(told.number) else None


def hold(level: str) -> None:
    """Bring a level of `LEVELS` up, tell of it, and hold it until SIGTERM."""
    # Kept in a pipe until it is waited for below, so that none is lost and no step is cut short. Not blocked: all that is started here
    # would inherit that, down to the containers of tasks.
    asked, ask = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(ask, b"."))
    with ExitStack() as ends:
        told = LEVELS[level](ends)
        tell(slot.folders()[told.number], told)
        os.read(asked, 1)


def _api_server(ends: ExitStack, options: Sequence[str] = (), program: Program = binaries.KUBE_APISERVER) -> Standing:
    level = ends.enter_context(levels.api_server(options, program))
    level.api.create(level.webhook.configuration())
    make_namespace(level.api, NAMESPACE, OPTED_IN)
    return _told_by(level, [shell("localhost/task:1"), proxy("localhost/proxy:1")])


def _node(ends: ExitStack) -> Standing:
    level = ends.enter_context(levels.node())
    level.api.create(level.webhook.configuration())
    make_namespace(level.api, NAMESPACE, OPTED_IN)
    wait_until_ready(level.api, NAMESPACE, SERVICE_ACCOUNT)
    images = [level.node.load(image) for image in (catalogue.task(), catalogue.stand_in_istio_agent())]
    return _told_by(level, [shell(images[0]), proxy(images[1])])


def _mesh(ends: ExitStack) -> Standing:
    return _told_by(level := _mesh_level(ends), [shell(level.node.load(catalogue.task()))])


def _airflow(ends: ExitStack) -> Standing:
    level = _mesh_level(ends)
    airflow = ends.enter_context(levels.airflow(level.node, NAMESPACE, DAGS))
    return replace(_told_by(level, [shell(level.node.load(catalogue.task()))]), airflow=airflow.pages)


def _mesh_level(ends: ExitStack) -> NodeLevel:
    level = ends.enter_context(levels.node())
    level.api.create(level.webhook.configuration())
    ends.enter_context(levels.mesh(level.node, LEGACY))
    make_namespace(level.api, NAMESPACE, {**OPTED_IN, **INJECTED})
    wait_until_ready(level.api, NAMESPACE, SERVICE_ACCOUNT, MESH_ROOT)
    return level


LEVELS: Final[dict[str, Callable[[ExitStack], Standing]]] = {
    "api-server": _api_server,
    "old-api-server": partial(_api_server, options=OLD),
    "newest-api-server": partial(_api_server, program=binaries.NEWEST_KUBE_APISERVER),
    "node": _node,
    "mesh": _mesh,
    "airflow": _airflow,
}


def _told_by(level: Level, containers: list[JSONObject]) -> Standing:
    path = level.place.folder / "first-pod.yaml"
    path.write_text(yaml.safe_dump(first_pod(containers), sort_keys=False))
    return Standing(level.place.number, os.getpid(), str(level.server.kubeconfig), str(path))


def first_pod(containers: list[JSONObject]) -> JSONObject:
    """A pod as the KubernetesPodOperator makes it, with a proxy beside the task where no mesh puts one there."""
    proxies = [container["name"] for container in containers[1:]]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "first",
            "namespace": NAMESPACE,
            "labels": {"kubernetes_pod_operator": "True"},
            "annotations": {"sidecar.istio.io/status": json.dumps({"containers": proxies})} if proxies else {},
        },
        "spec": {"restartPolicy": "Never", "containers": containers},
    }


def shell(image: str) -> JSONObject:
    """The task, which ends with 3 after five seconds."""
    return {"name": "base", "image": image, "command": ["/bin/sh", "-c", FIRST_TASK.strip()]}


def proxy(image: str) -> JSONObject:
    """The stand-in for Istio's proxy."""
    return {"name": "istio-proxy", "image": image, "command": ["python3", f"/{stand_in.PATH}"]}


def tell(folder: Path, told: Standing) -> None:
    """Write it where ``make cluster-stop`` looks, whole or not at all. ``folder``: its slot's."""
    unfinished = folder / f"{FILE}.unfinished"
    unfinished.write_text(json.dumps(asdict(told)))
    unfinished.rename(folder / FILE)


def _told() -> Standing | None:
    for folder in slot.folders():
        with suppress(FileNotFoundError):
            return Standing(**json.loads((folder / FILE).read_text()))
    return None
