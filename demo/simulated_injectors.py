"""What injectors make of a pod, SIMULATED: plain functions on JSON, written from the injectors' sources and golden files.

They leave the containers, annotations and labels that a webhook can see, in the order the real ones leave them. They cannot show
whether a real injector of some version does the same: no template is rendered, nothing is defaulted, most of env is left out.
Each takes a pod as the API server would send it, gives a new one, and leaves one that it has injected already as it is.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    JSONObject = dict[str, Any]
    Injector = Callable[[JSONObject], JSONObject]

MAX_LABEL_CHARACTERS = 63


def inject_istio(pod: JSONObject, proxy_config: str = "{}") -> JSONObject:
    """Istio's sidecar in container mode (istio pkg/kube/inject, golden job-old-version.yaml.injected): istio-init last, istio-proxy last.

    ``proxy_config`` is what the env PROXY_CONFIG of the proxy will hold.
    """
    return _inject_istio(pod, proxy_config, _append_proxy)


def inject_istio_with_hold(pod: JSONObject) -> JSONObject:
    """As `inject_istio`, with holdApplicationUntilProxyStarts: istio-proxy first, with a postStart that waits."""
    return _inject_istio(pod, '{"holdApplicationUntilProxyStarts":true}', _prepend_holding_proxy)


def inject_istio_native(pod: JSONObject) -> JSONObject:
    """Istio's sidecar as a native one (golden job.yaml.injected): istio-init, istio-proxy, then the user's init containers."""
    return _inject_istio(pod, "{}", _native_proxy)


def inject_vault(pod: JSONObject) -> JSONObject:
    """HashiCorp's vault-agent (vault-k8s agent-inject/agent/agent.go), for a pod that asks for it."""
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
    }
    after["spec"]["containers"].append(agent)
    after["spec"]["initContainers"] = [
        *(after["spec"].get("initContainers") or ()),
        agent | {"name": "vault-agent-init"},
    ]
    return after


def inject_linkerd(pod: JSONObject) -> JSONObject:
    """Linkerd's proxy in container mode with proxy-await (linkerd2 charts/patch, 2.16 to 2.19): linkerd-proxy first."""
    annotations = pod["metadata"].get("annotations") or {}
    if annotations.get("linkerd.io/inject") != "enabled" or "linkerd.io/proxy-version" in annotations:
        return pod
    after = copy.deepcopy(pod)
    shutdown = str(annotations.get("config.linkerd.io/proxy-admin-shutdown") == "enabled").lower()
    after["metadata"]["annotations"]["linkerd.io/proxy-version"] = "edge-25.4.4"
    after["metadata"]["labels"] = {
        **(after["metadata"].get("labels") or {}),
        "linkerd.io/control-plane-ns": "linkerd",
    }
    proxy = {
        "name": "linkerd-proxy",
        "image": "cr.l5d.io/linkerd/proxy:edge-25.4.4",
        "env": [{"name": "LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED", "value": shutdown}],
        "lifecycle": {"postStart": {"exec": {"command": ["/usr/lib/linkerd/linkerd-await", "--timeout=2m"]}}},
    }
    after["spec"]["containers"].insert(0, proxy)
    init = {"name": "linkerd-init", "image": "cr.l5d.io/linkerd/proxy-init:v2.4.2"}
    after["spec"]["initContainers"] = [init, *(after["spec"].get("initContainers") or ())]
    return after


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
        },
        "startupProbe": {
            "httpGet": {"path": "/healthz/ready", "port": 15021},
            "periodSeconds": 1,
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
    return json.dumps({"initContainers": ["istio-init"], "containers": ["istio-proxy"]})


def _prepend_holding_proxy(spec: JSONObject, proxy: JSONObject) -> str:
    spec["containers"].insert(0, proxy | {"lifecycle": {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}})
    spec["initContainers"] = [*(spec.get("initContainers") or ()), _init()]
    return json.dumps({"initContainers": ["istio-init"], "containers": ["istio-proxy"]})


def _native_proxy(spec: JSONObject, proxy: JSONObject) -> str:
    drain = ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]
    native = proxy | {
        "restartPolicy": "Always",
        "lifecycle": {"preStop": {"exec": {"command": drain}}},
    }
    spec["initContainers"] = [_init(), native, *(spec.get("initContainers") or ())]
    return json.dumps({"initContainers": ["istio-init", "istio-proxy"], "containers": None})
