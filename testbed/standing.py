"""A cluster that runs in the background until it is stopped, with the webhook registered, to try things on."""

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
from testbed.images.webhook_image import REPOSITORY, webhook_image
from testbed.manifest import OPTED_IN
from testbed.mesh import INJECTED, LEGACY
from testbed.namespace import MESH_ROOT, SERVICE_ACCOUNT, make_namespace, wait_until_ready
from testbed.wait import until
from testbed.webhook import Webhook
from webhook import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from testbed.api import JSONObject
    from testbed.binaries import Program
    from testbed.levels import Level, NodeLevel


START_SECONDS: Final = 400
STOP_SECONDS: Final = 120
FILE: Final = "standing.json"
"""The cluster's record in its slot's folder; the next run that takes the slot removes it."""

NAMESPACE: Final = "tasks"
WITHOUT_WEBHOOK: Final = "without-webhook"
"""The level for whoever wants to install it."""

SWITCHED_OFF: Final = {"airflow-sidecar-webhook/mode": "off"}
"""Annotations of a pod that the webhook skips."""

DAGS: Final = Path(__file__).parent / "airflow" / "dags"

FIRST_TASK: Final = """
echo "the proxy was ready before this line ran"
sleep 5
exit 3
"""


@dataclass(frozen=True, slots=True)
class StandingCluster:
    """The record of a running cluster.

    Args:
        number: Its slot.
        process: The id of the process that started its components.
        kubeconfig: The path of its kubeconfig.
        first_pod: The path of a manifest to try.
        stuck_pod: The path of one whose pod gets stuck.
        airflow: The URL of Airflow's pages; empty where there is none.

    """

    number: int
    process: int
    kubeconfig: str
    first_pod: str
    stuck_pod: str = ""
    airflow: str = ""


def start(level: str) -> StandingCluster:
    """Start one of `LEVELS` in the background, and wait until it is up. RuntimeError: one is up already, or this does not start."""
    with cache.locked(cache.folder() / ".standing.lock"):
        return _start(level)


def _start(level: str) -> StandingCluster:
    found = standing()
    if found:
        message = f"a cluster is up already (KUBECONFIG={found.kubeconfig}); `make cluster-stop` ends it"
        raise RuntimeError(message)
    log = cache.folder() / "logs" / "standing.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        command = [sys.executable, "-m", "testbed", "hold", level]
        holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        until(lambda: holder.poll() is not None or standing(), f"the cluster is up; see {log}", START_SECONDS)
    except BaseException:
        # Without its record, `stop` could not find it.
        holder.kill()
        raise
    if holder.poll() is not None:
        raise RuntimeError(log.read_text())
    return until(standing, "the cluster has written its record", 1)


def stop() -> bool:
    """End the cluster, and remove every trace of it; False: none is up."""
    record = _record()
    if record is None:
        return False
    if slot.held(record.number):
        os.kill(record.process, signal.SIGTERM)
        until(lambda: not slot.held(record.number), "the cluster ends", STOP_SECONDS)
    else:
        # It was killed: the kernel has ended its processes, and the folder still exists.
        slot.take([record.number]).release()
    return True


def standing() -> StandingCluster | None:
    """The record of the cluster that is up; None: none is."""
    record = _record()
    return record if record and slot.held(record.number) else None


def hold(level: str) -> None:
    """Start a level of `LEVELS`, write its record, and end it after SIGTERM."""
    # The pipe holds the signal until the read below, so that none is lost and no step of the start is interrupted. The signal is not
    # blocked: every component would inherit that, down to the containers of tasks.
    reading, writing = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(writing, b"."))
    with ExitStack() as ends:
        record = LEVELS[level](ends)
        write(slot.folders()[record.number], record)
        os.read(reading, 1)


def _api_server(ends: ExitStack, options: Sequence[str] = (), program: Program = binaries.KUBE_APISERVER) -> StandingCluster:
    level = ends.enter_context(levels.api_server(options, program))
    _register(level, ends)
    make_namespace(level.api, NAMESPACE, OPTED_IN)
    return _record_of(level, [shell("localhost/task:1"), proxy("localhost/proxy:1")])


def _node(ends: ExitStack) -> StandingCluster:
    level = ends.enter_context(levels.node())
    # One that does not watch the cluster, and so wraps: the stand-in for Istio's agent does not answer the kubelet's probes.
    level.api.create(level.webhook.configuration())
    make_namespace(level.api, NAMESPACE, OPTED_IN)
    wait_until_ready(level.api, NAMESPACE, SERVICE_ACCOUNT)
    images = [level.node.load(image) for image in (catalogue.task(), catalogue.stand_in_istio_agent())]
    return _record_of(level, [shell(images[0]), proxy(images[1])])


def _mesh(ends: ExitStack) -> StandingCluster:
    return _record_of(level := _mesh_level(ends), [shell(level.node.load(catalogue.task()))])


def _without_webhook(ends: ExitStack) -> StandingCluster:
    level = ends.enter_context(levels.node())
    # As `make release` names it in the chart, unless a registry is given.
    level.node.ctr("images", "tag", "--force", level.node.load(webhook_image()), f"{REPOSITORY}:{__version__}")
    _add_mesh(level, ends, INJECTED)
    return _record_of(level, [shell(level.node.load(catalogue.task()))])


def _airflow(ends: ExitStack) -> StandingCluster:
    level = _mesh_level(ends)
    airflow = ends.enter_context(levels.airflow(level.node, NAMESPACE, DAGS))
    return replace(_record_of(level, [shell(level.node.load(catalogue.task()))]), airflow=airflow.pages)


def _mesh_level(ends: ExitStack) -> NodeLevel:
    level = ends.enter_context(levels.node())
    _register(level, ends)
    _add_mesh(level, ends, {**OPTED_IN, **INJECTED})
    return level


def _add_mesh(level: NodeLevel, ends: ExitStack, labels: Mapping[str, str]) -> None:
    """Start Istio, and make the namespace with these labels."""
    ends.enter_context(levels.mesh(level.node, LEGACY))
    make_namespace(level.api, NAMESPACE, labels)
    wait_until_ready(level.api, NAMESPACE, SERVICE_ACCOUNT, MESH_ROOT)


def _register(level: Level, ends: ExitStack) -> None:
    """Register a webhook that reads what the cluster supports, as an installed one does: else `doctor` finds what it does not use."""
    webhook = Webhook(level.place, "webhook-that-watches", kubeconfig=level.server.kubeconfig)
    ends.callback(webhook.end)
    level.api.create(webhook.configuration())


LEVELS: Final[dict[str, Callable[[ExitStack], StandingCluster]]] = {
    "api-server": _api_server,
    "old-api-server": partial(_api_server, options=OLD),
    "newest-api-server": partial(_api_server, program=binaries.NEWEST_KUBE_APISERVER),
    "node": _node,
    "mesh": _mesh,
    WITHOUT_WEBHOOK: _without_webhook,
    "airflow": _airflow,
}


def _record_of(level: Level, containers: list[JSONObject]) -> StandingCluster:
    paths = []
    for pod in (first_pod("first", containers), first_pod("stuck", containers, **SWITCHED_OFF)):
        path = level.place.folder / f"{pod['metadata']['name']}-pod.yaml"
        path.write_text(yaml.safe_dump(pod, sort_keys=False))
        paths.append(str(path))
    return StandingCluster(level.place.number, os.getpid(), str(level.server.kubeconfig), *paths)


def first_pod(name: str, containers: list[JSONObject], **annotations: str) -> JSONObject:
    """A pod as the KubernetesPodOperator creates it; ``containers``: the task, and a proxy where no mesh injects one."""
    proxies = [container["name"] for container in containers[1:]]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"kubernetes_pod_operator": "True"},
            "annotations": ({"sidecar.istio.io/status": json.dumps({"containers": proxies})} if proxies else {}) | annotations,
        },
        "spec": {"restartPolicy": "Never", "containers": containers},
    }


def shell(image: str) -> JSONObject:
    """The task's container: ends with 3 after five seconds."""
    return {"name": "base", "image": image, "command": ["/bin/sh", "-c", FIRST_TASK.strip()]}


def proxy(image: str) -> JSONObject:
    """The container with the stand-in for Istio's proxy."""
    return {"name": "istio-proxy", "image": image, "command": ["python3", f"/{stand_in.PATH}"]}


def write(folder: Path, record: StandingCluster) -> None:
    """Write the record where `standing` reads it, atomically. ``folder``: the slot's."""
    unfinished = folder / f"{FILE}.unfinished"
    unfinished.write_text(json.dumps(asdict(record)))
    unfinished.rename(folder / FILE)


def _record() -> StandingCluster | None:
    for folder in slot.folders():
        with suppress(FileNotFoundError):
            # A checkout of another commit may have written it: that cluster must be stopped, too.
            written = json.loads((folder / FILE).read_text())
            return StandingCluster(**{name: value for name, value in written.items() if name in StandingCluster.__slots__})
    return None
