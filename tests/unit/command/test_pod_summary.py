"""``explain --summary``: the sum of many pods."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Final

import msgspec

from tests.support.live_pods import CLOUD_SQL, ISTIO, RUNNING, UPLOADER, annotated, ended, live_pod
from tests.support.pods import load
from webhook.command.pod_summary import HEADINGS, MAX_LISTED, SummaryDocument

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram

NEW: Final = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
OTHERS: Final[JSONObject] = {"metadata": {"name": "web"}, "spec": {"containers": []}}
RUNS: Final = live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO)
LEFT: Final = '{"treatment":"left","reason":"no-quit","main":"base","sidecars":{"db":"keeps-running"},"no_native":"old-kubelet"}'


def stuck(name: str, *beside: JSONObject, status: str | None = None) -> JSONObject:
    """A pod that these containers keep Running."""
    pod = live_pod({"base": ended(), **{one["name"]: RUNNING for one in beside}}, *beside)
    pod["metadata"]["name"] = name
    return annotated(pod, status=status)


def summed_up(program: InProcessProgram, *pods: JSONObject) -> SummaryDocument:
    """The sum of these pods."""
    run = program.run("explain", "--summary", "-o", "json", "-", stdin=json.dumps({"kind": "PodList", "items": pods}))
    assert run.stderr == ""
    document = msgspec.json.decode(run.stdout, type=SummaryDocument)
    assert run.code == (3 if document.stuck_pods else 0)
    return document


def text_of(program: InProcessProgram, *pods: JSONObject) -> str:
    """The same for people."""
    return program.run("explain", "--summary", "-", stdin=json.dumps({"kind": "PodList", "items": pods})).stdout


def test_pods_are_counted_by_treatment_and_reason_with_an_example_of_each(program: InProcessProgram) -> None:
    document = summed_up(program, NEW, OTHERS, NEW)

    assert document.pods == 3
    assert [(one.treatment, one.reason, one.pods, one.example) for one in document.reasons] == [
        ("labelled", "no-sidecar", 2, "airflow/example-dag-extract-v6bc1e7o"),
        ("skipped", "not-airflow", 1, "default/web"),
    ]
    assert "\npods: 3\n         2  labelled (no-sidecar), for example airflow/example-dag-extract-v6bc1e7o: " in text_of(
        program, NEW, OTHERS, NEW
    )


def test_a_pod_that_was_treated_before_counts_for_its_treatment(program: InProcessProgram) -> None:
    (one,) = summed_up(program, stuck("a", CLOUD_SQL, status=LEFT)).reasons

    assert (one.treatment, one.reason) == ("left", "no-quit")


def test_pods_that_live_are_counted_by_state_and_those_that_are_stuck_are_listed(program: InProcessProgram) -> None:
    document = summed_up(program, RUNS, stuck("a", ISTIO, UPLOADER), stuck("b", UPLOADER, status=LEFT))

    assert document.states == {"running": 1, "stuck": 1, "possibly-stuck": 1}
    assert [(one.pod, str(one.state), one.unended, one.webhook) for one in document.stuck_pods] == [
        ("airflow/a", "stuck", ("istio-proxy", "uploader"), ""),
        ("airflow/b", "possibly-stuck", ("uploader",), "no-quit"),
    ]
    assert document.unknown_containers == {"uploader": 2}
    assert (document.stuck_pods[0].dag, document.stuck_pods[0].task) == ("sales", "load")


def test_pods_that_the_webhook_has_not_changed_are_not_counted_among_those_that_it_has(program: InProcessProgram) -> None:
    seen, unseen = stuck("seen", CLOUD_SQL, status=LEFT), stuck("unseen", CLOUD_SQL)
    document = summed_up(program, seen, unseen)
    text = text_of(program, seen, unseen)

    assert {one.example: (one.reason, one.is_of_new_pods) for one in document.reasons} == {
        "airflow/seen": ("no-quit", False),
        "airflow/unseen": ("no-quit", True),
    }
    assert "  left (no-quit), for example airflow/seen: " in text
    assert "  not changed by the webhook; new pods like these would be left (no-quit), for example airflow/unseen: " in text


def test_a_stuck_pod_that_the_webhook_skips_has_the_reason_for_that(program: InProcessProgram) -> None:
    document = summed_up(program, annotated(stuck("a", ISTIO), mode="off"))

    assert document.stuck_pods[0].webhook == "switched-off"


def test_of_a_stuck_pod_that_was_only_audited_that_is_said(program: InProcessProgram) -> None:
    audited = LEFT.replace('"treatment":"left"', '"treatment":"audited","would_be":"left"')
    document = summed_up(program, stuck("a", ISTIO, status=audited))

    assert document.stuck_pods[0].webhook == "audited"


def test_the_pod_that_is_stuck_longest_comes_first_and_the_times_are_added_up(program: InProcessProgram) -> None:
    later, nobody_knows = stuck("later", ISTIO), stuck("unknown", ISTIO)
    later["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = "2026-02-01T00:00:00Z"
    nobody_knows["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = None
    document = summed_up(program, later, stuck("earlier", ISTIO), nobody_knows)
    alone = summed_up(program, later).stuck_slot_hours

    assert [one.pod for one in document.stuck_pods] == ["airflow/unknown", "airflow/earlier", "airflow/later"]
    assert document.stuck_slot_hours > 2 * alone > 0


def test_the_text_lists_the_stuck_pods_in_a_table_and_not_endlessly_many(program: InProcessProgram) -> None:
    text = text_of(program, *[stuck(f"pod-{number}", ISTIO) for number in range(MAX_LISTED + 2)])
    lines = text.splitlines()

    assert f"stuck pods: {MAX_LISTED + 2}; slot-hours wasted: " in text
    assert len([line for line in lines if line.startswith("  stuck  ")]) == MAX_LISTED
    assert "  and 2 more: -o json has all" in lines
    assert [line.split() for line in lines if line.startswith("  STATE")] == [" ".join(HEADINGS).split()]


def test_the_text_has_only_printable_characters_whatever_a_pod_is_called(program: InProcessProgram) -> None:
    hostile = copy.deepcopy(stuck("\x1b[2J", {**UPLOADER, "name": "\x1b[3J"}))

    assert all(line.isprintable() for line in text_of(program, hostile).split("\n"))


def test_documents_without_a_pod_are_counted(program: InProcessProgram) -> None:
    assert summed_up(program, NEW, {"kind": "Service"}).skipped == 1
    assert "pods: 1; documents without a pod: 1\n" in text_of(program, NEW, {"kind": "Service"})


def test_no_pod_is_a_sum_of_nothing(program: InProcessProgram) -> None:
    assert (summed_up(program).pods, summed_up(program).stuck_pods) == (0, ())


def test_an_item_that_cannot_be_read_is_skipped_and_the_others_are_not(program: InProcessProgram) -> None:
    data = b'{"kind": "List", "items": [{"kind": "\xff"}, ' + json.dumps(NEW).encode() + b"]}"
    document = json.loads(program.run("explain", "-o", "json", "-", stdin=data).stdout)

    assert (len(document["pods"]), [one["place"] for one in document["skipped"]]) == (1, ["stdin: document 1.items[0]"])
