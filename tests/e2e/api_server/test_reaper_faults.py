"""The reaper and a real API server in trouble: nothing is done twice, nothing is forgotten, and each trouble is reported. Without a node.

So the method is the deadline alone, and the test plays the kubelet.
"""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import pytest

from testbed.api import path_of
from testbed.credentials import ADMIN
from testbed.wait import until
from tests.e2e.api_server.ended_pods import FAILED, RUNNING, SUCCEEDED, end, ended_pod
from tests.e2e.faulty_proxy import ProxyFault, faulty_proxy
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.reaping import DisturbedApi, Halt, connect, pods_of, reap, sweep
from webhook.command.exit_code import ExitCode
from webhook.kube import reading
from webhook.kube.errors import RefusedError
from webhook.reaper import task_pods
from webhook.reaper.act import ActOutcome, Method
from webhook.reaper.decision import ReaperPolicy
from webhook.reaper.reason import ReaperReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

DEADLINE: Final = ReaperPolicy(timedelta(), methods=frozenset({Method.DEADLINE}))
ONLY_DEADLINE: Final = ("--methods", "deadline")
LATER: Final[JSONObject] = {"metadata": {"labels": {"later": "yes"}}}
MERGE: Final = "application/merge-patch+json"
SECONDS: Final = 300
"""Longer than a busy machine takes; only a failing test reaches it."""


@pytest.fixture(scope="module")
def level(own_api_server: Level) -> Level:
    """An API server that a test may end."""
    return own_api_server


@pytest.fixture
def namespace(level: Level) -> Iterator[str]:
    """A namespace for one test."""
    with new_namespace(level.api, "faults", **NOT_OPTED_IN) as namespace:
        yield namespace


def pods_path(namespace: str) -> str:
    """The API's path of a namespace's pods."""
    return f"/api/v1/namespaces/{namespace}/pods"


def restart(level: Level) -> None:
    """Kill the API server and start it again. Its watch cache then begins with the present state.

    It ends with the thread that starts it: so never in one of a pass.
    """
    level.server.stop(signal.SIGKILL)
    level.server.start()


def test_an_api_server_that_restarts_while_the_kubelet_ends_a_pod_costs_no_second_deadline(level: Level, namespace: str) -> None:
    pod, client, halt = ended_pod(level, namespace, "restarted", FAILED), connect(level.server.kubeconfig), Halt()
    api = DisturbedApi(client, watch=[halt, partial(end, level, pod)])
    with ThreadPoolExecutor(1) as worker:
        passing = worker.submit(sweep, api, namespace, DEADLINE)
        with halt.reached():
            level.api.patch(f"/api/v1/namespaces/{namespace}", LATER)
            restart(level)
            # So the reaper's watch, which begins before the restart, is answered with 410, too.
            with pytest.raises(RefusedError, match="410"):
                list(reading.watch(client, pods_path(namespace), pod["metadata"]["resourceVersion"], 1))
    report = passing.result()

    assert report.problems == ()
    assert [(act.method, act.outcome) for act in report.pods[0].acts] == [(Method.DEADLINE, ActOutcome.ACCEPTED)]
    assert report.pods[0].pod.phase == "Failed"


def test_an_api_server_that_does_not_come_back_is_reported_and_the_next_pass_does_nothing_twice(level: Level, namespace: str) -> None:
    ended_pod(level, namespace, "lost", FAILED)

    def die() -> None:
        until(lambda: level.api.get(f"/api/v1/namespaces/{namespace}/events")["items"], "the act has its Event", SECONDS)
        level.server.stop(signal.SIGKILL)

    report = sweep(DisturbedApi(connect(level.server.kubeconfig), watch=[die]), namespace, DEADLINE)
    level.server.start()
    before = level.api.get(f"{pods_path(namespace)}/lost")["metadata"]["resourceVersion"]
    following = reap(level.server.kubeconfig, "-n", namespace, *ONLY_DEADLINE)

    (problem,) = report.problems
    assert (problem.what, problem.right) == ("watch the pod", "")
    assert "refused" in problem.message
    assert [(act.method, act.outcome) for act in report.pods[0].acts] == [(Method.DEADLINE, ActOutcome.ACCEPTED)]
    assert (pods_of(following)["lost"]["reason"], pods_of(following)["lost"]["acts"]) == ("deadline-passed", [])
    assert level.api.get(f"{pods_path(namespace)}/lost")["metadata"]["resourceVersion"] == before


def test_a_deadline_for_a_pod_that_changes_at_the_last_moment_is_refused_with_409_and_decided_again(level: Level, namespace: str) -> None:
    pod = ended_pod(level, namespace, "changed", FAILED)
    change = partial(level.api.patch, f"{pods_path(namespace)}/changed", {"metadata": {"labels": {"changed": "yes"}}})
    api = DisturbedApi(connect(level.server.kubeconfig), patch=[change], watch=[partial(end, level, pod)])
    (report,) = sweep(api, namespace, DEADLINE).pods

    assert [act.outcome for act in report.acts] == [ActOutcome.ACCEPTED]
    assert report.pod.phase == "Failed"


def test_a_list_whose_next_page_has_expired_is_read_again_from_the_beginning(
    level: Level, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_pods, "PODS_PAGE", 2)
    names = [f"listed-{number}" for number in range(5)]
    for name in names:
        ended_pod(level, namespace, name, SUCCEEDED)

    def expire() -> None:
        # A continue token that the API server's cache cannot serve leads to the store, which has forgotten the revision.
        level.api.patch(f"/api/v1/namespaces/{namespace}", LATER)
        level.server.forget_history()
        restart(level)

    report = sweep(DisturbedApi(connect(level.server.kubeconfig), page=[expire]), namespace, DEADLINE)

    assert report.problems == ()
    assert [(one.pod.name, one.decision.reason) for one in report.pods] == [(name, ReaperReason.NO_CLEAN_END) for name in names]


def test_a_deadline_for_which_the_api_server_is_too_busy_is_set_at_the_next_attempt(level: Level, namespace: str) -> None:
    pod = ended_pod(level, namespace, "busy", FAILED)

    def end_at_deadline() -> None:
        """As the kubelet does."""
        if "activeDeadlineSeconds" in level.api.get(path_of(pod))["spec"]:
            end(level, pod)

    with faulty_proxy(level, ADMIN) as (proxy, kubeconfig):
        proxy.faults.append(ProxyFault("PATCH", "/pods/", HTTPStatus.TOO_MANY_REQUESTS))
        (report,) = sweep(DisturbedApi(connect(kubeconfig), watch=[end_at_deadline] * 100), namespace, DEADLINE).pods

    assert [act.outcome for act in report.acts] == [ActOutcome.FAILED, ActOutcome.ACCEPTED]
    assert report.acts[0].detail.startswith("429 ")
    assert report.pod.phase == "Failed"


def test_a_list_for_which_the_api_server_is_too_busy_is_reported(level: Level, namespace: str) -> None:
    with faulty_proxy(level, ADMIN) as (proxy, kubeconfig):
        proxy.faults.append(ProxyFault("GET", "/pods", HTTPStatus.TOO_MANY_REQUESTS, times=1000))
        report = reap(kubeconfig, "-n", namespace)

    (problem,) = report["problems"]
    assert (problem["what"], problem["right"], report["code"]) == ("list the pods", "", ExitCode.PROBLEM)
    assert problem["message"].startswith("429 ")


def test_a_deadline_whose_response_is_lost_is_not_set_again(level: Level, namespace: str) -> None:
    pod = ended_pod(level, namespace, "lost-response", FAILED)
    with faulty_proxy(level, ADMIN) as (proxy, kubeconfig):
        proxy.faults.append(ProxyFault("PATCH", "/pods/", is_carried_out=True))
        (report,) = sweep(DisturbedApi(connect(kubeconfig), watch=[partial(end, level, pod)]), namespace, DEADLINE).pods

        assert [act.outcome for act in report.acts] == [ActOutcome.FAILED]
        assert report.pod.phase == "Failed"
        assert proxy.succeeded("PATCH", path_of(pod)) == 1


CLOCKS: Final = {"behind": (timedelta(minutes=-4), "200", "grace"), "ahead": (timedelta(minutes=30), "0", "deadline")}
"""By how much the clock of the node is off, a grace, and what is decided within it."""


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_grace_counts_from_the_kubelets_report_whatever_the_clock_of_the_node_shows(clock: str, level: Level, namespace: str) -> None:
    off, grace, reason = CLOCKS[clock]
    pod = ended_pod(level, namespace, "off", RUNNING)
    shown = (datetime.now(UTC) + off).strftime("%Y-%m-%dT%H:%M:%SZ")
    states = pod["status"]["containerStatuses"]
    states[0]["state"] = {"terminated": {"exitCode": 1, "startedAt": shown, "finishedAt": shown}}
    status = {"status": {"containerStatuses": states}}
    written = connect(level.server.kubeconfig).request("PATCH", f"{path_of(pod)}/status", status, MERGE, fieldManager="kubelet")
    assert written.status == HTTPStatus.OK

    report = reap(level.server.kubeconfig, "--dry-run", "-n", namespace, "--grace", grace, *ONLY_DEADLINE)
    assert pods_of(report)["off"]["reason"] == reason
