"""Runs the reaper against a cluster: by its command line, or in this process, where something can happen between its requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from webhook.core import default_policy
from webhook.kube.client import KubernetesClient
from webhook.reaper.decision import ReaperPolicy
from webhook.reaper.sweep import Sweep
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.support.json_object import JSONObject
    from webhook.kube.client import Response
    from webhook.kube.pod_channels import PodChannels
    from webhook.reaper.sweep_report import SweepReport
    from webhook.reaper.task_pods import PodApi

SECONDS: Final = 300
"""Longer than a pass over some pods takes, each with its drain and its pauses."""

AT_ONCE: Final = ReaperPolicy(grace=timedelta())
"""The default methods, without a grace."""


def reap(kubeconfig: Path, *arguments: str) -> JSONObject:
    """One pass with this kubeconfig: its report, with the exit code as ``code``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    command = [sys.executable, "-m", "webhook", "reaper", "--once", "-o", "json", *arguments]
    environment = {**clean, "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment)
    assert done.stderr == "", done.stderr
    report: JSONObject = json.loads(done.stdout)
    return report | {"code": done.returncode}


def pods_of(report: JSONObject) -> dict[str, JSONObject]:
    """The pods of a report, by name."""
    return {pod["name"]: pod for pod in report["pods"]}


def methods(pod: JSONObject) -> list[str]:
    """The methods of the acts on a pod of a report, in their order; an attempt that a busy machine fails is repeated."""
    return [*dict.fromkeys(act["method"] for act in pod["acts"])]


def connect(kubeconfig: Path) -> KubernetesClient:
    """The product's own client."""
    configuration = Configuration()
    load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    return KubernetesClient(configuration)


def sweep(api: PodApi, namespace: str, policy: ReaperPolicy = AT_ONCE, ahead: timedelta = timedelta()) -> SweepReport:
    """One pass in this process; ``ahead``: by how much the reaper's clock is ahead of the machine's."""
    return Sweep(api, default_policy().catalogue, policy, now=lambda: datetime.now(UTC) + ahead).run([namespace])


class Halt:
    """A point at which a pass halts until the test lets it go on."""

    def __init__(self) -> None:
        """The pass is not there yet."""
        self._reached, self._over = threading.Event(), threading.Event()

    def __call__(self) -> None:
        """Halt. TimeoutError."""
        self._reached.set()
        if not self._over.wait(SECONDS):
            raise TimeoutError

    @contextmanager
    def reached(self) -> Iterator[None]:
        """From the moment at which the pass halts; at the end of the block it goes on. TimeoutError."""
        if not self._reached.wait(SECONDS):
            raise TimeoutError
        try:
            yield
        finally:
            self._over.set()


class DisturbedApi:
    """An API server at which something happens in the middle of a pass."""

    def __init__(self, client: KubernetesClient, **happens: Iterable[Callable[[], object]]) -> None:
        """``happens``: what happens, one after the other, by when.

        ``connected``: each time that a connection to a pod is open; ``page``, ``patch`` (of a pod), ``watch``: before each such request.
        """
        self._client = client
        self._happens = {when: iter(these) for when, these in happens.items()}

    def get(self, path: str, **parameters: str) -> bytes:
        """The body of a GET."""
        if "continue" in parameters:
            self._happen("page")
        return self._client.get(path, **parameters)

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        """The lines of a watch."""
        self._happen("watch")
        yield from self._client.lines(path, read_seconds, **parameters)

    def request(self, method: str, path: str, body: object = None, media_type: str = "application/json") -> Response:
        """The response to a request."""
        if method == "PATCH" and "/pods/" in path:
            self._happen("patch")
        return self._client.request(method, path, body, media_type)

    @contextmanager
    def connect_to_pod(self, path: str, *parameters: tuple[str, str]) -> Iterator[PodChannels]:
        """The channels of a pod's subresource."""
        with self._client.connect_to_pod(path, *parameters) as channels:
            self._happen("connected")
            yield channels

    def _happen(self, when: str) -> None:
        next(self._happens.get(when, iter(())), lambda: None)()
