"""Clients that create task pods without a pause, and what the API server counts meanwhile. Nothing of the pods is stored."""

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
from webhook.core.names import STATUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient

CREATED: Final = 201
CLIENTS: Final = 4
AT_ONCE: Final = 40
SECONDS: Final = 60
HOOK: Final = 'name="pods.airflow-sidecar-webhook.io"'
FAIL_OPEN: Final = "apiserver_admission_webhook_fail_open_count"
REJECTION: Final = "apiserver_admission_webhook_rejection_count"


@dataclass(frozen=True, slots=True)
class Creation:
    """A pod that was asked for.

    Args:
        began: When it was asked for (CLOCK_MONOTONIC).
        ended: When it was answered.
        code: The status of the answer.
        is_patched: Whether our status is on it.

    """

    began: float
    ended: float
    code: int
    is_patched: bool


@dataclass(slots=True)
class Creations:
    """What the clients saw so far.

    Args:
        api: Of the API server.
        namespace: Where they create pods.
        pods: Every pod that was answered.
        unanswered: When there was no API server to answer.

    """

    api: ApiClient
    namespace: str
    pods: list[Creation] = field(default_factory=list)
    unanswered: list[float] = field(default_factory=list)

    @property
    def unpatched(self) -> list[Creation]:
        """Pods that started as they were."""
        return [pod for pod in self.pods if pod.code == CREATED and not pod.is_patched]

    @property
    def refused(self) -> list[Creation]:
        """Pods that were not taken."""
        return [pod for pod in self.pods if pod.code != CREATED]

    def create(self) -> None:
        """One pod; where nobody answers, wait until the API server is ready, as a load balancer does."""
        began = time.monotonic()
        try:
            answer = self.api.request("POST", f"/api/v1/namespaces/{self.namespace}/pods", task_pod(self.namespace), dryRun="All")
        except httpx.TransportError:
            self.unanswered.append(began)
            until(self._is_ready, "the API server is ready", SECONDS)
            return
        self.pods.append(Creation(began, time.monotonic(), answer.status_code, STATUS in answer.text))

    def create_at_once(self) -> None:
        """So many pods that the API server needs more connections to the webhook than it keeps (net/http, MaxIdleConnsPerHost: 25)."""
        with ThreadPoolExecutor(AT_ONCE) as clients:
            for one in [clients.submit(self.create) for _ in range(AT_ONCE)]:
                one.result()

    def await_more(self) -> None:
        """Wait until each client has had an answer to something that it has only now begun to ask. TimeoutError."""
        so_far = len(self.pods)
        until(lambda: len(self.pods) > so_far + 2 * CLIENTS, "pods are created on and on", SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self.api.request("GET", "/readyz").is_success
        except httpx.TransportError:
            return False


@contextmanager
def creating(api: ApiClient, namespace: str) -> Iterator[Creations]:
    """Several clients at once; after the end all answers are there."""
    seen = Creations(api, namespace)
    ended = threading.Event()

    def create_on() -> None:
        while not ended.is_set():
            seen.create()

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(create_on) for _ in range(CLIENTS)]
        try:
            seen.await_more()
            yield seen
            seen.await_more()
        finally:
            ended.set()
    for one in running:
        one.result()


@contextmanager
def without_a_gap(api: ApiClient, namespace: str) -> Iterator[Creations]:
    """The same, and every pod is answered, created and patched, and the API server counts no call of ours that failed."""
    before = counted(api, FAIL_OPEN), counted(api, REJECTION)
    with creating(api, namespace) as seen:
        yield seen
    assert (seen.unanswered, seen.refused, seen.unpatched) == ([], [], [])
    assert (counted(api, FAIL_OPEN), counted(api, REJECTION)) == before


def counted(api: ApiClient, metric: str) -> int:
    """What an API server has counted of our webhook since its start. ReadError: it does not tell."""
    lines = api.request("GET", "/metrics").raise_for_status().text.splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(f"{metric}{{") and HOOK in line)
