"""Airflow's pods with a regular ``istio-proxy``, as an injector leaves them, and the tests' own programs in their containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from demo.stand_in_istio_agent import Behaviour
from testbed.images.stand_in import PATH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.json_object import JSONObject

ONCE_READY: Final = "until wget -q -O /dev/null http://127.0.0.1:15021/healthz/ready 2>/dev/null; do sleep 0.1; done"
"""The beginning of a task that ends only when its proxy takes requests, also on a busy machine."""


def operator_pod(
    namespace: str, name: str, base: JSONObject, *sidecars: JSONObject, annotations: Mapping[str, str] | None = None, **spec: object
) -> JSONObject:
    """A pod of the KubernetesPodOperator: ``base`` first, the sidecars after it. ``spec``: further fields of the pod's."""
    return _pod({"name": name, "namespace": namespace, "labels": {"kubernetes_pod_operator": "True"}}, base, sidecars, annotations, spec)


def executor_pod(
    namespace: str, name: str, base: JSONObject, *sidecars: JSONObject, annotations: Mapping[str, str] | None = None, **spec: object
) -> JSONObject:
    """A pod of the KubernetesExecutor, otherwise as `operator_pod`."""
    return _pod({"name": name, "namespace": namespace, "labels": {"kubernetes_executor": "True"}}, base, sidecars, annotations, spec)


def _pod(
    metadata: JSONObject, base: JSONObject, sidecars: Sequence[JSONObject], annotations: Mapping[str, str] | None, spec: JSONObject
) -> JSONObject:
    injected = [sidecar["name"] for sidecar in sidecars if sidecar["name"] == "istio-proxy"]
    status = {"sidecar.istio.io/status": json.dumps({"initContainers": None, "containers": injected})} if injected else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "annotations": {**status, **(annotations or {})}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "base", **base}, *sidecars], **spec},
    }


def stand_in_proxy(
    image: str, behaviour: Behaviour = Behaviour.AS_ISTIO, ready_after_seconds: float = 0.0, **container: object
) -> JSONObject:
    """The container ``istio-proxy`` with the stand-in for its agent in it."""
    command = ["python3", f"/{PATH}", "--behaviour", behaviour, "--ready-after", str(ready_after_seconds)]
    return {"name": "istio-proxy", "image": image, "command": command, **container}


def shell(image: str, script: str, **container: object) -> JSONObject:
    """A container that runs a script in the image's shell."""
    # The kubelet replaces $$ by $, and $(NAME) by a variable; nothing else.
    return {"image": image, "command": ["/bin/sh", "-c", script.replace("$$", "$$$$")], **container}
