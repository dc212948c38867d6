"""What the doctor says to do about pods that may stay Running."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tests.support.cluster_snapshots import HEALTHY, REMEDY, SHARED, findings
from webhook.doctor.remedy_check import MAX_LISTED, check_remedies


def test_a_remedy_is_reported_once_with_the_pods_that_need_it_and_the_line_to_paste() -> None:
    found = findings(replace(HEALTHY, remedies=(SHARED,)))["pod-remedy"]

    assert found.sentence == (
        "Pods that may stay Running after their task: a, b, c and 4 more. uploader (not-in-catalogue): Nobody knows it."
    )
    assert found.remedy == 'Describe it. Add to the pod: "a": "b"'


def test_a_remedy_without_a_line_says_what_to_do_alone() -> None:
    without = msgspec.structs.replace(SHARED, remedy=msgspec.structs.replace(REMEDY, place=None, where="", line=""), count=3)
    found = findings(replace(HEALTHY, remedies=(without,)))["pod-remedy"]

    assert (found.sentence.partition(" uploader")[0], found.remedy) == (
        "Pods that may stay Running after their task: a, b, c.",
        "Describe it.",
    )


def test_the_report_stays_short_and_says_how_many_remedies_it_leaves_out() -> None:
    *listed, last = check_remedies((SHARED,) * (MAX_LISTED + 5))

    assert len(listed) == MAX_LISTED
    assert last.sentence == "Further remedies that are not listed: 5."
