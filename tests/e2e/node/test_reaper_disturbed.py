"""The reaper on a real kubelet, where something happens in the middle of a pass."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from demo.stand_in_istio_agent import Behaviour
from testbed.wait import until
from tests.e2e.node.left_pods import LABEL_ONLY, READY, answering
from tests.e2e.node.namespace import SECONDS, PodNamespace, namespace_on
from tests.e2e.node.pods import executor_pod, shell, stand_in_proxy
from tests.e2e.reaping import DisturbedApi, connect, pods_of, reap, sweep
from webhook.kube.errors import UnreachableError
from webhook.kube.port_forward import port_forward
from webhook.reaper.act import ActOutcome, Method
from webhook.reaper.reason import ReaperReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.levels import NodeLevel
    from tests.support.json_object import JSONObject

QUIT_PORT: Final = 15020
MINUTES: Final = timedelta(minutes=2)

TO_KUBELET: Final = ("INPUT", "--protocol", "tcp", "--dport", "10250", "--jump", "REJECT", "--reject-with", "tcp-reset")
"""What keeps the API server from the kubelet's port, and so a port-forward from every pod."""

ATTEMPTS: Final = [("quit", "failed"), ("quit", "failed"), ("quit", "failed"), ("deadline", "accepted")]


@pytest.fixture(scope="module", autouse=True)
def hanging(namespace: PodNamespace, task_image: str, agent_image: str) -> Iterator[Future[JSONObject]]:
    """The report on a failed task whose proxy answers nothing; its pass takes a minute, in which the other tests run."""
    with namespace_on(namespace.level, "hanging") as place, ThreadPoolExecutor(1) as worker:
        create_left(place, "hangs", shell(task_image, "exit 3"), stand_in_proxy(agent_image, Behaviour.QUIT_HANGS))
        yield worker.submit(reap, place.level.server.kubeconfig, "-n", place.name, "--grace", "0")


def create_left(place: PodNamespace, name: str, base: JSONObject, proxy: JSONObject, **spec: object) -> None:
    """Create a pod, and wait until its task has ended and its proxy takes requests."""
    place.create(executor_pod(place.name, name, base, proxy, annotations=LABEL_ONLY, **spec))
    until(lambda: is_left(place, name), f"the task of {name} has ended", SECONDS)


def is_left(place: PodNamespace, name: str) -> bool:
    """Whether the pod that has this name now has a task that has ended, and a proxy that takes requests."""
    pod = place.pod(name)
    states = {one["name"]: one["state"] for one in pod["status"].get("containerStatuses", ())}
    has_ended = "terminated" in states.get("base", {}) and "running" in states.get("istio-proxy", {})
    return has_ended and READY in place.log(name, "istio-proxy")


@pytest.fixture
def recreated(namespace: PodNamespace, task_image: str, agent_image: str) -> Iterator[Callable[[], None]]:
    """Creates the pod ``recreated`` again, whose task has ended, too."""

    def recreate() -> None:
        namespace.delete("recreated", 0)
        create_left(namespace, "recreated", shell(task_image, "exit 1"), stand_in_proxy(agent_image))

    recreate()
    yield recreate
    namespace.delete("recreated", 0)


def test_a_pod_that_is_created_again_under_its_name_gets_neither_request_nor_deadline(
    namespace: PodNamespace, recreated: Callable[[], None]
) -> None:
    client = connect(namespace.level.server.kubeconfig)
    report = sweep(DisturbedApi(client, connected=[recreated]), namespace.name)

    (pod,) = report.pods
    assert (pod.is_gone, pod.acts, report.problems) == (True, (), ())
    assert "/quitquitquit" not in namespace.log("recreated", "istio-proxy")
    assert namespace.pod("recreated")["status"]["phase"] == "Running"
    assert "activeDeadlineSeconds" not in namespace.pod("recreated")["spec"]


def test_a_connection_to_a_pod_does_not_reach_the_next_one_of_its_name(namespace: PodNamespace, recreated: Callable[[], None]) -> None:
    with port_forward(connect(namespace.level.server.kubeconfig), namespace.path("recreated"), QUIT_PORT) as forward:
        recreated()
        # The kubelet may still be ending the first pod, which then answers.
        with suppress(UnreachableError):
            forward.status_of("POST", "/quitquitquit")
    assert "/quitquitquit" not in namespace.log("recreated", "istio-proxy")


def test_a_debugger_that_comes_at_the_last_moment_stops_the_request(namespace: PodNamespace, task_image: str, agent_image: str) -> None:
    create_left(namespace, "debugged-late", shell(task_image, "exit 1"), stand_in_proxy(agent_image))
    debugger = {"name": "debugger", **shell(task_image, "sleep 600")}

    def attach() -> None:
        path = f"{namespace.path('debugged-late')}/ephemeralcontainers"
        namespace.level.api.patch(path, {"spec": {"ephemeralContainers": [debugger]}})

    (pod,) = sweep(DisturbedApi(connect(namespace.level.server.kubeconfig), connected=[attach]), namespace.name).pods
    asked = namespace.log("debugged-late", "istio-proxy")
    namespace.delete("debugged-late", 0)

    assert (pod.decision.reason, pod.acts) == (ReaperReason.DEBUG_CONTAINER, ())
    assert "/quitquitquit" not in asked


def test_a_clock_that_is_minutes_behind_delays_and_one_that_is_ahead_sets_the_same_deadline(
    namespace: PodNamespace, task_image: str, agent_image: str
) -> None:
    create_left(namespace, "clock", shell(task_image, "exit 3"), stand_in_proxy(agent_image, Behaviour.QUIT_FAILS))
    client = connect(namespace.level.server.kubeconfig)
    (behind,) = sweep(client, namespace.name, ahead=-MINUTES).pods
    (ahead,) = sweep(client, namespace.name, ahead=MINUTES).pods

    assert (behind.decision.reason, behind.acts) == (ReaperReason.GRACE, ())
    assert [*dict.fromkeys(act.method for act in ahead.acts)] == [Method.QUIT, Method.DEADLINE]
    assert ahead.pod.phase == "Failed"
    assert namespace.pod("clock")["status"]["reason"] == "DeadlineExceeded"


def test_a_port_forward_that_a_firewall_refuses_is_tried_again(namespace: PodNamespace, task_image: str, agent_image: str) -> None:
    create_left(namespace, "cut-off", shell(task_image, "exit 0"), stand_in_proxy(agent_image))
    with ExitStack() as cut:
        cut.enter_context(kubelet_cut_off(namespace.level))
        # The pass watches the pod in the pause after an attempt.
        api = DisturbedApi(connect(namespace.level.server.kubeconfig), watch=[cut.close])
        (pod,) = sweep(api, namespace.name).pods

    assert {act.method for act in pod.acts} == {Method.QUIT}
    assert (pod.acts[0].outcome, "connection refused" in pod.acts[0].detail) == (ActOutcome.FAILED, True)
    assert pod.pod.phase == "Succeeded"


@contextmanager
def kubelet_cut_off(level: NodeLevel) -> Iterator[None]:
    """Within this block the API server does not reach the kubelet."""
    level.node.machine.run("iptables", "--wait", "--insert", *TO_KUBELET)
    try:
        yield
    finally:
        level.node.machine.run("iptables", "--wait", "--delete", *TO_KUBELET)


def test_a_namespace_that_is_being_deleted_is_left_to_the_kubelet_and_one_that_is_gone_is_reported(
    namespace: PodNamespace, task_image: str, agent_image: str
) -> None:
    level = namespace.level
    stays = answering(agent_image, "istio-proxy", QUIT_PORT, 200, 0, handles_term=False)
    with namespace_on(level, "deleted") as place:
        create_left(place, "deleted", shell(task_image, "exit 3"), stays, terminationGracePeriodSeconds=900)
        level.api.delete(f"/api/v1/namespaces/{place.name}")
        place.when("deleted", lambda moment: "deletionTimestamp" in moment.pod["metadata"], "is being deleted")
        report = reap(level.server.kubeconfig, "-n", place.name, "--grace", "0")
        log = place.log("deleted", "istio-proxy")
        place.delete("deleted", 0)
        until(lambda: level.api.request("GET", f"/api/v1/namespaces/{place.name}").is_error, "the namespace is gone", SECONDS)
        gone = reap(level.server.kubeconfig, "-n", place.name)

    assert (report["pods"], report["counts"], report["problems"], report["code"]) == ([], {"deleting": 1}, [], 0)
    assert "POST" not in log
    (problem,) = gone["problems"]
    assert (gone["counts"], problem["message"].partition(" ")[0], problem["right"], gone["code"]) == ({}, "404", "", 3)


def test_a_sidecar_that_answers_nothing_has_three_attempts_and_then_the_deadline(hanging: Future[JSONObject]) -> None:
    report = pods_of(hanging.result())["hangs"]
    assert [(act["method"], act["outcome"]) for act in report["acts"]] == ATTEMPTS
    assert report["phase"] == "Failed"
