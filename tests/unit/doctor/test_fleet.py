"""Reading the namespaces of a fleet. The report: tests/unit/command/test_fleet_report.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.cluster_snapshots import NOW, RUNNING, ended, task_pod
from tests.support.fake_api_reader import FakeApiReader, page
from tests.support.pods import ABLE_CLUSTER
from webhook.core import default_policy
from webhook.course.pod_course import PodState
from webhook.course.stuck_pod import StuckPodReader
from webhook.doctor.fleet import MOST_UNREACHABLE, Fleet, list_called, read_fleet
from webhook.doctor.registration import OWN_WEBHOOK, RegisteredWebhook
from webhook.doctor.selector import LabelSelector, Requirement
from webhook.doctor.snapshot import ReadFailure
from webhook.kube.errors import RefusedError, UnreachableError
from webhook.reaper.namespaces import OPTED_IN

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

READER: Final = StuckPodReader(default_policy(), ABLE_CLUSTER, None, NOW)
GONE: Final = UnreachableError("no route to host")


def path_of(namespace: str) -> str:
    """The path of its pods."""
    return f"/api/v1/namespaces/{namespace}/pods"


def api_with(**answers: list[object]) -> FakeApiReader:
    """A fake API server whose namespaces have opted in; each answers so, one request after the other."""
    namespaces = page(*[{"metadata": {"name": name}} for name in answers])
    return FakeApiReader({"/api/v1/namespaces": [namespaces], **{path_of(name): given for name, given in answers.items()}})


def read(api: FakeApiReader, shown: list[str] | None = None) -> Fleet:
    """The fleet."""
    return read_fleet(api, list_called(api, ()), READER, (shown if shown is not None else []).append)


def stuck(name: str) -> JSONObject:
    """A stuck pod."""
    return task_pod(ended(), RUNNING, name)


def names(fleet: Fleet) -> list[str]:
    """Of the stuck pods."""
    return [one.name for one in fleet.stuck]


BY_NAME: Final = LabelSelector(matchExpressions=(Requirement("kubernetes.io/metadata.name", "In", ("airflow-prod", "etl")),))
OF_TEAM: Final = LabelSelector({"team": "data"}, (Requirement("off", "DoesNotExist"), Requirement("stage", "Exists")))
OTHERS: Final = RegisteredWebhook("sidecar-injector.istio.io", namespaceSelector=LabelSelector({"istio-injection": "enabled"}))


@pytest.mark.parametrize(
    ("webhooks", "queries"),
    [
        ((), {OPTED_IN}),
        (ReadFailure("forbidden"), {OPTED_IN}),
        ((OTHERS,), {OPTED_IN}),
        ((OTHERS, RegisteredWebhook(OWN_WEBHOOK, namespaceSelector=BY_NAME)), {"kubernetes.io/metadata.name in (airflow-prod, etl)"}),
        ((RegisteredWebhook(OWN_WEBHOOK, namespaceSelector=OF_TEAM),), {"team=data,!off,stage"}),
        ((RegisteredWebhook(OWN_WEBHOOK),), {""}),
        (
            tuple(RegisteredWebhook(OWN_WEBHOOK, namespaceSelector=one) for one in (BY_NAME, LabelSelector({"a": "b"}))),
            {"a=b", BY_NAME.query},
        ),
    ],
)
def test_the_namespaces_are_those_that_the_installed_webhook_selects(
    webhooks: tuple[RegisteredWebhook, ...] | ReadFailure, queries: set[str]
) -> None:
    api = FakeApiReader({"/api/v1/namespaces": [page()] * len(queries)})

    assert list_called(api, webhooks) == []
    assert {parameters["labelSelector"] for _, parameters in api.requests} == queries


def test_every_page_is_read_of_pods_that_have_not_ended() -> None:
    api = api_with(data=[page(stuck("a"), following="2"), page(stuck("b"), task_pod(RUNNING, RUNNING, "c"))])
    fleet = read(api)

    assert names(fleet) == ["a", "b"]
    assert [(one.running, one.stuck) for one in fleet.namespaces] == [(3, 2)]
    queries = [parameters for path, parameters in api.requests if path == path_of("data")]
    assert [(one["fieldSelector"], one["limit"], one.get("continue")) for one in queries] == [
        ("status.phase!=Failed,status.phase!=Succeeded", "50", None),
        ("status.phase!=Failed,status.phase!=Succeeded", "50", "2"),
    ]


def test_a_pod_that_comes_twice_since_a_page_has_expired_is_counted_once() -> None:
    fleet = read(api_with(data=[page(stuck("a"), following="2"), RefusedError(410, "expired"), page(stuck("a"), stuck("b"))]))

    assert names(fleet) == ["a", "b"]
    assert fleet.namespaces[0].failure == ""


@pytest.mark.parametrize("problem", [RefusedError(403, "forbidden"), RefusedError(404, "deleted"), RefusedError(500, "broken"), GONE, b"{"])
def test_a_namespace_that_cannot_be_listed_stops_nothing(problem: object) -> None:
    fleet = read(api_with(closed=[problem], data=[page(stuck("a"))]))

    assert names(fleet) == ["a"]
    assert [bool(one.failure) for one in fleet.namespaces] == [True, False]


def test_credentials_that_are_not_accepted_stop_at_once() -> None:
    api = api_with(closed=[RefusedError(401, "expired")], data=[page(stuck("a"))])
    with pytest.raises(RefusedError, match="401"):
        read(api)

    assert path_of("data") not in [path for path, _ in api.requests]


def test_an_api_server_that_is_gone_is_not_waited_for_in_every_namespace() -> None:
    api = api_with(**{f"n{number}": list[object]([GONE]) for number in range(MOST_UNREACHABLE + 5)})
    with pytest.raises(UnreachableError):
        read(api)

    assert len(api.requests) == 1 + MOST_UNREACHABLE


def test_a_pod_that_this_version_cannot_read_hides_no_other() -> None:
    odd = stuck("odd")
    odd["spec"]["restartPolicy"] = 5

    assert names(read(api_with(data=[page(odd, stuck("a"))]))) == ["a"]


def test_the_progress_is_said_before_each_namespace() -> None:
    shown: list[str] = []
    read(api_with(data=[page(stuck("a"))], web=[page()]), shown)

    assert shown == ["namespaces: 0 of 2, task pods: 0, stuck: 0", "namespaces: 1 of 2, task pods: 1, stuck: 1"]


def test_a_pod_that_stays_pending_after_its_task_is_stuck_and_not_running() -> None:
    pod = task_pod(ended(), {"waiting": {"reason": "ImagePullBackOff"}}, "a")
    pod["status"]["phase"] = "Pending"
    fleet = read(api_with(data=[page(pod)]))

    assert [(one.name, one.course.state) for one in fleet.stuck] == [("a", PodState.WAITING)]
    assert [(one.running, one.stuck) for one in fleet.namespaces] == [(0, 1)]
