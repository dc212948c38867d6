"""Which credentials for an API server are here: the pod's service account, else a kubeconfig, else none.

The client is imported only where there are credentials: it costs 10 MiB, which a webhook without a cluster saves.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from webhook.kube.client import KubernetesClient

TOKEN_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where the kubelet mounts it (Kubernetes docs, "Accessing the Kubernetes API from a Pod")."""

SERVICE_HOST: Final = "KUBERNETES_SERVICE_HOST"
"""Set by the kubelet in every container."""

KUBECONFIG: Final = "KUBECONFIG"
DEFAULT_KUBECONFIG: Final = "~/.kube/config"

NO_CREDENTIALS: Final = "found neither a service account token nor a kubeconfig"
"""Why there is no client where `find_client` returns None."""


def find_client(environ: Mapping[str, str]) -> Callable[[], KubernetesClient] | None:
    """A function that makes a client from the credentials found here, and may raise ClusterError; None where there are none."""
    if is_in_pod(environ):
        from webhook.kube.client import connect_in_pod  # noqa: PLC0415  see the module's docstring

        return connect_in_pod
    if has_kubeconfig(environ):
        from webhook.kube.client import connect_by_kubeconfig  # noqa: PLC0415  see the module's docstring

        return connect_by_kubeconfig
    return None


def is_in_pod(environ: Mapping[str, str]) -> bool:
    """Whether this is a container with a service account's token."""
    return bool(environ.get(SERVICE_HOST)) and TOKEN_FILE.is_file()


def has_kubeconfig(environ: Mapping[str, str]) -> bool:
    """Whether one of the kubeconfig's files exists; /dev/null does not count."""
    paths = (environ.get(KUBECONFIG) or DEFAULT_KUBECONFIG).split(os.pathsep)
    return any(Path(path).expanduser().is_file() for path in paths if path)
