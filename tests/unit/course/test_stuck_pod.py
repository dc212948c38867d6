"""What is to be changed so that a new pod like a stuck one ends. Through the commands: tests/unit/command/test_doctor_report.py."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import jsonpatch

from tests.support.cluster_snapshots import NOW, progress_of
from tests.support.live_pods import FLUENT_BIT, ISTIO, RUNNING, ended, live_pod
from webhook.core import STATUS_ANNOTATION, Cluster, Enforcement, NativeSupport, default_policy, treat
from webhook.course.stuck_pod import StuckPodReader, longest_first

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Policy
    from webhook.course.stuck_pod import StuckPod

OLD: Final = Cluster(NativeSupport.OLD_SERVER)
ABLE: Final = Cluster(NativeSupport.READY)


def stuck(pod: JSONObject, cluster: Cluster) -> StuckPod:
    """What is said of a stuck pod in this cluster."""
    found = StuckPodReader(default_policy(), cluster, None, NOW).read(json.dumps(pod).encode(), progress_of(pod))
    assert found is not None
    return found


def unseen(pod: JSONObject) -> JSONObject:
    """The pod without the webhook's status."""
    del pod["metadata"]["annotations"][STATUS_ANNOTATION]
    return pod


def admitted(pod: JSONObject, cluster: Cluster, policy: Policy | None = None) -> JSONObject:
    """The pod as the webhook lets it be created in this cluster."""
    made: JSONObject = jsonpatch.apply_patch(unseen(pod), list(treat(pod, policy or default_policy(), cluster).operations))
    return made


def with_logs() -> JSONObject:
    """A pod beside a log shipper, which has no quit request."""
    return live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT)


def with_proxy() -> JSONObject:
    """A pod beside Istio's proxy, which has one."""
    return live_pod({"base": ended(137), "istio-proxy": RUNNING}, ISTIO)


def test_the_first_remedy_is_about_the_container_that_runs_and_the_last_about_the_recorded_reason() -> None:
    pod = stuck(admitted(with_logs(), OLD), ABLE)

    assert pod.reason == "no-quit"
    assert [(one.reason, one.containers) for one in pod.remedies] == [("no-quit-request", ("logs",)), ("no-quit", ())]
    assert pod.remedy.endswith('"airflow-sidecar-webhook/sidecars": \'[{"name": "logs", "quit": {"port": PORT, "path": "PATH"}}]\'')


def test_a_pod_that_the_webhook_has_not_seen_needs_what_a_new_one_would_need_in_this_cluster() -> None:
    on_old, on_able = stuck(unseen(with_logs()), OLD), stuck(unseen(with_logs()), ABLE)

    assert (on_old.reason, [one.reason for one in on_old.remedies]) == ("no-status", ["no-quit-request"])
    assert (on_able.reason, on_able.remedies) == ("no-status", ())


def test_a_new_pod_that_would_be_wrapped_needs_nothing_though_it_would_not_be_native() -> None:
    pod = stuck(unseen(with_proxy()), ABLE)

    assert pod.remedies == ()
    assert pod.remedy.startswith("Send istio-proxy its quit request: ")


def test_the_remedies_of_a_pod_that_the_webhook_has_seen_are_those_of_the_cluster_that_it_was_created_in() -> None:
    assert [one.reason for one in stuck(admitted(with_proxy(), ABLE), OLD).remedies] == ["reinjection"]


def test_of_a_pod_that_the_webhook_only_audited_no_reason_is_said_and_why_names_the_setting() -> None:
    pod = stuck(admitted(with_proxy(), OLD, replace(default_policy(), enforcement=Enforcement.AUDIT)), ABLE)

    assert (pod.reason, pod.course.why, pod.course.recorded_reason) == ("audited", "only-audited", "sidecars-quit")
    assert "enforcement" in pod.course.why_sentence
    assert pod.course.now[0].text.startswith("Send istio-proxy its quit request: ")


def test_the_pod_comes_first_whose_task_ended_first_and_before_it_one_of_which_nobody_knows_when() -> None:
    pods = []
    for name, time in (("late", "2026-01-02T10:00:00Z"), ("unknown", None), ("early", "2026-01-01T10:00:00Z"), ("unknown-too", None)):
        pod = with_proxy()
        pod["metadata"]["name"] = name
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = time
        pods.append(stuck(pod, ABLE))

    assert [one.name for one in longest_first(pods)] == ["unknown", "unknown-too", "early", "late"]
