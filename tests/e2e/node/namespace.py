"""A namespace on a node, with what tests do with its pods and read from them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed import binaries
from testbed.api import ApiError, path_of
from testbed.namespace import SERVICE_ACCOUNT, wait_until_ready
from testbed.wait import until
from tests.e2e.namespaces import new_namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testbed.levels import NodeLevel
    from testbed.recorder import Moment
    from tests.support.json_object import JSONObject


ENDED: Final = frozenset({"Succeeded", "Failed"})
SECONDS: Final = 90
"""A pod ends within a few seconds; only a failure takes this long, or a busy machine."""


@dataclass(frozen=True, slots=True)
class PodNamespace:
    """A namespace that takes pods.

    Args:
        level: The node.
        name: The namespace's name.

    """

    level: NodeLevel
    name: str

    def create(self, *resources: JSONObject) -> None:
        """Create pods and whatever else they need. ApiError."""
        for resource in resources:
            self.level.api.create(resource)

    def end(self, pod: str) -> Moment:
        """The first moment at which a pod has ended. TimeoutError: it runs."""
        return self.when(pod, lambda moment: moment.phase in ENDED, "ends")

    def base_end(self, pod: str) -> JSONObject:
        """How the container ``base`` of a pod first ended. TimeoutError: it runs."""
        ended = self.when(pod, lambda moment: moment.terminated("base") is not None, "has a base that ended").terminated("base")
        assert ended is not None
        return ended

    def gone(self, pod: str) -> Moment:
        """The last moment of a deleted pod. TimeoutError."""
        return self.when(pod, lambda moment: moment.gone, "is gone")

    def when(self, pod: str, holds: Callable[[Moment], bool], what: str) -> Moment:
        """The first moment of a pod for which a condition holds. TimeoutError."""
        return self.level.recorder.first(self.name, pod, holds, what, SECONDS)

    def pod(self, name: str) -> JSONObject:
        """The pod now. ApiError."""
        return self.level.api.get(self.path(name))

    def delete(self, pod: str, grace_seconds: int) -> None:
        """Delete a pod. ApiError."""
        self.level.api.delete(self.path(pod), gracePeriodSeconds=str(grace_seconds))

    def kill_base(self, pod: str) -> None:
        """End ``base`` as the kernel ends a container that is out of memory: process 1 by SIGKILL, and with it all others. RuntimeError."""
        # A container writes its log before the kubelet has reported its id.
        container = until(lambda: self._running_base(pod), f"the base of {pod} runs", SECONDS)
        self.level.node.ctr("tasks", "kill", "--signal", "SIGKILL", container.removeprefix("containerd://"))

    def log(self, pod: str, container: str = "base") -> str:
        """What a container has written to stdout and stderr. ApiError: it has not started."""
        response = self.level.api.request("GET", f"{self.path(pod)}/log", container=container)
        if response.is_error:
            raise ApiError(response)
        return response.text

    def outputs(self, pod: str, container: str = "base") -> dict[str, str]:
        """What a container's first run has written, by stream (the CRI's log format: time, stream, F or P, text)."""
        uid = self.pod(pod)["metadata"]["uid"]
        file: Path = self.level.place.folder / "pod-logs" / f"{self.name}_{pod}_{uid}" / container / "0.log"
        streams = {"stdout": "", "stderr": ""}
        for line in file.read_text("utf-8").splitlines():
            _, stream, mark, text = line.split(" ", 3)
            streams[stream] += text + ("\n" if mark == "F" else "")
        return streams

    def agent_events(self, pod: str, container: str = "istio-proxy") -> list[JSONObject]:
        """The events that a stand-in agent logged, oldest first."""
        lines = [json.loads(line) for line in self.log(pod, container).splitlines()]
        return [line for line in lines if "event" in line]

    def wait_for_log(self, pod: str, text: str, container: str = "base") -> None:
        """Wait until a container has written a text. TimeoutError."""
        until(lambda: self._has_logged(pod, text, container), f"{pod} writes {text}", SECONDS)

    def kubectl(self, *arguments: str) -> list[str]:
        """The argv of a kubectl command in this namespace."""
        program = [str(binaries.find(binaries.KUBECTL)), f"--kubeconfig={self.level.server.kubeconfig}", f"--namespace={self.name}"]
        return [*program, *arguments]

    def path(self, pod: str) -> str:
        """The API's path of a pod."""
        return path_of({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": self.name}})

    def wait_until_nothing_runs(self) -> None:
        """Wait until every remaining pod has ended. TimeoutError: one runs for ever."""
        until(lambda: not self._running(), f"every pod in {self.name} ends", SECONDS)

    def _running_base(self, pod: str) -> str:
        """The id of ``base``; empty: the kubelet has not reported that it runs."""
        statuses = self.pod(pod)["status"].get("containerStatuses", ())
        return next((str(one["containerID"]) for one in statuses if one["name"] == "base" and "running" in one["state"]), "")

    def _running(self) -> list[str]:
        pods = self.level.api.get(f"/api/v1/namespaces/{self.name}/pods")["items"]
        return [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") not in ENDED]

    def _has_logged(self, pod: str, text: str, container: str) -> bool:
        try:
            return text in self.log(pod, container)
        except ApiError:
            return False


@contextmanager
def namespace_on(level: NodeLevel, name: str, **labels: str) -> Iterator[PodNamespace]:
    """A namespace that opted in unless its labels say otherwise. No pod may be left Running in it."""
    with new_namespace(level.api, name, **labels) as full_name:
        wait_until_ready(level.api, full_name, SERVICE_ACCOUNT)
        namespace = PodNamespace(level, full_name)
        yield namespace
        namespace.wait_until_nothing_runs()
