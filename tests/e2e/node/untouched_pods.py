"""Pods that the reaper must not touch, although their task has ended or seems to have, each with a proxy that would take a quit request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from testbed.wait import until
from tests.e2e.node.left_pods import LABEL_ONLY, READY, answering, do_sidecars_run
from tests.e2e.node.namespace import SECONDS
from tests.e2e.node.pods import executor_pod, operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

ISTIO: Final = {"sidecar.istio.io/status": "{}"}
LONG_GRACE: Final[JSONObject] = {"terminationGracePeriodSeconds": 900}
"""Longer than the tests: while its native sidecar ends, a pod stays Running."""

REASONS: Final = {"uploads": "unknown-container-running", "xcom": "xcom-not-taken", "debugged": "debug-container"}
"""Why nothing is done about those whose task has ended, and that are Airflow's."""

RESTARTED: Final = ("always", "tries-again")
NAMES: Final = (*REASONS, *RESTARTED, "works", "native", "foreign")


class UntouchedPods:
    """The pods, as they were once their task had ended."""

    def __init__(self, place: PodNamespace, task_image: str, agent_image: str) -> None:
        """Create them, and wait until each is as the reaper finds it. ``place``: a namespace of their own. ApiError, TimeoutError."""
        self.place = place
        place.create(*_pods(place.name, task_image, agent_image))
        debugger = {"name": "debugger", **shell(task_image, "sleep 3600")}
        place.level.api.patch(f"{place.path('debugged')}/ephemeralcontainers", {"spec": {"ephemeralContainers": [debugger]}})
        for name in NAMES:
            place.wait_for_log(name, READY, "istio-proxy")
            if name in RESTARTED:
                place.when(name, lambda moment: _restarts(moment.pod) > 0, "is started again")
            elif name != "works":
                place.base_end(name)
        # A Running pod cannot show whether the kubelet has noticed the debugger yet.
        until(self._is_debugged, "the debugger runs", SECONDS)
        until(lambda: all(do_sidecars_run(place.pod(name)) for name in NAMES), "every sidecar runs", SECONDS)
        self._before = {name: place.pod(name) for name in NAMES}
        self._since = time.monotonic()

    def wait_until_watched_for(self, seconds: float) -> None:
        """Wait until they have been so for this long: the time is the claim. TimeoutError."""
        until(lambda: time.monotonic() > self._since + seconds, "time passes", seconds + SECONDS)

    def assert_untouched(self, name: str) -> None:
        """Assert that one is as it was: the same pod, with the same containers beside the task, and without a request."""
        before, pod = self._before[name], self.place.pod(name)
        assert pod["metadata"]["uid"] == before["metadata"]["uid"]
        assert pod["status"]["phase"] == "Running"
        assert "activeDeadlineSeconds" not in pod["spec"]
        assert _sidecars(pod) == _sidecars(before)
        assert "POST" not in self.place.log(name, "istio-proxy")

    def delete(self) -> None:
        """Delete them."""
        for name in NAMES:
            self.place.delete(name, 0)

    def _is_debugged(self) -> bool:
        statuses = self.place.pod("debugged")["status"].get("ephemeralContainerStatuses", ())
        return any("running" in status["state"] for status in statuses)


def _pods(namespace: str, task_image: str, agent_image: str) -> list[JSONObject]:
    proxy, done, sleeper = stand_in_proxy(agent_image), shell(task_image, "exit 1"), shell(task_image, "sleep 3600")
    native = {**answering(agent_image, "istio-proxy", 15020, 200, 0, handles_term=False), "restartPolicy": "Always"}
    foreign = executor_pod(namespace, "foreign", done, proxy)
    foreign["metadata"]["labels"] = {"app": "airflow-worker", "component": "worker"}
    return [
        executor_pod(namespace, "uploads", done, proxy, {"name": "uploader", **sleeper}, annotations=LABEL_ONLY),
        operator_pod(namespace, "xcom", done, proxy, {"name": "airflow-xcom-sidecar", **sleeper}, annotations=LABEL_ONLY),
        executor_pod(namespace, "debugged", done, proxy, annotations=LABEL_ONLY),
        executor_pod(namespace, "always", done, proxy, annotations=LABEL_ONLY, restartPolicy="Always"),
        executor_pod(namespace, "tries-again", done, proxy, annotations=LABEL_ONLY, restartPolicy="OnFailure"),
        executor_pod(namespace, "works", sleeper, proxy, annotations=LABEL_ONLY),
        executor_pod(namespace, "native", done, annotations=LABEL_ONLY | ISTIO, initContainers=[native], **LONG_GRACE),
        foreign,
    ]


def _restarts(pod: JSONObject) -> int:
    """How often ``base`` was started again."""
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ()) if one["name"] == "base")


def _sidecars(pod: JSONObject) -> dict[str, tuple[str, list[str]]]:
    """Id and state of each container that is no task's."""
    statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"]["containerStatuses"]]
    return {one["name"]: (one["containerID"], [*one["state"]]) for one in statuses if one["name"] != "base"}
