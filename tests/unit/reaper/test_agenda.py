"""What the reaper does next about each pod, given what it has done; `test_agenda_interleaved.py` has what holds whatever happens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from tests.support.live_pods import CLOUD_SQL, ENDED_AT, ISTIO, RUNNING, UPLOADER, VAULT, annotated, ended, live_pod, with_debugger
from webhook.core import default_policy, read_progress
from webhook.reaper.act import ActOutcome, DeadlineAct, Method, PastAct
from webhook.reaper.agenda import MOST_REMEMBERED, POSTPONED, Agenda, DueAct
from webhook.reaper.decision import FORGET_AFTER, ReaperPolicy
from webhook.reaper.notice import LINGER, Notice, NoticeKind
from webhook.reaper.reason import ReaperReason

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Progress

CATALOGUE: Final = default_policy().catalogue
POLICY: Final = ReaperPolicy()
SEEN: Final = ENDED_AT + timedelta(hours=1)
"""When the reaper first sees the pod."""

DUE: Final = SEEN + POLICY.grace
STUCK: Final = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
FAILED: Final = live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL)
ENDLESS: Final = live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL)
"""Its task succeeded, and nothing ends its sidecar with exit code 0."""


def progress(pod: JSONObject) -> Progress:
    found = read_progress(pod, CATALOGUE)
    assert found is not None
    return found


def agenda_with(*pods: JSONObject, is_observing: bool = False) -> Agenda:
    agenda = Agenda(POLICY, is_observing=is_observing)
    for pod in pods:
        agenda.see(progress(pod), SEEN)
    return agenda


def only_due(agenda: Agenda, now: datetime) -> DueAct:
    (due,) = agenda.due(now)
    return due


def noticed(agenda: Agenda) -> list[tuple[NoticeKind, str]]:
    return [(one.kind, one.note) for one in agenda.take_notices()]


def kinds(agenda: Agenda) -> list[NoticeKind]:
    return [kind for kind, _ in noticed(agenda)]


def test_the_grace_counts_from_what_the_reaper_saw_whatever_the_nodes_clock_says() -> None:
    agenda = agenda_with(STUCK)
    assert agenda.due(SEEN) == []
    assert agenda.next_at == DUE
    assert agenda.due(DUE - timedelta(seconds=1)) == []
    assert only_due(agenda, DUE).act.method is Method.QUIT


def test_an_act_that_is_under_way_is_not_due_again_whatever_is_seen_of_its_pod() -> None:
    agenda = agenda_with(STUCK)
    only_due(agenda, DUE)
    agenda.see(progress(STUCK), DUE)
    assert (agenda.due(DUE + timedelta(hours=1)), agenda.under_way) == ([], 1)


def test_an_accepted_act_is_reported_and_waited_for_and_not_repeated() -> None:
    agenda = agenda_with(STUCK)
    due = only_due(agenda, DUE)
    agenda.end(due, ActOutcome.ACCEPTED, "HTTP 200", DUE)

    assert agenda.under_way == 0
    assert noticed(agenda) == [
        (NoticeKind.SIDECAR_QUIT, "The sidecar istio-proxy ran on after the task, and accepted its quit request (HTTP 200)."),
    ]
    assert (agenda.due(DUE), agenda.under_way) == ([], 0)
    assert agenda.next_at == DUE + timedelta(seconds=10)
    assert agenda.due(DUE + timedelta(seconds=10)) == []
    assert kinds(agenda) == [NoticeKind.SIDECAR_STUCK]


def test_a_failed_act_is_not_reported_and_follows_again() -> None:
    agenda = agenda_with(STUCK)
    due = only_due(agenda, DUE)
    agenda.end(due, ActOutcome.FAILED, "connection refused", DUE)
    agenda.see(progress(STUCK), DUE)
    assert (agenda.due(DUE), kinds(agenda)) == ([], [])
    assert only_due(agenda, DUE + timedelta(seconds=10)).past == (PastAct(Method.QUIT, "containerd://istio-proxy", DUE, ActOutcome.FAILED),)


LOST: Final = (
    NoticeKind.SIDECAR_QUIT,
    "The sidecar istio-proxy ran on after the task. An attempt to send its quit request had no answer, and it has ended since.",
)
ENDED: Final = (NoticeKind.TASK_POD_ENDED, "The pod no longer runs. Its task's container exited with 0.")


def test_a_sidecar_that_ends_after_an_act_without_an_answer_is_reported_with_the_end_of_its_pod() -> None:
    agenda = agenda_with(STUCK)
    agenda.end(only_due(agenda, DUE), ActOutcome.FAILED, "the connection was closed without a response", DUE)
    agenda.forget("uid-1")
    assert noticed(agenda) == [LOST, ENDED]


def test_where_the_end_of_its_pod_is_seen_before_the_answer_is_missing_both_are_reported_too() -> None:
    agenda = agenda_with(STUCK)
    due = only_due(agenda, DUE)
    agenda.forget("uid-1")
    agenda.end(due, ActOutcome.FAILED, "the connection was closed without a response", DUE)
    assert noticed(agenda) == [ENDED, LOST]


def test_such_a_sidecar_is_reported_while_another_one_runs_on() -> None:
    states = {"base": ended(), "istio-proxy": RUNNING, "vault-agent": RUNNING}
    both, one = live_pod(states, ISTIO, VAULT), live_pod(states | {"vault-agent": ended()}, ISTIO, VAULT)
    agenda = agenda_with(both)
    due = only_due(agenda, DUE)
    assert due.act.container == "vault-agent"
    agenda.end(due, ActOutcome.FAILED, "the connection was closed without a response", DUE)
    agenda.see(progress(one), DUE)
    assert kinds(agenda) == [NoticeKind.SIDECAR_QUIT]

    agenda = agenda_with(both)
    due = only_due(agenda, DUE)
    agenda.see(progress(one), DUE)
    assert kinds(agenda) == []
    agenda.end(due, ActOutcome.FAILED, "the connection was closed without a response", DUE)
    assert kinds(agenda) == [NoticeKind.SIDECAR_QUIT]


@pytest.mark.parametrize("outcome", [ActOutcome.ACCEPTED, ActOutcome.REFUSED, ActOutcome.FORBIDDEN])
def test_of_an_act_that_had_an_answer_nothing_more_is_reported_when_its_sidecar_ends(outcome: ActOutcome) -> None:
    agenda = agenda_with(STUCK)
    agenda.end(only_due(agenda, DUE), outcome, "the answer", DUE)
    kinds(agenda)
    agenda.forget("uid-1")
    assert noticed(agenda) == [ENDED]


def test_an_act_without_an_answer_on_a_pod_that_somebody_deletes_is_not_reported() -> None:
    agenda = agenda_with(STUCK)
    due = only_due(agenda, DUE)
    deleted = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z"
    agenda.see(progress(deleted), DUE)
    agenda.end(due, ActOutcome.FAILED, "the connection was closed without a response", DUE)
    assert kinds(agenda) == []


def test_an_act_that_was_no_longer_due_is_not_remembered_and_decided_about_a_little_later() -> None:
    agenda = agenda_with(STUCK)
    agenda.postpone(only_due(agenda, DUE), DUE)
    assert agenda.under_way == 0
    assert (agenda.due(DUE), agenda.next_at) == ([], DUE + POSTPONED)
    assert only_due(agenda, DUE + POSTPONED).past == ()


def test_an_act_that_is_due_has_what_its_decision_was_made_of() -> None:
    due = only_due(agenda_with(STUCK), DUE)
    assert (due.pod, due.past, due.work_ended_at) == (progress(STUCK), (), SEEN)


def test_an_act_is_remembered_before_it_is_carried_out() -> None:
    agenda = agenda_with(STUCK)
    assert agenda.memory(DUE) == {}
    only_due(agenda, DUE)
    assert agenda.memory(DUE) == {"uid-1": (PastAct(Method.QUIT, "containerd://istio-proxy", DUE, ActOutcome.BEGUN),)}


def test_who_takes_over_the_memory_of_an_act_without_an_outcome_repeats_nothing_before_it_may_have_taken_effect() -> None:
    former, other = agenda_with(STUCK), agenda_with(STUCK)
    only_due(former, DUE)
    other.adopt(former.memory(DUE), DUE)

    assert (other.due(DUE), other.next_at) == ([], DUE + timedelta(seconds=10))
    assert only_due(other, DUE + timedelta(seconds=10)).act.method is Method.QUIT


@pytest.mark.parametrize("skew", [timedelta(minutes=-2), timedelta(minutes=2)])
def test_the_time_to_take_effect_counts_anew_for_who_takes_over_whatever_the_clock_of_the_other_shows(skew: timedelta) -> None:
    agenda = agenda_with(STUCK)
    agenda.adopt({"uid-1": (PastAct(Method.QUIT, "containerd://istio-proxy", DUE + skew, ActOutcome.ACCEPTED),)}, DUE)
    assert (agenda.due(DUE), agenda.next_at) == ([], DUE + timedelta(seconds=10))


def test_an_act_that_is_under_way_survives_the_memory_of_another() -> None:
    agenda = agenda_with(STUCK)
    only_due(agenda, DUE)
    agenda.adopt({}, DUE)
    assert (agenda.due(DUE), len(agenda.memory(DUE))) == ([], 1)


def test_the_memory_forgets_what_no_longer_counts() -> None:
    agenda = agenda_with(STUCK)
    only_due(agenda, DUE)
    assert len(agenda.memory(DUE + FORGET_AFTER - timedelta(seconds=1))) == 1
    assert agenda.memory(DUE + FORGET_AFTER) == {}


def test_nothing_is_remembered_of_a_pod_that_no_longer_runs_whenever_the_answer_comes() -> None:
    agenda = agenda_with(STUCK)
    due = only_due(agenda, DUE)
    agenda.forget("uid-1")
    assert agenda.memory(DUE) == {}
    agenda.end(due, ActOutcome.ACCEPTED, "HTTP 200", DUE)
    assert (agenda.memory(DUE), agenda.under_way) == ({}, 0)


def test_a_pod_whose_containers_the_kubelet_does_not_report_for_a_while_stays_on_the_agenda() -> None:
    agenda = agenda_with(STUCK)
    agenda.end(only_due(agenda, DUE), ActOutcome.REFUSED, "HTTP 403", DUE)
    kinds(agenda)
    assert agenda.see(progress(live_pod({}, ISTIO)), DUE) is None
    assert (agenda.due(DUE), kinds(agenda), agenda.stuck()) == ([], [], {("airflow", ReaperReason.STATUSES_MISSING): 1})
    agenda.see(progress(STUCK), DUE)
    assert (agenda.due(DUE), agenda.next_at) == ([], DUE + POLICY.grace)
    assert agenda.due(DUE + POLICY.grace) == []


def test_a_pod_whose_task_is_at_work_does_not_come_onto_the_agenda() -> None:
    agenda = agenda_with(live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO))
    assert (agenda.next_at, agenda.forget("uid-1")) == (None, None)


def test_an_act_that_waited_for_a_worker_until_it_no_longer_counted_is_remembered_by_its_outcome() -> None:
    agenda = agenda_with(STUCK)
    due = only_due(agenda, DUE)
    later = DUE + FORGET_AFTER
    assert agenda.memory(later) == {}
    agenda.end(due, ActOutcome.REFUSED, "HTTP 403", later)
    assert [one.outcome for one in agenda.memory(later)["uid-1"]] == [ActOutcome.REFUSED]


def test_such_an_act_survives_the_memory_of_another_as_well() -> None:
    agenda = agenda_with(STUCK)
    due = only_due(agenda, DUE)
    later = DUE + FORGET_AFTER
    agenda.memory(later)
    agenda.adopt({}, later)
    assert (agenda.memory(later), agenda.due(later)) == ({}, [])
    agenda.end(due, ActOutcome.REFUSED, "HTTP 403", later)
    assert [one.outcome for one in agenda.memory(later)["uid-1"]] == [ActOutcome.REFUSED]


def test_the_memory_has_every_act_on_a_pod_in_its_order() -> None:
    agenda = agenda_with(STUCK)
    agenda.end(only_due(agenda, DUE), ActOutcome.FAILED, "no answer", DUE)
    only_due(agenda, DUE + timedelta(seconds=10))
    assert [one.outcome for one in agenda.memory(DUE + timedelta(seconds=10))["uid-1"]] == [ActOutcome.FAILED, ActOutcome.BEGUN]


def test_who_takes_over_reports_again_what_the_other_may_not_have_reported() -> None:
    agenda = agenda_with(ENDLESS)
    agenda.due(DUE)
    assert kinds(agenda) == [NoticeKind.SIDECAR_STUCK]
    agenda.adopt({}, DUE)
    assert agenda.stuck() == {}
    assert (agenda.due(DUE), kinds(agenda)) == ([], [NoticeKind.SIDECAR_STUCK])


def test_what_had_no_answer_has_the_pause_that_began_with_the_other_replica() -> None:
    agenda = agenda_with(STUCK)
    failed = PastAct(Method.QUIT, "containerd://istio-proxy", DUE - timedelta(seconds=4), ActOutcome.FAILED)
    agenda.adopt({"uid-1": (failed,)}, DUE)
    assert (agenda.due(DUE), agenda.next_at) == ([], DUE + timedelta(seconds=6))
    agenda.adopt({"uid-1": (replace(failed, at=DUE + timedelta(minutes=2)),)}, DUE)
    assert (agenda.due(DUE), agenda.next_at) == ([], DUE + timedelta(seconds=10))


def test_the_memory_holds_the_newest_acts_when_there_are_too_many() -> None:
    past = {
        f"uid-{number}": (PastAct(Method.QUIT, "c", DUE + timedelta(milliseconds=number), ActOutcome.REFUSED),) for number in range(1200)
    }
    agenda = agenda_with()
    agenda.adopt(past, DUE)
    memory = agenda.memory(DUE)
    assert (len(memory), "uid-199" in memory, "uid-200" in memory) == (MOST_REMEMBERED, False, True)


def test_a_thousand_acts_on_the_pods_of_one_namespace_do_not_repeat_an_act_on_a_pod_of_another() -> None:
    agenda = agenda_with(STUCK)
    failed_at = DUE - timedelta(seconds=10)
    agenda.adopt({"uid-1": (PastAct(Method.QUIT, "containerd://istio-proxy", failed_at, ActOutcome.FAILED),)}, DUE)
    agenda.end(only_due(agenda, DUE), ActOutcome.ACCEPTED, "HTTP 200", DUE)
    for number in range(MOST_REMEMBERED):
        other = progress(STUCK)
        agenda.see(replace(other, uid=f"other-{number}", namespace="others"), SEEN)
    soon = DUE + timedelta(seconds=1)
    for due in agenda.due(soon):
        agenda.end(due, ActOutcome.ACCEPTED, "HTTP 200", soon)

    memory = agenda.memory(soon)
    assert sum(map(len, memory.values())) == MOST_REMEMBERED
    assert [one.outcome for one in memory["uid-1"]] == [ActOutcome.FAILED, ActOutcome.ACCEPTED]
    agenda.see(progress(STUCK), soon)
    assert "uid-1" not in {due.pod.uid for due in agenda.due(soon)}


def test_a_pod_whose_end_was_seen_leaves_the_agenda_and_is_reported_where_something_was_done() -> None:
    agenda = agenda_with(STUCK)
    due = only_due(agenda, DUE)
    agenda.end(due, ActOutcome.ACCEPTED, "HTTP 200", DUE)
    kinds(agenda)
    finished = live_pod({"base": ended(), "istio-proxy": ended()}, ISTIO)
    finished["status"]["phase"] = "Succeeded"

    gone = agenda.see(progress(finished), DUE)
    assert gone is not None
    assert noticed(agenda) == [(NoticeKind.TASK_POD_ENDED, "The pod no longer runs. Its task's container exited with 0.")]
    assert (agenda.next_at, agenda.stuck()) == (None, {})


def test_a_pod_that_ended_by_itself_is_not_reported() -> None:
    agenda = agenda_with(STUCK)
    assert agenda.forget("uid-1") is not None
    assert (kinds(agenda), agenda.forget("uid-1")) == ([], None)


def test_a_pod_that_somebody_deletes_leaves_the_agenda_and_is_not_reported() -> None:
    agenda = agenda_with(STUCK)
    agenda.end(only_due(agenda, DUE), ActOutcome.REFUSED, "HTTP 403", DUE)
    deleted = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z"
    assert agenda.see(progress(deleted), DUE) is not None
    assert (kinds(agenda), agenda.next_at) == ([], None)
    assert agenda.see(progress(deleted), DUE) is None


def test_a_pod_that_a_list_no_longer_shows_leaves_the_agenda() -> None:
    other = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    other["metadata"] |= {"namespace": "data", "uid": "uid-2"}
    agenda = agenda_with(STUCK, other)

    assert agenda.retain("airflow", {"uid-1"}) == []
    assert [one.pod.uid for one in agenda.retain("airflow", frozenset())] == ["uid-1"]
    assert [one.pod.uid for one in agenda.retain("data", frozenset())] == ["uid-2"]


def test_a_pod_that_nothing_ends_is_reported_once() -> None:
    agenda = agenda_with(ENDLESS)
    agenda.due(DUE)
    ((kind, note),) = noticed(agenda)
    assert kind is NoticeKind.SIDECAR_STUCK
    assert note.startswith("No allowed method ends this sidecar in a way that keeps the result of the task. Containers: db. Make ")

    agenda.see(progress(ENDLESS), DUE)
    assert (agenda.due(DUE), kinds(agenda)) == ([], [])
    assert agenda.stuck() == {("airflow", ReaperReason.NO_CLEAN_END): 1}


def test_what_was_refused_is_tried_again_when_it_is_forgotten_and_reported_again() -> None:
    agenda = agenda_with(STUCK)
    agenda.end(only_due(agenda, DUE), ActOutcome.REFUSED, "HTTP 403", DUE)
    assert (agenda.due(DUE), kinds(agenda), agenda.next_at) == ([], [NoticeKind.SIDECAR_STUCK], DUE + FORGET_AFTER)
    agenda.end(only_due(agenda, DUE + FORGET_AFTER), ActOutcome.REFUSED, "HTTP 403", DUE + FORGET_AFTER)
    assert (agenda.due(DUE + FORGET_AFTER), kinds(agenda)) == ([], [NoticeKind.SIDECAR_STUCK])


def test_a_pod_in_its_grace_is_not_counted_as_stuck() -> None:
    agenda = agenda_with(STUCK)
    agenda.due(SEEN)
    assert agenda.stuck() == {}


def test_a_pod_that_waits_for_somebody_is_reported_when_that_lasts() -> None:
    agenda = agenda_with(live_pod({"base": ended(), "uploader": RUNNING, "istio-proxy": RUNNING}, UPLOADER, ISTIO))
    agenda.due(SEEN)
    assert (kinds(agenda), agenda.next_at) == ([], SEEN + LINGER)
    assert agenda.stuck() == {("airflow", ReaperReason.UNKNOWN_CONTAINER): 1}
    agenda.due(SEEN + LINGER)
    assert (kinds(agenda), agenda.next_at) == ([NoticeKind.SIDECAR_STUCK], None)


def test_a_pod_that_is_not_the_reapers_business_is_counted_and_not_reported() -> None:
    agenda = agenda_with(annotated(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), status=None))
    agenda.due(SEEN)
    assert (kinds(agenda), agenda.next_at, agenda.stuck()) == ([], None, {("airflow", ReaperReason.NO_STATUS): 1})


def test_another_policy_is_decided_by_at_once() -> None:
    agenda = agenda_with(ENDLESS)
    agenda.due(DUE)
    agenda.change_policy(ReaperPolicy(end_successful=True), DUE)
    assert only_due(agenda, DUE).act == DeadlineAct(600)


def test_another_policy_does_not_repeat_what_is_under_way() -> None:
    agenda = agenda_with(STUCK)
    only_due(agenda, DUE)
    agenda.change_policy(ReaperPolicy(unmarked=True), DUE)
    assert agenda.due(DUE) == []


def test_a_debugger_that_has_gone_gives_the_pod_its_grace_again() -> None:
    agenda = agenda_with(STUCK)
    agenda.see(progress(with_debugger(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), RUNNING)), SEEN)
    assert agenda.due(DUE) == []
    agenda.see(progress(STUCK), DUE)
    assert (agenda.due(DUE), agenda.next_at) == ([], DUE + POLICY.grace)


def test_who_only_observes_tells_what_would_be_done_once_and_does_nothing() -> None:
    agenda = agenda_with(STUCK, is_observing=True)
    assert (agenda.due(DUE), agenda.memory(DUE)) == ([], {})
    ((kind, note),) = noticed(agenda)
    assert (kind, note.endswith("The reaper is in observe mode, so it has done nothing.")) == (NoticeKind.SIDECAR_STUCK, True)
    agenda.see(progress(STUCK), DUE)
    assert (agenda.due(DUE), kinds(agenda)) == ([], [])
    assert agenda.stuck() == {("airflow", ReaperReason.QUIT_SENT): 1}


def test_a_deadline_that_was_set_is_reported_as_the_end_of_a_failed_pod() -> None:
    agenda = agenda_with(FAILED)
    due = only_due(agenda, DUE)
    assert due.act == DeadlineAct(600)
    agenda.end(due, ActOutcome.ACCEPTED, "activeDeadlineSeconds: 600", DUE)
    (notice,) = list[Notice](agenda.take_notices())
    assert (notice.kind, notice.kind.is_warning) == (NoticeKind.DEADLINE_SET, False)
    assert notice.note == (
        "A sidecar ran on after the task, which exited with 1. No other allowed method ends it, so the kubelet ends the pod "
        "(activeDeadlineSeconds: 600)."
    )
