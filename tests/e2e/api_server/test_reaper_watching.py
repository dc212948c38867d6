"""The controller on a real API server: its rights, its Lease, its Events, and what becomes of it when something is taken away.

There is no kubelet, so the pods' statuses are written here, and what the controller does is to set the deadline of failed tasks.
"""

from __future__ import annotations

import copy
import itertools
import signal
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from testbed.api import path_of
from testbed.namespace import make_namespace
from testbed.wait import until
from tests.e2e.api_server.ended_pods import ANNOTATIONS, FAILED, PROXY, RUNNING, SUCCEEDED, ended_pod
from tests.e2e.api_server.test_reaper import kubeconfig_of
from tests.e2e.levels import api_server_level
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.reaper_process import ControllerProcess, watching_reaper
from tests.e2e.registration import task_pod
from tests.e2e.rights import rule, user_who_may

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

SECONDS: Final = 300
"""Longer than a busy machine takes; only a failing test reaches it."""

RIGHTS: Final = {
    "pods": rule("get list watch patch", "pods"),
    "portforward": rule("get create", "pods/portforward"),
    "events": rule("create patch", "events"),
    "leases": rule("create get update", "leases", "coordination.k8s.io"),
}
"""Those of the chart; `test_reaper.py` compares."""

SOON: Final = ("--grace", "0", "--methods", "deadline")
LEFT: Final = '{"treatment": "left", "reason": "host-network"}'
AUDITED: Final = '{"treatment": "audited", "would_be": "left", "reason": "host-network"}'
_numbers: Final = itertools.count()


@pytest.fixture
def namespace(api_server: Level) -> Iterator[str]:
    with new_namespace(api_server.api, "reaping", **NOT_OPTED_IN) as name:
        yield name


@contextmanager
def replica(level: Level, namespace: str, rights: dict[str, JSONObject] = RIGHTS, *arguments: str) -> Iterator[ControllerProcess]:
    """A controller of this namespace with these rights, and a Lease for the namespace."""
    name = f"reaper-{next(_numbers)}"
    with ExitStack() as ends:
        ends.enter_context(user_who_may(level.server, name, *rights.values()))
        options = ("-n", namespace, "--lease", namespace, *SOON, *arguments)
        yield ends.enter_context(watching_reaper(level, name, kubeconfig_of(level, name), *options))


def deadline_of(level: Level, pod: JSONObject) -> int | None:
    """What was set of this pod."""
    seconds: int | None = level.api.get(path_of(pod))["spec"].get("activeDeadlineSeconds")
    return seconds


def until_ended(level: Level, pod: JSONObject) -> None:
    """The pod gets its deadline."""
    until(lambda: deadline_of(level, pod), f"{pod['metadata']['name']} has a deadline", SECONDS)


def until_accepted(reaper: ControllerProcess, pod: str) -> None:
    """The act on the pod is logged, which follows the API server's answer: so its deadline is set, and the log can be read."""
    reaper.until_logged("act", pod=pod, outcome="accepted")


def finish(level: Level, pod: JSONObject) -> None:
    """Do what the kubelet does with a pod whose deadline has passed."""
    level.api.patch(f"{path_of(pod)}/status", {"status": {"phase": "Failed", "reason": "DeadlineExceeded"}})


def events_on(level: Level, pod: JSONObject) -> dict[str, JSONObject]:
    """The Events on a pod, by their reasons."""
    listed = level.api.get(f"/api/v1/namespaces/{pod['metadata']['namespace']}/events")["items"]
    return {one["reason"]: one for one in listed if one["involvedObject"]["uid"] == pod["metadata"]["uid"]}


def test_the_rights_of_the_chart_are_enough_and_each_pod_has_its_events(api_server: Level, namespace: str) -> None:
    early = ended_pod(api_server, namespace, "early", FAILED)
    with replica(api_server, namespace) as reaper:
        until_ended(api_server, early)
        late = ended_pod(api_server, namespace, "late", FAILED)
        until_ended(api_server, late)
        for pod in (early, late):
            until_accepted(reaper, pod["metadata"]["name"])
            finish(api_server, pod)
        kinds = {"TaskPodDeadlineSet", "TaskPodEnded"}
        until(lambda: all(kinds <= set(events_on(api_server, pod)) for pod in (early, late)), "both ends have their Events", SECONDS)

        assert deadline_of(api_server, early) == 600
        assert [line["pod"] for line in reaper.logged("act", outcome="accepted")] == ["early", "late"]
        assert [line for line in reaper.logged("request failed") if line["problem"].startswith("403")] == []
        assert reaper.end() == 0


def test_a_pod_that_it_leaves_has_an_event_with_the_remedy(api_server: Level, namespace: str) -> None:
    pod = ended_pod(api_server, namespace, "left", SUCCEEDED)
    with replica(api_server, namespace):
        until(lambda: "SidecarStuck" in events_on(api_server, pod), "it has an Event", SECONDS)
    event = events_on(api_server, pod)["SidecarStuck"]
    assert (event["type"], "--end-successful" in event["message"]) == ("Warning", True)
    assert deadline_of(api_server, pod) is None


def left_pod(level: Level, namespace: str, name: str, status: str = LEFT, treatment: str = "left") -> JSONObject:
    """Create a pod beside a proxy, with what the webhook writes on one that it leaves; nothing runs it, so it stays Pending."""
    pod = task_pod(namespace, name, hostNetwork=True)
    pod["spec"]["containers"] = [*pod["spec"]["containers"], copy.deepcopy(PROXY)]
    pod["metadata"]["annotations"] = ANNOTATIONS | {"airflow-sidecar-webhook/status": status}
    pod["metadata"]["labels"]["airflow-sidecar-webhook/treatment"] = treatment
    return level.api.create(pod)


def test_a_pod_that_the_webhook_left_has_an_event_before_it_starts_and_one_only(api_server: Level, namespace: str) -> None:
    early = left_pod(api_server, namespace, "early")
    with replica(api_server, namespace) as reaper:
        until(lambda: "TaskPodLeft" in events_on(api_server, early), "it has an Event", SECONDS)
        late = left_pod(api_server, namespace, "late")
        until(lambda: "TaskPodLeft" in events_on(api_server, late), "so has one that is created while the reaper watches", SECONDS)
        assert reaper.end() == 0
    audited = left_pod(api_server, namespace, "audited", AUDITED, "audited")
    with replica(api_server, namespace) as reaper:
        for pod in (early, late):
            reaper.until_logged("pod", pod=pod["metadata"]["name"], notice="TaskPodLeft")
        last = left_pod(api_server, namespace, "last")
        until(lambda: "TaskPodLeft" in events_on(api_server, last), "the Events of the others were tried again before", SECONDS)
        assert [line for line in reaper.logged("request failed") if line["what"] in {"event", f"left pods of {namespace}"}] == []
        assert reaper.end() == 0

    event = events_on(api_server, early)["TaskPodLeft"]
    listed = api_server.api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
    assert (event["type"], event["count"], api_server.api.get(path_of(early))["status"]["phase"]) == ("Warning", 1, "Pending")
    assert event["message"].startswith("The webhook left this pod: The pod uses the host's network")
    assert event["message"].endswith('Add to spec of the pod: "hostNetwork": false')
    assert sorted(one["involvedObject"]["name"] for one in listed if one["reason"] == "TaskPodLeft") == ["early", "last", "late"]
    assert events_on(api_server, audited) == {}


def test_who_observes_changes_nothing(api_server: Level, namespace: str) -> None:
    pod = ended_pod(api_server, namespace, "observed", FAILED)
    rights = {"pods": rule("list watch", "pods"), "events": RIGHTS["events"], "leases": RIGHTS["leases"]}
    with replica(api_server, namespace, rights, "--dry-run") as reaper:
        until(lambda: "SidecarStuck" in events_on(api_server, pod), "it has an Event", SECONDS)
        assert reaper.logged("act") == []
    assert deadline_of(api_server, pod) is None


def test_what_must_not_be_touched_is_not_touched_while_others_are(api_server: Level, namespace: str) -> None:
    untouched = [
        ended_pod(api_server, namespace, "at-work", RUNNING),
        ended_pod(api_server, namespace, "succeeded", SUCCEEDED),
        ended_pod(api_server, namespace, "foreign", FAILED, is_airflows=False),
        ended_pod(api_server, namespace, "pending", FAILED, phase="Pending"),
    ]
    with replica(api_server, namespace) as reaper:
        for number in range(3):
            ended_pod(api_server, namespace, f"failed-{number}", FAILED)
            until_accepted(reaper, f"failed-{number}")
        assert {line["pod"] for line in reaper.logged("act")} == {f"failed-{number}" for number in range(3)}
    assert [deadline_of(api_server, pod) for pod in untouched] == [None] * len(untouched)


def test_a_pod_that_is_created_again_under_its_name_gets_nothing_of_the_first_one(api_server: Level, namespace: str) -> None:
    first = ended_pod(api_server, namespace, "again", FAILED)
    with replica(api_server, namespace) as reaper:
        until_accepted(reaper, "again")
        api_server.api.delete(path_of(first), gracePeriodSeconds="0")
        second = ended_pod(api_server, namespace, "again", RUNNING)
        other = ended_pod(api_server, namespace, "other", FAILED)
        until_accepted(reaper, "other")
        assert {line["uid"] for line in reaper.logged("act")} == {first["metadata"]["uid"], other["metadata"]["uid"]}
    assert deadline_of(api_server, second) is None


def test_of_two_replicas_one_acts_and_when_it_is_killed_the_other_repeats_nothing(api_server: Level, namespace: str) -> None:
    with replica(api_server, namespace) as one:
        one.until_logged("lease taken")
        with replica(api_server, namespace) as other:
            pod = ended_pod(api_server, namespace, "first", FAILED)
            until(lambda: one.logged("act", outcome="accepted") or other.logged("act", outcome="accepted"), "one has acted", SECONDS)
            killed, next_one = (one, other) if one.logged("act", outcome="accepted") else (other, one)
            # Between the act and its verification: the pod's status has not changed yet.
            killed.end(signal.SIGKILL)
            next_one.until_logged("lease taken")
            ended_pod(api_server, namespace, "second", FAILED)
            until_accepted(next_one, "second")
            finish(api_server, pod)
            until(
                lambda: "TaskPodEnded" in events_on(api_server, pod), "the other replica reports the end that the first one began", SECONDS
            )

            deadlines = [line["pod"] for reaper in (one, other) for line in reaper.logged("act", outcome="accepted")]
            assert sorted(deadlines) == ["first", "second"]


def test_a_replica_that_ends_hands_over_at_once(api_server: Level, namespace: str) -> None:
    with replica(api_server, namespace) as one, replica(api_server, namespace) as other:
        until(lambda: one.logged("lease taken") or other.logged("lease taken"), "one acts", SECONDS)
        acting, waiting = (one, other) if one.logged("lease taken") else (other, one)
        assert acting.end() == 0
        assert acting.logged("stopped")
        waiting.until_logged("lease taken")


def test_nothing_is_lost_and_nothing_is_done_twice_when_the_api_server_is_restarted() -> None:
    with (
        api_server_level("API server that is restarted under the reaper", ()) as level,
        new_namespace(level.api, "reaping", **NOT_OPTED_IN) as namespace,
        replica(level, namespace) as reaper,
    ):
        ended_pod(level, namespace, "before", FAILED)
        until_accepted(reaper, "before")
        level.server.stop(signal.SIGKILL)
        reaper.until_logged("request failed")
        level.server.start()
        ended_pod(level, namespace, "after", FAILED)
        until_accepted(reaper, "after")
        assert [line["pod"] for line in reaper.logged("act", outcome="accepted")] == ["before", "after"]
        reaper.until_logged("request succeeds again")


def test_without_the_right_of_a_method_the_act_is_forbidden_and_told(api_server: Level, namespace: str) -> None:
    ended_pod(api_server, namespace, "forbidden", FAILED)
    with replica(api_server, namespace, {**RIGHTS, "pods": rule("get list watch", "pods")}) as reaper:
        assert reaper.until_logged("act", outcome="forbidden")["method"] == "deadline"
        assert reaper.until_logged("pod", notice="SidecarStuck")["pod"] == "forbidden"


def test_a_namespace_that_is_deleted_holds_up_no_other_one(api_server: Level, namespace: str) -> None:
    doomed = f"{namespace}-doomed"
    # It stays: a namespace's deletion takes a controller, and none runs here.
    make_namespace(api_server.api, doomed, NOT_OPTED_IN)
    with replica(api_server, namespace, RIGHTS, "-n", doomed) as reaper:
        ended_pod(api_server, doomed, "doomed", FAILED)
        until_accepted(reaper, "doomed")
        api_server.api.delete(f"/api/v1/namespaces/{doomed}")
        ended_pod(api_server, namespace, "other", FAILED)
        until_accepted(reaper, "other")
        assert [line["pod"] for line in reaper.logged("act", outcome="accepted")] == ["doomed", "other"]
