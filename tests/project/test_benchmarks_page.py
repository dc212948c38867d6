"""The page of the benchmarks has the figures of the result files, and of nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final
from xml.dom import minidom

import pytest

from benchmarks.load import Measurement
from benchmarks.output import command
from benchmarks.report import rates_rows, results_of, runs, table
from benchmarks.rounds import Results
from docs.bar_plot import BarGroup, PlottedBar, bar_plot
from docs.generate_benchmarks import FIGURES, PAGE, PART, PLOTS, markdown, measured, with_parts

MOST_BYTES: Final = 60 * 1024
FILES: Final = sorted(FIGURES.glob("*.json"))

MACHINE: Final = {"python": "3.11.7", "cores": 2, "load": 4.4, "has_priority": False}
RATES: Final = Results(
    {
        ("webhook", 1): [Measurement(requests=3000, duration=3.0, p50=0.001, p99=0.004, cpu=1.5)],
        ("constant", 1): [Measurement(requests=6000, duration=3.0, p50=0.0005, p99=0.002, cpu=1.5)],
    }
)


def test_the_page_is_made_from_the_result_files() -> None:
    page = PAGE.read_text("utf-8")

    assert with_parts(page) == page, "run: make docs"
    assert all(f"(pictures/{path.name})" in page for path in PLOTS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_result_file_is_small_is_shown_and_says_how_to_measure_again(file: Path) -> None:
    document = json.loads(file.read_text("utf-8"))

    assert file.stat().st_size < MOST_BYTES
    assert re.fullmatch(r"python -m benchmarks(\.\w+)?( --[\w-]+ [\w.,/]+)*", document["command"])
    assert " /" not in document["command"], "it shows no path of a machine"
    assert {"measured", "machine"} <= document.keys()
    assert any(Path(file.name).match(f"{found[2]}.json") for found in PART.finditer(PAGE.read_text("utf-8")))


def test_a_part_says_when_how_and_beside_what_it_was_measured() -> None:
    document = {"measured": "2026-11-30", "command": "python -m benchmarks.a", "machine": MACHINE}
    other = {**document, "command": "python -m benchmarks.a --runs 1", "machine": {**MACHINE, "load": 9.0}}

    assert measured([document, other]) == (
        "Measured on 2026-11-30 as `python -m benchmarks.a`,\n`python -m benchmarks.a --runs 1`,\n"
        "with Python 3.11.7 on 2 cores of a shared virtual machine,\n"
        "beside other work on the machine, which had a load of 4 to 9."
    )
    assert measured([{**document, "machine": {**MACHINE, "has_priority": True}}]).endswith(
        "with priority (`chrt -r 1`) over other work on the machine, which had a load of 4."
    )


def test_a_benchmark_prints_the_table_that_the_page_shows_and_its_file_has_what_makes_it() -> None:
    rows = rates_rows(results_of(json.loads(json.dumps(runs(RATES)))))

    assert rows == rates_rows(RATES)
    assert markdown(rows).splitlines()[-1] == "| 1 | constant | 2,000 | 0.50 | 2.00 | 250 | 0.50 x | 0.50 x |"
    assert table(rows).splitlines()[-1].split() == ["1", "constant", "2,000", "0.50", "2.00", "250", "0.50", "x", "0.50", "x"]


def test_the_command_of_a_benchmark_is_that_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.orig_argv", ["/somewhere/python", "-m", "benchmarks.explain", "--runs", "3"])

    assert command() == "python -m benchmarks.explain --runs 3"


def test_a_bar_is_as_long_as_its_value_and_a_thin_line_shows_the_range() -> None:
    bars = (PlottedBar("a", 4.0, 2.0, 8.0, "4 s"), PlottedBar("b", 8.0, 8.0, 8.0, "8 s", "green"))
    picture = minidom.parseString(bar_plot("title", "seconds", [BarGroup("group", bars)], target=6.0))  # noqa: S318 - drawn by this test
    drawn = [rectangle for rectangle in picture.getElementsByTagName("rect") if rectangle.hasAttribute("class")]
    one, other = (float(rectangle.getAttribute("width")) for rectangle in drawn)
    texts = [text.firstChild.nodeValue for text in picture.getElementsByTagName("text") if text.firstChild]

    assert other == pytest.approx(2 * one)
    assert [rectangle.getAttribute("class") for rectangle in drawn] == ["violet", "green"]
    assert texts[:6] == ["0", "2", "4", "6", "8", "seconds"]
    assert {"group", "a", "b", "4 s", "8 s", "at most 6"} <= set(texts)
    low, high = re.findall(r"[MH]([\d.]+)", picture.getElementsByTagName("path")[0].getAttribute("d"))[:2]
    assert (float(high) - float(low)) == pytest.approx(6.0 / 8.0 * other, abs=0.2)


def test_a_large_value_is_written_out() -> None:
    picture = bar_plot("title", "reviews", [BarGroup("", (PlottedBar("a", 8263.0, 8000.0, 8500.0, "8,263"),))])

    assert ">10,000<" in picture
