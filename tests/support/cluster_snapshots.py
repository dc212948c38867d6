"""A healthy cluster snapshot to vary, and the findings on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tests.support.pods import ABLE_CLUSTER, load
from webhook.core import (
    DEFAULT_MINIMUM_KUBELET,
    STATUS_ANNOTATION,
    LinePlace,
    NativeSwitch,
    Progress,
    Remedy,
    ServerVersion,
    Version,
    default_policy,
    read_progress,
)
from webhook.course.stuck_pod import StuckPod, StuckPodReader
from webhook.doctor.checks import run_checks
from webhook.doctor.dry_run import DryRun, DryRunResult
from webhook.doctor.registration import OWN_WEBHOOK, RegisteredWebhook, Rule
from webhook.doctor.selector import LabelSelector
from webhook.doctor.snapshot import ClusterSnapshot, NamespaceMetadata, SharedRemedy
from webhook.kube.nodes import Nodes, make_node

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.doctor.finding import Finding

CATALOGUE: Final = default_policy().catalogue
POD_RULES: Final = (Rule(("CREATE",), ("",), ("pods",)),)
OWN: Final = RegisteredWebhook(
    OWN_WEBHOOK,
    POD_RULES,
    LabelSelector({"opted": "in"}),
    failurePolicy="Ignore",
    reinvocationPolicy="IfNeeded",
    timeoutSeconds=5,
    configuration="b-own",
)
ISTIO: Final = RegisteredWebhook("rev.namespace.sidecar-injector.istio.io", POD_RULES, configuration="c-istio")
DAPR: Final = RegisteredWebhook("sidecar-injector.dapr.io", POD_RULES, configuration="d-dapr")
VAULT: Final = RegisteredWebhook("vault.hashicorp.com", POD_RULES, configuration="e-vault")

PASSED: Final = DryRun(DryRunResult.PASSED, has_status=True)
DROPPED: Final = DryRun(DryRunResult.DROPPED, "gone.")
DUPLICATE: Final = DryRun(DryRunResult.DUPLICATE, 'spec.initContainers[1].name: Duplicate value: "istio-proxy"')
INCONCLUSIVE: Final = DryRun(DryRunResult.INCONCLUSIVE, "forbidden")

NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO: Final = (NOW - timedelta(hours=1)).isoformat()
RUNNING: Final = {"running": {"startedAt": LONG_AGO}}


def ended(code: int = 0, finished: str = LONG_AGO) -> JSONObject:
    """The state of a container that has ended."""
    return {"terminated": {"exitCode": code, "finishedAt": finished}}


def task_pod(base: JSONObject, proxy: JSONObject, name: str = "task", **spec: str) -> JSONObject:
    """A task's pod beside a proxy, with these states of both containers."""
    pod = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
    pod["metadata"] |= {"name": name, "annotations": {"sidecar.istio.io/status": "{}"}}
    pod["spec"] |= {"restartPolicy": "Never", **spec}
    pod["spec"]["containers"] = [{"name": "base"}, {"name": "istio-proxy", "image": "istio/proxyv2:1.29.0"}]
    states = [{"name": "base", "state": base}, {"name": "istio-proxy", "state": proxy}]
    return {**pod, "status": {"phase": "Running", "containerStatuses": states}}


def progress_of(pod: JSONObject) -> Progress:
    """The progress of a task pod."""
    progress = read_progress(pod, CATALOGUE)
    assert progress is not None
    return progress


def recorded(image: str | None, status: JSONObject) -> Progress:
    """A task's pod with this image and this status of the webhook."""
    pod = task_pod(RUNNING, RUNNING)
    pod["metadata"]["annotations"][STATUS_ANNOTATION] = json.dumps(status)
    pod["spec"]["containers"][0]["image"] = image
    return progress_of(pod)


GUESSED: Final = {"treatment": "wrapped", "reason": "sidecars-quit", "main": "base", "entrypoint": "guessed"}
UNKNOWN: Final = {"treatment": "left", "reason": "entrypoint-unknown", "main": "base"}


def stuck_pod_of(pod: JSONObject) -> StuckPod | None:
    """What is said about a task pod that stays Running; None: it does not."""
    return StuckPodReader(default_policy(), ABLE_CLUSTER, None, NOW).read(json.dumps(pod).encode(), progress_of(pod))


def stuck(name: str) -> StuckPod:
    """A stuck pod of this name."""
    pod = stuck_pod_of(task_pod(ended(), RUNNING, name))
    assert pod is not None
    return pod


STUCK: Final = stuck("stuck")
AT_WORK: Final = progress_of(task_pod(RUNNING, RUNNING, "at-work"))


def nodes(*kubelets: str, virtual: int = 0) -> Nodes:
    """Nodes with these kubelets, and this many virtual ones."""
    these = Nodes()
    for number, kubelet in enumerate(kubelets):
        these.put(make_node(f"node-{number}", {}, kubelet))
    for number in range(virtual):
        these.put(make_node(f"virtual-{number}", {"type": "virtual-kubelet"}, "v1.20.0"))
    return these


HEALTHY: Final = ClusterSnapshot(
    namespace="airflow",
    taken_at=NOW,
    server=ServerVersion("v1.34.2-eks-1", Version(1, 34, 2)),
    nodes=nodes("v1.33.1", "v1.34.2"),
    webhooks=(OWN, ISTIO),
    metadata=NamespaceMetadata({"opted": "in"}),
    pod=PASSED,
    template=PASSED,
    task_pods=(AT_WORK,),
    stuck_pods=(),
    remedies=(),
)
REMEDY: Final = Remedy(
    "not-in-catalogue", ("uploader",), "Nobody knows it.", "Describe it.", True, LinePlace.ANNOTATIONS, "the pod", '"a": "b"'
)
SHARED: Final = SharedRemedy(REMEDY, ("a", "b", "c"), 7)
"""What seven pods need."""


def findings(
    snapshot: ClusterSnapshot, switch: NativeSwitch = NativeSwitch.AUTO, minimum_kubelet: Version = DEFAULT_MINIMUM_KUBELET
) -> dict[str, Finding]:
    """The findings on a snapshot, by their ids."""
    return {one.id: one for one in run_checks(snapshot, CATALOGUE, switch, minimum_kubelet)}


def own_with(**fields: Any) -> tuple[RegisteredWebhook, ...]:
    """This product's webhook with these fields, called before Istio's."""
    return (msgspec.structs.replace(OWN, **fields), ISTIO)


def opted_in_with(**labels: str) -> NamespaceMetadata:
    """A namespace that has opted in, with more labels."""
    return NamespaceMetadata({"opted": "in", **labels})
