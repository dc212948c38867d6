"""The commands of remedies, run as they are printed: with the real kubectl, on a manifest or on a real API server."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from msgspec.structs import replace

from testbed import binaries
from testbed.api import path_of
from tests.e2e.api_server.nodes import nodes
from tests.e2e.registration import task_pod
from tests.support.paste import pasted
from tests.support.pods import ABLE_CLUSTER
from webhook.core import LinePlace, NativeSupport, Version, default_policy, treat
from webhook.core.names import SIDECARS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.levels import Level
    from tests.support.json_object import JSONObject
    from webhook.core import Cluster, Remedy

POLICY: Final = default_policy()
RULES: Final = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
HOOKS: Final = {"postStart": {"exec": {"command": ["wait"]}}, "preStop": {"sleep": {"seconds": 1}}}
TOLERATIONS: Final = [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}, {"key": "spot", "operator": "Exists"}]
REMOVED: Final[dict[str, JSONObject]] = {
    "own-restarts": {"restartPolicy": "Never", "restartPolicyRules": RULES},
    "post-start": {"lifecycle": HOOKS},
    "host-port": {"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81}]},
    "named-port": {"ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]},
}
"""By reason: what prevents the conversion of a container."""

ISTIO: Final = {"app": "sidecar-injector"}
"""The label that Istio's chart sets on its configurations."""


def beside_cache(**fields: Any) -> JSONObject:
    """A task beside a container that its user describes as one that may be native."""
    pod = task_pod("default")
    pod["metadata"]["annotations"] = {SIDECARS_ANNOTATION: '[{"name": "cache", "native": true, "quit": {"port": 9091, "path": "/quit"}}]'}
    pod["spec"]["containers"].append({"name": "cache", "image": "redis:7", **fields})
    return pod


def kubectl(command: str, folder: Path, kubeconfig: str = os.devnull) -> str:
    """What a command in which kubectl occurs prints; it must not fail."""
    program = binaries.find(binaries.KUBECTL)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "KUBECONFIG": kubeconfig, "HOME": str(folder)}
    ended = subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def remedy_of(pod: JSONObject, cluster: Cluster, reason: str) -> Remedy:
    """The one remedy of this reason."""
    (remedy,) = [one for one in treat(pod, POLICY, cluster).remedies if one.reason == reason]
    return remedy


@pytest.mark.parametrize("reason", [*REMOVED, "virtual-node"])
def test_kubectl_removes_from_a_manifest_what_the_printed_command_says_and_nothing_else(reason: str, tmp_path: Path) -> None:
    pod = beside_cache(**REMOVED.get(reason, {}))
    if reason == "virtual-node":
        pod["metadata"]["labels"] |= {"alibabacloud.com/eci": "true"}
        pod["spec"] |= {
            "nodeName": "virtual-node-1",
            "nodeSelector": {"type": "virtual-kubelet", "disk": "ssd"},
            "tolerations": TOLERATIONS,
        }
    remedy = remedy_of(pod, replace(ABLE_CLUSTER, server=Version(1, 31)), reason)
    (tmp_path / "POD.yaml").write_text(yaml.safe_dump(pod), "utf-8")

    assert remedy.place is LinePlace.MANIFEST
    assert yaml.safe_load(kubectl(remedy.line, tmp_path)) == pasted(pod, remedy)


@pytest.mark.parametrize(
    ("support", "shows"), [(NativeSupport.OLD_SERVER, '"gitVersion": "v'), (NativeSupport.OLD_KUBELET, r"^old +v1\.28\.4$")]
)
def test_an_administrators_command_shows_the_versions_on_which_it_depends(
    api_server: Level, tmp_path: Path, support: NativeSupport, shows: str
) -> None:
    remedy = remedy_of(injected("istio"), replace(ABLE_CLUSTER, support=support), support)
    with nodes(api_server.api, old="v1.28.4"):
        printed = kubectl(remedy.line, tmp_path, str(api_server.server.kubeconfig))

    assert re.search(shows, printed, re.MULTILINE)


@pytest.fixture(params=["dapr", "istio"])
def reinvoked(request: pytest.FixtureRequest, api_server: Level) -> Iterator[tuple[str, list[str]]]:
    """An injector whose webhooks may be called again, and the paths of its configurations; another one is there, too."""
    dapr = [webhook_configuration("dapr-sidecar-injector", "sidecar-injector.dapr.io", {})]
    istio = [
        webhook_configuration("istio-sidecar-injector", "namespace.sidecar-injector.istio.io", ISTIO),
        webhook_configuration("istio-revision-tag-default", "rev.namespace.sidecar-injector.istio.io", ISTIO),
    ]
    for one in (*dapr, *istio):
        api_server.api.create(one)
    yield request.param, [path_of(one) for one in (dapr if request.param == "dapr" else istio)]
    for one in (*dapr, *istio):
        api_server.api.delete(path_of(one))


def webhook_configuration(name: str, webhook: str, labels: dict[str, str]) -> JSONObject:
    """A configuration whose webhook may be called again, and selects nothing."""
    nothing = {"matchLabels": {"of-remedies": "nothing"}}
    of_webhook = {
        "name": webhook,
        "reinvocationPolicy": "IfNeeded",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": nothing,
        "objectSelector": nothing,
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name, "labels": labels},
        "webhooks": [of_webhook],
    }


def injected(injector: str) -> JSONObject:
    """A task beside this injector's sidecar."""
    pod = task_pod("default")
    if injector == "dapr":
        pod["metadata"]["labels"]["dapr.io/sidecar-injected"] = "true"
        pod["spec"]["containers"].append({"name": "daprd", "image": "daprio/daprd:1.17.0"})
    else:
        pod["metadata"]["annotations"] = {"sidecar.istio.io/status": '{"containers": ["istio-proxy"]}'}
        pod["spec"]["containers"].append({"name": "istio-proxy", "image": "istio/proxyv2:1.22.0"})
    return pod


def test_an_administrators_command_has_the_api_server_call_an_injector_only_once(
    api_server: Level, tmp_path: Path, reinvoked: tuple[str, list[str]]
) -> None:
    injector, paths = reinvoked
    cluster = replace(ABLE_CLUSTER, injectors=frozenset({injector}), reinvoked=frozenset({injector}))
    remedy = remedy_of(injected(injector), cluster, "reinjection")
    kubectl(remedy.line, tmp_path, str(api_server.server.kubeconfig))
    policies = {
        one["metadata"]["name"]: [webhook["reinvocationPolicy"] for webhook in one["webhooks"]]
        for one in api_server.api.get("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations")["items"]
        if one["metadata"]["name"] in {"dapr-sidecar-injector", "istio-sidecar-injector", "istio-revision-tag-default"}
    }

    changed = {path.rpartition("/")[2] for path in paths}
    assert policies == {name: ["Never" if name in changed else "IfNeeded"] for name in policies}
    assert len(policies) == len({"dapr", "istio", "its tag"})
    assert treat(injected(injector), POLICY, replace(cluster, reinvoked=frozenset())).result == "native"
