"""The controller on a fake API server over HTTP: what it does, reports and remembers while things happen to pods, watches and the Lease.

No test depends on a time: the grace is none, and each waits until what it claims has come. `test_agenda.py` has the times.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from kubernetes.client import Configuration

from testbed import wait
from tests.support.fake_task_cluster import FakeTaskCluster, PortListener, end_of, fake_task_cluster
from tests.support.live_pods import CLOUD_SQL, ISTIO, RUNNING, annotated, ended, live_pod
from tests.support.nested import DEEPEST
from webhook.core import default_policy
from webhook.kube.client import KubernetesClient
from webhook.kube.errors import UnreadableError
from webhook.kube.leadership import Leadership
from webhook.kube.lease import MEMORY_ANNOTATION, Lease
from webhook.reaper.agenda import Agenda
from webhook.reaper.controller import Controller
from webhook.reaper.decision import ReaperPolicy
from webhook.reaper.left_pods import LeftPods
from webhook.reaper.metrics import PREFIX, ReaperMetrics
from webhook.reaper.scope import ReaperScope
from webhook.reaper.telemetry import ReaperTelemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.json_object import JSONObject
    from webhook.reaper.agenda import DueAct

CATALOGUE: Final = default_policy().catalogue
POLICY: Final = ReaperPolicy(grace=timedelta(0))
STATES: Final = {"base": ended(), "istio-proxy": RUNNING}
SALES: Final = ("airflow", "sales")
MEMORY_WITHOUT_ZONE: Final = '{"uid": [{"method": "quit", "container_id": "", "at": "2026-01-01T10:00:00", "outcome": "failed"}]}'
DEADLINE_SECONDS: Final = 120
"""Longer than a busy machine takes; only a failing test reaches it."""


def until(holds: Callable[[], object], what: str) -> None:
    wait.until(holds, what, DEADLINE_SECONDS)


@dataclass
class ReaperReplica:
    """A controller with its Lease, and the time that its clock shows."""

    cluster: FakeTaskCluster
    name: str = "one"
    is_observing: bool = False
    namespaces: tuple[str, ...] = ("airflow",)
    skew: timedelta = timedelta(0)
    metrics: ReaperMetrics = field(default_factory=ReaperMetrics)

    def start(self) -> ReaperReplica:
        """Start it."""
        client = KubernetesClient(Configuration(host=self.cluster.url))
        scope = ReaperScope(self.namespaces, CATALOGUE, POLICY, self.is_observing)
        telemetry = ReaperTelemetry(self.metrics, scope)
        self.controller = Controller(client, scope, telemetry, self.name, lambda: datetime.now(UTC) + self.skew)
        self.lease = Lease(client, "infra", "reaper", self.name, self.controller)
        self.controller.start(self.lease, Leadership(self.lease, self.controller))
        return self

    def value(self, metric: str, **labels: str) -> float:
        """Of a metric; 0 where there is none."""
        return self.metrics.registry.get_sample_value(f"{PREFIX}_{metric}", labels) or 0.0


@pytest.fixture
def cluster() -> Iterator[FakeTaskCluster]:
    with fake_task_cluster() as cluster:
        yield cluster


@pytest.fixture
def replicas(cluster: FakeTaskCluster) -> Iterator[Callable[..., ReaperReplica]]:
    """Starts replicas, which end with the test."""
    started: list[ReaperReplica] = []

    def start(**options: Any) -> ReaperReplica:
        started.append(ReaperReplica(cluster, **options).start())
        return started[-1]

    yield start
    for replica in started:
        replica.controller.stop()


def stuck(name: str = "sales") -> JSONObject:
    pod = live_pod(STATES, ISTIO)
    pod["metadata"]["name"] = name
    return pod


def add_stuck(cluster: FakeTaskCluster, name: str = "sales", status: int | None = 200, namespace: str = "airflow") -> None:
    """Add a pod whose proxy runs on, and ends when it is requested to."""
    cluster.listeners[name, 15020] = PortListener(status, end_of("istio-proxy"))
    cluster.add(stuck(name), namespace=namespace)


def reasons(cluster: FakeTaskCluster) -> list[str]:
    """The reasons of the Events on the pod, in the order in which they were created."""
    return [event["reason"] for event in cluster.events.values()]


def is_in(cluster: FakeTaskCluster, phase: str, key: tuple[str, str] = SALES) -> Callable[[], bool]:
    return lambda: bool(cluster.pods[key]["status"]["phase"] == phase)


def test_a_pod_that_is_there_at_the_start_ends_and_that_is_reported(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    add_stuck(cluster)
    replica = replicas()
    until(is_in(cluster, "Succeeded"), "the pod ends")
    until(lambda: len(cluster.events) == 2, "both Events are written")

    assert cluster.quits == [("uid-of-sales", "POST /quitquitquit HTTP/1.1")]
    assert sorted(reasons(cluster)) == ["SidecarQuit", "TaskPodEnded"]
    (event, _) = sorted(cluster.events.values(), key=lambda one: one["reason"])
    assert (event["involvedObject"]["uid"], event["type"], event["count"]) == ("uid-of-sales", "Normal", 1)
    assert event["message"] == "The sidecar istio-proxy ran on after the task, and accepted its quit request (HTTP 200)."
    assert replica.value("acts_total", sidecar="istio", method="quit", outcome="accepted") == 1
    assert replica.value("running_after_task_seconds_count") == 1


def test_a_pod_whose_task_ends_later_ends_then(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    cluster.listeners["sales", 15020] = PortListener(200, end_of("istio-proxy"))
    cluster.add(live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO))
    replicas()
    until(lambda: cluster.watchers, "the pods are watched")
    assert cluster.quits == []
    cluster.change(SALES, end_of("base", 1))
    until(is_in(cluster, "Failed"), "the pod ends")


def test_who_observes_tells_what_it_would_do_and_does_nothing(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    add_stuck(cluster)
    replica = replicas(is_observing=True)
    until(lambda: cluster.events, "an Event is written")

    (event,) = cluster.events.values()
    assert (event["reason"], event["type"]) == ("SidecarStuck", "Warning")
    assert event["message"].endswith("The reaper is in observe mode, so it has done nothing.")
    until(lambda: replica.value("stuck_pods", namespace="airflow", reason="quit") == 1, "the pod is counted")
    connections = [line for line in cluster.requests if "portforward" in line or "exec" in line or line.startswith("PATCH")]
    assert (connections, cluster.quits) == ([], [])


def test_a_pod_that_nothing_ends_is_reported_with_the_remedy_and_counted(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    cluster.add(live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL))
    replica = replicas()
    until(lambda: replica.value("stuck_pods", namespace="airflow", reason="no-clean-end") == 1, "the pod is counted")
    until(lambda: cluster.events, "an Event is written")
    (event,) = cluster.events.values()
    assert (event["reason"], "--end-successful" in event["message"]) == ("SidecarStuck", True)


def test_a_watch_that_breaks_off_loses_nothing(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    cluster.listeners["sales", 15020] = PortListener(200, end_of("istio-proxy"))
    cluster.add(live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO))
    replicas()
    until(lambda: cluster.watchers, "the pods are watched")
    cluster.break_watches()
    cluster.change(SALES, end_of("base"))
    until(is_in(cluster, "Succeeded"), "the pod ends")


def test_a_watch_that_is_too_old_to_continue_is_followed_by_a_list(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    cluster.listeners["sales", 15020] = PortListener(200, end_of("istio-proxy"))
    cluster.add(live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO))
    replica = replicas()
    until(lambda: cluster.watchers, "the pods are watched")
    with cluster.changed:
        # Nobody watches meanwhile.
        cluster.break_watches(lose=True)
        end_of("base")(cluster.pods[SALES])
    until(is_in(cluster, "Succeeded"), "the pod ends")
    assert replica.value("errors_total", resource="pods") == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_list_that_fails_is_repeated_and_the_other_namespaces_are_looked_after_meanwhile(
    status: int, cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    add_stuck(cluster)
    cluster.refusals["GET", "pods"] = (status, "the API server is overloaded")
    replica = replicas()
    until(lambda: replica.value("errors_total", resource="pods"), "the failure is counted")
    assert replica.controller.unready_reason == ""
    del cluster.refusals["GET", "pods"]
    until(is_in(cluster, "Succeeded"), "the pod ends")


def test_without_the_right_to_watch_the_pods_are_listed_again_and_again(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    cluster.refusals["GET", "watch"] = (403, "pods is forbidden: cannot watch")
    replica = replicas()
    until(lambda: replica.value("errors_total", resource="pods"), "the failure is counted")
    add_stuck(cluster)
    until(is_in(cluster, "Succeeded"), "the pod ends")


def test_nobody_acts_without_the_lease(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    cluster.refusals["POST", "leases"] = (403, "leases is forbidden")
    add_stuck(cluster)
    replica = replicas()
    until(lambda: replica.value("errors_total", resource="leases") >= 2, "the Lease was tried twice")
    until(lambda: cluster.watchers, "the pods are watched")
    assert (cluster.quits, cluster.events, replica.value("is_leader")) == ([], {}, 0.0)
    del cluster.refusals["POST", "leases"]
    until(is_in(cluster, "Succeeded"), "the pod ends")


def test_nothing_is_done_that_cannot_be_remembered(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    replica = replicas()
    until(lambda: replica.value("is_leader") and cluster.watchers, "the replica acts")
    cluster.refusals["PUT", "leases"] = (500, "etcd is gone")
    add_stuck(cluster)
    until(lambda: replica.value("errors_total", resource="leases"), "the memory was not written")
    assert cluster.quits == []
    del cluster.refusals["PUT", "leases"]
    until(is_in(cluster, "Succeeded"), "the pod ends")
    assert len(cluster.quits) == 1


def test_of_two_replicas_one_acts_and_the_other_goes_on_when_it_ends(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    one, other = replicas(name="one"), replicas(name="other")
    until(lambda: one.lease.is_held or other.lease.is_held, "one holds the Lease")
    until(lambda: cluster.watchers == 2, "both watch")
    add_stuck(cluster, "first")
    until(is_in(cluster, "Succeeded", ("airflow", "first")), "the first pod ends")
    (one if one.lease.is_held else other).controller.stop()
    add_stuck(cluster, "second")
    until(is_in(cluster, "Succeeded", ("airflow", "second")), "the second pod ends")
    assert [uid for uid, _ in cluster.quits] == ["uid-of-first", "uid-of-second"]


@pytest.mark.parametrize("skew", [timedelta(minutes=-2), timedelta(0), timedelta(minutes=2)], ids=["behind", "right", "ahead"])
def test_who_takes_over_does_not_repeat_what_was_begun(
    skew: timedelta, cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    """The leader was killed between act and verification: its Lease says what it did, on a clock that may differ."""
    act = {"method": "quit", "container_id": "containerd://istio-proxy", "at": datetime.now(UTC).isoformat(), "outcome": "begun"}
    cluster.lease.stored = {
        "metadata": {
            "name": "reaper",
            "namespace": "infra",
            "resourceVersion": "0",
            "annotations": {MEMORY_ANNOTATION: json.dumps({"uid-of-sales": [act]})},
        },
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
    }
    add_stuck(cluster)
    replica = replicas(skew=skew)
    until(lambda: replica.value("stuck_pods", namespace="airflow", reason="ending") == 1, "it waits for what was begun")
    assert cluster.quits == []


def test_the_lease_says_what_was_done(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    cluster.listeners["sales", 15020] = PortListener(403)
    cluster.add(stuck())
    replica = replicas()
    until(lambda: replica.value("acts_total", sidecar="istio", method="quit", outcome="refused") == 1, "the request was refused")
    replica.controller.stop()

    assert cluster.lease.stored is not None
    memory = json.loads(cluster.lease.stored["metadata"]["annotations"][MEMORY_ANNOTATION])
    assert [(one["method"], one["outcome"]) for one in memory["uid-of-sales"]] == [("quit", "refused")]


@pytest.mark.parametrize(
    "memory", ["{", '{"uid": [{"x": ' + "[" * DEEPEST, MEMORY_WITHOUT_ZONE], ids=["no JSON", "nested", "a time without a zone"]
)
def test_a_memory_that_cannot_be_read_is_reported_and_nothing_else_is_lost(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica], memory: str, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = {"name": "reaper", "namespace": "infra", "resourceVersion": "0", "annotations": {MEMORY_ANNOTATION: memory}}
    cluster.lease.stored = {"metadata": metadata, "spec": {"holderIdentity": ""}}
    add_stuck(cluster)
    with caplog.at_level(logging.INFO, "webhook.reaper"):
        replica = replicas()
        until(is_in(cluster, "Succeeded"), "the pod ends")
    assert problems_logged(caplog, "memory") == ["the memory on the Lease cannot be decoded"]
    assert replica.value("errors_total", resource="leases") >= 1


def problems_logged(caplog: pytest.LogCaptureFixture, what: str) -> list[str]:
    """The problems of the failed requests of this kind that were logged."""
    fields = [getattr(record, "fields", {}) for record in caplog.records]
    return [one["problem"] for one in fields if one.get("what") == what]


def test_events_that_are_forbidden_are_reported_and_the_pod_ends_all_the_same(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica], caplog: pytest.LogCaptureFixture
) -> None:
    cluster.refusals["POST", "events"] = (403, "events is forbidden")
    add_stuck(cluster)
    with caplog.at_level(logging.INFO, "webhook.reaper"):
        replica = replicas()
        until(is_in(cluster, "Succeeded"), "the pod ends")
        until(lambda: problems_logged(caplog, "event") == ["403 events is forbidden"], "the failure is logged")
    assert replica.value("errors_total", resource="events") >= 1


def test_an_event_that_the_api_server_cannot_take_now_is_written_later(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    cluster.refusals["POST", "events"] = (429, "the API server is overloaded")
    cluster.add(live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL))
    replica = replicas()
    until(lambda: replica.value("errors_total", resource="events"), "the failure is counted")
    del cluster.refusals["POST", "events"]
    until(lambda: reasons(cluster) == ["SidecarStuck"], "the Event is written")


def test_a_deadline_is_decided_again_where_the_pod_has_changed(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    cluster.add(live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL))
    cluster.refusals["PATCH", "sales"] = (409, "the object has been modified")
    replica = replicas()
    until(lambda: any(line.startswith("PATCH") for line in cluster.requests), "the patch is refused")
    assert replica.value("faults_total") == 0
    del cluster.refusals["PATCH", "sales"]
    until(is_in(cluster, "Failed"), "the pod ends")
    until(lambda: replica.value("acts_total", sidecar="", method="deadline", outcome="accepted") == 1, "the act is counted")
    assert replica.value("acts_total", sidecar="", method="deadline", outcome="failed") == 0


RIGHTS_OF_A_QUIT: Final = {"get pods": ("GET", "sales"), "get pods/portforward": ("GET", "portforward")}


@pytest.mark.parametrize("right", RIGHTS_OF_A_QUIT)
def test_without_a_right_that_a_quit_request_needs_nothing_is_sent_and_that_is_reported(
    right: str, cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    add_stuck(cluster)
    cluster.refusals[RIGHTS_OF_A_QUIT[right]] = (403, f"the right to {right} is missing")
    replica = replicas()
    until(lambda: replica.value("acts_total", sidecar="istio", method="quit", outcome="forbidden") == 1, "the act is forbidden")
    until(lambda: reasons(cluster) == ["SidecarStuck"], "that the pod is left is reported")
    assert cluster.quits == []


def test_an_act_has_one_log_line_with_dag_and_task(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica], caplog: pytest.LogCaptureFixture
) -> None:
    add_stuck(cluster)
    with caplog.at_level(logging.INFO, "webhook.reaper"):
        replicas()
        until(lambda: "TaskPodEnded" in reasons(cluster), "the end is reported")
    (fields,) = [record.fields for record in caplog.records if record.message == "act"]  # type: ignore[attr-defined]
    assert fields == {
        "namespace": "airflow",
        "pod": "sales",
        "uid": "uid-of-sales",
        "dag": "sales",
        "task": "load",
        "method": "quit",
        "container": "istio-proxy",
        "outcome": "accepted",
        "detail": "HTTP 200",
    }


def test_a_fault_in_an_act_is_counted_and_the_act_has_failed(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(Controller, "_is_still_due", fail)
    add_stuck(cluster)
    replica = replicas()
    until(lambda: replica.value("acts_total", sidecar="istio", method="quit", outcome="failed"), "the act has an outcome")
    until(lambda: replica.value("acts_under_way") == 0, "the act is over")
    assert replica.value("faults_total") >= 1
    assert cluster.quits == []


def test_a_fault_in_a_turn_ends_no_thread(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica], monkeypatch: pytest.MonkeyPatch
) -> None:
    due, faults = Agenda.due, [ZeroDivisionError()]

    def fail_once(agenda: Agenda, now: datetime) -> list[DueAct]:
        if faults:
            raise faults.pop()
        return due(agenda, now)

    monkeypatch.setattr(Agenda, "due", fail_once)
    add_stuck(cluster)
    replica = replicas()
    until(is_in(cluster, "Succeeded"), "the next turn ends the pod")
    assert (replica.value("faults_total"), replica.controller.is_alive) == (1, True)


def test_each_namespace_is_watched(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    add_stuck(cluster, "one")
    add_stuck(cluster, "two", namespace="data")
    replica = replicas(namespaces=("airflow", "data"))
    until(is_in(cluster, "Succeeded", ("airflow", "one")), "the pod in the first namespace ends")
    until(is_in(cluster, "Succeeded", ("data", "two")), "the pod in the second namespace ends")
    assert time.time() - replica.value("watch_last_read_timestamp_seconds", resource="pods", namespace="data") < DEADLINE_SECONDS


def test_without_names_the_pods_of_every_namespace_that_has_opted_in_end_and_no_others(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    add_stuck(cluster, "here")
    add_stuck(cluster, "foreign", namespace="web")
    cluster.label("airflow")
    replica = replicas(namespaces=())
    until(is_in(cluster, "Succeeded", ("airflow", "here")), "the pod in the namespace that has opted in ends")
    until(lambda: replica.value("stuck_pods", namespace="web", reason="not-opted-in") == 1, "the other one is counted")
    assert (cluster.phase("foreign", "web"), cluster.quits) == ("Running", [("uid-of-here", "POST /quitquitquit HTTP/1.1")])
    assert time.time() - replica.value("watch_last_read_timestamp_seconds", resource="namespaces", namespace="") < DEADLINE_SECONDS


def test_a_namespace_that_opts_in_later_is_served_from_then_on_and_one_that_opts_out_no_longer(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    def is_ignored(count: int) -> Callable[[], bool]:
        return lambda: replica.value("stuck_pods", namespace="data", reason="not-opted-in") == count

    cluster.label("airflow")
    replica = replicas(namespaces=())
    cluster.add(live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL), "left", "data")
    add_stuck(cluster, "early", namespace="data")
    until(is_ignored(2), "both are seen")
    cluster.label("data")
    until(is_in(cluster, "Succeeded", ("data", "early")), "the pod ends once its namespace has opted in")
    cluster.label("data", is_opted_in=False)
    until(is_ignored(1), "the one that is left is nobody's again")
    add_stuck(cluster, "late", namespace="data")
    until(is_ignored(2), "the next one is seen")
    assert cluster.phase("late", "data") == "Running"


def test_a_replica_for_all_namespaces_is_not_ready_before_it_knows_which_have_opted_in(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    cluster.refusals["GET", "namespaces"] = (403, "namespaces is forbidden")
    client = KubernetesClient(Configuration(host=cluster.url))
    scope = ReaperScope((), CATALOGUE, POLICY)
    waiting = Controller(client, scope, ReaperTelemetry(ReaperMetrics(), scope), "waiting")
    assert waiting.unready_reason == "the namespaces that have opted in, the pods of all namespaces have not been read yet"
    add_stuck(cluster)
    replica = replicas(namespaces=())
    until(lambda: replica.value("errors_total", resource="namespaces"), "the missing right is counted")
    until(lambda: replica.value("stuck_pods", namespace="airflow", reason="not-opted-in") == 1, "no pod is anybody's")
    assert cluster.phase("sales") == "Running"


LEFT_STATUS: Final = '{"treatment": "left", "reason": "host-network"}'


def add_left(cluster: FakeTaskCluster, name: str = "sales", namespace: str = "airflow", status: str = LEFT_STATUS) -> None:
    """Add a pod that the webhook left, as it is created."""
    pod = annotated(live_pod({}, ISTIO, hostNetwork=True), status=status)
    pod["metadata"]["labels"]["airflow-sidecar-webhook/treatment"] = "left"
    pod["status"] = {"phase": "Pending"}
    cluster.add(pod, name, namespace)


def left_pods(cluster: FakeTaskCluster) -> set[str]:
    """The pods that have the Event that they were left."""
    return {event["involvedObject"]["name"] for event in list(cluster.events.values()) if event["reason"] == "TaskPodLeft"}


def events_posted(cluster: FakeTaskCluster) -> list[str]:
    """The requests to create an Event."""
    return [line for line in cluster.requests if line.startswith("POST") and line.endswith("/events")]


@pytest.mark.parametrize("is_observing", [False, True])
def test_a_pod_that_the_webhook_left_is_reported_before_it_starts(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica], is_observing: bool
) -> None:
    replica = replicas(is_observing=is_observing)
    until(lambda: replica.value("is_leader") and cluster.watchers, "the replica acts")
    add_left(cluster)
    until(lambda: cluster.events, "an Event is written")

    (event,) = cluster.events.values()
    assert (event["reason"], event["type"], event["involvedObject"]["uid"]) == ("TaskPodLeft", "Warning", "uid-of-sales")
    assert event["message"].startswith("The webhook left this pod: The pod uses the host's network")
    assert cluster.phase("sales") == "Pending"
    assert replica.value("faults_total") == 0


def test_a_pod_that_was_left_while_no_replica_acted_is_reported_by_the_next_one(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    cluster.refusals["POST", "leases"] = (403, "leases is forbidden")
    replica = replicas()
    until(lambda: cluster.watchers, "the pods are watched")
    add_left(cluster)
    tried = replica.value("errors_total", resource="leases")
    until(lambda: replica.value("errors_total", resource="leases") >= tried + 2, "the Lease is tried twice more")
    assert (left_pods(cluster), replica.value("is_leader")) == (set(), 0.0)
    del cluster.refusals["POST", "leases"]
    until(lambda: left_pods(cluster) == {"sales"}, "an Event is written")


def test_whoever_is_started_again_counts_it_no_second_time(cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]) -> None:
    add_left(cluster)
    first = replicas(name="first")
    until(lambda: left_pods(cluster) == {"sales"}, "an Event is written")
    first.controller.stop()
    replicas(name="second")
    until(lambda: len(events_posted(cluster)) == 2, "the second one tries to write it")
    add_left(cluster, "later")
    until(lambda: left_pods(cluster) == {"sales", "later"}, "the second one writes another")
    assert (len(events_posted(cluster)), len(cluster.events), cluster.counted) == (3, 2, 0)


def test_of_a_namespace_that_has_not_opted_in_it_is_reported_once_it_has(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica]
) -> None:
    cluster.label("airflow")
    add_left(cluster, "foreign", "web")
    add_left(cluster, "here")
    replicas(namespaces=())
    until(lambda: left_pods(cluster) == {"here"}, "the Event of the one that is served is written")
    cluster.label("web")
    until(lambda: left_pods(cluster) == {"here", "foreign"}, "the Event of the other one is written")


def test_of_a_namespace_that_has_not_opted_in_none_takes_the_place_of_one_that_is_served(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhook.reaper.controller.LeftPods", partial(LeftPods, 2))
    cluster.refusals["POST", "leases"] = (403, "leases is forbidden")
    cluster.label("airflow")
    replica = replicas(namespaces=())
    until(lambda: not replica.controller.unready_reason, "pods and namespaces are read")
    add_left(cluster, "foreign", "web")
    add_left(cluster, "one")
    add_left(cluster, "other")
    tried = replica.value("errors_total", resource="leases")
    until(lambda: replica.value("errors_total", resource="leases") >= tried + 2, "the Lease is tried twice more")
    del cluster.refusals["POST", "leases"]
    until(lambda: left_pods(cluster) == {"one", "other"}, "the Events of those that are served are written")


def test_where_they_cannot_be_read_the_other_pods_end_all_the_same(
    cluster: FakeTaskCluster, replicas: Callable[..., ReaperReplica], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise problem

    problem = UnreadableError("no JSON")
    monkeypatch.setattr("webhook.reaper.left_pod_watch.LeftPodWatch.take_list", fail)
    add_stuck(cluster)
    replica = replicas()
    until(is_in(cluster, "Succeeded"), "the pod ends")
    until(lambda: replica.value("errors_total", resource="left-pods"), "the failure is counted")
    assert replica.value("errors_total", resource="pods") == 0
