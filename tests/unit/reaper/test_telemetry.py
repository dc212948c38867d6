"""What the metrics show of a turn; `test_controller.py` has the rest of them, and the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from tests.support.live_pods import ENDED_AT, ISTIO, RUNNING, annotated, ended, live_pod
from webhook.core import default_policy, read_progress
from webhook.reaper.act import ActOutcome, ActResult
from webhook.reaper.agenda import Agenda
from webhook.reaper.decision import ReaperPolicy
from webhook.reaper.metrics import PREFIX, ReaperMetrics
from webhook.reaper.scope import ReaperScope
from webhook.reaper.telemetry import DESCRIBED, ReaperTelemetry

SCOPE: Final = ReaperScope(("airflow",), default_policy().catalogue, ReaperPolicy())


def agenda_of(count: int) -> Agenda:
    """An agenda on which acts on so many pods have just begun."""
    agenda = Agenda(ReaperPolicy(grace=timedelta()), is_observing=False)
    for number in range(count):
        pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
        pod["metadata"]["uid"] = f"uid-{number}"
        progress = read_progress(pod, default_policy().catalogue)
        assert progress is not None
        agenda.see(progress, ENDED_AT)
    assert len(agenda.due(ENDED_AT)) == count
    return agenda


def shown_of(agenda: Agenda, changes: int, acts: int) -> dict[str, float | None]:
    metrics = ReaperMetrics()
    ReaperTelemetry(metrics, SCOPE).turned(agenda, changes, acts, is_leading=True)
    value = metrics.registry.get_sample_value
    queue = {name: value(f"{PREFIX}_queue_length", {"queue": name}) for name in ("acts", "changes")}
    return {**queue, "under way": value(f"{PREFIX}_acts_under_way")}


def test_the_queue_has_the_acts_for_which_no_worker_is_free_and_the_changes_that_were_not_taken_in() -> None:
    assert shown_of(agenda_of(5), 7, 3) == {"acts": 3, "changes": 7, "under way": 5}


def test_sidecars_that_pods_describe_themselves_are_one_series_whatever_their_names() -> None:
    metrics, agenda = ReaperMetrics(), Agenda(ReaperPolicy(grace=timedelta()), is_observing=False)
    telemetry = ReaperTelemetry(metrics, SCOPE)
    for name in ("one", "two"):
        pod = annotated(
            live_pod({"base": ended(), name: RUNNING}, {"name": name}),
            sidecars=f'[{{"name": "{name}", "quit": {{"port": 1, "path": "/"}}}}]',
        )
        pod["metadata"]["uid"] = name
        progress = read_progress(pod, default_policy().catalogue)
        assert progress is not None
        agenda.see(progress, ENDED_AT)
    for due in agenda.due(ENDED_AT):
        telemetry.acted(due, ActResult(ActOutcome.ACCEPTED, "HTTP 200"))
    assert metrics.registry.get_sample_value(f"{PREFIX}_acts_total", {"sidecar": DESCRIBED, "method": "quit", "outcome": "accepted"}) == 2
