"""A client for the cluster of the command line: a context of the kubeconfig, or the service account of this pod."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from webhook.command.errors import UnusableError
from webhook.kube.client import connect_by_context, connect_in_pod
from webhook.kube.credentials import is_in_pod
from webhook.kube.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.kube.client import KubernetesClient

NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where the kubelet writes the namespace of the pod."""


@dataclass(frozen=True, slots=True)
class ClusterConnection:
    """A client, and where it leads.

    Args:
        client: The client.
        server: The API server, for people.
        namespace: The namespace of the context or of the pod.

    """

    client: KubernetesClient
    server: str
    namespace: str


def connect(environ: Mapping[str, str], context: str | None) -> ClusterConnection:
    """By this context; without one, by the service account of this pod, else by the current context. UnusableError."""
    try:
        if context is None and is_in_pod(environ):
            return ClusterConnection(connect_in_pod(), "of this pod's cluster", NAMESPACE_FILE.read_text("utf-8").strip())
        client, used = connect_by_context(context)
    except (ClusterError, OSError) as error:
        raise UnusableError(str(error)) from error
    return ClusterConnection(client, used.server, used.namespace)
