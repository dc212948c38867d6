"""What the reaper does about a pod, and why: each reason by a pod that has it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.live_pods import (
    BEGAN,
    CLOUD_SQL,
    ENDED_AT,
    FLUENT_BIT,
    GCSFUSE,
    GIT_SYNC_ONCE,
    ISTIO,
    KUMA,
    RUNNING,
    UPLOADER,
    VAULT,
    WAITING,
    XCOM,
    annotated,
    ended,
    live_pod,
    with_debugger,
)
from webhook.core import Endpoint, default_policy, read_progress
from webhook.reaper.act import ActOutcome, DeadlineAct, ExecAct, Method, PastAct, QuitAct
from webhook.reaper.decision import FORGET_AFTER, LATEST, MOST_ATTEMPTS, MOST_CLOCK_ERROR, SELF_END, PodDecision, ReaperPolicy, decide
from webhook.reaper.reason import ReaperReason, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.json_object import JSONObject
    from webhook.core import Progress

CATALOGUE: Final = default_policy().catalogue
POLICY: Final = ReaperPolicy()
EXEC: Final = replace(POLICY, methods=frozenset(Method))
LATER: Final = ENDED_AT + timedelta(minutes=1)
"""Long after the grace."""

TASK_ENDED: Final[JSONObject] = {"base": ended(), "istio-proxy": RUNNING}
TASK_FAILED: Final[JSONObject] = {"base": ended(137), "istio-proxy": RUNNING}
QUIT_ISTIO: Final = QuitAct("istio-proxy", "containerd://istio-proxy", Endpoint(15020, "/quitquitquit", "POST"))


def read(pod: JSONObject) -> Progress:
    progress = read_progress(pod, CATALOGUE)
    assert progress is not None
    return progress


def decided(
    pod: JSONObject,
    policy: ReaperPolicy = POLICY,
    now: datetime = LATER,
    past: Sequence[PastAct] = (),
    ended_at: datetime | None = None,
) -> PodDecision:
    return decide(read(pod), policy, now, past, ended_at)


def without(pod: JSONObject, name: str) -> JSONObject:
    """The pod whose kubelet has not reported this container's state."""
    pod["status"]["containerStatuses"] = [one for one in pod["status"]["containerStatuses"] if one["name"] != name]
    return pod


def deleted(pod: JSONObject) -> JSONObject:
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T10:10:30Z"
    return pod


def nameless(pod: JSONObject) -> JSONObject:
    """The pod, its task's container under a name that says nothing."""
    pod["spec"]["containers"][0]["name"] = pod["status"]["containerStatuses"][0]["name"] = "worker"
    return pod


RESTARTS_ON_3: Final = {
    "restartPolicy": "Never",
    "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}],
}


def with_rules(pod: JSONObject, container: int, fields: JSONObject) -> JSONObject:
    """The pod, whose container of this place has these fields."""
    pod["spec"]["containers"][container] |= fields
    return pod


UNTOUCHED: Final[dict[str, tuple[JSONObject, str, tuple[str, ...]]]] = {
    "it has not started": (live_pod(TASK_ENDED, ISTIO) | {"status": {"phase": "Pending"}}, "not-running", ()),
    "it has ended": (live_pod(TASK_ENDED, ISTIO) | {"status": {"phase": "Failed"}}, "not-running", ()),
    "somebody has deleted it": (deleted(live_pod(TASK_ENDED, ISTIO)), "deleting", ()),
    "its user switched the webhook off": (annotated(live_pod(TASK_ENDED, ISTIO), mode="off"), "switched-off", ()),
    "the webhook has not seen it": (annotated(live_pod(TASK_ENDED, ISTIO), status=None), "no-status", ()),
    "the state of its sidecar is missing": (without(live_pod(TASK_ENDED, ISTIO), "istio-proxy"), "statuses-missing", ("istio-proxy",)),
    "the state of its task is missing": (without(live_pod(TASK_ENDED, ISTIO), "base"), "statuses-missing", ("base",)),
    "somebody debugs it": (with_debugger(live_pod(TASK_ENDED, ISTIO), RUNNING), "debug-container", ("debugger-1",)),
    "somebody is about to debug it": (with_debugger(live_pod(TASK_ENDED, ISTIO), WAITING), "debug-container", ("debugger-1",)),
    "its task runs": (live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO), "task-running", ()),
    "its failed task is started again": (live_pod(TASK_FAILED, ISTIO, restartPolicy="OnFailure"), "task-restarts", ()),
    "its task waits to be started again": (
        live_pod({"base": WAITING, "istio-proxy": RUNNING}, ISTIO, restartPolicy="OnFailure"),
        "task-restarts",
        (),
    ),
    "a rule of its task's starts it again": (
        with_rules(live_pod({"base": ended(3), "istio-proxy": RUNNING}, ISTIO), 0, RESTARTS_ON_3),
        "task-restarts",
        (),
    ),
    "its task is always started again": (
        with_rules(live_pod(TASK_ENDED, ISTIO), 0, {"restartPolicy": "Always"}),
        "task-restarts",
        (),
    ),
    "one of two containers that may be its task runs": (
        nameless(live_pod({"base": ended(), "uploader": RUNNING, "istio-proxy": RUNNING}, UPLOADER, ISTIO)),
        "task-unknown",
        (),
    ),
    "Airflow has not read the result": (
        live_pod(TASK_ENDED | {"airflow-xcom-sidecar": RUNNING}, ISTIO, XCOM),
        "xcom-not-taken",
        ("airflow-xcom-sidecar",),
    ),
    "a container works on after its task": (
        annotated(live_pod(TASK_ENDED | {"uploader": RUNNING}, ISTIO, UPLOADER), outlives_task="uploader"),
        "still-working",
        ("uploader",),
    ),
    "a container does its work once": (live_pod(TASK_ENDED | {"sync": RUNNING}, ISTIO, GIT_SYNC_ONCE), "still-working", ("sync",)),
    "a container that nobody knows runs": (
        live_pod(TASK_ENDED | {"uploader": RUNNING}, ISTIO, UPLOADER),
        "unknown-container-running",
        ("uploader",),
    ),
    "a sidecar waits to be started": (live_pod({"base": ended(), "istio-proxy": WAITING}, ISTIO), "container-waiting", ("istio-proxy",)),
    "a container that nobody knows waits": (
        live_pod(TASK_ENDED | {"uploader": WAITING}, ISTIO, UPLOADER),
        "container-waiting",
        ("uploader",),
    ),
    "a container that nobody knows failed and is started again": (
        live_pod(TASK_ENDED | {"uploader": ended(1)}, ISTIO, UPLOADER, restartPolicy="OnFailure"),
        "container-waiting",
        ("uploader",),
    ),
    "every container has ended": (live_pod({"base": ended(), "istio-proxy": ended()}, ISTIO), "nothing-runs", ()),
    "the kubelet does not say when its task ended": (
        live_pod({"base": ended(137, at=None), "istio-proxy": RUNNING}, ISTIO),
        "end-time-unknown",
        (),
    ),
    "its task ended a moment ago": (live_pod({"base": ended(at=LATER), "istio-proxy": RUNNING}, ISTIO), "grace", ("istio-proxy",)),
    "Airflow read the result a moment ago": (
        live_pod(TASK_ENDED | {"airflow-xcom-sidecar": ended(at=LATER)}, ISTIO, XCOM),
        "grace",
        ("istio-proxy",),
    ),
    "its uploader ended a moment ago": (live_pod(TASK_ENDED | {"uploader": ended(at=LATER)}, ISTIO, UPLOADER), "grace", ("istio-proxy",)),
    "its deadline has passed": (live_pod(TASK_FAILED, ISTIO, activeDeadlineSeconds=600), "deadline-passed", ("istio-proxy",)),
}


@pytest.mark.parametrize(("pod", "reason", "containers"), UNTOUCHED.values(), ids=UNTOUCHED)
def test_nothing_is_done_about_a_pod_while(pod: JSONObject, reason: str, containers: tuple[str, ...]) -> None:
    decision = decided(pod)

    assert (decision.reason, decision.containers) == (reason, containers)
    assert decision.act is None
    assert decision.reason.verdict is not Verdict.ACT


@pytest.mark.parametrize("pod", [live_pod(TASK_ENDED, ISTIO), live_pod(TASK_FAILED, ISTIO)], ids=["success", "failure"])
def test_a_sidecar_that_runs_on_after_the_grace_gets_its_quit_request_whatever_became_of_the_task(pod: JSONObject) -> None:
    assert decided(pod) == PodDecision(ReaperReason.QUIT_SENT, ("istio-proxy",), QUIT_ISTIO)


def test_a_task_whose_pod_is_started_again_on_failure_has_ended_once_it_succeeds() -> None:
    assert decided(live_pod(TASK_ENDED, ISTIO, restartPolicy="OnFailure")).act == QUIT_ISTIO


def test_a_debugger_that_has_ended_is_in_nobodys_way() -> None:
    assert decided(with_debugger(live_pod(TASK_ENDED, ISTIO), ended())).act == QUIT_ISTIO


def test_a_pod_that_the_webhook_has_not_seen_is_ended_where_that_is_allowed() -> None:
    pod = annotated(live_pod(TASK_ENDED, ISTIO), status=None)
    assert decided(pod, replace(POLICY, unmarked=True)).act == QUIT_ISTIO


def test_a_pod_that_the_webhook_only_audited_is_ended_like_any_other_that_it_has_seen() -> None:
    status = '{"treatment":"audited","reason":"sidecars-native","would_be":"native","main":"base","sidecars":{"istio-proxy":"native"}}'
    assert decided(annotated(live_pod(TASK_ENDED, ISTIO), status=status)).act == QUIT_ISTIO


def test_where_namespaces_were_not_chosen_by_name_a_pod_is_ended_only_in_one_that_has_opted_in() -> None:
    pod = live_pod(TASK_ENDED, ISTIO)
    assert decided(pod, replace(POLICY, opted_in=frozenset(["airflow"]))).act == QUIT_ISTIO
    assert decided(pod, replace(POLICY, opted_in=frozenset(["data"]))) == PodDecision(ReaperReason.NOT_OPTED_IN)


def test_the_grace_says_when_to_decide_again() -> None:
    decision = decided(live_pod(TASK_ENDED, ISTIO), now=ENDED_AT + timedelta(seconds=29))
    assert (decision.reason, decision.again_at) == (ReaperReason.GRACE, ENDED_AT + timedelta(seconds=30))
    assert decided(live_pod(TASK_ENDED, ISTIO), now=ENDED_AT + timedelta(seconds=30)).act == QUIT_ISTIO


def test_what_the_reaper_itself_saw_counts_more_than_a_nodes_clock() -> None:
    fast = live_pod({"base": ended(at=LATER + timedelta(minutes=2)), "istio-proxy": RUNNING}, ISTIO)
    slow = live_pod({"base": ended(at=LATER - timedelta(minutes=2)), "istio-proxy": RUNNING}, ISTIO)
    silent = live_pod({"base": ended(at=None), "istio-proxy": RUNNING}, ISTIO)

    for pod in (fast, slow, silent):
        assert decided(pod, ended_at=LATER - timedelta(seconds=5)).reason is ReaperReason.GRACE
        assert decided(pod, ended_at=LATER - timedelta(seconds=30)).act == QUIT_ISTIO


def reported(pod: JSONObject, at: datetime = ENDED_AT) -> JSONObject:
    """The pod, its status written by the kubelet at this time of the API server's."""
    pod["metadata"]["managedFields"] = [{"manager": "kubelet", "subresource": "status", "time": at.isoformat()}]
    return pod


@pytest.mark.parametrize("off", [timedelta(minutes=-2), timedelta(0), timedelta(minutes=2)], ids=["behind", "right", "ahead"])
def test_the_grace_is_the_same_whatever_the_clock_of_the_node_shows(off: timedelta) -> None:
    pod = reported(live_pod({"base": ended(at=ENDED_AT + off), "istio-proxy": RUNNING}, ISTIO))
    assert decided(pod, now=ENDED_AT + timedelta(seconds=29)).reason is ReaperReason.GRACE
    assert decided(pod, now=ENDED_AT + timedelta(seconds=30)).act == QUIT_ISTIO


def test_a_kubelet_that_reports_again_and_again_puts_the_end_off_by_some_minutes_at_most() -> None:
    last = ENDED_AT + MOST_CLOCK_ERROR + POLICY.grace
    for seconds, is_due in ((-1, False), (0, True)):
        now = last + timedelta(seconds=seconds)
        pod = reported(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), now)
        assert (decided(pod, now=now).act == QUIT_ISTIO) is is_due


def test_where_the_kubelet_does_not_say_when_the_task_ended_its_last_report_counts() -> None:
    pod = reported(live_pod({"base": ended(137, at=None), "istio-proxy": RUNNING}, ISTIO))

    assert decided(pod, now=ENDED_AT + timedelta(seconds=29)).reason is ReaperReason.GRACE
    assert decided(pod, now=ENDED_AT + timedelta(seconds=30)).act == QUIT_ISTIO


AT_THE_END: Final = datetime.max.replace(tzinfo=UTC)
AT_THE_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize("grace", [timedelta(), timedelta(hours=1)])
@pytest.mark.parametrize("report", [None, AT_THE_BEGINNING, LATER, AT_THE_END])
@pytest.mark.parametrize("end", [AT_THE_BEGINNING, AT_THE_END, AT_THE_END.replace(tzinfo=timezone(timedelta(hours=14)))])
def test_there_is_a_decision_whatever_the_times_in_a_status_are(end: datetime, report: datetime | None, grace: timedelta) -> None:
    pod = live_pod({"base": ended(1, end), "istio-proxy": RUNNING}, ISTIO, activeDeadlineSeconds=60)
    reasons = {
        decided(pod if report is None else reported(pod, report), replace(POLICY, grace=grace), now).reason
        for now in (AT_THE_BEGINNING, LATER, AT_THE_END)
    }
    assert reasons <= {ReaperReason.GRACE, ReaperReason.QUIT_SENT, ReaperReason.DEADLINE_PASSED}


def test_a_time_that_cannot_come_is_waited_for_where_the_kubelets_report_has_none() -> None:
    found = decided(live_pod({"base": ended(1, AT_THE_END), "istio-proxy": RUNNING}, ISTIO))
    assert (found.reason, found.again_at) == (ReaperReason.GRACE, LATEST + POLICY.grace)


def test_sidecars_end_one_after_the_other_agents_before_the_proxy() -> None:
    pod = live_pod(TASK_ENDED | {"vault-agent": RUNNING}, ISTIO, VAULT)
    quit_vault = QuitAct("vault-agent", "containerd://vault-agent", Endpoint(8200, "/agent/v1/quit", "POST"))
    assert decided(pod) == PodDecision(ReaperReason.QUIT_SENT, ("vault-agent",), quit_vault)

    asked = [past(Method.QUIT, "vault-agent")]
    assert decided(pod, past=asked).reason is ReaperReason.ENDING
    pod["status"]["containerStatuses"][2]["state"] = ended()
    assert decided(pod, past=asked).act == QUIT_ISTIO


def past(method: Method, container: str = "", outcome: ActOutcome = ActOutcome.ACCEPTED, at: datetime = LATER) -> PastAct:
    return PastAct(method, f"containerd://{container}" if container else "", at, outcome)


def test_an_accepted_request_is_not_repeated_and_its_sidecar_has_its_time_to_drain() -> None:
    pod = live_pod(TASK_FAILED, ISTIO)
    asked = [past(Method.QUIT, "istio-proxy")]
    decision = decided(pod, past=asked)

    # Istio drains for 5 s, and the kubelet's report takes its time.
    assert decision == PodDecision(ReaperReason.ENDING, ("istio-proxy",), again_at=LATER + timedelta(seconds=10))
    assert decided(pod, past=asked, now=LATER + timedelta(seconds=10)).act == DeadlineAct(600)


def test_a_container_that_was_started_again_is_another_one() -> None:
    before = PastAct(Method.QUIT, "containerd://before", LATER, ActOutcome.ACCEPTED)
    assert decided(live_pod(TASK_ENDED, ISTIO), past=[before]).act == QUIT_ISTIO


def test_an_attempt_without_an_answer_is_repeated_after_pauses_that_double_and_then_no_more() -> None:
    pod = live_pod(TASK_ENDED, ISTIO)
    failed, now = list[PastAct](), LATER
    for pause in (10, 20):
        failed.append(past(Method.QUIT, "istio-proxy", ActOutcome.FAILED, now))
        waiting = decided(pod, past=failed, now=now)
        assert waiting == PodDecision(ReaperReason.PAUSE, ("istio-proxy",), again_at=now + timedelta(seconds=pause))
        now += timedelta(seconds=pause)
        assert decided(pod, past=failed, now=now) == PodDecision(ReaperReason.QUIT_SENT, ("istio-proxy",), QUIT_ISTIO)
    failed.append(past(Method.QUIT, "istio-proxy", ActOutcome.FAILED, now))

    assert len(failed) == MOST_ATTEMPTS
    assert decided(pod, past=failed, now=now).reason is ReaperReason.METHODS_SPENT


def test_an_act_that_was_begun_and_has_no_outcome_has_its_time_to_take_effect_and_is_then_repeated() -> None:
    pod = live_pod(TASK_ENDED, ISTIO)
    begun = [past(Method.QUIT, "istio-proxy", ActOutcome.BEGUN)]
    waiting = decided(pod, past=begun)
    assert (waiting.reason, waiting.again_at) == (ReaperReason.ENDING, LATER + timedelta(seconds=10))
    assert decided(pod, now=LATER + timedelta(seconds=10), past=begun).act == QUIT_ISTIO


@pytest.mark.parametrize("outcome", [ActOutcome.REFUSED, ActOutcome.FORBIDDEN])
def test_what_was_refused_is_not_repeated_until_it_is_forgotten(outcome: ActOutcome) -> None:
    pod = live_pod(TASK_ENDED, ISTIO)
    refused = [past(Method.QUIT, "istio-proxy", outcome)]
    decision = decided(pod, past=refused)

    assert (decision.reason, decision.containers) == (ReaperReason.METHODS_SPENT, ("istio-proxy",))
    assert decision.again_at == LATER + FORGET_AFTER
    assert decided(pod, past=refused, now=LATER + FORGET_AFTER).act == QUIT_ISTIO


def test_a_sidecar_without_a_quit_request_gets_the_signal_on_which_it_exits_0_only_where_that_is_allowed() -> None:
    pod = live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT)

    assert decided(pod).reason is ReaperReason.NO_CLEAN_END
    decision = decided(pod, EXEC)
    assert decision == PodDecision(ReaperReason.SIGNAL_SENT, ("logs",), ExecAct("logs", "containerd://logs", "SIGTERM"))
    assert isinstance(decision.act, ExecAct)
    assert decision.act.command == "kill -TERM 1"


def test_the_signal_follows_a_quit_request_that_was_refused() -> None:
    pod = live_pod(TASK_ENDED, ISTIO)
    refused = [past(Method.QUIT, "istio-proxy", ActOutcome.REFUSED)]
    assert decided(pod, EXEC, past=refused).act == ExecAct("istio-proxy", "containerd://istio-proxy", "SIGTERM")


def test_process_1_of_a_shared_process_namespace_gets_no_signal() -> None:
    pod = live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT, shareProcessNamespace=True)
    assert decided(pod, EXEC).reason is ReaperReason.NO_CLEAN_END


def test_a_sidecar_that_exits_with_143_gets_no_signal() -> None:
    assert decided(live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL), EXEC).reason is ReaperReason.NO_CLEAN_END


def test_a_failed_task_whose_sidecar_nothing_ends_gets_the_time_that_has_passed_as_its_deadline() -> None:
    decision = decided(live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL))
    assert decision == PodDecision(ReaperReason.DEADLINE_SET, ("db",), DeadlineAct(600))


def test_the_deadline_is_at_least_a_second_where_the_kubelet_does_not_say_how_long_the_task_ran() -> None:
    pod = live_pod({"base": ended(1, at=None), "db": RUNNING}, CLOUD_SQL)
    assert decided(pod, ended_at=ENDED_AT).act == DeadlineAct(1)


def test_the_deadline_of_a_task_that_failed_within_a_second_is_a_second() -> None:
    assert decided(live_pod({"base": ended(1, at=BEGAN), "db": RUNNING}, CLOUD_SQL)).act == DeadlineAct(1)


def test_a_deadline_that_lies_ahead_is_shortened() -> None:
    pod = live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL, activeDeadlineSeconds=3600)
    assert decided(pod).act == DeadlineAct(600)


NO_DEADLINE: Final[dict[str, tuple[JSONObject, ReaperPolicy]]] = {
    "its task succeeded": (live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL), POLICY),
    "deadlines are not allowed": (
        live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL),
        replace(POLICY, methods=frozenset({Method.QUIT})),
    ),
    "its creator would run a successful task once more": (
        live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL, restartPolicy="OnFailure"),
        replace(POLICY, end_successful=True),
    ),
}


@pytest.mark.parametrize(("pod", "policy"), NO_DEADLINE.values(), ids=NO_DEADLINE)
def test_a_pod_with_a_sidecar_that_nothing_ends_is_left_where(pod: JSONObject, policy: ReaperPolicy) -> None:
    assert decided(pod, policy) == PodDecision(ReaperReason.NO_CLEAN_END, ("db",))


def test_a_pod_whose_task_succeeded_gets_a_deadline_where_its_admin_says_that_airflow_does_not_mind() -> None:
    pod = live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL)
    assert decided(pod, replace(POLICY, end_successful=True)).act == DeadlineAct(600)


def test_no_sidecar_is_ended_beside_one_that_nothing_ends_since_it_may_need_the_mesh() -> None:
    pod = live_pod(TASK_ENDED | {"logs": RUNNING}, ISTIO, FLUENT_BIT)
    assert decided(pod) == PodDecision(ReaperReason.NO_CLEAN_END, ("logs",))


def test_a_pod_on_the_hosts_network_gets_no_quit_request_since_that_could_reach_another_pod() -> None:
    assert decided(live_pod(TASK_ENDED, ISTIO, hostNetwork=True)).reason is ReaperReason.HOST_NETWORK
    assert decided(live_pod(TASK_FAILED, ISTIO, hostNetwork=True)).act == DeadlineAct(600)


def test_a_sidecar_that_the_kubelet_starts_again_gets_no_quit_request() -> None:
    pod = with_rules(live_pod(TASK_ENDED, ISTIO), 1, {"restartPolicy": "Always"})
    assert decided(pod).reason is ReaperReason.SIDECAR_RESTARTS


def test_a_sidecar_that_ends_by_itself_gets_its_time_after_the_others() -> None:
    pod = live_pod(TASK_FAILED | {"gke-gcsfuse-sidecar": RUNNING}, ISTIO, GCSFUSE)
    assert decided(pod).act == QUIT_ISTIO

    pod["status"]["containerStatuses"][1]["state"] = ended()
    asked = [past(Method.QUIT, "istio-proxy")]
    decision = decided(pod, past=asked)
    assert (decision.reason, decision.again_at) == (ReaperReason.ENDS_BY_ITSELF, LATER + SELF_END)
    assert decided(pod, past=asked, now=LATER + SELF_END).act == DeadlineAct(600)


def test_two_sidecars_that_wait_for_each_other_do_not_end_by_themselves() -> None:
    states = {"gke-gcsfuse-sidecar": RUNNING, "kuma-sidecar": RUNNING}

    assert decided(live_pod({"base": ended(1), **states}, GCSFUSE, KUMA)).act == DeadlineAct(600)
    left = decided(live_pod({"base": ended(), **states}, GCSFUSE, KUMA))
    assert left == PodDecision(ReaperReason.NO_CLEAN_END, ("gke-gcsfuse-sidecar", "kuma-sidecar"), again_at=ENDED_AT + SELF_END)


def test_a_sidecar_that_ends_by_itself_gets_no_signal_before_it_has_had_its_time_to_write() -> None:
    pod = live_pod({"base": ended(), "gke-gcsfuse-sidecar": RUNNING}, GCSFUSE)

    assert decided(pod, EXEC).reason is ReaperReason.ENDS_BY_ITSELF
    assert decided(pod, EXEC, now=ENDED_AT + SELF_END).act == ExecAct("gke-gcsfuse-sidecar", "containerd://gke-gcsfuse-sidecar", "SIGTERM")


def test_a_deadline_that_was_set_is_not_set_again() -> None:
    pod = live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL)
    assert decided(pod, past=[past(Method.DEADLINE)]).reason is ReaperReason.ENDING


def test_a_deadline_that_was_forbidden_leaves_the_pod() -> None:
    pod = live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL)
    decision = decided(pod, past=[past(Method.DEADLINE, outcome=ActOutcome.FORBIDDEN)])
    assert decision == PodDecision(ReaperReason.METHODS_SPENT, ("db",), again_at=LATER + FORGET_AFTER)


def test_a_pod_that_no_allowed_method_ends_is_not_decided_about_again_when_its_last_act_is_forgotten() -> None:
    pod = live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL)
    quit_only, acts = replace(POLICY, methods=frozenset({Method.QUIT})), [past(Method.DEADLINE)]
    forgotten_at = LATER + FORGET_AFTER
    assert decided(pod, quit_only, past=acts) == PodDecision(ReaperReason.NO_CLEAN_END, ("db",), again_at=forgotten_at)
    assert decided(pod, quit_only, forgotten_at, acts) == PodDecision(ReaperReason.NO_CLEAN_END, ("db",))
