"""SIMULATED injectors: plain functions on JSON that change a pod, written from the injectors' sources and golden files.

They leave the containers, annotations and labels that a webhook can see, in the order the real ones leave them. They cannot show
whether a real injector of some version does the same: no template is rendered, nothing is defaulted, most of env is left out.
Each takes a pod as the API server would send it, gives a new one, and leaves one that it has injected already as it is.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject

    Injector = Callable[[JSONObject], JSONObject]

MAX_LABEL_CHARACTERS = 63


def inject_istio(pod: JSONObject, proxy_config: str = "{}") -> JSONObject:
    """Istio's sidecar in container mode (istio pkg/kube/inject, golden job-old-version.yaml.injected): istio-init last, istio-proxy last.

    ``proxy_config`` is what the env PROXY_CONFIG of the proxy will hold. With the annotation nativeSidecar it is native, from 1.24 on.
    """
    return _inject_istio(pod, proxy_config, _native_proxy if _wants_native_istio(pod, "false") else _append_proxy)


def inject_istio_with_hold(pod: JSONObject) -> JSONObject:
    """As `inject_istio`, with holdApplicationUntilProxyStarts: istio-proxy first, with a postStart that waits."""
    place = _native_proxy if _wants_native_istio(pod, "false") else _prepend_holding_proxy
    return _inject_istio(pod, '{"holdApplicationUntilProxyStarts":true}', place)


def inject_istio_native(pod: JSONObject) -> JSONObject:
    """Istio's sidecar as a native one by default (golden job.yaml.injected): istio-init, istio-proxy, then the user's init containers."""
    return _inject_istio(pod, "{}", _native_proxy if _wants_native_istio(pod, "true") else _append_proxy)


def inject_vault(pod: JSONObject) -> JSONObject:
    """HashiCorp's vault-agent (vault-k8s agent-inject/agent/agent.go), for a pod with its annotation."""
    annotations = pod["metadata"].get("annotations") or {}
    if annotations.get("vault.hashicorp.com/agent-inject") != "true" or "vault.hashicorp.com/agent-inject-status" in annotations:
        return pod
    after = copy.deepcopy(pod)
    after["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-status"] = "injected"
    agent = {
        "name": "vault-agent",
        "image": "hashicorp/vault:1.20.0",
        "command": ["/bin/sh", "-ec"],
        "args": ["vault agent"],
        "volumeMounts": [{"name": "vault-secrets", "mountPath": "/vault/secrets"}],
    }
    after["spec"]["containers"].append(agent)
    after["spec"]["initContainers"] = [*_inits(after), agent | {"name": "vault-agent-init"}]
    after["spec"]["volumes"] = [*(after["spec"].get("volumes") or ()), {"name": "vault-secrets", "emptyDir": {"medium": "Memory"}}]
    return after


def inject_linkerd(pod: JSONObject) -> JSONObject:
    """Linkerd's proxy in container mode with proxy-await (linkerd2 charts/patch, 2.16 to 2.18): linkerd-init last, linkerd-proxy first.

    With its annotation for native sidecars it is native: both are first among the init containers. It leaves a pod of another mesh.
    """
    annotations = pod["metadata"].get("annotations") or {}
    is_injected = "linkerd.io/proxy-version" in annotations or "sidecar.istio.io/status" in annotations
    if annotations.get("linkerd.io/inject") != "enabled" or is_injected:
        return pod
    after = copy.deepcopy(pod)
    after["metadata"]["annotations"]["linkerd.io/proxy-version"] = "edge-25.4.4"
    after["metadata"]["labels"] = {
        **(after["metadata"].get("labels") or {}),
        "linkerd.io/control-plane-ns": "linkerd",
    }
    proxy = _linkerd_proxy(annotations.get("config.linkerd.io/proxy-admin-shutdown") == "enabled")
    init = {"name": "linkerd-init", "image": "cr.l5d.io/linkerd/proxy-init:v2.4.2"}
    if annotations.get("config.alpha.linkerd.io/proxy-enable-native-sidecar") == "true":
        probe = {"httpGet": {"path": "/ready", "port": 4191}, "periodSeconds": 1, "failureThreshold": 120}
        after["spec"]["initContainers"] = [init, proxy | {"restartPolicy": "Always", "startupProbe": probe}, *_inits(after)]
    else:
        hook = {"postStart": {"exec": {"command": ["/usr/lib/linkerd/linkerd-await", "--timeout=2m"]}}}
        after["spec"]["containers"].insert(0, proxy | {"lifecycle": hook})
        after["spec"]["initContainers"] = [*_inits(after), init]
    return after


def inject_dapr(pod: JSONObject) -> JSONObject:
    """Dapr's daprd (dapr pkg/injector/patcher, 1.18), for a pod with its annotation: the last container, or the last init container."""
    annotations = pod["metadata"].get("annotations") or {}
    labels = pod["metadata"].get("labels") or {}
    if annotations.get("dapr.io/enabled") != "true" or "dapr.io/sidecar-injected" in labels:
        return pod
    after = copy.deepcopy(pod)
    after["metadata"]["labels"] = {**labels, "dapr.io/sidecar-injected": "true"}
    daprd = {
        "name": "daprd",
        "image": "ghcr.io/dapr/daprd:1.18.0",
        "args": ["/daprd", "--dapr-http-port", "3500", "--dapr-public-port", "3501"],
        "ports": [{"containerPort": 3500, "name": "dapr-http"}],
    }
    if annotations.get("dapr.io/enable-native-sidecar") == "true":
        after["spec"]["initContainers"] = [*_inits(after), daprd | {"restartPolicy": "Always"}]
    else:
        after["spec"]["containers"].append(daprd)
    return after


def _inits(pod: JSONObject) -> list[JSONObject]:
    return pod["spec"].get("initContainers") or []


def _linkerd_proxy(can_shut_down: bool) -> JSONObject:  # noqa: FBT001  one setting of its environment
    return {
        "name": "linkerd-proxy",
        "image": "cr.l5d.io/linkerd/proxy:edge-25.4.4",
        "env": [{"name": "LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED", "value": str(can_shut_down).lower()}],
        "ports": [{"containerPort": 4143, "name": "linkerd-proxy"}, {"containerPort": 4191, "name": "linkerd-admin"}],
    }


def _wants_native_istio(pod: JSONObject, by_default: str) -> bool:
    """Any value but "false" means yes (istio files/injection-template.yaml)."""
    annotations = pod["metadata"].get("annotations") or {}
    return str(annotations.get("sidecar.istio.io/nativeSidecar", by_default)) != "false"


def _inject_istio(pod: JSONObject, proxy_config: str, place: Callable[[JSONObject, JSONObject], str]) -> JSONObject:
    annotations = pod["metadata"].get("annotations") or {}
    labels = pod["metadata"].get("labels") or {}
    wanted = labels.get("sidecar.istio.io/inject") or annotations.get("sidecar.istio.io/inject") or "true"
    if wanted == "false" or pod["spec"].get("hostNetwork") or "sidecar.istio.io/status" in annotations:
        return pod
    after = copy.deepcopy(pod)
    containers = place(after["spec"], _proxy(proxy_config))
    name = labels.get("service.istio.io/canonical-name") or labels.get("app.kubernetes.io/name") or labels.get("app")
    after["metadata"]["labels"] = {
        **labels,
        "security.istio.io/tlsMode": "istio",
        "service.istio.io/canonical-name": name or _istio_name(pod["metadata"]),
        "service.istio.io/canonical-revision": "latest",
    }
    after["metadata"]["annotations"] = {
        **annotations,
        "istio.io/rev": "default",
        "kubectl.kubernetes.io/default-container": pod["spec"]["containers"][0]["name"],
        "prometheus.io/port": "15020",
        "sidecar.istio.io/status": containers,
    }
    after["spec"]["volumes"] = [
        *(after["spec"].get("volumes") or ()),
        {"name": "istio-envoy", "emptyDir": {"medium": "Memory"}},
    ]
    return after


def _istio_name(metadata: JSONObject) -> str:
    """The pod's name cut at 63 (istio 1.31); of a generated one with an owner, the owner's (pkg/kube/util.go GetDeployMetaFromPod)."""
    owner = next((one["name"] for one in metadata.get("ownerReferences") or () if one.get("controller")), "")
    name = metadata.get("name") or owner or metadata.get("generateName") or ""
    return str(name)[:MAX_LABEL_CHARACTERS].strip("-_.")


def _proxy(proxy_config: str) -> JSONObject:
    return {
        "name": "istio-proxy",
        "image": "docker.io/istio/proxyv2:1.26.8",
        "args": [
            "proxy",
            "sidecar",
            "--domain",
            "$(POD_NAMESPACE).svc.cluster.local",
            "--proxyLogLevel=warning",
        ],
        "env": [{"name": "PROXY_CONFIG", "value": proxy_config + "\n"}],
        "ports": [{"containerPort": 15090, "protocol": "TCP", "name": "http-envoy-prom"}],
        "readinessProbe": {
            "httpGet": {"path": "/healthz/ready", "port": 15021},
            "periodSeconds": 15,
            "timeoutSeconds": 3,
            "failureThreshold": 4,
        },
        "startupProbe": {
            "httpGet": {"path": "/healthz/ready", "port": 15021},
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": 600,
        },
        "securityContext": {
            "runAsUser": 1337,
            "runAsGroup": 1337,
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "istio-envoy", "mountPath": "/etc/istio/proxy"}],
    }


def _init() -> JSONObject:
    return {
        "name": "istio-init",
        "image": "docker.io/istio/proxyv2:1.26.8",
        "args": [
            "istio-iptables",
            "-p",
            "15001",
            "-z",
            "15006",
            "-u",
            "1337",
            "-m",
            "REDIRECT",
            "-d",
            "15090,15021,15020",
        ],
        "securityContext": {
            "runAsUser": 0,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
        },
    }


def _append_proxy(spec: JSONObject, proxy: JSONObject) -> str:
    spec["containers"].append(proxy)
    spec["initContainers"] = [*(spec.get("initContainers") or ()), _init()]
    return _status(["istio-init"], ["istio-proxy"])


def _prepend_holding_proxy(spec: JSONObject, proxy: JSONObject) -> str:
    spec["containers"].insert(0, proxy | {"lifecycle": {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}})
    spec["initContainers"] = [*(spec.get("initContainers") or ()), _init()]
    return _status(["istio-init"], ["istio-proxy"])


def _native_proxy(spec: JSONObject, proxy: JSONObject) -> str:
    drain = ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]
    native = proxy | {
        "restartPolicy": "Always",
        "lifecycle": {"preStop": {"exec": {"command": drain}}},
    }
    spec["initContainers"] = [_init(), native, *(spec.get("initContainers") or ())]
    return _status(["istio-init", "istio-proxy"], None)


def _status(inits: list[str], regular: list[str] | None) -> str:
    """As Go writes it, without blanks."""
    volumes = ["istio-envoy"]
    document = {"initContainers": inits, "containers": regular, "volumes": volumes, "imagePullSecrets": None, "revision": "default"}
    return json.dumps(document, separators=(",", ":"))
