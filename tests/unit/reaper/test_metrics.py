"""The metrics of the reaper that are made of what it tracks."""

from __future__ import annotations

from webhook.reaper.metrics import PREFIX, ReaperMetrics


def stuck(metrics: ReaperMetrics) -> dict[tuple[str, str], float]:
    """The series of stuck pods, by namespace and reason."""
    return {
        (sample.labels["namespace"], sample.labels["reason"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"{PREFIX}_stuck_pods"
    }


def test_the_series_of_stuck_pods_are_those_that_were_shown_last() -> None:
    metrics = ReaperMetrics()
    for counts in (
        {("airflow", "quit"): 1, ("data", "quit"): 2},
        {("airflow", "quit"): 3, ("data", "ending"): 1},
        {("airflow", "quit"): 3},
        {},
        {("data", "quit"): 2},
    ):
        metrics.show_stuck(counts)
        assert stuck(metrics) == counts
