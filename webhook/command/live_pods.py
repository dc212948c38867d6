"""Pods of the cluster for ``explain``, read with the user's own credentials, and what the webhook goes by in that cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from webhook.command.errors import UnusableError
from webhook.core import Cluster
from webhook.doctor.called_namespaces import CalledNamespaces
from webhook.doctor.collector import read_cluster_wide
from webhook.kube.client import connect_by_context
from webhook.kube.errors import ClusterError, KubeconfigError, RefusedError
from webhook.kube.reading import PAGE, decode, pages
from webhook.reaper.decision import ALL_NAMESPACES
from webhook.reaper.task_pods import pods_path

if TYPE_CHECKING:
    from webhook.core import Catalogue
    from webhook.kube.client import KubernetesClient
    from webhook.kube.kubeconfig import Context
    from webhook.settings import Settings


class PodSelection(msgspec.Struct, frozen=True):
    """Which pods are read.

    Args:
        names: Their names; empty: all, as `selector` says.
        namespace: Their namespace; None: that of the context.
        is_everywhere: Whether they are read from all namespaces instead.
        selector: A label selector as kubectl takes it; empty: any labels.

    """

    names: tuple[str, ...] = ()
    namespace: str | None = None
    is_everywhere: bool = False
    selector: str = ""


class LivePods(msgspec.Struct, frozen=True):
    """Pods of a cluster.

    Args:
        pods: As the API server returns them, read while they are iterated over. UnusableError.
        cluster: What the webhook goes by there, as far as it could be read.
        called: In which namespaces it is called.

    """

    pods: Iterator[dict[str, Any]]
    cluster: Cluster
    called: CalledNamespaces


def read_live_pods(selection: PodSelection, context: str | None, settings: Settings, catalogue: Catalogue) -> LivePods:
    """Read pods; ``context``: None for the current one of the kubeconfig. UnusableError: its message says why not."""
    client, used = connect_as_user(context)
    return pods_of(client, used, selection, settings, catalogue)


def connect_as_user(context: str | None) -> tuple[KubernetesClient, Context]:
    """A client of this context (None: the current one), and the context. UnusableError."""
    try:
        return connect_by_context(context)
    except KubeconfigError as error:
        raise UnusableError(str(error)) from error


def pods_of(client: KubernetesClient, used: Context, selection: PodSelection, settings: Settings, catalogue: Catalogue) -> LivePods:
    """The same with a client of the context that is used. UnusableError."""
    namespace = selection.namespace or used.namespace
    with named_problems(used.server):
        wide = read_cluster_wide(client)
    cluster = wide.cluster(settings.native_sidecars, settings.minimum_kubelet, catalogue)
    pods = (
        _named(client, used.server, namespace, selection.names) if selection.names else _listed(client, used.server, namespace, selection)
    )
    return LivePods(pods, cluster, CalledNamespaces(client, wide.webhooks))


def _named(client: KubernetesClient, server: str, namespace: str, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name in names:
        with named_problems(server):
            try:
                yield decode(client.get(f"{pods_path(namespace)}/{quote(name, safe='')}"), dict[str, Any])
            except RefusedError as error:
                is_missing = error.status == HTTPStatus.NOT_FOUND
                what = (
                    f"there is no pod {name} in the namespace {namespace}; -n names another one"
                    if is_missing
                    else f"pod/{name} cannot be read: {error}"
                )
                raise UnusableError(what) from error


def _listed(client: KubernetesClient, server: str, namespace: str, selection: PodSelection) -> Iterator[dict[str, Any]]:
    path = pods_path(ALL_NAMESPACES if selection.is_everywhere else namespace)
    selectors = {"labelSelector": selection.selector} if selection.selector else {}
    with named_problems(server):
        for page in pages(client, path, PAGE, **selectors):
            for item in page.items or ():
                # The items of a list do not repeat their kind.
                yield {"apiVersion": "v1", "kind": "Pod", **decode(item, dict[str, Any])}


@contextmanager
def named_problems(server: str) -> Iterator[None]:
    """UnusableError instead of a ClusterError."""
    try:
        yield
    except ClusterError as error:
        message = f"cannot read from the API server {server}: {error}"
        raise UnusableError(message) from error
