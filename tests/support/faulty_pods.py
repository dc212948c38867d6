"""Pods that the API server refuses anyway, or that have no room for what the webhook adds: left, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from demo.simulated_injectors import inject_istio, inject_istio_native
from tests.support.pods import load
from webhook.core.names import HELPER_CONTAINER, HELPER_MOUNT_PATH, HELPER_VOLUME
from webhook.core.patch import MAX_ANNOTATION_BYTES

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

EXECUTOR: Final = "airflow-3.3.2-provider-10.25.0/ke_minimal_template.json"


def injected_pod() -> JSONObject:
    """A pod of the KubernetesExecutor with Istio's sidecar."""
    return inject_istio(load(EXECUTOR))


def with_more(pod: JSONObject, field: str, *more: JSONObject) -> JSONObject:
    """The pod with these items at the end of a list of its ``spec``."""
    pod["spec"][field] = [*(pod["spec"].get(field) or ()), *more]
    return pod


def full_of_annotations() -> JSONObject:
    """A pod with as many bytes of annotations as the API server accepts."""
    pod = injected_pod()
    annotations = pod["metadata"]["annotations"]
    annotations["big"] = "x" * (MAX_ANNOTATION_BYTES - len("big") - sum(len(key + value) for key, value in annotations.items()))
    return pod


def without_shell(**fields: object) -> JSONObject:
    """An operator's pod whose image may have no shell, with these fields in the task's container."""
    pod = injected_pod()
    pod["metadata"]["labels"] = {"kubernetes_pod_operator": "True"}
    pod["spec"]["containers"][0] |= {"image": "example.com/tool", "command": ["/tool"], **fields}
    return pod


FAULTY_PODS: Final[dict[str, tuple[JSONObject, str]]] = {
    "two containers of one name": (with_more(injected_pod(), "containers", {"name": "istio-proxy", "image": "a"}), "duplicate-names"),
    "two init containers of one name": (with_more(injected_pod(), "initContainers", {"name": "i"}, {"name": "i"}), "duplicate-names"),
    "an init container called like the task": (with_more(injected_pod(), "initContainers", {"name": "base"}), "duplicate-names"),
    "a native sidecar that is unknown, called like a known one": (
        with_more(
            with_more(injected_pod(), "containers", {"name": "x", "image": "fluent/fluent-bit:4.0.0"}),
            "initContainers", {"name": "x", "image": "a", "restartPolicy": "Always"}), "duplicate-names"),
    "a native sidecar that is known, and another container of its name": (
        with_more(inject_istio_native(load(EXECUTOR)), "containers", {"name": "istio-proxy", "image": "istio/proxyv2:1.26.8"}),
        "duplicate-names"),
    "an unknown container called like a native sidecar": (
        with_more(
            with_more(injected_pod(), "containers", {"name": "x", "image": "a"}),
            "initContainers", {"name": "x", "image": "fluent/fluent-bit:4.0.0", "restartPolicy": "Always"}), "duplicate-names"),
    "two volumes of one name": (with_more(injected_pod(), "volumes", {"name": "v"}, {"name": "v"}), "duplicate-names"),
    "a name that no container may have": (with_more(injected_pod(), "containers", {"name": "a" * 64}), "malformed-pod"),
    "a name that no init container may have": (with_more(injected_pod(), "initContainers", {"name": "a" * 64}), "malformed-pod"),
    "annotations that leave no room": (full_of_annotations(), "annotations-full"),
    "a container called like the helper": (
        with_more(without_shell(), "containers", {"name": HELPER_CONTAINER, "image": "a"}), "helper-name-taken"),
    "an init container called like the helper": (with_more(without_shell(), "initContainers", {"name": HELPER_CONTAINER}), "helper-name-taken"),
    "a volume called like the helper's": (with_more(without_shell(), "volumes", {"name": HELPER_VOLUME, "hostPath": {}}), "helper-name-taken"),
    "a mount at the helper's path": (without_shell(volumeMounts=[{"name": "own", "mountPath": HELPER_MOUNT_PATH}]), "helper-name-taken"),
    "a block device at the helper's path": (
        without_shell(volumeDevices=[{"name": "own", "devicePath": HELPER_MOUNT_PATH}]), "helper-name-taken"),
}  # fmt: skip
"""Each pod, and the reason for which it is left where a helper image is set."""
