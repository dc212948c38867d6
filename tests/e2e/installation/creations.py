"""Clients that create task pods without a pause, and the API server's counters of failed webhook calls. The pods are dry runs."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

from testbed.wait import until
from tests.e2e.registration import task_pod
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient

CREATED: Final = 201
CLIENTS: Final = 4
AT_ONCE: Final = 40
SECONDS: Final = 60
WEBHOOK: Final = 'name="pods.airflow-sidecar-webhook.io"'
FAIL_OPEN: Final = "apiserver_admission_webhook_fail_open_count"
REJECTION: Final = "apiserver_admission_webhook_rejection_count"


@dataclass(frozen=True, slots=True)
class Creation:
    """A request that creates a pod.

    Args:
        began: When it was sent (CLOCK_MONOTONIC).
        ended: When the response came.
        code: The HTTP status of the response.
        is_patched: Whether the pod has the webhook's status.

    """

    began: float
    ended: float
    code: int
    is_patched: bool


@dataclass(slots=True)
class Creations:
    """The results of all clients so far.

    Args:
        api: The API server's client.
        namespace: The namespace of the pods.
        pods: Every request with a response.
        unanswered: The times of requests without one.

    """

    api: ApiClient
    namespace: str
    pods: list[Creation] = field(default_factory=list)
    unanswered: list[float] = field(default_factory=list)

    @property
    def unpatched(self) -> list[Creation]:
        """The requests whose pod was created without a patch."""
        return [pod for pod in self.pods if pod.code == CREATED and not pod.is_patched]

    @property
    def refused(self) -> list[Creation]:
        """The requests whose pod was refused."""
        return [pod for pod in self.pods if pod.code != CREATED]

    def create(self) -> None:
        """Create one pod. Without a response, wait until the API server is ready, as a load balancer does."""
        began = time.monotonic()
        try:
            answer = self.api.request("POST", f"/api/v1/namespaces/{self.namespace}/pods", task_pod(self.namespace), dryRun="All")
        except httpx.TransportError:
            self.unanswered.append(began)
            until(self._is_ready, "the API server is ready", SECONDS)
            return
        self.pods.append(Creation(began, time.monotonic(), answer.status_code, STATUS_ANNOTATION in answer.text))

    def create_at_once(self) -> None:
        """Create so many pods at once that the API server opens new connections to the webhook (net/http, MaxIdleConnsPerHost: 25)."""
        with ThreadPoolExecutor(AT_ONCE) as clients:
            for one in [clients.submit(self.create) for _ in range(AT_ONCE)]:
                one.result()

    def await_more(self) -> None:
        """Wait until each client has had a response to a request that it sent after this call. TimeoutError."""
        so_far = len(self.pods)
        until(lambda: len(self.pods) > so_far + 2 * CLIENTS, "further pods are created", SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self.api.request("GET", "/readyz").is_success
        except httpx.TransportError:
            return False


@contextmanager
def creating(api: ApiClient, namespace: str) -> Iterator[Creations]:
    """Several clients create pods within this block; after it, every request has its response."""
    creations = Creations(api, namespace)
    ended = threading.Event()

    def create_on() -> None:
        while not ended.is_set():
            creations.create()

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(create_on) for _ in range(CLIENTS)]
        try:
            creations.await_more()
            yield creations
            creations.await_more()
        finally:
            ended.set()
    for one in running:
        one.result()


@contextmanager
def without_a_gap(api: ApiClient, namespace: str) -> Iterator[Creations]:
    """The same; afterwards assert that every pod was created and patched, and that the API server counted no failed call."""
    before = counted(api, FAIL_OPEN), counted(api, REJECTION)
    with creating(api, namespace) as creations:
        yield creations
    gaps = (creations.unanswered, creations.refused, creations.unpatched)
    assert gaps == ([], [], []), gaps
    assert (counted(api, FAIL_OPEN), counted(api, REJECTION)) == before


def counted(api: ApiClient, metric: str) -> int:
    """An API server's counter for this webhook, since its start. HTTPStatusError: its metrics cannot be read."""
    lines = api.request("GET", "/metrics").raise_for_status().text.splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(f"{metric}{{") and WEBHOOK in line)
