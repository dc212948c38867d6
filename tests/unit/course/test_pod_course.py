"""``explain`` of a pod that lives: its course, what is wrong, and what ends it now."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.live_pods import ISTIO, RUNNING, UPLOADER, VAULT, WAITING, XCOM, annotated, ended, live_pod
from webhook.core import Reason, SkipReason, built_in_script
from webhook.course.pod_course import NOT_READY

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram

JUST_NOW: Final = datetime(2999, 1, 1, tzinfo=UTC)
"""Of a node's clock that is ahead: no time has passed since, however long the tests take."""

STUCK: Final = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
DELETED: Final = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
DELETED["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z"
SUCCEEDED: Final = live_pod({"base": ended(), "istio-proxy": ended()}, ISTIO)
SUCCEEDED["status"]["phase"] = "Succeeded"
SHIPPER: Final[JSONObject] = {"name": "shipper", "image": "acme/shipper:1"}
PENDING: Final = live_pod({"base": {"waiting": {"reason": "PodInitializing"}}}, ISTIO)
PENDING["status"]["phase"] = "Pending"
OUTLIVES: Final = annotated(live_pod({"base": ended(), "uploader": RUNNING}, UPLOADER), outlives_task="uploader")

STATES: Final[dict[str, tuple[JSONObject, str, int]]] = {
    "a sidecar runs on": (STUCK, "stuck", 3),
    "also after a task that failed": (live_pod({"base": ended(1), "istio-proxy": RUNNING}, ISTIO), "stuck", 3),
    "nobody says when the task ended": (live_pod({"base": ended(at=None), "istio-proxy": RUNNING}, ISTIO), "stuck", 3),
    "an unknown container runs on": (live_pod({"base": ended(), "uploader": RUNNING}, UPLOADER), "possibly-stuck", 3),
    "Airflow has not read the result": (live_pod({"base": ended(), "airflow-xcom-sidecar": RUNNING}, XCOM), "possibly-stuck", 3),
    "a sidecar cannot be started": (live_pod({"base": ended(), "istio-proxy": WAITING}, ISTIO), "waiting", 3),
    "a sidecar is not started since just now": (live_pod({"base": ended(at=JUST_NOW), "istio-proxy": WAITING}, ISTIO), "ending", 0),
    "an uploader works on": (OUTLIVES, "working", 0),
    "the task runs": (live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO), "running", 0),
    "the task is started again": (
        live_pod({"base": WAITING, "istio-proxy": RUNNING}, ISTIO, restartPolicy="OnFailure"),
        "running",
        0,
    ),
    "the task ended just now": (live_pod({"base": ended(at=JUST_NOW), "istio-proxy": RUNNING}, ISTIO), "ending", 0),
    "an unknown container runs since just now": (live_pod({"base": ended(at=JUST_NOW), "uploader": RUNNING}, UPLOADER), "ending", 0),
    "it has ended": (SUCCEEDED, "ended", 0),
    "it is being deleted": (DELETED, "deleted", 0),
    "it is pending": (PENDING, "not-started", 0),
}


def explained(program: InProcessProgram, pod: JSONObject, *options: str) -> JSONObject:
    """The explanation of one pod as JSON."""
    (one,) = program.explained(*options, "-", stdin=json.dumps({"kind": "Pod", **pod}))
    return one


def text_of(program: InProcessProgram, pod: JSONObject) -> str:
    """The explanation of one pod for people."""
    return program.run("explain", "-", stdin=json.dumps({"kind": "Pod", **pod})).stdout


@pytest.mark.parametrize(("pod", "state", "code"), STATES.values(), ids=STATES)
def test_the_state_of_a_pod_that_lives_is_said_and_code_3_where_it_stays_running(
    program: InProcessProgram, pod: JSONObject, state: str, code: int
) -> None:
    run = program.run("explain", "-o", "json", "-", stdin=json.dumps({"kind": "Pod", **pod}))
    (one,) = json.loads(run.stdout)["pods"]

    assert (one["course"]["state"], run.code, run.stderr) == (state, code, "")
    assert bool(one["course"]["now"]) is (code == 3)


def test_the_course_comes_first_with_the_tasks_end_and_what_runs_since_when(program: InProcessProgram) -> None:
    head, _, state, *lines = text_of(program, live_pod({"base": ended(137), "istio-proxy": RUNNING}, ISTIO)).splitlines()[2:]

    assert (head, state) == ("airflow/sales", "  stuck: The task has ended, and a sidecar keeps the pod Running.")
    assert lines[0] == "  airflow      DAG sales, task load"
    assert lines[1].startswith("  task         base: ended at 2026-01-01 10:10:00 UTC, ")
    assert lines[1].endswith(" ago, exit code 137")
    assert lines[2].startswith("  running      istio-proxy (sidecar), since 2026-01-01 10:00:01 UTC, for ")


def test_a_container_that_the_kernel_killed_is_said_to_be(program: InProcessProgram) -> None:
    pod = live_pod({"base": ended(137), "istio-proxy": RUNNING}, ISTIO)
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] = "OOMKilled"

    assert "exit code 137 (OOMKilled)\n" in text_of(program, pod)


AGES: Final = {
    "minutes": (timedelta(minutes=2), ", 2 min "),
    "hours": (timedelta(hours=4, minutes=50, seconds=1), "4 h 50 min ago, "),
    "days": (timedelta(days=2, minutes=1), "2 d ago, "),
    "a clock that is behind": (timedelta(hours=-1), ", 0 s ago, "),
}


@pytest.mark.parametrize(("age", "said"), AGES.values(), ids=AGES)
def test_the_age_of_an_end_is_said_in_its_two_largest_units(program: InProcessProgram, age: timedelta, said: str) -> None:
    pod = live_pod({"base": ended(at=datetime.now(UTC) - age), "istio-proxy": RUNNING}, ISTIO)

    assert said in text_of(program, pod)


def test_a_pod_that_the_webhook_has_seen_is_said_to_be_with_the_recorded_reason(program: InProcessProgram) -> None:
    text = text_of(program, annotated(copy.deepcopy(STUCK), status='{"treatment":"left","reason":"no-quit","main":"base","sidecars":{}}'))

    assert f"  webhook      seen at its creation, left (no-quit): {Reason.NO_QUIT.sentence}\n" in text
    assert "a new pod like it" not in text
    assert "+++ pod as patched" not in text


AUDITED: Final = (
    '{"treatment":"audited","reason":"sidecars-quit","would_be":"wrapped","main":"base","sidecars":{"istio-proxy":"quit"},'
    '"no_native":"old-server","version":"0.0.9"}'
)


def test_of_a_pod_that_was_only_audited_it_is_said_what_it_would_be_and_what_becomes_of_a_new_one(program: InProcessProgram) -> None:
    pod = annotated(copy.deepcopy(STUCK), status=AUDITED)
    text = text_of(program, pod)

    assert "  webhook      audited at its creation by version 0.0.9, so nothing was changed; it would be wrapped (sidecars-quit): " in text
    assert "\n  a new pod like it: wrapped (sidecars-quit): " in text
    assert "+++ pod as patched" in text
    assert explained(program, pod)["course"]["is_audited"] is True
    assert explained(program, STUCK)["course"]["is_audited"] is False


@pytest.mark.parametrize("code", [0, 137])
def test_a_pod_is_stuck_since_it_was_only_audited_and_the_remedy_says_how_new_ones_are_treated(
    program: InProcessProgram, code: int
) -> None:
    pod = annotated(live_pod({"base": ended(code), "istio-proxy": RUNNING}, ISTIO), status=AUDITED)
    course = explained(program, pod)["course"]

    assert (course["state"], course["why"]) == ("stuck", "only-audited")
    assert "set it to enforce" in course["why_sentence"]
    assert course["now"]


def test_the_exit_code_of_a_task_that_was_only_audited_is_not_the_wrappers(program: InProcessProgram) -> None:
    pod = annotated(live_pod({"base": ended(NOT_READY), "istio-proxy": RUNNING}, ISTIO), status=AUDITED)

    assert "the task did not run" not in text_of(program, pod)


def test_the_version_of_the_webhook_that_has_seen_a_pod_is_said(program: InProcessProgram) -> None:
    pod = annotated(copy.deepcopy(STUCK), status='{"treatment":"left","reason":"no-quit","version":"0.0.9"}')

    assert "  webhook      seen at its creation by version 0.0.9, left (no-quit): " in text_of(program, pod)
    assert explained(program, pod)["course"]["recorded_version"] == "0.0.9"


def test_what_becomes_of_a_new_one_on_another_cluster_is_said_too(program: InProcessProgram) -> None:
    wrapped = '{"treatment":"wrapped","reason":"sidecars-quit","main":"base","sidecars":{"istio-proxy":"quit"},"no_native":"old-server"}'
    pod = annotated(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), status=wrapped)
    text = program.run("explain", "--cluster-version", "1.34", "-", stdin=json.dumps({"kind": "Pod", **pod})).stdout

    assert "\n  webhook      seen at its creation, wrapped (sidecars-quit): " in text
    assert "\n  a new pod like it: native (sidecars-native): " in text


def test_a_status_of_another_version_is_said_to_be_one(program: InProcessProgram) -> None:
    assert "seen, with a status that this version cannot read: new-word\n" in text_of(
        program, annotated(copy.deepcopy(STUCK), status='{"reason":"new-word"}')
    )
    assert "seen, with a status that this version cannot read: no reason\n" in text_of(
        program, annotated(copy.deepcopy(STUCK), status="not JSON")
    )


def test_a_pod_that_the_webhook_has_not_seen_is_said_to_be_with_what_becomes_of_a_new_one(program: InProcessProgram) -> None:
    text = text_of(program, annotated(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), status=None))

    assert "  webhook      not seen (no-status): The pod does not carry the webhook's status: " in text
    assert f"\n  a new pod like it: wrapped (sidecars-quit): {Reason.SIDECARS_QUIT.sentence}\n" in text


def test_of_a_pod_that_was_treated_the_version_is_said_once_and_unknown_containers_by_their_names(program: InProcessProgram) -> None:
    status = '{"treatment":"wrapped","reason":"sidecars-quit","main":"base","version":"0.0.9","no_native":"old-kubelet"}'
    text = text_of(program, annotated(live_pod({"base": ended(), "uploader": RUNNING}, UPLOADER), status=status))

    assert [line for line in text.splitlines() if "version" in line and "cluster" not in line] == [
        f"  webhook      seen at its creation by version 0.0.9, wrapped (sidecars-quit): {Reason.SIDECARS_QUIT.sentence}"
    ]
    assert "\n  may_keep_running uploader\n" in text


def test_after_the_first_of_several_sidecars_the_pod_is_to_be_explained_again(program: InProcessProgram) -> None:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING, "vault-agent": RUNNING}, ISTIO, VAULT)
    (step,) = explained(program, pod)["course"]["now"]

    assert step["text"].startswith("Send vault-agent its quit request")
    assert step["text"].endswith(" 2 containers run: then explain the pod again.")


def test_a_pod_that_was_switched_off_is_said_to_be_and_a_person_ends_it_in_the_gentlest_way(program: InProcessProgram) -> None:
    pod = annotated(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), mode="off", status=None)
    course, text = explained(program, pod)["course"], text_of(program, pod)

    assert (course["state"], course["not_treated"], course["why"]) == ("stuck", "switched-off", None)
    assert f"  webhook      not treated (switched-off): {SkipReason.SWITCHED_OFF.sentence}\n" in text
    assert course["now"][0]["text"].startswith("Send istio-proxy its quit request")
    assert "a new pod like it" not in text
    assert "created before" not in text


def test_a_pod_without_airflows_labels_is_said_to_be_one_and_not_one_from_before_the_webhook(program: InProcessProgram) -> None:
    pod = annotated(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), status=None)
    pod["metadata"]["labels"] = {"app": "migrations"}

    assert f"  webhook      not treated (not-airflow): {SkipReason.NOT_AIRFLOW.sentence}\n" in text_of(program, pod)


@pytest.mark.parametrize("phase", ["Pending", "Running"])
def test_a_container_that_the_kubelet_does_not_start_holds_the_pod_and_is_said_to_be_why(program: InProcessProgram, phase: str) -> None:
    pod = live_pod({"base": ended(), "istio-proxy": WAITING}, ISTIO)
    pod["status"]["phase"] = phase
    course, text = explained(program, pod)["course"], text_of(program, pod)

    assert (course["state"], course["why"], course["waiting"]) == ("waiting", "container-waiting", ["istio-proxy"])
    assert course["now"][0]["text"] == "See why the kubelet does not start istio-proxy."
    assert "\n  waiting: The task has ended, and a container that the kubelet does not start " in text


def test_names_in_the_status_are_shown_as_names(program: InProcessProgram) -> None:
    pod = annotated(live_pod({"base": ended(), "uploader": RUNNING, "shipper": RUNNING}, UPLOADER, SHIPPER), status=None)

    assert "\n  may_keep_running uploader, shipper\n" in text_of(program, pod)


HELD_UP: Final[dict[str, tuple[JSONObject, str, str]]] = {
    "Airflow has not read the result": (STATES["Airflow has not read the result"][0], "xcom-not-taken", "see the log of its task"),
    "the host's network": (
        live_pod({"base": ended(), "vault-agent": RUNNING}, VAULT, hostNetwork=True, shareProcessNamespace=True),
        "host-network",
        "Take the pod off",
    ),
}


@pytest.mark.parametrize(("pod", "why", "remedy"), HELD_UP.values(), ids=HELD_UP)
def test_what_else_holds_the_pod_up_is_said_with_its_remedy(program: InProcessProgram, pod: JSONObject, why: str, remedy: str) -> None:
    course = explained(program, pod)["course"]

    assert course["why"] == why
    assert remedy in course["now"][0]["text"]
    assert f"\n  why          {why}: {course['why_sentence']}\n" in text_of(program, pod)


def test_a_wrapper_that_was_killed_with_its_task_is_why_nothing_ended_the_sidecar(program: InProcessProgram) -> None:
    wrapped = '{"treatment":"wrapped","reason":"sidecars-quit","main":"base","sidecars":{"istio-proxy":"quit"}}'
    killed, failed = (annotated(live_pod({"base": ended(code), "istio-proxy": RUNNING}, ISTIO), status=wrapped) for code in (137, 1))

    assert "\n  why          wrapper-killed: The wrapper was killed together with the task " in text_of(program, killed)
    assert explained(program, failed)["course"]["why"] is None


def test_the_wrappers_own_exit_code_is_said_in_words(program: InProcessProgram) -> None:
    wrapped = '{"treatment":"wrapped","reason":"sidecars-quit","main":"base","sidecars":{"istio-proxy":"quit"}}'
    pod = annotated(live_pod({"base": ended(NOT_READY), "istio-proxy": RUNNING}, ISTIO), status=wrapped)

    assert f"asw_finish {NOT_READY}" in built_in_script()
    assert f"exit code {NOT_READY}: the task did not run, as its sidecars were not ready in time\n" in text_of(program, pod)
    assert "the task did not run" not in text_of(program, live_pod({"base": ended(NOT_READY), "istio-proxy": RUNNING}, ISTIO))


def test_how_to_describe_an_unknown_container_is_said_for_the_pods_to_come(program: InProcessProgram) -> None:
    pod = live_pod({"base": ended(), "uploader": RUNNING, "istio-proxy": RUNNING}, UPLOADER, ISTIO)
    text = text_of(program, pod)

    assert "\n  new pods     uploader (not-in-catalogue): " in text
    assert """\n                 "airflow-sidecar-webhook/sidecars": '[{"name": "uploader", "quit": """ in text


def test_a_pod_without_airflows_labels_that_is_meant_to_end_has_a_course_too(program: InProcessProgram) -> None:
    pod = copy.deepcopy(STUCK)
    pod["metadata"]["labels"] = {"app": "migrations"}
    one = explained(program, pod)

    assert (one["course"]["state"], one["reason"], one["course"]["is_seen"]) == ("stuck", "not-airflow", True)
    assert "\n  new pods     not-airflow: " in text_of(program, pod)


def test_a_driver_of_spark_without_airflows_label_has_a_course_too(program: InProcessProgram) -> None:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    pod["metadata"]["labels"] = {"spark-role": "driver"}
    pod["spec"]["containers"][0]["name"] = pod["status"]["containerStatuses"][0]["name"] = "spark-kubernetes-driver"
    one = explained(program, pod)

    assert (one["course"]["main"], one["course"]["state"], one["reason"]) == ("spark-kubernetes-driver", "stuck", "spark-submit")


def test_a_pod_that_runs_for_ever_has_no_course(program: InProcessProgram) -> None:
    pod = live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO, restartPolicy="Always")
    pod["metadata"]["labels"] = {}
    one = explained(program, pod)

    assert (one["course"], one["reason"]) == (None, "not-airflow")


def test_a_pod_whose_times_have_no_zone_is_explained_without_a_course_as_no_clock_says_how_long_ago_they_were(
    program: InProcessProgram,
) -> None:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = "2026-01-01T10:00:00"
    one = explained(program, pod)

    assert (one["course"], one["reason"]) == (None, explained(program, STUCK)["reason"])
