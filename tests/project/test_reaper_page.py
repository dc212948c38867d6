"""The page of the reaper has the reasons and the metrics of the code."""

from __future__ import annotations

import pytest

from docs import generate_reaper
from webhook.reaper.reason import ReaperReason, Verdict


def test_the_page_has_every_reason_and_every_metric_as_the_code_says_it() -> None:
    page = generate_reaper.PAGE.read_text("utf-8")

    assert generate_reaper.reasons() in page, "run: make docs"
    assert generate_reaper.metrics() in page, "run: make docs"
    assert generate_reaper.with_tables(page) == page


@pytest.mark.parametrize("reason", ReaperReason)
def test_a_reason_is_a_whole_sentence_and_one_that_leaves_a_pod_has_a_remedy(reason: ReaperReason) -> None:
    assert reason.sentence.endswith(".")
    assert reason.remedy.endswith(".") or (not reason.remedy and reason.verdict is not Verdict.LEAVE)
