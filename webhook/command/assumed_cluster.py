"""The cluster that ``explain`` and ``patch`` assume, from the command line: they connect to none."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from webhook.command.errors import UnusableError
from webhook.core import Cluster, ClusterObservation, NativeSupport, ServerVersion, Version, assess, read_version, suggested_versions

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.core import Catalogue
    from webhook.settings import Settings

UNKNOWN_VERSION = (
    "cluster: version unknown, so native sidecars are not used; set it with --cluster-version, for example --cluster-version 1.34"
)


def add_cluster_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that say what the cluster has."""
    parser.add_argument(
        "--cluster-version",
        type=_version,
        metavar="VERSION",
        help="Kubernetes version of the API server and all kubelets, like 1.34 (which means 1.34.0); without it the cluster's version is "
        "unknown, and native sidecars are used only if the setting native_sidecars is on",
    )
    parser.add_argument(
        "--injected-by",
        action="append",
        default=[],
        metavar="ID",
        help="catalogue id of a sidecar whose injector is installed in the cluster, like istio, whether or not the pod already has that "
        "sidecar; whether the API server may call that injector again for a pod is assumed as its own chart sets it, and its version as "
        "the image of the injected container suggests it; can be repeated",
    )


def assumed_cluster(options: Namespace, settings: Settings, catalogue: Catalogue) -> Cluster:
    """The cluster of the command line. UnusableError: an injector is not in the catalogue."""
    version: Version | None = options.cluster_version
    injectors = frozenset(options.injected_by)
    _check(injectors, catalogue)
    server = ServerVersion(str(version), version) if version else None
    reinvoked = frozenset(row.id for row in catalogue.injected if row.id in injectors and row.is_reinvoked)
    observed = ClusterObservation(server, version, are_nodes_known=version is not None, injectors=injectors, reinvoked=reinvoked)
    return assess(observed, settings.native_sidecars, settings.minimum_kubelet)


def cluster_of(pod: dict[str, Any], cluster: Cluster, catalogue: Catalogue) -> Cluster:
    """The assumed cluster for one pod: an injector of the command line has the version that its container in the pod suggests."""
    versions = {id_: version for id_, version in suggested_versions(pod, catalogue).items() if id_ in cluster.injectors}
    return replace(cluster, injector_versions=versions)


def as_line(cluster: Cluster) -> str:
    """What is assumed, in one line."""
    if cluster.support is NativeSupport.UNKNOWN:
        return UNKNOWN_VERSION
    use = "used" if cluster.is_native else "not used"
    version = f"Kubernetes {cluster.server} on every node" if cluster.server else "version unknown"
    return f"cluster: {version}; native sidecars are {use} ({cluster.support})"


def _version(text: str) -> Version:
    version = read_version(text)
    if version is None:
        message = f"{text!r} is not a version like 1.34 or v1.29.3"
        raise ArgumentTypeError(message)
    return version


def _check(injectors: frozenset[str], catalogue: Catalogue) -> None:
    known = [sidecar.id for sidecar in catalogue.injected]
    if unknown := sorted(injectors.difference(known)):
        message = f"--injected-by {', '.join(unknown)}: not the id of a sidecar with a known injector; allowed are {', '.join(known)}"
        raise UnusableError(message)
