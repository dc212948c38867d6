"""Reads a cluster snapshot: every request that the doctor sends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from webhook.core import MalformedPodError, Progress, read_progress
from webhook.doctor import dry_run
from webhook.doctor.registration import WebhookConfiguration, in_call_order
from webhook.doctor.snapshot import ClusterSnapshot, NamespaceMetadata, ReadFailure, SecretName
from webhook.kube.errors import RefusedError, UnreadableError
from webhook.kube.reading import CONFIGURATIONS_PATH, ApiReader, decode, list_nodes, pages, read_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from webhook.core import Catalogue
    from webhook.kube.client import Response

T = TypeVar("T")

UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404


class DoctorApi(ApiReader, Protocol):
    """The part of `webhook.kube.client.KubernetesClient` that the doctor uses."""

    def create(self, path: str, body: object, **parameters: str) -> Response:
        """The response to a POST, whatever its status. UnreachableError."""


class _Namespace(msgspec.Struct):
    metadata: NamespaceMetadata


class _Secret(msgspec.Struct):
    """Of a Secret, whether it can be changed. Its data is not decoded."""

    immutable: bool | None = None


def collect(api: DoctorApi, namespace: str, catalogue: Catalogue, authority: SecretName | None = None) -> ClusterSnapshot:
    """Read everything once. Nothing is changed: what is created is a dry run.

    ``authority`` is the Secret of the certificate authority; None: the certificate is not self-managed.

    Raises:
        UnreachableError: The API server did not respond.
        RefusedError: The API server does not accept the credentials (401). Any other refusal is in the snapshot.

    """
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}"
    return ClusterSnapshot(
        namespace=namespace,
        taken_at=datetime.now(UTC),
        server=_read(lambda: read_server(api)),
        nodes=_read(lambda: list_nodes(api)[0]),
        webhooks=_read(lambda: in_call_order(_items(api, CONFIGURATIONS_PATH, WebhookConfiguration))),
        metadata=_read(lambda: _namespace_metadata(api, path)),
        pod=_dry_run(api, f"{path}/pods", dry_run.pod()),
        template=_dry_run(api, f"{path}/podtemplates", dry_run.pod_template()),
        task_pods=_read(lambda: tuple(_task_pods(api, f"{path}/pods", catalogue))),
        immutable_secret=authority if authority is not None and _read(lambda: _is_immutable(api, authority)) is True else None,
    )


def _read(read: Callable[[], T]) -> T | ReadFailure:
    try:
        return read()
    except RefusedError as error:
        if error.status == UNAUTHORIZED:
            raise
        return ReadFailure(str(error))
    except UnreadableError as error:
        return ReadFailure(str(error))


def _dry_run(api: DoctorApi, path: str, body: object) -> dry_run.DryRun:
    response = api.create(path, body, **dry_run.PARAMETERS)
    return dry_run.read_dry_run(response.status, response.body)


def _namespace_metadata(api: DoctorApi, path: str) -> NamespaceMetadata | None:
    try:
        return decode(api.get(path), _Namespace).metadata
    except RefusedError as error:
        if error.status == NOT_FOUND:
            return None
        raise


def _is_immutable(api: DoctorApi, secret: SecretName) -> bool:
    path = f"/api/v1/namespaces/{quote(secret.namespace, safe='')}/secrets/{quote(secret.name, safe='')}"
    return decode(api.get(path), _Secret).immutable is True


def _task_pods(api: DoctorApi, path: str, catalogue: Catalogue) -> Iterator[Progress]:
    for item in _items(api, path, msgspec.Raw):
        try:
            progress = read_progress(bytes(item), catalogue)
        except MalformedPodError as error:
            message = f"a pod cannot be decoded: {error}"
            raise UnreadableError(message) from error
        if progress is not None:
            yield progress


def _items(api: DoctorApi, path: str, kind: type[T]) -> Iterator[T]:
    for page in pages(api, path):
        yield from (decode(item, kind) for item in page.items or ())
