"""``explain pod/NAME``: a pod of the cluster, read with the user's own credentials, and what the webhook goes by in that cluster."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from webhook.command.errors import UnusableError
from webhook.core import Cluster, ClusterObservation, assess, installed_injectors
from webhook.kube.client import connect_by_context
from webhook.kube.errors import ClusterError, KubeconfigError, RefusedError, UnreadableError
from webhook.kube.nodes import Nodes
from webhook.kube.reading import decode, list_nodes, list_webhooks, read_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.core import Catalogue
    from webhook.kube.client import KubernetesClient
    from webhook.settings import Settings

T = TypeVar("T")


class LivePod(msgspec.Struct, frozen=True):
    """A pod of a cluster.

    Args:
        pod: As the API server returns it.
        cluster: What the webhook goes by there, as far as it could be read.

    """

    pod: dict[str, Any]
    cluster: Cluster


def read_live_pod(name: str, namespace: str | None, context: str | None, settings: Settings, catalogue: Catalogue) -> LivePod:
    """Read a pod; ``namespace`` and ``context``: None for those of the kubeconfig. UnusableError: its message says why not."""
    try:
        client, used = connect_by_context(context)
        place = namespace or used.namespace
        body = client.get(f"/api/v1/namespaces/{quote(place, safe='')}/pods/{quote(name, safe='')}")
        return LivePod(decode(body, dict[str, Any]), _cluster(client, settings, catalogue))
    except KubeconfigError as error:
        raise UnusableError(str(error)) from error
    except RefusedError as error:
        what = (
            f"there is no pod {name} in the namespace {place}"
            if error.status == HTTPStatus.NOT_FOUND
            else f"pod/{name} cannot be read: {error}"
        )
        raise UnusableError(what) from error
    except ClusterError as error:
        message = f"cannot read from the API server {used.server}: {error}"
        raise UnusableError(message) from error


def _cluster(client: KubernetesClient, settings: Settings, catalogue: Catalogue) -> Cluster:
    nodes = _if_allowed(lambda: list_nodes(client)[0], Nodes())
    installed = installed_injectors(_if_allowed(lambda: list_webhooks(client), []), catalogue)
    observed = ClusterObservation(
        server=_if_allowed(lambda: read_server(client), None),
        oldest_kubelet=nodes.oldest.kubelet if nodes.oldest else None,
        are_nodes_known=len(nodes) > 0,
        injectors=installed.ids,
        reinvoked=installed.reinvoked,
        injector_versions=installed.versions,
        virtual_nodes=nodes.virtual_names,
    )
    return assess(observed, settings.native_sidecars, settings.minimum_kubelet)


def _if_allowed(read: Callable[[], T], otherwise: T) -> T:
    """What was read, or ``otherwise`` where the user may not read it."""
    try:
        return read()
    except (RefusedError, UnreadableError):
        return otherwise
