"""Task pods beside a regular ``istio-proxy``, as an injector leaves them, with programs of the tests' own in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cluster.images.stand_in import PATH
from demo.stand_in_istio_agent import Behaviour

if TYPE_CHECKING:
    JSONObject = dict[str, Any]


def stand_in_proxy(image: str, behaviour: Behaviour = Behaviour.AS_ISTIO, ready_after_seconds: float = 0.0) -> JSONObject:
    """The container ``istio-proxy`` with the stand-in for its agent in it."""
    options = ["--behaviour", behaviour, "--ready-after", str(ready_after_seconds)]
    command = ["python3", f"/{PATH}", *options]
    return {"name": "istio-proxy", "image": image, "command": command}


def operator_pod(namespace: str, name: str, base: JSONObject, *sidecars: JSONObject, **spec: object) -> JSONObject:
    """A pod of the KubernetesPodOperator after the injector: ``base`` first, the sidecars after it."""
    status = json.dumps({"initContainers": None, "containers": [sidecar["name"] for sidecar in sidecars]})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"kubernetes_pod_operator": "True"},
            "annotations": {"sidecar.istio.io/status": status} if sidecars else {},
        },
        "spec": {"restartPolicy": "Never", "containers": [{"name": "base", **base}, *sidecars], **spec},
    }


def shell(image: str, script: str) -> JSONObject:
    """A container that runs a script in the image's shell."""
    # The kubelet makes $ of $$, and leaves everything else but $(NAME) alone.
    return {"image": image, "command": ["/bin/sh", "-c", script.replace("$$", "$$$$")]}
