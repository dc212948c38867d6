"""The Events on pods: what each says, and how it is counted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from webhook.core import default_policy, read_progress
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError
from webhook.reaper.notice import Notice, NoticeKind
from webhook.reaper.pod_event import MAX_MESSAGE, MAX_POD_NAME, PodEvents, event_of

NOW: Final = datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)


@dataclass
class AnsweringApi:
    """An API server that answers each request with the next of these statuses."""

    statuses: list[int]
    body: bytes = b'{"message": "the API server says so"}'
    requests: list[tuple[str, str, Any, str]] = field(default_factory=list)

    def request(self, method: str, path: str, body: object = None, media_type: str = "application/json") -> Response:
        self.requests.append((method, path, body, media_type))
        return Response(self.statuses.pop(0), self.body, None)


def notice(
    kind: NoticeKind = NoticeKind.SIDECAR_STUCK, note: str = "It runs on.", name: str = "sales", namespace: str = "airflow"
) -> Notice:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    pod["metadata"] |= {"name": name, "namespace": namespace}
    progress = read_progress(pod, default_policy().catalogue)
    assert progress is not None
    return Notice(kind, progress, note)


def written(*statuses: int, times: int = 1) -> AnsweringApi:
    api = AnsweringApi([*statuses])
    events = PodEvents(api, "replica-1")
    for _ in range(times):
        events.write(notice(), NOW)
    return api


def test_an_event_says_what_happened_to_which_pod() -> None:
    api = written(201)
    ((method, path, body, _),) = api.requests
    assert (method, path) == ("POST", "/api/v1/namespaces/airflow/events")
    assert body == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": body["metadata"]["name"], "namespace": "airflow"},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": "airflow", "name": "sales", "uid": "uid-1"},
        "type": "Warning",
        "reason": "SidecarStuck",
        "message": "It runs on.",
        "source": {"component": "airflow-sidecar-webhook-reaper"},
        "reportingComponent": "airflow-sidecar-webhook-reaper",
        "reportingInstance": "replica-1",
        "firstTimestamp": "2026-01-01T12:00:05Z",
        "lastTimestamp": "2026-01-01T12:00:05Z",
        "count": 1,
    }
    assert body["metadata"]["name"].startswith("sales.")


def test_what_is_reported_again_is_counted_on_the_same_event() -> None:
    api = written(201, 409, 200, 409, 200, times=3)
    (name,) = {body["metadata"]["name"] for method, _, body, _ in api.requests if method == "POST"}
    patches = [request for request in api.requests if request[0] == "PATCH"]
    path, now = f"/api/v1/namespaces/airflow/events/{name}", "2026-01-01T12:00:05Z"
    assert patches == [("PATCH", path, {"count": count, "lastTimestamp": now}, "application/merge-patch+json") for count in (2, 3)]


def test_an_event_of_another_writer_is_counted_on_from_the_count_that_it_has() -> None:
    api = AnsweringApi([409, 200, 200, 409, 200], b'{"count": 7}')
    events = PodEvents(api, "the next pass")
    for _ in range(2):
        events.write(notice(), NOW)
    path, now = f"/api/v1/namespaces/airflow/events/{event_of(notice(), 'r', NOW)['metadata']['name']}", "2026-01-01T12:00:05Z"
    patches = [request for request in api.requests if request[0] == "PATCH"]
    assert patches == [
        ("PATCH", path, {**count, "lastTimestamp": now}, "application/merge-patch+json") for count in ({}, {"count": 8}, {"count": 9})
    ]


def test_a_later_version_counts_the_event_of_an_earlier_one_since_it_has_the_same_name() -> None:
    assert event_of(notice(), "r", NOW)["metadata"]["name"] == "sales.c729f1a9b7e748ef"


def test_a_name_leads_to_no_other_path() -> None:
    api = AnsweringApi([409, 200, 200])
    PodEvents(api, "r").write(notice(name="../a", namespace="b/c"), NOW)
    digest = event_of(notice(name="../a"), "r", NOW)["metadata"]["name"].removeprefix("../a.")
    collection = "/api/v1/namespaces/b%2Fc/events"
    assert [path for _, path, _, _ in api.requests] == [collection, *[f"{collection}/..%2Fa.{digest}"] * 2]


@pytest.mark.parametrize("body", [b"{}", b'{"count": null}', b'{"count": 0}'])
def test_an_event_without_a_count_counts_as_one(body: bytes) -> None:
    api = AnsweringApi([409, 200, 200], body)
    PodEvents(api, "r").write(notice(), NOW)
    assert api.requests[-1][2]["count"] == 2


def test_a_known_event_displaces_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.reaper.pod_event.MOST_COUNTED", 2)
    api = AnsweringApi([201, 201, 409, 200, 409, 200])
    events = PodEvents(api, "r")
    for name in ("sales", "other", "sales", "other"):
        events.write(notice(name=name), NOW)
    assert [body["count"] for method, _, body, _ in api.requests if method == "PATCH"] == [2, 2]


def test_an_event_whose_count_is_forgotten_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.reaper.pod_event.MOST_COUNTED", 1)
    api = AnsweringApi([201, 201, 409, 200, 200], b'{"count": 5}')
    events = PodEvents(api, "r")
    for name in ("sales", "other", "sales"):
        events.write(notice(name=name), NOW)
    assert api.requests[-1][2]["count"] == 6


def test_what_differs_is_another_event() -> None:
    names = {
        event_of(one, "r", NOW)["metadata"]["name"]
        for one in (notice(), notice(NoticeKind.SIDECAR_QUIT), notice(note="It has ended."), notice(name="other"))
    }
    assert len(names) == 4


def test_that_a_pod_was_left_is_one_event_that_nobody_counts_again() -> None:
    api = AnsweringApi([409])
    PodEvents(api, "the next replica").write(notice(NoticeKind.TASK_POD_LEFT), NOW)
    assert [method for method, *_ in api.requests] == ["POST"]


def test_that_a_pod_was_left_is_one_event_whatever_a_later_version_says_of_it() -> None:
    names = {event_of(notice(NoticeKind.TASK_POD_LEFT, note), "r", NOW)["metadata"]["name"] for note in ("It was left.", "In other words.")}
    assert len(names) == 1


def test_an_event_that_expires_meanwhile_is_not_missed() -> None:
    assert len(written(409, 404).requests) == 2
    assert len(written(409, 200, 404).requests) == 3


def test_an_event_in_a_namespace_that_is_being_deleted_is_not_missed() -> None:
    status = b'{"kind": "Status", "message": "no", "details": {"causes": [{"reason": "NamespaceTerminating", "message": "it ends"}]}}'
    PodEvents(AnsweringApi([403], status), "r").write(notice(), NOW)


@pytest.mark.parametrize("statuses", [(403,), (409, 500), (409, 200, 403)])
def test_a_refusal_is_an_error(statuses: tuple[int, ...]) -> None:
    with pytest.raises(RefusedError, match=f"{statuses[-1]} the API server says so"):
        written(*statuses)


@pytest.mark.parametrize("kind", NoticeKind)
def test_what_needs_a_person_is_a_warning_and_nothing_else_is(kind: NoticeKind) -> None:
    assert event_of(notice(kind), "r", NOW)["type"] == (
        "Warning" if kind in {NoticeKind.SIDECAR_STUCK, NoticeKind.TASK_POD_LEFT} else "Normal"
    )


def test_name_and_message_are_as_long_as_the_api_allows() -> None:
    event = event_of(notice(note="x" * 5000, name="p" * 253), "r", NOW)
    assert (len(event["message"]), len(event["metadata"]["name"]) <= 253) == (MAX_MESSAGE, True)


@pytest.mark.parametrize("end", ["-", ".", "-.-"])
def test_a_name_that_is_cut_is_still_one_that_the_api_takes(end: str) -> None:
    name = event_of(notice(name="p" * (MAX_POD_NAME - len(end)) + end + "q" * 20), "r", NOW)["metadata"]["name"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name)
