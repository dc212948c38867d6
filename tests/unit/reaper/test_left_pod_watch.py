"""Of which pods that the webhook left there is a notice, and when."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.support.live_pods import ISTIO, annotated, live_pod
from webhook.core import default_policy
from webhook.kube.errors import RefusedError
from webhook.kube.reflector import RESYNC_SECONDS
from webhook.reaper.left_pod_watch import LeftPodWatch
from webhook.reaper.task_pods import PODS_PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject
    from webhook.reaper.notice import Notice

LEFT: Final = '{"treatment": "left", "reason": "host-network"}'


@dataclass
class ScriptedLeftPods:
    """An API server whose lists and watches follow a script, and what was notified."""

    lists: list[list[JSONObject]]
    watches: list[list[JSONObject] | Exception]
    heard: list[str] = field(default_factory=list)
    reads: int = 0
    seconds: float = 0.0

    def get(self, path: str, **parameters: str) -> bytes:
        self._check(path, parameters)
        assert parameters["limit"] == str(PODS_PAGE)
        return json.dumps({"metadata": {"resourceVersion": "5"}, "items": self.lists.pop(0)}).encode()

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        assert read_seconds > 0
        self._check(path, parameters)
        events = self.watches.pop(0)
        if isinstance(events, Exception):
            raise events
        yield from (json.dumps(event).encode() for event in events)

    def _check(self, path: str, parameters: dict[str, str]) -> None:
        """Pods that have started, and those that were not left, are never sent."""
        assert path == "/api/v1/namespaces/airflow/pods"
        assert parameters["labelSelector"] == "airflow-sidecar-webhook/treatment=left"
        assert parameters["fieldSelector"] == "status.phase=Pending"

    def pod_left(self, notice: Notice) -> None:
        self.heard.append(notice.pod.name)

    def left_pods_read(self, namespace: str) -> None:
        assert namespace == "airflow"
        self.reads += 1

    def left_pods_failed(self, namespace: str, problem: Exception) -> None:
        self.heard.append(f"{namespace}: {problem}")

    def watch(self) -> LeftPodWatch:
        return LeftPodWatch(self, default_policy().catalogue, "airflow", self, threading.Semaphore(), lambda: self.seconds)


def pod(name: str, status: str = LEFT) -> JSONObject:
    """A pod that was just created."""
    found = annotated(live_pod({}, ISTIO, hostNetwork=True), status=status)
    found["metadata"] |= {"name": name, "uid": f"uid-of-{name}"}
    found["status"] = {"phase": "Pending"}
    return found


def event(what: str, document: JSONObject) -> JSONObject:
    return {"type": what, "object": document}


def test_a_pod_is_reported_once_when_it_is_created() -> None:
    script = ScriptedLeftPods([[]], [[event("ADDED", pod("a")), event("MODIFIED", pod("a")), event("ADDED", pod("b"))]])
    script.watch().run_once()
    assert (script.heard, script.reads > 0) == (["a", "b"], True)


def test_a_pod_that_waits_at_the_start_is_reported_and_the_next_list_repeats_none() -> None:
    script = ScriptedLeftPods([[pod("a")], [pod("a"), pod("b")]], [[], [event("MODIFIED", pod("b"))]])
    watch = script.watch()
    watch.run_once()
    script.seconds = RESYNC_SECONDS
    watch.run_once()
    assert script.heard == ["a", "b"]


def test_a_pod_that_has_started_is_forgotten() -> None:
    script = ScriptedLeftPods([[pod("a")], [pod("a")]], [[event("DELETED", pod("a"))], []])
    watch = script.watch()
    watch.run_once()
    script.seconds = RESYNC_SECONDS
    watch.run_once()
    assert script.heard == ["a", "a"]


def test_a_pod_that_needs_no_person_is_not_reported_and_neither_is_one_that_is_not_airflows_or_that_somebody_has_deleted() -> None:
    foreign, deleted = pod("foreign"), pod("deleted")
    foreign["metadata"]["labels"] = {"app": "web"}
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T10:00:00Z"
    odd = pod("odd")
    odd["spec"]["containers"] = "none"
    changes = [pod("audited", '{"treatment": "audited", "reason": "host-network"}'), foreign, deleted, odd, pod("a")]
    script = ScriptedLeftPods([[foreign, odd]], [[event("ADDED", one) for one in changes]])
    script.watch().run_once()
    assert script.heard == ["a"]


def test_a_failure_is_notified_and_the_pods_are_listed_again() -> None:
    script = ScriptedLeftPods([[pod("a")], [pod("a"), pod("b")]], [RefusedError(410, "too old"), []])
    watch = script.watch()
    watch.run_once()
    watch.run_once()
    assert script.heard == ["a", "airflow: 410 too old", "b"]
