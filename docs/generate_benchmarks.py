"""Makes the tables and the plots of docs/benchmarks.md from the result files in `docs/figures`. See `docs.generate`.

A result file is what a benchmark has written to `benchmarks/results`, copied to `docs/figures` under the benchmark's name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import doctor, explain, first_paint, overhead, pod_ends, report, verdicts
from benchmarks.contestants import WEBHOOK
from benchmarks.program_cost import ProgramCost
from benchmarks.wrapper import WrapperTrial
from docs.bar_plot import BarGroup, PlottedBar, bar_plot
from docs.drawing import PICTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.support.json_object import JSONObject

PAGE: Final = Path(__file__).parent / "benchmarks.md"
FIGURES: Final = Path(__file__).parent / "figures"
PART: Final = re.compile(r"(<!-- Made by `make docs` from docs/figures/([\w*-]+)\.json: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def figures(name: str) -> JSONObject:
    """The result file of a benchmark."""
    document: JSONObject = json.loads((FIGURES / f"{name}.json").read_text("utf-8"))
    return document


def with_parts(page: str) -> str:
    """The page with its parts as the result files have them; a part may be of several files, whose tables have one head."""
    return PART.sub(lambda found: f"{found[1]}{_part(found[3], _documents(found[2]))}\n", page)


def _documents(names: str) -> list[JSONObject]:
    return [figures(path.stem) for path in sorted(FIGURES.glob(f"{names}.json"))]


def _part(name: str, documents: Sequence[JSONObject]) -> str:
    if name == "measured":
        return measured(documents)
    first, *others = (ROWS[name](document) for document in documents)
    return markdown([*first, *(row for rows in others for row in rows[1:])])


def measured(documents: Sequence[JSONObject]) -> str:
    """When, how and on what it was measured."""
    commands = ",\n".join(f"`{document['command']}`" for document in documents)
    machine = documents[0]["machine"]
    loads = sorted({document["machine"]["load"] for document in documents})
    load = " to ".join(dict.fromkeys(f"{it:.0f}" for it in (loads[0], loads[-1])))
    other = f"other work on the machine, which had a load of {load}."
    return "\n".join(
        (
            f"Measured on {documents[0]['measured']} as {commands},",
            f"with Python {machine['python']} on {machine['cores']} cores of a shared virtual machine,",
            f"with priority (`chrt -r 1`) over {other}" if machine["has_priority"] else f"beside {other}",
        )
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table for a page."""
    head, *body = rows
    return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in row)}|" for row in (head, ["---"] * len(head), *body))


def _overhead(document: JSONObject) -> list[overhead.CostPair]:
    return [overhead.CostPair(one["shell"], overhead.Cost(**one["bare"]), overhead.Cost(**one["wrapped"])) for one in document["pairs"]]


def _explain(document: JSONObject) -> list[explain.ExplainRuns]:
    return [explain.ExplainRuns(one["name"], tuple(ProgramCost(**cost) for cost in one["costs"])) for one in document["runs"]]


def _ends(document: JSONObject) -> list[pod_ends.End]:
    return [pod_ends.End(**one) for one in document["pod_ends"]]


def _trials(document: JSONObject) -> list[WrapperTrial]:
    return [WrapperTrial(**one) for one in document["wrapper"]]


def _fleet(document: JSONObject) -> dict[str, list[doctor.FleetRun]]:
    return {
        command: [doctor.FleetRun(ProgramCost(**one["cost"]), one["requests"]) for one in runs]
        for command, runs in document["runs"].items()
    }


ROWS: Final[Mapping[str, Callable[[JSONObject], list[list[str]]]]] = {
    "rates": lambda document: report.rates_rows(report.results_of(document["runs"])),
    "trials": lambda document: report.trials_rows(_trials(document)),
    "targets": lambda document: report.verdicts_rows([verdicts.ClaimVerdict(**one) for one in document["verdicts"]]),
    "overhead": lambda document: overhead.rows(_overhead(document)),
    "ends": lambda document: pod_ends.rows(_ends(document), document["left_alone"], document["watched_seconds"]),
    "explain": lambda document: explain.rows(_explain(document)),
    "fleet": lambda document: doctor.rows(document["pods"], document["stuck"], _fleet(document)),
    "paint": lambda document: first_paint.rows([first_paint.PageVisit(**one) for one in document["visits"]]),
}
"""The tables of the benchmarks, as they print them, by the name of the part."""


def bar(name: str, values: Sequence[float], unit: str, colour: str = "violet") -> PlottedBar:
    """The median of values, and their range."""
    value = median(values)
    return PlottedBar(name, value, min(values), max(values), f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}", colour)  # noqa: PLR2004 - three digits


def service_plot() -> str:
    """Reviews a second of the service and its peers."""
    results = report.results_of(figures("service")["runs"])
    groups = []
    for connections in sorted({number for _, number in results.series}):
        own = {name: series for (name, number), series in results.series.items() if number == connections}
        bars = [bar(name, [one.rate for one in series], "/s", "green" if name == WEBHOOK else "violet") for name, series in own.items()]
        groups.append(BarGroup(f"{connections} connection{'s' if connections > 1 else ''}", tuple(bars)))
    return bar_plot("Reviews a second of the webhook and its peers, medians and ranges of the rounds", "reviews a second", groups)


def wrapper_plot() -> str:
    """Milliseconds of a task that does nothing, bare and wrapped, in each shell."""
    groups = [
        BarGroup(
            shell,
            (
                bar("bare", [pair.bare.elapsed * 1e3 for pair in pairs], "ms"),
                bar("wrapped", [pair.wrapped.elapsed * 1e3 for pair in pairs], "ms", "green"),
            ),
        )
        for shell, pairs in overhead.pairs_by_shell(_overhead(figures("overhead"))).items()
    ]
    return bar_plot("Milliseconds of a task that does nothing, bare and wrapped, in each shell", "milliseconds", groups)


def ends_plot() -> str:
    """Seconds from the end of a task to that of its pod."""
    found = _ends(figures("pod_ends"))
    bars = [
        bar(kind.name, pod_ends.seconds_of(found, kind), "s", "green" if kind in (pod_ends.WRAPPED, pod_ends.CONVERTED) else "violet")
        for kind in pod_ends.KINDS
    ]
    return bar_plot("Seconds from the end of a task to the end of its pod, medians and ranges", "seconds", [BarGroup("", tuple(bars))])


def commands_plot() -> str:
    """Seconds of the commands that read many pods."""
    summaries = _explain(figures("explain"))[2:]
    read = [bar(one.name, [cost.seconds for cost in one.costs], "s", "blue") for one in summaries]
    fleet = {name: [one.cost.seconds for one in runs] for name, runs in _fleet(figures("doctor-1")).items()}
    listed = [bar(f"{name} -A over {figures('doctor-1')['pods']:,} pods", seconds, "s") for name, seconds in fleet.items()]
    return bar_plot(
        "Seconds of the commands that read 10,000 pods",
        "seconds",
        [BarGroup("From a file", tuple(read)), BarGroup("From an API server", tuple(listed))],
    )


PLOTS: Final[Mapping[Path, Callable[[], str]]] = {
    PICTURES / "benchmark_service.svg": service_plot,
    PICTURES / "benchmark_wrapper.svg": wrapper_plot,
    PICTURES / "benchmark_pod_ends.svg": ends_plot,
    PICTURES / "benchmark_commands.svg": commands_plot,
}


def main() -> None:
    """Write the page and the plots."""
    PAGE.write_text(with_parts(PAGE.read_text("utf-8")), "utf-8")
    for path, plot in PLOTS.items():
        path.write_text(plot(), "utf-8")
