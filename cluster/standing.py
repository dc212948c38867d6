"""A cluster that stands until it is stopped, with the mesh and the webhook in place, for people to try things on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import yaml

from cluster import cache, slot
from cluster.images import catalogue
from cluster.machine import Machine, clear
from cluster.mesh import INJECTED, LEGACY, Mesh
from cluster.node import Node
from cluster.wait import until
from cluster.webhook import OPTED_IN, Webhook

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.api import Api

START_SECONDS: Final = 400
STOP_SECONDS: Final = 120
FILE: Final = "standing.json"
"""What it tells of itself, in its slot's folder: whoever takes the slot after it clears that away, too."""

NAMESPACE: Final = "tasks"

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

    """

    number: int
    process: int
    kubeconfig: str
    first_pod: str


def start() -> Standing:
    """Start one in the background, and wait for it. RuntimeError: one stands already, or it did not come up, with its log."""
    with cache.locked(cache.folder() / ".standing.lock"):
        return _start()


def _start() -> Standing:
    found = standing()
    if found:
        message = f"a cluster stands already (KUBECONFIG={found.kubeconfig}); `make cluster-stop` ends it"
        raise RuntimeError(message)
    log = cache.folder() / "logs" / "standing.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        command = [sys.executable, "-m", "cluster", "hold"]
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
        slot.take(clear, [told.number]).release()
    return True


def standing() -> Standing | None:
    """The cluster that stands now."""
    told = _told()
    return told if told and slot.held(told.number) else None


def hold() -> None:
    """Bring a cluster up, tell of it, and hold it until SIGTERM."""
    # Kept in a pipe until it is waited for below, so that none is lost and no step is cut short. Not blocked: all that is started here
    # would inherit that, down to the containers of tasks.
    asked, ask = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(ask, b"."))
    with ExitStack() as ends:
        machine = Machine()
        ends.callback(machine.end)
        node = Node(machine)
        ends.callback(node.end)
        webhook = Webhook(machine)
        ends.callback(webhook.end)
        node.api.create(webhook.configuration())
        mesh = Mesh(node, LEGACY)
        ends.callback(mesh.end)
        _make_namespace(node.api)
        pod = machine.folder / "first-pod.yaml"
        pod.write_text(first_pod(node.load(catalogue.task())))
        tell(machine.folder, Standing(machine.number, os.getpid(), str(node.server.kubeconfig), str(pod)))
        os.read(asked, 1)


def first_pod(image: str) -> str:
    """The manifest of a pod as KubernetesPodOperator makes it, whose task ends with 3 after five seconds."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "first", "namespace": NAMESPACE, "labels": {"kubernetes_pod_operator": "True"}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": image, "command": ["/bin/sh", "-c", FIRST_TASK.strip()]}],
        },
    }
    return yaml.safe_dump(pod, sort_keys=False)


def _make_namespace(api: Api) -> None:
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {**OPTED_IN, **INJECTED}}})
    for needed in ("serviceaccounts/default", "configmaps/istio-ca-root-cert"):
        path = f"/api/v1/namespaces/{NAMESPACE}/{needed}"
        until(lambda path=path: api.request("GET", path).is_success, f"{NAMESPACE} has {needed}", START_SECONDS)  # type: ignore[misc]


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
