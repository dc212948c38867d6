"""Where an API server and our identity with it are found: the pod's service account, else a kubeconfig, else nowhere.

This is looked at before the client is imported, which costs 10 MiB: a webhook that has no cluster to ask does without.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kubernetes.client import Configuration

TOKEN_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where the kubelet mounts it (Kubernetes docs, "Accessing the Kubernetes API from a Pod")."""

SERVICE_HOST: Final = "KUBERNETES_SERVICE_HOST"
"""Set by the kubelet in every container."""

KUBECONFIG: Final = "KUBECONFIG"
DEFAULT_KUBECONFIG: Final = "~/.kube/config"


def find_credentials(environ: Mapping[str, str]) -> Callable[[], Configuration] | None:
    """What reads the credentials that are here; None: there are none."""
    if environ.get(SERVICE_HOST) and TOKEN_FILE.is_file():
        from webhook.kube.connection import configure_in_pod  # noqa: PLC0415  see above

        return configure_in_pod
    if has_kubeconfig(environ):
        from webhook.kube.connection import configure_by_kubeconfig  # noqa: PLC0415  see above

        return configure_by_kubeconfig
    return None


def has_kubeconfig(environ: Mapping[str, str]) -> bool:
    """Whether one of the files that make a kubeconfig is here; /dev/null is none."""
    paths = (environ.get(KUBECONFIG) or DEFAULT_KUBECONFIG).split(os.pathsep)
    return any(Path(path).expanduser().is_file() for path in paths if path)
