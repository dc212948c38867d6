"""From what was seen to what is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from webhook.doctor.examination import NotRead
from webhook.doctor.finding import Finding, FindingId, found
from webhook.doctor.native import native_findings
from webhook.doctor.order import webhook_findings
from webhook.doctor.probe import LABELS
from webhook.doctor.registration import PODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.core import Catalogue, NativeSwitch, ServerVersion, Version
    from webhook.doctor.examination import Namespace, Seen
    from webhook.doctor.registration import Registered
    from webhook.doctor.stuck import TaskPod
    from webhook.kube.nodes import Nodes

AMBIENT: Final = ("istio.io/dataplane-mode", "ambient")
"""Istio's docs, "Add workloads to an ambient mesh"."""


class InjectionLabel(NamedTuple):
    """A label by which a namespace asks for injection.

    Args:
        key: The label.
        value: Its value; None: any.
        injected: Id of the row of the catalogue.

    """

    key: str
    value: str | None
    injected: str


INJECTION_LABELS: Final = (InjectionLabel("istio-injection", "enabled", "istio"), InjectionLabel("istio.io/rev", None, "istio"))
"""Istio's docs, "Installing the Sidecar"; Linkerd goes by an annotation, and its webhook is called for every namespace."""


def diagnose(seen: Seen, catalogue: Catalogue, switch: NativeSwitch, minimum_kubelet: Version) -> tuple[Finding, ...]:
    """Every finding, from the cluster to the namespace to its pods."""
    return tuple(_findings(seen, catalogue, switch, minimum_kubelet))


def _findings(seen: Seen, catalogue: Catalogue, switch: NativeSwitch, minimum_kubelet: Version) -> Iterator[Finding]:
    yield _server(seen.server)
    yield _nodes(seen.nodes)
    yield from native_findings(seen, switch, minimum_kubelet)
    if seen.space is None:
        yield found(FindingId.NAMESPACE_MISSING, namespace=seen.namespace)
        return
    yield from _webhooks(seen, seen.space, catalogue)
    yield _tasks(seen.namespace, seen.tasks)


def _server(server: ServerVersion | NotRead) -> Finding:
    if isinstance(server, NotRead):
        return _not_read("version of the API server", "get /version", server)
    if server.emulates:
        return found(FindingId.SERVER_EMULATES, version=server.reported, emulated=server.counts_as)
    return found(FindingId.SERVER_VERSION, version=server.reported)


def _nodes(nodes: Nodes | NotRead) -> Finding:
    if isinstance(nodes, NotRead):
        return _not_read("nodes", "list nodes", nodes)
    oldest = nodes.oldest
    if oldest is None:
        return found(FindingId.NO_KUBELETS, virtual=nodes.virtual)
    count = len(nodes) - nodes.virtual
    return found(FindingId.KUBELETS, count=count, virtual=nodes.virtual, oldest=oldest.kubelet, node=oldest.name)


def _webhooks(seen: Seen, space: Namespace | NotRead, catalogue: Catalogue) -> Iterator[Finding]:
    if isinstance(space, NotRead):
        yield _not_read("labels of the namespace", f"get namespace {seen.namespace}", space)
    if isinstance(seen.webhooks, NotRead):
        yield _not_read("mutating webhooks", "list mutatingwebhookconfigurations", seen.webhooks)
    if isinstance(space, NotRead) or isinstance(seen.webhooks, NotRead):
        return
    yield from webhook_findings(seen.namespace, space, seen.webhooks, catalogue, is_marked=seen.pod.is_marked)
    yield from mesh_findings(seen.namespace, space, seen.webhooks, catalogue)


def mesh_findings(name: str, space: Namespace, webhooks: Sequence[Registered], catalogue: Catalogue) -> Iterator[Finding]:
    """What the labels of the namespace ask of a mesh, and whether somebody answers."""
    labels = space.labels or {}
    key, value = AMBIENT
    if labels.get(key) == value:
        yield found(FindingId.AMBIENT, namespace=name, label=f"{key}={value}")
    called = [one.injects(catalogue) for one in webhooks if one.is_called(PODS, labels, LABELS)]
    injected = frozenset().union(*called)
    for asked in INJECTION_LABELS:
        given = labels.get(asked.key)
        if given is not None and asked.value in {None, given} and asked.injected not in injected:
            yield found(FindingId.LABEL_WITHOUT_INJECTOR, namespace=name, label=f"{asked.key}={given}", injected=asked.injected)


def _tasks(namespace: str, tasks: tuple[TaskPod, ...] | NotRead) -> Finding:
    if isinstance(tasks, NotRead):
        return _not_read("pods of the namespace", f"list pods in {namespace}", tasks)
    stuck = [task.name for task in tasks if task.is_stuck]
    return found(FindingId.STUCK, pods=", ".join(stuck)) if stuck else found(FindingId.NONE_STUCK, namespace=namespace, count=len(tasks))


def _not_read(what: str, right: str, problem: NotRead) -> Finding:
    return found(FindingId.NOT_READ, what=what, right=right, why=problem.why)
