"""A cluster that is not there, as the command line supposes it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from webhook.core import Cluster, ClusterObservation, ServerVersion, Version, assess, read_version
from webhook.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.core import Catalogue
    from webhook.settings import Settings

UNKNOWN = (
    "cluster: its version is not known, so native sidecars are not used; --cluster-version says otherwise, like --cluster-version 1.34"
)


def suppose(version: Version | None, injectors: Iterable[str], settings: Settings, catalogue: Catalogue) -> Cluster:
    """A cluster whose API server and kubelets all have this version, and which has these injectors, each of them called once.

    Raises:
        SettingsError: An injector is not known.

    """
    installed = frozenset(injectors)
    _check(installed, catalogue)
    server = ServerVersion(str(version), version) if version else None
    observed = ClusterObservation(server, version, are_nodes_known=version is not None, injectors=installed, reinvoked=frozenset())
    return assess(observed, settings.native_sidecars, settings.minimum_kubelet)


def told(cluster: Cluster, settings: Settings) -> str:
    """In a line what a cluster was taken for."""
    if cluster.server is None and settings.native_sidecars == "auto":
        return UNKNOWN
    use = "used" if cluster.is_native else "not used"
    version = f"Kubernetes {cluster.server} on every node" if cluster.server else "its version is not known"
    return f"cluster: {version}; native sidecars are {use} ({cluster.support})"


def as_json(cluster: Cluster) -> dict[str, str | None]:
    """For machines: why native sidecars are used, or not, and by which version."""
    return {"support": cluster.support, "version": str(cluster.server) if cluster.server else None}


def cluster_version(text: str) -> Version:
    """A version from the command line; 1.34 is 1.34.0. ArgumentTypeError."""
    version = read_version(text)
    if version is None:
        message = f"{text!r} is no version like 1.34 or v1.29.3"
        raise ArgumentTypeError(message)
    return version


def _check(injectors: frozenset[str], catalogue: Catalogue) -> None:
    known = [sidecar.id for sidecar in catalogue.injected]
    if unknown := sorted(injectors.difference(known)):
        message = f"--injected-by {', '.join(unknown)}: not the id of a sidecar whose injector is known; allowed are {', '.join(known)}"
        raise SettingsError(message)
