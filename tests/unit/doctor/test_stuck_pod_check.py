"""What the doctor says of pods that are stuck. Through the command: tests/unit/command/test_doctor_report.py."""

from __future__ import annotations

from dataclasses import replace

from tests.support.cluster_snapshots import AT_WORK, HEALTHY, NOW, findings, stuck
from webhook.doctor.stuck_pod_check import MAX_LISTED, check_stuck_pods


def test_a_stuck_pod_is_named_with_since_when_and_by_which_container_and_there_is_no_word_that_all_is_well() -> None:
    found = findings(replace(HEALTHY, task_pods=(AT_WORK,), stuck_pods=(stuck("sales"),)))

    assert "no-stuck-pods" not in found
    assert found["stuck-pod"].sentence.startswith("sales is stuck: its task (DAG ")
    assert ") ended at 2026-05-31 23:00:00 UTC, 1 h ago. Not ended: istio-proxy (sidecar). " in (found["stuck-pod"].sentence)


def test_the_report_lists_so_many_stuck_pods_and_says_how_many_it_leaves_out() -> None:
    *listed, last = check_stuck_pods("airflow", 30, [stuck("sales")] * (MAX_LISTED + 5), NOW)

    assert [one.id for one in listed] == ["stuck-pod"] * MAX_LISTED
    assert last.sentence == "Further pods of airflow that stay Running after their task: 5."
