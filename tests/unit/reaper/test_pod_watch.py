"""How the pods of a namespace are followed: lists, watches, and what follows when one of them fails."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.fake_api_reader import FakeApiReader
from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from tests.support.nested import DEEPEST, nested
from webhook.core import default_policy, read_progress
from webhook.kube.backoff import FIRST_PAUSE_SECONDS
from webhook.kube.errors import ClusterError, RefusedError, UnreachableError, UnreadableError
from webhook.kube.reflector import RESYNC_SECONDS
from webhook.reaper.pod_watch import PodWatch
from webhook.reaper.task_pods import PODS_PAGE, TaskPods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.json_object import JSONObject
    from webhook.core import Progress

CATALOGUE: Final = default_policy().catalogue
LONG_SECONDS: Final = 60
"""Longer than a busy machine takes; only a failing test reaches it."""


@dataclass
class ScriptedPods:
    """An API server whose lists and watches follow a script, and what was notified.

    Args:
        pages: The lists, in turn: a page, or an error.
        watches: The watches, in turn: their lines, or an error.
        asked: Of each request the query that says what it continues.
        heard: What was notified.

    """

    pages: list[JSONObject | Exception] = field(default_factory=list)
    watches: list[list[JSONObject] | Exception] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    heard: list[tuple[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    lists: threading.Semaphore = field(default_factory=threading.Semaphore)

    def get(self, path: str, **parameters: str) -> bytes:
        assert path == "/api/v1/namespaces/airflow/pods"
        assert (parameters["fieldSelector"], parameters["limit"]) == ("status.phase=Running", str(PODS_PAGE))
        self.asked.append(f"list {parameters.get('continue', '')}".strip())
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return encoded(page)

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        assert path == "/api/v1/namespaces/airflow/pods"
        assert read_seconds > float(parameters["timeoutSeconds"])
        assert parameters["fieldSelector"] == "status.phase=Running"
        self.asked.append(f"watch {parameters['resourceVersion']}")
        events = self.watches.pop(0)
        if isinstance(events, Exception):
            raise events
        yield b""
        for event in events:
            yield encoded(event)

    def pods_listed(self, namespace: str, pods: Iterable[Progress]) -> None:
        self.heard.append(("listed", [pod.name for pod in pods]))
        assert namespace == "airflow"

    def pod_seen(self, pod: Progress) -> None:
        self.heard.append(("seen", pod.name))

    def pod_gone(self, uid: str) -> None:
        self.heard.append(("gone", uid))

    def pods_read(self, namespace: str) -> None:
        assert namespace == "airflow"

    def pods_failed(self, namespace: str, problem: Exception) -> None:
        assert namespace == "airflow"
        self.heard.append(("failed", problem))

    def watch(self) -> PodWatch:
        return PodWatch(self, CATALOGUE, "airflow", self, self.lists, lambda: self.seconds)


DEEP: Final = "what stands for deeply nested fields"


def encoded(document: JSONObject) -> bytes:
    return json.dumps(document).encode().replace(json.dumps(DEEP).encode(), nested("{}", DEEPEST))


def page(version: str, *pods: JSONObject, following: str = "") -> JSONObject:
    return {"metadata": {"resourceVersion": version, "continue": following}, "items": list(pods)}


def pod(name: str, base: JSONObject | None = None, version: str = "7") -> JSONObject:
    found = live_pod({"base": base or ended(), "istio-proxy": RUNNING}, ISTIO)
    found["metadata"] |= {"name": name, "uid": f"uid-of-{name}", "resourceVersion": version}
    return found


def event(what: str, document: JSONObject) -> JSONObject:
    return {"type": what, "object": document}


def foreign(version: str) -> JSONObject:
    document = pod("web", version=version)
    document["metadata"]["labels"] = {"app": "web"}
    return document


def test_a_list_names_the_task_pods_whose_task_has_ended_page_by_page() -> None:
    script = ScriptedPods([page("5", pod("a"), foreign("1"), following="more"), page("5", pod("b", RUNNING), pod("c"))], [[]])
    script.watch().run_once()
    assert (script.heard, script.asked) == ([("listed", ["a", "c"])], ["list", "list more", "watch 5"])


def test_a_pod_whose_managed_fields_are_nested_without_end_is_read_like_any_other_and_hides_none() -> None:
    deep, later = pod("deep"), pod("later")
    for one in (deep, later):
        one["metadata"]["managedFields"] = [{"manager": "somebody", "fieldsV1": DEEP}]
    script = ScriptedPods([page("5", deep, pod("a"))], [[event("MODIFIED", later), event("MODIFIED", pod("b"))]])
    script.watch().run_once()
    assert script.heard == [("listed", ["deep", "a"]), ("seen", "later"), ("seen", "b")]


def test_such_a_pod_is_read_again_before_an_act() -> None:
    deep = pod("deep")
    deep["metadata"]["managedFields"] = [{"manager": "somebody", "fieldsV1": DEEP}]
    progress = read_progress(pod("deep"), CATALOGUE)
    assert progress is not None
    path = "/api/v1/namespaces/airflow/pods/deep"
    again = TaskPods(FakeApiReader({path: [encoded(deep)]}), CATALOGUE).again(progress)
    assert again == progress


def test_a_watch_tells_what_changes_and_the_next_continues_after_the_last_event() -> None:
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    events = [event("ADDED", pod("a", version="6")), event("MODIFIED", foreign("7")), event("DELETED", pod("a", version="8")), bookmark]
    script = ScriptedPods([page("5")], [events, []])
    watch = script.watch()
    assert watch.run_once() < FIRST_PAUSE_SECONDS
    watch.run_once()
    assert script.heard == [("listed", []), ("seen", "a"), ("gone", "uid-of-a")]
    assert script.asked == ["list", "watch 5", "watch 9"]


def test_a_pod_of_a_form_that_is_not_known_is_passed_over() -> None:
    odd = pod("odd", version="6")
    odd["spec"]["containers"] = "none"
    script = ScriptedPods([page("5")], [[event("MODIFIED", odd), event("MODIFIED", pod("a"))]])
    script.watch().run_once()
    assert script.heard == [("listed", []), ("seen", "a")]


def test_a_connection_that_breaks_off_is_continued_where_it_broke_off() -> None:
    problem = UnreachableError("connection reset")
    script = ScriptedPods([page("5")], [[event("ADDED", pod("a", version="6"))], problem, []])
    watch = script.watch()
    for _ in range(3):
        watch.run_once()
    assert script.asked == ["list", "watch 5", "watch 6", "watch 6"]
    assert script.heard[2:] == [("failed", problem)]


@pytest.mark.parametrize(
    "fault",
    [RefusedError(410, "too old resource version"), RefusedError(403, "pods is forbidden"), UnreadableError("no JSON")],
    ids=["too old", "forbidden", "unreadable"],
)
def test_after_any_other_failure_the_pods_are_listed_again(fault: ClusterError) -> None:
    script = ScriptedPods([page("5"), page("50", pod("a"))], [fault, []])
    watch = script.watch()
    watch.run_once()
    watch.run_once()
    assert script.asked == ["list", "watch 5", "list", "watch 50"]
    assert script.heard == [("listed", []), ("failed", fault), ("listed", ["a"])]


def test_an_error_within_a_watch_is_a_failure_of_it() -> None:
    script = ScriptedPods([page("5"), page("50")], [[event("ERROR", {"code": 410, "message": "too old"})], []])
    watch = script.watch()
    watch.run_once()
    watch.run_once()
    assert script.asked == ["list", "watch 5", "list", "watch 50"]
    assert str(script.heard[1][1]) == "410 too old"


def test_the_pauses_after_failures_grow_until_a_watch_succeeds() -> None:
    down = UnreachableError("connection refused")
    script = ScriptedPods([*[down] * 5, page("5"), down], [[], down])
    watch = script.watch()
    pauses = [watch.run_once() for _ in range(5)]
    assert all(FIRST_PAUSE_SECONDS * 2**n / 2 <= pause <= FIRST_PAUSE_SECONDS * 2**n for n, pause in enumerate(pauses))
    watch.run_once()
    assert watch.run_once() <= FIRST_PAUSE_SECONDS


def test_an_event_ends_the_growth_of_the_pauses_and_the_acceptance_of_a_watch_does_not() -> None:
    gone = RefusedError(410, "too old")
    breaking = [event("ADDED", pod("a", version="6")), event("ERROR", {"code": 410, "message": "too old"})]
    script = ScriptedPods([page("5")] * 6, [gone, gone, gone, breaking, [event("ERROR", {"code": 410, "message": "too old"})]])
    watch = script.watch()
    pauses = [watch.run_once() for _ in range(5)]
    assert pauses[2] > FIRST_PAUSE_SECONDS
    assert pauses[3] <= FIRST_PAUSE_SECONDS < 2 * pauses[4]


def test_the_pods_are_listed_again_from_time_to_time_whatever_the_watch_shows() -> None:
    script = ScriptedPods([page("5"), page("50")], [[], [], []])
    watch = script.watch()
    watch.run_once()
    script.seconds = RESYNC_SECONDS - 1
    watch.run_once()
    script.seconds = RESYNC_SECONDS
    watch.run_once()
    assert script.asked == ["list", "watch 5", "watch 5", "list", "watch 50"]


def test_a_watch_that_was_stopped_notifies_nobody() -> None:
    script = ScriptedPods([page("5")], [[event("ADDED", pod("a"))]])
    watch = script.watch()
    watch.stop()
    watch.run_once()
    assert script.heard == [("listed", [])]


def test_of_a_pod_nobody_is_notified_before_its_task_has_ended() -> None:
    before_the_end = [event("ADDED", pod("a", RUNNING, "6")), event("MODIFIED", pod("a", RUNNING, "7"))]
    restarted = pod("b", RUNNING, "8")
    restarted["status"]["containerStatuses"][0]["lastState"] = ended(1)
    script = ScriptedPods([page("5")], [[*before_the_end, event("MODIFIED", restarted), event("DELETED", pod("b", RUNNING, "9"))], []])
    watch = script.watch()
    watch.run_once()
    watch.run_once()
    assert (script.heard, script.asked[-1]) == ([("listed", [])], "watch 9")


def test_an_event_of_a_pod_of_which_no_container_has_ended_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []
    monkeypatch.setattr("webhook.reaper.pod_watch.read_task_pod", lambda data, **_: decoded.append(data))
    script = ScriptedPods([page("5")], [[event("MODIFIED", pod("a", RUNNING, "6")), event("MODIFIED", pod("b", version="7"))]])
    script.watch().run_once()
    (only,) = decoded
    assert json.loads(only)["metadata"]["name"] == "b"


def test_of_a_pod_whose_task_has_ended_each_change_is_notified_whatever_it_is() -> None:
    changes = [
        event("MODIFIED", pod("a", version="6")),
        event("MODIFIED", pod("a", RUNNING, "7")),
        event("MODIFIED", pod("b", RUNNING, "8")),
    ]
    script = ScriptedPods([page("5", pod("b"))], [[*changes, event("DELETED", pod("a", RUNNING, "9"))]])
    script.watch().run_once()
    assert script.heard == [("listed", ["b"]), ("seen", "a"), ("seen", "a"), ("seen", "b"), ("gone", "uid-of-a")]


def test_a_list_waits_for_those_of_other_namespaces_and_a_watch_does_not() -> None:
    script = ScriptedPods([page("5")], [[]])
    watching = script.watch()
    script.lists.acquire()
    thread = threading.Thread(target=watching.run_once, daemon=True)
    thread.start()
    assert script.asked == []
    script.lists.release()
    thread.join(LONG_SECONDS)
    assert script.asked == ["list", "watch 5"]
    assert script.lists.acquire(blocking=False)
