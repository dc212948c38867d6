"""The Events of a pass: which it writes, and what its report says of those that it could not write."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from testbed import wait
from tests.support.fake_pod_api import FakePodApi
from tests.support.fake_task_cluster import end_of
from tests.support.live_pods import CLOUD_SQL, ENDED_AT, ISTIO, RUNNING, UPLOADER, annotated, ended, live_pod, with_debugger
from webhook.core import default_policy, read_progress
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError, UnreachableError
from webhook.reaper.act import ActOutcome
from webhook.reaper.agenda import Agenda
from webhook.reaper.decision import ReaperPolicy
from webhook.reaper.notice import LINGER, Notice, NoticeKind
from webhook.reaper.sweep import Sweep
from webhook.reaper.sweep_events import NO_TIME, SweepEvents
from webhook.reaper.sweep_report import SweepProblem

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Progress
    from webhook.reaper.sweep_report import SweepReport

CATALOGUE: Final = default_policy().catalogue
POLICY: Final = ReaperPolicy()
LATER: Final = ENDED_AT + LINGER + timedelta(minutes=1)
"""When a pod has waited for somebody for long."""

STUCK: Final = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
FAILED: Final = live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL)
ENDLESS: Final = live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL)
"""Nothing ends its sidecar with exit code 0."""

SECONDS: Final = 60
"""Longer than a busy machine takes; only a failing test reaches it."""


def progress(pod: JSONObject) -> Progress:
    found = read_progress(pod, CATALOGUE)
    assert found is not None
    return found


def swept(api: FakePodApi, *, is_dry: bool = False) -> SweepReport:
    return Sweep(api, CATALOGUE, POLICY, is_dry, api.clock, "a-pass").run(["airflow"])


def written(api: FakePodApi) -> set[tuple[str, str]]:
    """Reason and message of each Event."""
    assert {event["reportingInstance"] for event in api.events} <= {"a-pass"}
    return {(event["reason"], event["message"]) for event in api.events}


def reasons(api: FakePodApi) -> list[str]:
    return sorted(event["reason"] for event in api.events)


def of_the_controller(pod: JSONObject, *, is_observing: bool) -> set[tuple[str, str]]:
    """The same of the notices of a controller that has seen the pod since its task ended."""
    agenda = Agenda(POLICY, is_observing=is_observing)
    agenda.see(progress(pod), ENDED_AT)
    agenda.due(LATER)
    return {(str(one.kind), one.note) for one in agenda.take_notices()}


PODS: Final = {
    "due": STUCK,
    "due by its deadline": FAILED,
    "left": ENDLESS,
    "debugged": with_debugger(copy.deepcopy(STUCK), RUNNING),
    "with an unknown container": live_pod({"base": ended(), "istio-proxy": RUNNING, "uploader": RUNNING}, ISTIO, UPLOADER),
    "without status": annotated(copy.deepcopy(STUCK), status=None),
    "at work": live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO),
}
WITHOUT_EVENT: Final = {"without status", "at work"}


@pytest.mark.parametrize("name", PODS)
def test_a_dry_run_writes_the_events_of_an_observing_controller(name: str) -> None:
    api = FakePodApi(PODS[name], now=LATER)
    swept(api, is_dry=True)

    assert written(api) == of_the_controller(PODS[name], is_observing=True)
    assert bool(api.events) == (name not in WITHOUT_EVENT)


@pytest.mark.parametrize("name", sorted(set(PODS) - {"due", "due by its deadline"}))
def test_a_pod_on_which_a_pass_does_not_act_has_the_event_of_the_controller(name: str) -> None:
    api = FakePodApi(PODS[name], now=LATER)
    swept(api)

    assert written(api) == of_the_controller(PODS[name], is_observing=False)
    assert bool(api.events) == (name not in WITHOUT_EVENT)


@pytest.mark.parametrize("name", ["debugged", "with an unknown container"])
def test_a_pod_that_has_waited_for_somebody_for_a_short_time_has_none(name: str) -> None:
    api = FakePodApi(PODS[name], now=ENDED_AT + LINGER - timedelta(seconds=1))
    swept(api)
    assert api.events == []


def test_an_act_and_the_end_of_its_pod_have_an_event_each() -> None:
    api = FakePodApi(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), change=end_of("istio-proxy"))
    swept(api)
    assert written(api) == {
        ("SidecarQuit", "The sidecar istio-proxy ran on after the task, and accepted its quit request (HTTP 200)."),
        ("TaskPodEnded", "The pod no longer runs. Its task's container exited with 0."),
    }


def test_a_sidecar_that_ends_after_a_request_without_an_answer_has_one_too() -> None:
    stuck = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    api = FakePodApi(stuck, [UnreachableError("connection reset")], later=(timedelta(seconds=1), end_of("istio-proxy")))
    report = swept(api)
    assert [(act.outcome, act.detail) for act in report.pods[0].acts] == [(ActOutcome.FAILED, "connection reset")]
    assert written(api) == {
        (
            "SidecarQuit",
            "The sidecar istio-proxy ran on after the task. An attempt to send its quit request had no answer, and it has ended since.",
        ),
        ("TaskPodEnded", "The pod no longer runs. Its task's container exited with 0."),
    }


def test_a_deadline_has_one_too() -> None:
    api = FakePodApi(live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL))
    swept(api)
    assert reasons(api) == ["TaskPodDeadlineSet", "TaskPodEnded"]


def test_a_pod_that_is_gone_after_an_act_has_ended() -> None:
    api = FakePodApi(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO))

    def disappear(_: JSONObject) -> None:
        api.pod = None

    api.change = disappear
    swept(api)
    assert reasons(api) == ["SidecarQuit", "TaskPodEnded"]


def test_a_pod_that_somebody_deletes_after_an_act_has_no_event_of_its_end() -> None:
    def delete(pod: JSONObject) -> None:
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T10:12:00Z"

    api = FakePodApi(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), change=delete)
    swept(api)
    assert reasons(api) == ["SidecarQuit"]


def test_a_pod_that_is_gone_before_an_act_has_none() -> None:
    api = FakePodApi(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), [UnreachableError("no")])
    original = api.get

    def get(path: str, **parameters: str) -> bytes:
        found = original(path, **parameters)
        api.pod = None
        return found

    api.get = get  # type: ignore[method-assign]
    (pod,) = swept(api).pods
    assert (pod.is_gone, api.events) == (True, [])


def test_a_pod_whose_methods_are_spent_is_stuck() -> None:
    api = FakePodApi(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), [403])
    swept(api)
    assert reasons(api) == ["SidecarStuck"]


def test_a_missing_right_is_reported_once_and_changes_nothing_else() -> None:
    api = FakePodApi(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), change=end_of("istio-proxy"), event_statuses=[403, 403])
    report = swept(api)

    assert report.problems == (SweepProblem("airflow", "write Events", "403 no", "create and patch events"),)
    assert [one.pod.phase for one in report.pods] == ["Succeeded"]


def test_a_problem_that_passes_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.reaper.event_writer.EVENT_PAUSES", (0.0,))
    api = FakePodApi(ENDLESS, event_statuses=[500])
    assert (swept(api).problems, reasons(api)) == ((), ["SidecarStuck"])


def test_a_problem_that_stays_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.reaper.event_writer.EVENT_PAUSES", (0.0,))
    report = swept(FakePodApi(ENDLESS, event_statuses=[500, 429]))
    assert report.problems == (SweepProblem("airflow", "write Events", "429 no"),)


class EventApi:
    """An API server that creates no Event, or meets a bug of the client."""

    def __init__(self, answer: int | Exception) -> None:
        """Answer each request by this status or error."""
        self.answer, self.requests = answer, list[str]()

    def request(self, method: str, path: str, body: object = None, media_type: str = "application/json") -> Response:
        del method, body, media_type
        self.requests.append(path)
        if isinstance(self.answer, Exception):
            raise self.answer
        return Response(self.answer, b'{"message": "no"}', None)


def notice(namespace: str = "airflow", note: str = "It runs on.") -> Notice:
    return Notice(NoticeKind.SIDECAR_STUCK, replace(progress(STUCK), namespace=namespace, uid=f"uid-in-{namespace}"), note)


def test_a_namespace_in_which_events_are_forbidden_gets_no_further_request_and_others_do() -> None:
    api = EventApi(403)
    events = SweepEvents(api, "a-pass", lambda: LATER)
    events.event_failed(notice(), RefusedError(403, "no"))
    events.write(notice(note="It still runs on."))
    events.write(notice("data"))

    assert {problem.namespace for problem in events.finish()} == {"airflow", "data"}
    assert api.requests == ["/api/v1/namespaces/data/events"]


def test_a_bug_is_reported_and_ends_no_pass() -> None:
    events = SweepEvents(EventApi(ZeroDivisionError("a bug")), "a-pass", lambda: LATER)
    events.write(notice())
    assert events.finish() == [SweepProblem("airflow", "write Events", "ZeroDivisionError")]


def test_events_for_which_no_time_is_left_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.reaper.event_writer.EVENT_PAUSES", (3600.0,))
    monkeypatch.setattr("webhook.reaper.sweep_events.LAST_EVENTS_SECONDS", 0.0)
    api = EventApi(500)
    events = SweepEvents(api, "a-pass", lambda: LATER)
    # Both workers wait before their next attempt, so the third Event is not begun.
    for namespace in ("a", "b", "c"):
        events.write(notice(namespace))
    wait.until(lambda: len(api.requests) == 2, "both workers have made an attempt", SECONDS)

    assert {(one.namespace, one.message) for one in events.finish()} == {("a", "500 no"), ("b", "500 no"), ("c", NO_TIME)}
