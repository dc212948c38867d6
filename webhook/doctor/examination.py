"""Looks at a cluster: every request that the doctor makes, and what is kept of the answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from webhook.core import MalformedPodError
from webhook.doctor import probe
from webhook.doctor.registration import Configuration, Registered, in_order
from webhook.doctor.stuck import TaskPod, read_task_pod
from webhook.kube.errors import RefusedError, UnreadableError
from webhook.kube.reading import CONFIGURATIONS_PATH, ApiReader, decode, list_nodes, pages, read_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from webhook.core import Catalogue, ServerVersion
    from webhook.kube.client import Response
    from webhook.kube.nodes import Nodes

T = TypeVar("T")

UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404


class Patient(ApiReader, Protocol):
    """What is asked: `webhook.kube.client.KubernetesClient`."""

    def create(self, path: str, body: object, **parameters: str) -> Response:
        """The response to a POST, whatever its status."""


class NotRead(msgspec.Struct, frozen=True):
    """What could not be read, and why, in the API server's own words."""

    why: str


class Namespace(msgspec.Struct, frozen=True):
    """What is read of a namespace."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen.

    Args:
        namespace: Its name.
        server: The API server.
        nodes: All nodes.
        webhooks: Every mutating webhook, in the order in which they are called.
        space: The namespace; None: it does not exist.
        pod: The dry run of a pod.
        template: The dry run of the same in a PodTemplate.
        tasks: The task pods of the namespace.

    """

    namespace: str
    server: ServerVersion | NotRead
    nodes: Nodes | NotRead
    webhooks: tuple[Registered, ...] | NotRead
    space: Namespace | NotRead | None
    pod: probe.Trial
    template: probe.Trial
    tasks: tuple[TaskPod, ...] | NotRead


class _Namespace(msgspec.Struct):
    metadata: Namespace


def examine(patient: Patient, namespace: str, catalogue: Catalogue) -> Seen:
    """Look at everything, once. Nothing is changed: what is created is a dry run.

    Raises:
        UnreachableError: Nobody answered.
        RefusedError: With 401: the API server does not know who asks. Anything else it refuses is in what is returned.

    """
    place = f"/api/v1/namespaces/{quote(namespace, safe='')}"
    now = datetime.now(UTC)
    return Seen(
        namespace=namespace,
        server=_attempt(lambda: read_server(patient)),
        nodes=_attempt(lambda: list_nodes(patient)[0]),
        webhooks=_attempt(lambda: in_order(_items(patient, CONFIGURATIONS_PATH, Configuration))),
        space=_attempt(lambda: _read_namespace(patient, place)),
        pod=_try(patient, f"{place}/pods", probe.pod()),
        template=_try(patient, f"{place}/podtemplates", probe.pod_template()),
        tasks=_attempt(lambda: _read_tasks(patient, place, catalogue, now)),
    )


def _try(patient: Patient, path: str, body: object) -> probe.Trial:
    response = patient.create(path, body, **probe.PARAMETERS)
    return probe.read_trial(response.status, response.body)


def _attempt(read: Callable[[], T]) -> T | NotRead:
    try:
        return read()
    except RefusedError as error:
        if error.status == UNAUTHORIZED:
            raise
        return NotRead(str(error))
    except UnreadableError as error:
        return NotRead(str(error))


def _read_namespace(patient: Patient, place: str) -> Namespace | None:
    try:
        return decode(patient.get(place), _Namespace).metadata
    except RefusedError as error:
        if error.status == NOT_FOUND:
            return None
        raise


def _read_tasks(patient: Patient, place: str, catalogue: Catalogue, now: datetime) -> tuple[TaskPod, ...]:
    read = (_read_task(item, catalogue, now) for item in _items(patient, f"{place}/pods", msgspec.Raw))
    return tuple(task for task in read if task is not None)


def _read_task(item: msgspec.Raw, catalogue: Catalogue, now: datetime) -> TaskPod | None:
    try:
        return read_task_pod(bytes(item), catalogue, now)
    except MalformedPodError as error:
        message = f"a pod cannot be read: {error}"
        raise UnreadableError(message) from error


def _items(patient: Patient, path: str, kind: type[T]) -> Iterator[T]:
    for page in pages(patient, path):
        yield from (decode(item, kind) for item in page.items or ())
