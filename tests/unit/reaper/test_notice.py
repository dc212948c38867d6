"""What a notice about a pod says, word by word."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from tests.support.live_pods import ENDED_AT, ISTIO, RUNNING, VAULT, ended, live_pod
from webhook.core import (
    STATUS_ANNOTATION,
    Endpoint,
    LeftTaskPod,
    Reason,
    RecordedStatus,
    Remedy,
    Treatment,
    default_policy,
    read_left_pod,
    read_progress,
)
from webhook.reaper import notice
from webhook.reaper.act import ActOutcome, DeadlineAct, ExecAct, Method, PastAct, QuitAct
from webhook.reaper.decision import PodDecision
from webhook.reaper.notice import MAX_LINE_CHARACTERS, Notice, NoticeKind
from webhook.reaper.pod_event import MAX_MESSAGE
from webhook.reaper.reason import ReaperReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject
    from webhook.core import Progress

QUIT: Final = QuitAct("istio-proxy", "containerd://1", Endpoint(15020, "/quitquitquit", "POST"))
AT: Final = datetime(2026, 1, 1, 10, 11, tzinfo=UTC)


def progress(base: JSONObject, sidecars: JSONObject | None = None) -> Progress:
    states = {"base": base, **(sidecars or {"istio-proxy": RUNNING})}
    found = read_progress(live_pod(states, ISTIO, VAULT), default_policy().catalogue)
    assert found is not None
    return found


POD: Final = progress(ended(137) | {"terminated": ended(137)["terminated"] | {"reason": "OOMKilled"}})
WORKING: Final = progress(RUNNING)


@pytest.mark.parametrize(
    ("make", "kind", "note"),
    [
        (
            lambda: notice.of_decision(POD, PodDecision(ReaperReason.HOST_NETWORK, ("a", "b")), is_observing=False),
            "SidecarStuck",
            (
                "The pod uses the host's network, where a quit request could reach the sidecar of another pod. Containers: a, b. "
                "Take the pod off the host's network, or remove the sidecar."
            ),
        ),
        (
            lambda: notice.of_decision(POD, PodDecision(ReaperReason.QUIT_SENT), is_observing=True),
            "SidecarStuck",
            "A sidecar runs on after the task: it gets its quit request, and exits 0. The reaper is in observe mode, so it has done nothing.",
        ),
        (
            lambda: notice.of_act(POD, QUIT, "HTTP 200"),
            "SidecarQuit",
            "The sidecar istio-proxy ran on after the task, and accepted its quit request (HTTP 200).",
        ),
        (
            lambda: notice.of_act(POD, ExecAct("logs", "containerd://2", "SIGTERM"), "exit code 0"),
            "SidecarQuit",
            "The sidecar logs ran on after the task, and was sent the signal that ends it (exit code 0).",
        ),
        (
            lambda: notice.of_act(POD, DeadlineAct(9), "activeDeadlineSeconds: 9"),
            "TaskPodDeadlineSet",
            (
                "A sidecar ran on after the task, which exited with 137. No other allowed method ends it, so the kubelet ends the pod "
                "(activeDeadlineSeconds: 9)."
            ),
        ),
        (
            lambda: notice.of_end(POD),
            "TaskPodEnded",
            "The pod no longer runs. Its task's container exited with 137 (OOMKilled).",
        ),
    ],
    ids=["left", "observed", "quit", "signal", "deadline", "ended"],
)
def test_a_notice_says(make: Callable[[], Notice], kind: str, note: str) -> None:
    found = make()
    assert (found.kind, found.note, found.pod) == (NoticeKind(kind), note, POD)
    assert found.kind.is_warning == (kind == "SidecarStuck")


@pytest.mark.parametrize(("method", "what"), [(Method.QUIT, "quit request"), (Method.EXEC, "signal")])
def test_a_notice_says_what_had_no_answer(method: Method, what: str) -> None:
    assert notice.of_unanswered(POD, "logs", method).note == (
        f"The sidecar logs ran on after the task. An attempt to send its {what} had no answer, and it has ended since."
    )


def test_a_sidecar_that_ends_by_itself_after_an_act_on_another_one_is_not_reported() -> None:
    both = progress(ended(), {"istio-proxy": RUNNING, "vault-agent": RUNNING})
    only_vault = progress(ended(), {"istio-proxy": ended(), "vault-agent": RUNNING})
    vault = PastAct(Method.QUIT, "containerd://vault-agent", AT, ActOutcome.FAILED)
    assert list(notice.of_unanswered_ends(both, only_vault, [vault])) == []

    istio = PastAct(Method.QUIT, "containerd://istio-proxy", AT, ActOutcome.FAILED)
    assert list(notice.of_unanswered_ends(both, only_vault, [istio])) == [notice.of_unanswered(only_vault, "istio-proxy", Method.QUIT)]


def test_the_end_of_a_task_is_as_the_kubelet_reports_it() -> None:
    assert (notice.reported_end(progress(ended())), notice.reported_end(WORKING)) == (ENDED_AT, None)


def test_what_is_not_known_of_the_task_is_left_out() -> None:
    assert notice.of_end(WORKING).note == "The pod no longer runs."
    assert notice.of_end(progress(ended())).note == "The pod no longer runs. Its task's container exited with 0."
    assert notice.of_act(WORKING, DeadlineAct(9), "d").note == (
        "A sidecar ran on after the task. No other allowed method ends it, so the kubelet ends the pod (d)."
    )


def test_of_a_pod_that_the_webhook_left_it_is_reported_why() -> None:
    left = replace(POD, recorded=RecordedStatus(reason=Reason.ENTRYPOINT_UNKNOWN))
    why = f" The webhook left the pod when it was created: {Reason.ENTRYPOINT_UNKNOWN.sentence}"
    stuck = notice.of_decision(left, PodDecision(ReaperReason.NO_CLEAN_END), is_observing=False).note

    assert notice.of_act(left, QUIT, "HTTP 200").note.endswith(f"its quit request (HTTP 200).{why}")
    assert notice.of_act(left, DeadlineAct(9), "d").note.endswith(f"ends the pod (d).{why}")
    assert stuck == f"{ReaperReason.NO_CLEAN_END.sentence}{why} {ReaperReason.NO_CLEAN_END.remedy}"


LEFT_REASONS: Final = [reason for reason in Reason if reason.treatment is Treatment.LEFT]


def left_pod(reason: Reason, *, names: int = 1, image: str = "acme/task:1") -> LeftTaskPod:
    """A pod that was left for this reason, with so many containers beside the task that nobody knows."""
    unknown = [{"name": f"unknown-{number}-{'x' * 50}", "image": "acme/unknown:1"} for number in range(names)]
    pod = live_pod({}, ISTIO, *unknown)
    pod["spec"]["containers"][0]["image"] = image
    pod["metadata"]["annotations"][STATUS_ANNOTATION] = json.dumps({"treatment": "left", "reason": reason})
    found = read_left_pod(json.dumps(pod).encode(), default_policy().catalogue)
    assert found is not None
    return found


def test_of_a_pod_that_was_left_it_says_why_because_of_what_and_what_to_do() -> None:
    found = notice.of_left(WORKING, left_pod(Reason.HOST_NETWORK))
    assert (found.kind, found.note, found.pod) == (
        NoticeKind.TASK_POD_LEFT,
        (
            "The webhook left this pod: The pod uses the host's network, where a quit request could reach the sidecar of another "
            "pod. After its task, istio-proxy may keep it Running. Take the pod off the host's network, or remove the sidecar. "
            'Add to spec of the pod: "hostNetwork": false'
        ),
        WORKING,
    )
    assert found.kind.is_warning


@pytest.mark.parametrize("reason", LEFT_REASONS)
def test_it_is_as_long_as_an_event_may_be_whatever_the_names_and_ends_with_what_to_do(reason: Reason) -> None:
    note = notice.of_left(WORKING, left_pod(reason, names=60, image="acme/" + "i" * 190)).note
    assert reason.sentence in note
    assert len(note) <= MAX_MESSAGE
    assert note.endswith(" explain pod/NAME prints what to do.") or "Add to " in note


@pytest.mark.parametrize("line", ["", "x" * (MAX_LINE_CHARACTERS + 1)], ids=["none", "long"])
def test_without_a_line_of_its_own_it_names_the_command_that_prints_one(line: str) -> None:
    remedy = Remedy("no-quit", (), "It has none.", "See the remedy.", is_pressing=True, line=line)
    assert notice.of_left(WORKING, LeftTaskPod(Reason.NO_QUIT, ("a", "b"), remedy)).note.endswith(
        "After its task, a, b may keep it Running. See the remedy. explain pod/NAME prints what to do."
    )


def test_the_longest_line_that_it_shows() -> None:
    remedy = Remedy("no-quit", (), "It has none.", "See the remedy.", is_pressing=True, line="x" * MAX_LINE_CHARACTERS)
    assert notice.of_left(WORKING, LeftTaskPod(Reason.NO_QUIT, ("a",), remedy)).note.endswith(f"Running. {remedy.instruction}")


def test_without_a_remedy_too() -> None:
    note = notice.of_left(WORKING, LeftTaskPod(Reason.NO_QUIT, ("a",), None)).note
    assert note.endswith("a may keep it Running. explain pod/NAME prints what to do.")


@pytest.mark.parametrize("reason", [Reason.ENTRYPOINT_UNKNOWN, Reason.SIDECARS_QUIT])
def test_of_a_pod_that_the_webhook_only_audited_that_is_reported(reason: Reason) -> None:
    pod = replace(POD, recorded=RecordedStatus(treatment=Treatment.AUDITED, reason=reason))

    assert notice.of_act(pod, QUIT, "d").note.endswith("(d). The webhook only audited the pod when it was created, so it changed nothing.")


@pytest.mark.parametrize("reason", [Reason.SIDECARS_QUIT, "of-a-later-version", None])
def test_of_any_other_pod_it_is_not(reason: str | None) -> None:
    pod = replace(POD, recorded=RecordedStatus(reason=reason))
    assert notice.of_act(pod, QUIT, "HTTP 200") == replace(notice.of_act(POD, QUIT, "HTTP 200"), pod=pod)
