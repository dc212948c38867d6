"""The table of findings, and the page that is made from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate_findings
from webhook.doctor.finding import FindingId, Severity

TO_PASTE = re.compile(r": (kubectl [^:]*[^.:]|\{rows\})$")
"""A line to paste at the end of a remedy."""

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("finding", FindingId)
def test_a_finding_is_whole_sentences(finding: FindingId) -> None:
    assert finding.row.sentence.endswith(".")
    assert finding.row.remedy == "" or finding.row.remedy.endswith((".", "{how}")) or TO_PASTE.search(finding.row.remedy)
    assert finding.row.background == "" or finding.row.background.endswith(".")


@pytest.mark.parametrize("finding", FindingId)
def test_what_is_to_be_pasted_has_no_full_stop_behind_it(finding: FindingId) -> None:
    assert not re.search(r": (kubectl [^:]*|\{\w+\})\.$", finding.row.remedy)


@pytest.mark.parametrize("finding", [one for one in FindingId if one.row.severity in {Severity.PROBLEM, Severity.WARNING}])
def test_a_problem_or_warning_has_a_remedy(finding: FindingId) -> None:
    assert finding.row.remedy


@pytest.mark.parametrize("finding", [one for one in FindingId if one.row.remedy])
def test_a_finding_with_a_remedy_has_more_to_read_on_its_page(finding: FindingId) -> None:
    assert finding.row.background


@pytest.mark.parametrize("finding", FindingId)
def test_the_location_of_a_finding_is_a_heading_on_its_page(finding: FindingId) -> None:
    page, _, anchor = finding.location.partition("#")

    # GitHub makes the anchor of a heading from its words, in small letters.
    assert re.fullmatch("[a-z-]+", anchor)
    assert f"\n## {anchor}\n" in (ROOT / page).read_text("utf-8")


def test_the_page_of_findings_is_current() -> None:
    assert generate_findings.FINDINGS.read_text("utf-8") == generate_findings.findings(), "run: make docs"


def test_every_place_in_a_text_is_shown_on_the_page_as_a_word() -> None:
    assert re.findall(r"\{\w+\}", generate_findings.findings()) == []
