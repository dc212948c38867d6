"""The pictures that `make docs` draws: current, valid, and in the colours of light and dark."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final
from xml.dom import minidom

import pytest

from docs import (
    generate_benchmarks,
    generate_decision_chart,
    generate_diagrams,
    generate_recordings,
    generate_rotation,
    generate_sequence,
    generate_soak,
    generate_timelines,
)
from webhook.core import Reason, SkipReason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PICTURES: Final[dict[Path, Callable[[], str]]] = {
    generate_decision_chart.PICTURE: generate_decision_chart.decision_chart,
    generate_rotation.PICTURE: generate_rotation.rotation,
    generate_sequence.PICTURE: generate_sequence.sequence,
    generate_soak.PICTURE: generate_soak.soak_plot,
    generate_timelines.PICTURE: generate_timelines.timelines,
    **{generate_recordings.picture_of(cast): partial(generate_recordings.recording_picture, cast) for cast in generate_recordings.CASTS},
    **generate_benchmarks.PLOTS,
    **{path: diagram.drawn for path, diagram in generate_diagrams.PICTURE_OF.items()},
}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_current_and_has_a_title_and_two_sets_of_colours(picture: Path) -> None:
    text = picture.read_text("utf-8")

    assert text == PICTURES[picture](), "run: make docs"
    assert minidom.parseString(text).getElementsByTagName("title")[0].firstChild  # noqa: S318 - the repository's own
    assert "prefers-color-scheme: dark" in text
    used = set(re.findall(r'class="([a-z-]+)"', text)) | set(re.findall(r"var\(--([a-z-]+)\)", text))
    assert {name for name in used - {"soft", "title", "line"} if text.count(f"--{name}: ") != 2} - {"grey"} == set()


def test_the_chart_of_decisions_has_every_reason_once() -> None:
    words = re.findall(r"monospace\" [^>]*>([^<]+)<", generate_decision_chart.decision_chart())

    assert sorted(words) == sorted([*Reason, *SkipReason])
