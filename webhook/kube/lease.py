"""A Lease that replicas hold in turn, with a memory on it: a text that each holder takes over from the one before.

`kubernetes.leaderelection` says when it is taken and renewed; this is the lock that it uses. Its own lock needs the generated models of the
API (20 MiB), and raises where the API server cannot be reached.

Every write names the resourceVersion that was read, so the API server refuses that of a holder that was replaced meanwhile. What is written
before an act is therefore written by the one holder there is, whatever the clocks of the replicas show.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

import msgspec
from kubernetes.leaderelection.leaderelectionrecord import LeaderElectionRecord

from webhook.kube.errors import ClusterError, UnreadableError, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.kube.client import Response

MEMORY_ANNOTATION: Final = "airflow-sidecar-webhook/memory"

LEASE_SECONDS: Final = 15
"""After so long without a renewal another replica takes the Lease: client-go's default."""

RENEW_SECONDS: Final = 10
"""A holder that has not renewed it for so long no longer counts itself as one: client-go's default."""

RETRY_SECONDS: Final = 2
"""Between two attempts to take or renew it: client-go's default."""

REQUEST_SECONDS: Final = 4.0
"""For the response to a request: two fit into `RENEW_SECONDS`."""


NEVER: Final = float("-inf")


class LeaseReleasedError(Exception):
    """The Lease was released, and this replica never takes it again: ends the election, which has no other end."""


class LeaseApi(Protocol):
    """The part of `webhook.kube.client.KubernetesClient` that a Lease needs."""

    def request(
        self, method: str, path: str, body: object = None, media_type: str = "application/json", *, read_seconds: float
    ) -> Response:
        """The response to a request, whatever its status. UnreachableError."""


class LeaseListener(Protocol):
    """Is notified in the thread that took the Lease, or failed to."""

    def lease_taken(self, term: int, memory: str) -> None:
        """This replica holds the Lease from now on; ``memory`` is the last holder's. ``term`` names this time of holding it."""

    def lease_failed(self, problem: Exception) -> None:
        """A read or a write failed."""


@dataclass(frozen=True, slots=True)
class LockProblem:
    """Why there is no record, in the shape in which `kubernetes.leaderelection` reads it.

    Args:
        body: JSON with the HTTP status as ``code``; empty where there was no response.
        reason: In words.

    """

    body: str
    reason: str


class Lease:
    """The Lease. `get`, `create` and `update` are for `kubernetes.leaderelection`, and the rest for the holder. Threads may share it."""

    def __init__(
        self, api: LeaseApi, namespace: str, name: str, identity: str, listener: LeaseListener, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Hold nothing yet.

        Args:
            api: The API server.
            namespace: Of the Lease.
            name: Of the Lease.
            identity: Of this replica, unlike any other's.
            listener: Is notified.
            now: A monotonic clock, in seconds.

        """
        self.name, self.namespace, self.identity = name, namespace, identity
        self._api, self._listener, self._now = api, listener, now
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases"
        self._requesting = threading.RLock()
        self._known: dict[str, Any] | None = None
        self._held_until = NEVER
        self._is_released = False
        self._term = 0
        self._memory = ""

    @property
    def is_held(self) -> bool:
        """Whether this replica holds it, for certain."""
        return self._now() < self._held_until

    def put_memory(self, term: int, memory: str) -> None:
        """Set the memory, which the next renewal writes. It is ignored unless this is the current term."""
        if term == self._term:
            self._memory = memory

    def write_memory(self, term: int) -> bool:
        """Write the memory now, unless it is written; whether it is, by this replica in this term."""
        with self._requesting:
            if term != self._term or not self.is_held or self._known is None:
                return False
            if _memory_of(self._known) == self._memory:
                return True
            return self._write(self._known["spec"] | {"renewTime": _timestamp(datetime.now(UTC))})

    def release(self) -> None:
        """Let another replica take it at once; this one never takes it again."""
        with self._requesting:
            is_held, self._is_released = self.is_held, True
            if is_held and self._known is not None:
                self._write(self._known["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1})
            self._held_until = NEVER

    def get(self, name: str, namespace: str) -> tuple[bool, LeaderElectionRecord | LockProblem]:
        """Whether there is a record, and the record; else why there is none. Name and namespace are the Lease's own.

        Raises:
            LeaseReleasedError: It was released by this replica.

        """
        del name, namespace
        with self._requesting:
            if self._is_released:
                raise LeaseReleasedError
            response = self._request("GET", f"{self._collection}/{self.name}")
            if response is None:
                return False, LockProblem("", "no response")
            if response.status == HTTPStatus.NOT_FOUND:
                return False, LockProblem('{"code": 404}', "there is no Lease yet")
            if not self._take_over(response):
                return False, LockProblem("", f"status {response.status}")
            record = self._record()
            if record.holder_identity != self.identity:
                self._held_until = NEVER
            return True, record

    def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Create it with this record, and hold it; whether that succeeded."""
        with self._requesting:
            metadata = {"name": name, "namespace": namespace}
            self._known = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}
            return self._write(_spec(election_record), "POST")

    def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Write this record, and hold it; whether that succeeded."""
        del name, namespace
        with self._requesting:
            if self._known is None:
                return False
            before = self._known.get("spec") or {}
            spec = before | _spec(updated_record)
            if before.get("holderIdentity") != self.identity:
                spec["leaseTransitions"] = before.get("leaseTransitions", 0) + 1
            return self._write(spec)

    def _write(self, spec: dict[str, Any], method: str = "PUT") -> bool:
        """Write the Lease as it is known with this spec and the right memory."""
        if (self._is_released and spec["holderIdentity"]) or self._known is None:
            return False
        began = self._now()
        is_held = self.is_held
        was_held = (self._known.get("spec") or {}).get("holderIdentity") == self.identity
        memory = self._memory if was_held else _memory_of(self._known)
        metadata = self._known["metadata"]
        annotations = {**(metadata.get("annotations") or {}), MEMORY_ANNOTATION: memory}
        body = {**self._known, "metadata": {**metadata, "annotations": annotations}, "spec": spec}
        response = self._request(method, self._collection if method == "POST" else f"{self._collection}/{self.name}", body)
        if response is None or not self._take_over(response):
            return False
        self._held_until = began + RENEW_SECONDS
        if not is_held and spec["holderIdentity"]:
            self._term += 1
            self._memory = memory
            self._listener.lease_taken(self._term, memory)
        return True

    def _request(self, method: str, path: str, body: object = None) -> Response | None:
        try:
            return self._api.request(method, path, body, read_seconds=REQUEST_SECONDS)
        except ClusterError as problem:
            self._listener.lease_failed(problem)
            return None

    def _take_over(self, response: Response) -> bool:
        """Remember the Lease of a response; False: the API server answered with an error, or with something else."""
        if response.status == HTTPStatus.CONFLICT:
            # Somebody else has written it, which is what the Lease is for: the next read says who.
            self._held_until = NEVER
            return False
        if not response.is_success:
            self._listener.lease_failed(refusal(response.status, response.body))
            return False
        try:
            self._known = msgspec.json.decode(response.body, type=dict[str, Any])
        except msgspec.DecodeError:
            self._listener.lease_failed(UnreadableError("the response to a request for the Lease is no JSON object"))
            return False
        return True

    def _record(self) -> LeaderElectionRecord:
        spec = (self._known or {}).get("spec") or {}
        seconds = spec.get("leaseDurationSeconds")
        return LeaderElectionRecord(  # type: ignore[no-untyped-call]
            spec.get("holderIdentity") or None, seconds and str(seconds), spec.get("acquireTime"), spec.get("renewTime")
        )


def _memory_of(lease: dict[str, Any]) -> str:
    return str((lease["metadata"].get("annotations") or {}).get(MEMORY_ANNOTATION, ""))


def _spec(record: LeaderElectionRecord) -> dict[str, Any]:
    return {
        "holderIdentity": record.holder_identity,
        "leaseDurationSeconds": int(record.lease_duration),
        "acquireTime": _timestamp(datetime.fromisoformat(record.acquire_time)),
        "renewTime": _timestamp(datetime.fromisoformat(record.renew_time)),
    }


def _timestamp(moment: datetime) -> str:
    """A ``MicroTime`` of the API; without a zone the moment is local, as the library writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
