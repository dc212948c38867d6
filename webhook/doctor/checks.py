"""From a cluster snapshot to findings: every check, in the order of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.doctor.entrypoint_check import check_entrypoints
from webhook.doctor.finding import Finding, FindingId, found
from webhook.doctor.mesh_checks import check_mesh
from webhook.doctor.native_checks import check_native
from webhook.doctor.reaper_check import check_reaper
from webhook.doctor.remedy_check import check_remedies
from webhook.doctor.snapshot import ReadFailure
from webhook.doctor.stuck_pod_check import check_stuck_pods
from webhook.doctor.webhook_checks import check_webhooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core import Catalogue, NativeSwitch, Version
    from webhook.doctor.snapshot import ClusterSnapshot, SettingsOrigin
    from webhook.kube.errors import ClusterError


def run_checks(snapshot: ClusterSnapshot, catalogue: Catalogue, switch: NativeSwitch, minimum_kubelet: Version) -> tuple[Finding, ...]:
    """Every finding, from the cluster to the namespace to its pods."""
    return tuple(_findings(snapshot, catalogue, switch, minimum_kubelet))


def _findings(snapshot: ClusterSnapshot, catalogue: Catalogue, switch: NativeSwitch, minimum_kubelet: Version) -> Iterator[Finding]:
    yield _server(snapshot)
    yield _nodes(snapshot)
    if snapshot.settings is not None:
        yield _settings(snapshot.settings)
    yield from check_native(snapshot, switch, minimum_kubelet)
    if snapshot.immutable_secret is not None:
        yield found(FindingId.AUTHORITY_IMMUTABLE, **snapshot.immutable_secret._asdict())
    if snapshot.metadata is None:
        yield found(FindingId.NAMESPACE_NOT_FOUND, namespace=snapshot.namespace)
        return
    yield from _webhooks(snapshot, catalogue)
    yield from _task_pods(snapshot)
    yield from check_remedies(snapshot.remedies)
    if isinstance(snapshot.reaper, ReadFailure):
        yield _read_failed("the reaper's rights", "create subjectaccessreviews", snapshot.reaper)
    elif snapshot.reaper is not None:
        yield check_reaper(snapshot.namespace, snapshot.reaper)


def _server(snapshot: ClusterSnapshot) -> Finding:
    server = snapshot.server
    if isinstance(server, ReadFailure):
        return _read_failed("the API server's version", "get /version", server)
    if server.emulates:
        return found(FindingId.EMULATED_VERSION, version=server.reported, emulated=server.counts_as)
    return found(FindingId.SERVER_VERSION, version=server.reported)


def _nodes(snapshot: ClusterSnapshot) -> Finding:
    nodes = snapshot.nodes
    if isinstance(nodes, ReadFailure):
        return _read_failed("the nodes", "list nodes", nodes)
    oldest = nodes.oldest
    if oldest is None:
        return found(FindingId.NO_REGULAR_NODES, virtual=nodes.virtual)
    count = len(nodes) - nodes.virtual
    return found(FindingId.KUBELET_VERSIONS, count=count, virtual=nodes.virtual, oldest=oldest.kubelet, node=oldest.name)


def _settings(origin: SettingsOrigin) -> Finding:
    if origin.problem:
        problem = origin.problem.removesuffix(".")
        return found(FindingId.SETTINGS_ASSUMED, namespace=origin.namespace, name=origin.name, problem=problem)
    return found(FindingId.SETTINGS_INSTALLED, namespace=origin.namespace, name=origin.name)


def _webhooks(snapshot: ClusterSnapshot, catalogue: Catalogue) -> Iterator[Finding]:
    metadata, webhooks = snapshot.metadata, snapshot.webhooks
    if isinstance(metadata, ReadFailure):
        yield _read_failed("the namespace's labels", f"get namespace {snapshot.namespace}", metadata)
    if isinstance(webhooks, ReadFailure):
        yield _read_failed("the mutating webhooks", "list mutatingwebhookconfigurations", webhooks)
    if isinstance(metadata, ReadFailure) or isinstance(webhooks, ReadFailure):
        return
    yield from check_webhooks(snapshot.namespace, snapshot.labels, webhooks, catalogue, has_status=snapshot.pod.has_status)
    if snapshot.pod.is_audited:
        yield found(FindingId.WEBHOOK_AUDITS)
    yield from check_mesh(snapshot.namespace, snapshot.labels, webhooks, catalogue)


def _task_pods(snapshot: ClusterSnapshot) -> Iterator[Finding]:
    if isinstance(snapshot.task_pods, ReadFailure):
        yield _read_failed("the namespace's pods", f"list pods in {snapshot.namespace}", snapshot.task_pods)
        return
    yield from check_stuck_pods(snapshot.namespace, len(snapshot.task_pods), snapshot.stuck_pods, snapshot.taken_at)
    yield from check_entrypoints(snapshot.task_pods)


def unreadable(namespace: str, problem: ClusterError) -> Finding:
    """That nothing of a namespace could be checked."""
    return _read_failed(f"the namespace {namespace}", f"read {namespace}", ReadFailure(str(problem)))


def _read_failed(what: str, right: str, failure: ReadFailure) -> Finding:
    return found(FindingId.READ_FAILED, what=what, right=right, message=failure.message.removesuffix("."))
