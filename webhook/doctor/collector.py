"""Reads a cluster snapshot: every request that the doctor sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from webhook.core import (
    ENDED_PHASES,
    ContainerReason,
    MalformedPodError,
    Progress,
    Reason,
    Remedy,
    SkipReason,
    assess,
    installed_injectors,
    may_stay_running,
    read_progress,
)
from webhook.course.stuck_pod import StuckPod, StuckPodReader, longest_first
from webhook.doctor import dry_run
from webhook.doctor.reaper_rights import read_rights
from webhook.doctor.registration import WebhookConfiguration, in_call_order
from webhook.doctor.snapshot import (
    MAX_NAMED_PODS,
    ClusterSnapshot,
    NamespaceMetadata,
    ReadFailure,
    ReaperAccount,
    SecretName,
    SharedRemedy,
    observation_of,
)
from webhook.kube.errors import RefusedError, UnreadableError
from webhook.kube.reading import CONFIGURATIONS_PATH, ApiReader, decode, list_nodes, pages, read_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from webhook.core import Catalogue, Cluster, NativeSwitch, Policy, ServerVersion, Version
    from webhook.doctor.registration import RegisteredWebhook
    from webhook.kube.client import Response
    from webhook.kube.nodes import Nodes

T = TypeVar("T")

BY_IMAGE: Final = frozenset({Reason.ENTRYPOINT_UNKNOWN, ContainerReason.ENTRYPOINT_GUESSED})
"""Reasons that have a finding of their own, with the images: `webhook.doctor.entrypoint_check`."""

UNLABELLED: Final = frozenset({SkipReason.NOT_AIRFLOW, SkipReason.SPARK_SUBMIT})
"""Reasons of pods that may be a job of Airflow's without its labels."""


class DoctorApi(ApiReader, Protocol):
    """The part of `webhook.kube.client.KubernetesClient` that the doctor uses."""

    def create(self, path: str, body: object, **parameters: str) -> Response:
        """The response to a POST, whatever its status. UnreachableError."""


class _Name(msgspec.Struct):
    name: str = ""


class _Pod(msgspec.Struct):
    metadata: _Name


class _Namespace(msgspec.Struct):
    metadata: NamespaceMetadata


class _Secret(msgspec.Struct):
    """Of a Secret, whether it can be changed. Its data is not decoded."""

    immutable: bool | None = None


@dataclass(frozen=True, slots=True)
class CheckedWebhook:
    """What the checked webhook has set.

    Args:
        policy: By which it decides about pods.
        native_sidecars: The setting.
        minimum_kubelet: The setting.
        authority: The Secret of the certificate authority; None: the certificate is not self-managed.
        reaper: The reaper's service account; None: its rights are not checked.

    """

    policy: Policy
    native_sidecars: NativeSwitch
    minimum_kubelet: Version
    authority: SecretName | None
    reaper: ReaperAccount | None = None


@dataclass(frozen=True, slots=True)
class ClusterWide:
    """What is the same for all namespaces; as in `webhook.doctor.snapshot.ClusterSnapshot`."""

    server: ServerVersion | ReadFailure
    nodes: Nodes | ReadFailure
    webhooks: tuple[RegisteredWebhook, ...] | ReadFailure

    def cluster(self, native_sidecars: NativeSwitch, minimum_kubelet: Version, catalogue: Catalogue) -> Cluster:
        """What the webhook goes by in this cluster, as far as it could be read."""
        webhooks = () if isinstance(self.webhooks, ReadFailure) else self.webhooks
        installed = installed_injectors([one.as_injector for one in webhooks], catalogue)
        observed = msgspec.structs.replace(
            observation_of(self.server, self.nodes),
            injectors=installed.ids,
            reinvoked=installed.reinvoked,
            injector_versions=installed.versions,
            virtual_nodes=frozenset() if isinstance(self.nodes, ReadFailure) else self.nodes.virtual_names,
            are_injectors_known=not isinstance(self.webhooks, ReadFailure),
        )
        return assess(observed, native_sidecars, minimum_kubelet)


def read_cluster_wide(api: ApiReader) -> ClusterWide:
    """Read it. UnreachableError, RefusedError as in `collect`."""
    return ClusterWide(
        server=_read(lambda: read_server(api)),
        nodes=_read(lambda: list_nodes(api)),
        webhooks=read_webhooks(api),
    )


def read_webhooks(api: ApiReader) -> tuple[RegisteredWebhook, ...] | ReadFailure:
    """Every mutating webhook, in the order in which the API server calls them. UnreachableError, RefusedError as in `collect`."""
    return _read(lambda: in_call_order(_items(api, CONFIGURATIONS_PATH, WebhookConfiguration)))


def collect(api: DoctorApi, namespace: str, webhook: CheckedWebhook, wide: ClusterWide, context: str | None = None) -> ClusterSnapshot:
    """Read the rest once. Nothing is changed: what is created is a dry run.

    Args:
        api: Reads from the API server.
        namespace: Of the task pods.
        webhook: What the checked webhook has set.
        wide: What is the same for all namespaces.
        context: Is named in the lines of kubectl; None: the current one of the kubeconfig.

    Raises:
        UnreachableError: The API server did not respond.
        RefusedError: The API server does not accept the credentials (401). Any other refusal is in the snapshot.

    """
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}"
    taken_at = datetime.now(UTC)
    cluster = wide.cluster(webhook.native_sidecars, webhook.minimum_kubelet, webhook.policy.catalogue)
    reader = StuckPodReader(webhook.policy, cluster, context, taken_at)
    task_pods = _read(lambda: _task_pods(api, f"{path}/pods", reader))
    authority, reaper = webhook.authority, webhook.reaper
    return ClusterSnapshot(
        namespace=namespace,
        taken_at=taken_at,
        server=wide.server,
        nodes=wide.nodes,
        webhooks=wide.webhooks,
        metadata=_read(lambda: read_namespace(api, namespace)),
        pod=_dry_run(api, f"{path}/pods", dry_run.pod(webhook.policy.catalogue.native_annotations if cluster.is_native else {})),
        template=_dry_run(api, f"{path}/podtemplates", dry_run.pod_template()),
        task_pods=task_pods if isinstance(task_pods, ReadFailure) else task_pods.progress,
        stuck_pods=() if isinstance(task_pods, ReadFailure) else task_pods.stuck,
        remedies=() if isinstance(task_pods, ReadFailure) else task_pods.remedies,
        immutable_secret=authority if authority is not None and _read(lambda: _is_immutable(api, authority)) is True else None,
        reaper=None if reaper is None else _read(lambda: read_rights(api.create, reaper, namespace)),
    )


def _read(read: Callable[[], T]) -> T | ReadFailure:
    try:
        return read()
    except RefusedError as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            raise
        return ReadFailure(str(error))
    except UnreadableError as error:
        return ReadFailure(str(error))


def _dry_run(api: DoctorApi, path: str, body: object) -> dry_run.DryRun:
    response = api.create(path, body, **dry_run.PARAMETERS)
    return dry_run.read_dry_run(response.status, response.body)


def read_namespace(api: ApiReader, name: str) -> NamespaceMetadata | None:
    """What is read of a namespace; None: it does not exist. ClusterError."""
    try:
        return decode(api.get(f"/api/v1/namespaces/{quote(name, safe='')}"), _Namespace).metadata
    except RefusedError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def _is_immutable(api: DoctorApi, secret: SecretName) -> bool:
    path = f"/api/v1/namespaces/{quote(secret.namespace, safe='')}/secrets/{quote(secret.name, safe='')}"
    return decode(api.get(path), _Secret).immutable is True


class _TaskPods(msgspec.Struct, frozen=True):
    progress: tuple[Progress, ...]
    stuck: tuple[StuckPod, ...]
    remedies: tuple[SharedRemedy, ...]


def _task_pods(api: DoctorApi, path: str, reader: StuckPodReader) -> _TaskPods:
    """Every task pod, and what to do about pods. The pods themselves are not stored: there may be thousands."""
    policy, found, stuck = reader.policy, list[Progress](), list[StuckPod]()
    needed_by: dict[Remedy, list[str]] = {}
    for item in _items(api, path, msgspec.Raw):
        pod = bytes(item)
        progress = _decoded(read_progress, pod, policy.catalogue)
        if progress is not None:
            found.append(progress)
            stuck += filter(None, [reader.read(pod, progress)])
        if progress is not None and progress.phase in ENDED_PHASES:
            continue
        for remedy in reader.remedies(pod):
            if _is_reported(remedy) or (remedy.reason in UNLABELLED and _decoded(may_stay_running, pod, policy.catalogue)):
                needed_by.setdefault(remedy, []).append(decode(pod, _Pod).metadata.name)
    shared = [SharedRemedy(remedy, tuple(pods[:MAX_NAMED_PODS]), len(pods)) for remedy, pods in needed_by.items()]
    return _TaskPods(tuple(found), longest_first(stuck), tuple(sorted(shared, key=lambda one: -one.count)))


def _is_reported(remedy: Remedy) -> bool:
    return remedy.is_pressing and remedy.reason not in BY_IMAGE


def _decoded(read: Callable[[bytes, Catalogue], T], pod: bytes, catalogue: Catalogue) -> T:
    try:
        return read(pod, catalogue)
    except MalformedPodError as error:
        message = f"a pod cannot be decoded: {error}"
        raise UnreadableError(message) from error


def _items(api: ApiReader, path: str, kind: type[T]) -> Iterator[T]:
    for page in pages(api, path):
        yield from (decode(item, kind) for item in page.items or ())
