"""Clients of a real API server that create pods: an honest one, and a user who has pods reviewed that take long."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, Final

import httpx

from demo.simulated_injectors import inject_istio
from testbed.api import ApiClient, ApiError, path_of
from tests.e2e.api_server.submission import submission
from tests.support.hostile_pods import HOSTILE_PODS
from tests.support.pods import pods_in
from webhook.core import UNKNOWN_CLUSTER, default_policy, treat
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from testbed.api_server import ApiServer
    from tests.support.json_object import JSONObject

FIXTURES: Final = "airflow-3.3.2-provider-10.25.0"
PODS_PER_SECOND: Final = 10.0
"""Of one honest client."""

HOSTILE_SECONDS: Final = 5.0
"""Between two hostile pods: the API server itself takes seconds to validate some of them."""


MAX_HOSTILE_BYTES: Final = 300 * 1024
"""Of a hostile pod: the API server itself takes minutes and gigabytes for lists of tens of thousands of volumes or variables."""


class Submitter(threading.Thread):
    """Submits pods at a steady pace until it is stopped."""

    def __init__(self, server: ApiServer, namespace: str, pods: list[JSONObject], interval_seconds: float) -> None:
        """Submit these pods, one after the other, to this namespace."""
        super().__init__(daemon=True)
        self.namespace = namespace
        self._api = ApiClient(server.server, server.credentials.tls())
        self._pods = [submission(pod, namespace) | {"apiVersion": "v1", "kind": "Pod"} for pod in pods]
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()

    def run(self) -> None:
        """Submit; a turn that comes too late is not made up for."""
        for pod in cycle(self._pods):
            began = time.monotonic()
            if self._stopped.is_set():
                return
            self.submit(pod)
            self._stopped.wait(max(0.0, self._interval_seconds - (time.monotonic() - began)))

    def submit(self, pod: JSONObject) -> None:
        """Submit one pod."""
        raise NotImplementedError

    def stop(self) -> None:
        """Submit no more."""
        self._stopped.set()
        self.join()
        self._api.close()


class HonestSubmitter(Submitter):
    """Creates Airflow's task pods after Istio's injection, and deletes each at once."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        """Submit every pod of the fixtures that the webhook treats."""
        policy = default_policy()
        injected = [inject_istio(pod) for _path, pod in pods_in(FIXTURES)]
        pods = [pod for pod in injected if treat(pod, policy, UNKNOWN_CLUSTER).status is not None]
        super().__init__(server, namespace, pods, 1 / PODS_PER_SECOND)
        self.created = 0
        self.patched = 0
        self.refused = 0
        self._seconds: list[float] = []

    def submit(self, pod: JSONObject) -> None:
        """Create a pod, note whether it has the webhook's status, and delete it."""
        began = time.monotonic()
        try:
            created = self._api.create(pod)
        except (ApiError, httpx.TransportError):
            self.refused += 1
            return
        self._seconds.append(time.monotonic() - began)
        self.created += 1
        self.patched += STATUS_ANNOTATION in (created["metadata"].get("annotations") or {})
        with suppress(httpx.TransportError):
            self._api.delete(path_of(created), gracePeriodSeconds="0")

    def take_seconds(self) -> list[float]:
        """The durations of the creations since the last call."""
        taken, self._seconds = self._seconds, []
        return taken


class HostileSubmitter(Submitter):
    """Dry-runs each pod that is made to be slow to review; the API server is the client of the webhook, as for honest pods."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        """Submit them."""
        pods = [make() for make in HOSTILE_PODS.values()]
        super().__init__(server, namespace, [pod for pod in pods if len(json.dumps(pod)) <= MAX_HOSTILE_BYTES], HOSTILE_SECONDS)
        self.submitted = 0

    def submit(self, pod: JSONObject) -> None:
        """Have a pod reviewed; whether the API server takes it, and in time, does not matter."""
        with suppress(httpx.TransportError):
            self._api.request("POST", f"/api/v1/namespaces/{self.namespace}/pods", pod, dryRun="All")
        self.submitted += 1
