"""Nodes that a pod names: on virtual ones nothing is made native, and on Windows nothing is wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.simulated_injectors import inject_dapr, inject_linkerd
from tests.support.pods import ABLE_CLUSTER, admitted, container
from tests.support.task_pods import FLUENT_BIT, LINKERD_MARK, after_conversion, inits_of, istio_pod, regular_of, status_of, task_pod
from webhook.core.admission import treat
from webhook.core.cluster import Cluster, NativeSupport
from webhook.core.version import Version
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


def affinity(kind: str, key: str, operator: str, *values: str) -> JSONObject:
    """A spec with one expression in its node affinity."""
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}
    if kind == "required":
        return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}}
    return {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]}}}


def named(operator: str, *nodes: str) -> JSONObject:
    """A spec whose node affinity names nodes by their field, as a DaemonSet's pods do."""
    term = {"matchFields": [{"key": "metadata.name", "operator": operator, "values": list(nodes)}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}}


def tolerating(**toleration: str) -> JSONObject:
    """A spec with this toleration beside those that the API server adds."""
    added = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    return {"tolerations": [added, toleration]}


VIRTUAL: Final[dict[str, JSONObject]] = {
    "a node selector": {"nodeSelector": {"kubernetes.io/os": "linux", "type": "virtual-kubelet"}},
    "a node selector of Liqo": {"nodeSelector": {"liqo.io/type": "virtual-node"}},
    "a required affinity": affinity("required", "type", "In", "virtual-kubelet"),
    "a preferred affinity": affinity("preferred", "type", "In", "virtual-kubelet", "other"),
    "a toleration": tolerating(key="virtual-kubelet.io/provider", operator="Exists"),
    "a toleration of Azure": tolerating(key="azure.com/aci", effect="NoSchedule"),
    "a toleration of Tencent's super nodes": tolerating(key="eks.tke.cloud.tencent.com/eklet", operator="Exists", effect="NoSchedule"),
    "a node selector of Tencent's super nodes": {"nodeSelector": {"node.kubernetes.io/instance-type": "eklet"}},
    "its node": {"nodeName": "aci"},
    "its node, by its usual name": {"nodeName": "virtual-node-aci-linux"},
    "a node selector with a node's name": {"nodeSelector": {"kubernetes.io/hostname": "aci"}},
    "a node selector with a usual name": {"nodeSelector": {"kubernetes.io/hostname": "virtual-kubelet-cn-hangzhou-1"}},
    "an affinity to a usual name": affinity("required", "kubernetes.io/hostname", "In", "virtual-node-aci-linux"),
    "an affinity to a node's name": affinity("required", "kubernetes.io/hostname", "In", "worker-1", "aci"),
    "an affinity to a node by its field": named("In", "aci"),
    "an affinity to a node by its field, by its usual name": named("In", "virtual-kubelet-1"),
    "a node selector of Alibaba's VNodes": {"nodeSelector": {"k8s.aliyun.com/vnode": "true"}},
    "a toleration of Alibaba's VNodes": tolerating(key="k8s.aliyun.com/vnode", operator="Equal", value="true", effect="NoSchedule"),
    "an affinity to Alibaba's VNodes": affinity("required", "k8s.aliyun.com/vnode", "In", "true"),
    "a toleration of Volcengine": tolerating(key="vci.vke.volcengine.com/node-type", operator="Equal", value="vci"),
    "a preferred affinity to Volcengine's nodes": affinity("preferred", "vci.vke.volcengine.com/node-type", "In", "vci"),
}

MARKED: Final[dict[str, JSONObject]] = {
    "Alibaba's ECI, by a label": {"labels": {"alibabacloud.com/eci": "true"}},
    "Alibaba's ACS, by a label": {"labels": {"alibabacloud.com/acs": "true"}},
    "Alibaba's ECI, by an annotation": {"annotations": {"alibabacloud.com/burst-resource": "eci_only"}},
    "Alibaba's ECI where no other node has room": {"annotations": {"alibabacloud.com/burst-resource": "eci"}},
    "Huawei's CCI": {"labels": {"virtual-kubelet.io/burst-to-cci": "enforce"}},
    "Huawei's CCI where no other node has room": {"labels": {"virtual-kubelet.io/burst-to-cci": "auto"}},
    "Huawei's CCI, by an annotation": {"annotations": {"virtual-kubelet.io/burst-to-cci": "true"}},
    "Huawei's CCI of its second version": {"labels": {"bursting.cci.io/burst-to-cci": "enforce"}},
    "Volcengine's VCI": {"annotations": {"vke.volcengine.com/burst-to-vci": "enforce"}},
    "Volcengine's VCI from another cluster": {"labels": {"vke.volcengine.com/burst-to-vci": "enforce"}},
}
"""Labels and annotations that send a pod to virtual nodes."""

NOT_MARKED: Final[dict[str, JSONObject]] = {
    "false": {"labels": {"alibabacloud.com/eci": "false"}},
    "off": {"labels": {"virtual-kubelet.io/burst-to-cci": "off"}},
    "nothing": {"annotations": {"alibabacloud.com/burst-resource": ""}},
    "another key of the same cloud": {"annotations": {"k8s.aliyun.com/eci-use-specs": "2-4Gi"}},
    "the key as a value": {"annotations": {"owner": "alibabacloud.com/eci"}},
}

NOT_VIRTUAL: Final[dict[str, JSONObject]] = {
    "an affinity that avoids them": affinity("required", "type", "NotIn", "virtual-kubelet"),
    "another label with that value": affinity("required", "team", "In", "virtual-kubelet"),
    "a toleration of everything": tolerating(operator="Exists"),
    "a toleration with that value": tolerating(key="team", operator="Equal", value="virtual-kubelet.io/provider"),
    "a node selector for other nodes": {"nodeSelector": {"type": "large"}},
    "another node": {"nodeName": "worker-1"},
    "a node selector with another node's name": {"nodeSelector": {"kubernetes.io/hostname": "worker-1"}},
    "an affinity that avoids a node by its usual name": affinity("required", "kubernetes.io/hostname", "NotIn", "virtual-node-aci-linux"),
    "an affinity to another node by its field": named("In", "worker-1"),
    "an affinity that avoids a node by its field": named("NotIn", "aci"),
    "an affinity to another node's name": affinity("required", "kubernetes.io/hostname", "In", "worker-1"),
    "a label with a node's name": affinity("required", "team", "In", "aci", "kubernetes.io/hostname"),
    "no affinity to nodes": {"affinity": {"podAffinity": {}}},
    "an empty affinity": {"affinity": {"nodeAffinity": None}},
}

CLUSTER: Final = Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), frozenset(), virtual_nodes=frozenset({"aci"}))


def placed(pod: JSONObject, fields: dict[str, Any]) -> JSONObject:
    """The pod with these fields in its spec."""
    pod["spec"] |= fields
    return pod


def marked(pod: JSONObject, metadata: JSONObject) -> JSONObject:
    """The pod with these labels or annotations beside its own."""
    for field, entries in metadata.items():
        pod["metadata"][field] = pod["metadata"].get(field, {}) | entries
    return pod


@pytest.mark.parametrize("fields", VIRTUAL.values(), ids=VIRTUAL)
def test_a_pod_that_names_virtual_nodes_is_not_converted_but_wrapped(fields: JSONObject, policy: Policy) -> None:
    after = after_conversion(placed(istio_pod(), fields), policy, CLUSTER)

    assert (status_of(after)["treatment"], status_of(after)["no_native"]) == ("wrapped", "virtual-node")
    assert regular_of(after) == ["base", "istio-proxy"]


@pytest.mark.parametrize("metadata", MARKED.values(), ids=MARKED)
def test_a_pod_that_its_labels_or_annotations_send_there_is_not_converted_but_wrapped(metadata: JSONObject, policy: Policy) -> None:
    after = after_conversion(marked(istio_pod(), metadata), policy, CLUSTER)

    assert (status_of(after)["treatment"], status_of(after)["no_native"]) == ("wrapped", "virtual-node")
    assert regular_of(after) == ["base", "istio-proxy"]


@pytest.mark.parametrize("metadata", NOT_MARKED.values(), ids=NOT_MARKED)
def test_a_pod_that_they_send_nowhere_is_converted(metadata: JSONObject, policy: Policy) -> None:
    after = after_conversion(marked(istio_pod(), metadata), policy, CLUSTER)

    assert status_of(after)["treatment"] == "native"
    assert inits_of(after) == ["istio-init", "istio-proxy"]


@pytest.mark.parametrize("fields", NOT_VIRTUAL.values(), ids=NOT_VIRTUAL)
def test_a_pod_that_does_not_name_them_is_converted(fields: JSONObject, policy: Policy) -> None:
    after = after_conversion(placed(istio_pod(), fields), policy, CLUSTER)

    assert status_of(after)["treatment"] == "native"
    assert inits_of(after) == ["istio-init", "istio-proxy"]


def test_no_injector_is_annotated_for_native_there_and_a_quit_request_is_enabled(policy: Policy) -> None:
    pod = placed(task_pod(annotations={**LINKERD_MARK, "dapr.io/enabled": "true"}), VIRTUAL["a node selector"])
    before = admitted(pod, policy, CLUSTER)[1]
    after = after_conversion(inject_linkerd(inject_dapr(before)), policy, CLUSTER)

    assert "dapr.io/enable-native-sidecar" not in after["metadata"]["annotations"]
    assert status_of(after)["sidecars"] == {"daprd": "quit", "linkerd-proxy": "quit"}


def test_a_cluster_that_is_forced_to_have_native_sidecars_is_no_exception(policy: Policy) -> None:
    forced = Cluster(NativeSupport.FORCED_ON, reinvoked=frozenset())

    assert status_of(after_conversion(placed(istio_pod(), VIRTUAL["a toleration"]), policy, forced))["no_native"] == "virtual-node"


def test_no_helper_is_added_there_since_it_may_have_resources() -> None:
    """virtual-kubelet/azure-aci refuses such an init container."""
    policy = build_policy(Settings(helper_image="registry.example.com/airflow-sidecar-webhook:0.1.0"))
    pod = placed(istio_pod(), VIRTUAL["a node selector"])
    pod["metadata"]["labels"] = {"kubernetes_pod_operator": "True"}
    pod["spec"]["containers"][0] |= {"image": "registry.example.com/distroless:1", "command": ["/etl"]}
    after = after_conversion(pod, policy, CLUSTER)

    assert (status_of(after)["treatment"], status_of(after)["reason"]) == ("left", "shell-unknown")
    assert inits_of(after) == ["istio-init"]


WINDOWS: Final[dict[str, JSONObject]] = {
    "spec.os": {"os": {"name": "windows"}},
    "a node selector": {"nodeSelector": {"kubernetes.io/os": "windows"}},
    "a node selector by the old label": {"nodeSelector": {"beta.kubernetes.io/os": "windows"}},
    "a node selector by the build": {"nodeSelector": {"node.kubernetes.io/windows-build": "10.0.20348"}},
    "a required affinity": affinity("required", "kubernetes.io/os", "In", "windows"),
    "a required affinity by the build": affinity("required", "node.kubernetes.io/windows-build", "Exists"),
    "a required affinity to one build": affinity("required", "node.kubernetes.io/windows-build", "In", "10.0.20348"),
    "a required affinity to later builds": affinity("required", "node.kubernetes.io/windows-build", "Gt", "17763"),
    "a required affinity that excludes Linux": affinity("required", "kubernetes.io/os", "NotIn", "linux"),
    "a node selector by AKS's version": {"nodeSelector": {"kubernetes.azure.com/os-sku": "Windows2022"}},
    "a node selector by GKE's version": {"nodeSelector": {"cloud.google.com/gke-os-distribution": "windows_ltsc"}},
    "a runtime class": {"runtimeClassName": "windows-2019"},
    "a user of Windows": {"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}},
    "a user of Windows, beside another label": {
        "nodeSelector": {"disk": "ssd"},
        "securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}},
    },
}

NOT_WINDOWS: Final[dict[str, JSONObject]] = {
    "Linux by spec.os": {"os": {"name": "linux"}},
    "Linux by a node selector": {"nodeSelector": {"kubernetes.io/os": "linux"}},
    "either by a required affinity": affinity("required", "kubernetes.io/os", "In", "linux", "windows"),
    "an affinity that excludes Windows": affinity("required", "kubernetes.io/os", "NotIn", "windows"),
    "a preferred affinity": affinity("preferred", "kubernetes.io/os", "In", "windows"),
    "a toleration alone": tolerating(key="os", operator="Equal", value="windows"),
    "a version of Linux": {"nodeSelector": {"kubernetes.azure.com/os-sku": "AzureLinux"}},
    "another runtime class": {"runtimeClassName": "gvisor"},
    "another label with that value": affinity("required", "team", "In", "windows"),
    "a required affinity without a build": affinity("required", "node.kubernetes.io/windows-build", "DoesNotExist"),
    "a user of Windows, beside Linux by spec.os": {
        "os": {"name": "linux"},
        "securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}},
    },
    "empty options": {"securityContext": {"windowsOptions": {}, "runAsUser": 1000}},
    "a user of Windows, beside Linux by a node selector": {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}},
    },
}


@pytest.mark.parametrize("fields", WINDOWS.values(), ids=WINDOWS)
def test_a_pod_on_windows_is_not_wrapped(fields: JSONObject, policy: Policy) -> None:
    after = after_conversion(placed(istio_pod(), fields), policy, Cluster())

    assert (status_of(after)["treatment"], status_of(after)["reason"]) == ("left", "windows")
    assert after["spec"]["containers"] == istio_pod()["spec"]["containers"]


def test_options_for_windows_in_a_container_say_so_too(policy: Policy) -> None:
    pod = istio_pod()
    container(pod, "base")["securityContext"] = {"windowsOptions": {"hostProcess": True}}

    assert status_of(after_conversion(pod, policy, Cluster()))["reason"] == "windows"


OF_WINDOWS: Final = (
    "mcr.microsoft.com/windows/servercore:ltsc2022",
    "mcr.microsoft.com/windows/nanoserver@sha256:00",
    "mcr.microsoft.com/windows/server",
    "windows/servercore:ltsc2022",
    "registry.example.com/mirror/windows/servercore:ltsc2022",
    "python:3.12-windowsservercore-ltsc2022",
    "openjdk:21-nanoserver-1809",
    "openjdk:nanoserver-1809",
)
NOT_OF_WINDOWS: Final = (
    "registry.example.com/windows/etl:1",
    "registry.example.com/windows/servercore-report:1",
    "registry.example.com/sliding-windows/server:1",
    "registry.example.com/etl:windows",
    "registry.example.com/etl:nanoserver",
    "registry.example.com/etl:mynanoserver-1",
)


@pytest.mark.parametrize("image", OF_WINDOWS)
def test_an_image_of_windows_says_so_unless_the_pod_names_linux(image: str) -> None:
    """A helper image would not make it one of Linux."""
    pod = istio_pod()
    container(pod, "base").update(image=image, command=["powershell"])
    with_helper = build_policy(Settings(helper_image="helper:1"))

    assert status_of(after_conversion(pod, with_helper, Cluster()))["reason"] == "windows"
    assert status_of(after_conversion(placed(pod, {"os": {"name": "linux"}}), with_helper, Cluster()))["treatment"] == "wrapped"


@pytest.mark.parametrize("image", NOT_OF_WINDOWS)
def test_another_image_does_not(image: str, policy: Policy) -> None:
    pod = istio_pod()
    container(pod, "base").update(image=image, command=["/bin/sh"])

    assert status_of(after_conversion(pod, policy, Cluster()))["treatment"] == "wrapped"


@pytest.mark.parametrize(("characters", "reason"), [(512, "windows"), (513, "sidecars-quit")])
def test_no_image_of_a_registry_is_longer(characters: int, reason: str, policy: Policy) -> None:
    pod = istio_pod()
    container(pod, "base").update(image="mcr.microsoft.com/windows/server:".ljust(characters, "1"), command=["/bin/sh"])

    assert status_of(after_conversion(pod, policy, Cluster()))["reason"] == reason


@pytest.mark.parametrize("fields", NOT_WINDOWS.values(), ids=NOT_WINDOWS)
def test_a_pod_that_may_run_on_linux_is_wrapped(fields: JSONObject, policy: Policy) -> None:
    assert status_of(after_conversion(placed(istio_pod(), fields), policy, Cluster()))["treatment"] == "wrapped"


@pytest.mark.parametrize("field", ["nodeSelector", "affinity", "tolerations"])
def test_a_field_of_another_type_skips_the_pod_whose_fault_the_api_server_reports(field: str, policy: Policy) -> None:
    pod = placed(task_pod(FLUENT_BIT), {field: "virtual-kubelet.io/provider"})
    outcome = treat(pod, policy, ABLE_CLUSTER)

    assert (outcome.result, str(outcome.reason), outcome.operations) == ("skipped", "malformed-pod", ())
