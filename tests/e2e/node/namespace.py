"""A namespace of the node's, with what a test asks of the pods in it."""

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
"""Only what fails takes so long; a pod that ends does so within a few seconds, and a machine may be busy."""


@dataclass(frozen=True, slots=True)
class Namespace:
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
        """A pod when it is first told to have ended. TimeoutError: it runs on."""
        return self.when(pod, lambda moment: moment.phase in ENDED, "ends")

    def base_end(self, pod: str) -> JSONObject:
        """How the container ``base`` of a pod ended first, whatever the pod did then. TimeoutError."""
        ended = self.when(pod, lambda moment: moment.terminated("base") is not None, "has a base that ended").terminated("base")
        assert ended is not None
        return ended

    def gone(self, pod: str) -> Moment:
        """The last that was told of a pod that was deleted. TimeoutError."""
        return self.when(pod, lambda moment: moment.gone, "is gone")

    def when(self, pod: str, holds: Callable[[Moment], bool], what: str) -> Moment:
        """The first moment of a pod for which a condition holds. TimeoutError."""
        return self.level.recorder.first(self.name, pod, holds, what, SECONDS)

    def pod(self, name: str) -> JSONObject:
        """A pod as it stands. ApiError."""
        return self.level.api.get(self.path(name))

    def delete(self, pod: str, grace_seconds: int) -> None:
        """Ask for a pod's end. ApiError."""
        self.level.api.delete(self.path(pod), gracePeriodSeconds=str(grace_seconds))

    def log(self, pod: str, container: str = "base") -> str:
        """What a container has written to both of its outputs. ApiError: it has not been started."""
        response = self.level.api.request("GET", f"{self.path(pod)}/log", container=container)
        if response.is_error:
            raise ApiError(response)
        return response.text

    def outputs(self, pod: str, container: str = "base") -> dict[str, str]:
        """What the runtime has kept of a container's first run, by stream (the CRI's log format: time, stream, F or P, text)."""
        uid = self.pod(pod)["metadata"]["uid"]
        file: Path = self.level.place.folder / "pod-logs" / f"{self.name}_{pod}_{uid}" / container / "0.log"
        kept = {"stdout": "", "stderr": ""}
        for line in file.read_text("utf-8").splitlines():
            _, stream, mark, text = line.split(" ", 3)
            kept[stream] += text + ("\n" if mark == "F" else "")
        return kept

    def agent_events(self, pod: str, container: str = "istio-proxy") -> list[JSONObject]:
        """What a stand-in did and was asked, oldest first."""
        told = [json.loads(line) for line in self.log(pod, container).splitlines()]
        return [line for line in told if "event" in line]

    def wait_for_log(self, pod: str, text: str, container: str = "base") -> None:
        """Until a container has written a text. TimeoutError."""
        until(lambda: self._has_logged(pod, text, container), f"{pod} writes {text}", SECONDS)

    def kubectl(self, *arguments: str) -> list[str]:
        """The argv of a kubectl on this namespace."""
        program = [str(binaries.find(binaries.KUBECTL)), f"--kubeconfig={self.level.server.kubeconfig}", f"--namespace={self.name}"]
        return [*program, *arguments]

    def path(self, pod: str) -> str:
        """Where the API has a pod."""
        return path_of({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": self.name}})

    def wait_until_nothing_runs(self) -> None:
        """Until every pod that is left here has ended. TimeoutError: one would have run for ever."""
        until(lambda: not self._running(), f"every pod in {self.name} ends", SECONDS)

    def _running(self) -> list[str]:
        pods = self.level.api.get(f"/api/v1/namespaces/{self.name}/pods")["items"]
        return [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") not in ENDED]

    def _has_logged(self, pod: str, text: str, container: str) -> bool:
        try:
            return text in self.log(pod, container)
        except ApiError:
            return False


@contextmanager
def namespace_on(level: NodeLevel, name: str, **labels: str) -> Iterator[Namespace]:
    """A namespace that opted in unless its labels say otherwise. No pod may be left Running in it."""
    with new_namespace(level.api, name, **labels) as full_name:
        wait_until_ready(level.api, full_name, SERVICE_ACCOUNT)
        namespace = Namespace(level, full_name)
        yield namespace
        namespace.wait_until_nothing_runs()
