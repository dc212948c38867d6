"""For how long pods occupied slots after their task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from webhook.core import default_policy, read_progress
from webhook.course.wasted_time import USUAL, WastedTime, wasted_by

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def wasted_time_of(pod: JSONObject) -> WastedTime | None:
    """What this pod wasted."""
    progress = read_progress(pod, default_policy().catalogue)
    assert progress is not None
    return wasted_by(progress, NOW)


def whole(pod: JSONObject, phase: str) -> JSONObject:
    """The pod in this phase."""
    pod["status"]["phase"] = phase
    return pod


def test_a_running_pod_wastes_its_slot_from_the_end_of_its_task_until_now() -> None:
    at = NOW - timedelta(hours=3)

    assert wasted_time_of(live_pod({"base": ended(at=at), "istio-proxy": RUNNING}, ISTIO)) == WastedTime(at, NOW)


def test_an_ended_pod_wasted_its_slot_until_its_last_container_ended() -> None:
    at = NOW - timedelta(days=2)
    pod = live_pod({"base": ended(at=at), "istio-proxy": ended(at=at + timedelta(hours=5))}, ISTIO)

    assert wasted_time_of(whole(pod, "Succeeded")) == WastedTime(at, at + timedelta(hours=5))


@pytest.mark.parametrize("after", [timedelta(), USUAL - timedelta(seconds=1)], ids=str)
def test_a_pod_that_ends_soon_after_its_task_wasted_nothing(after: timedelta) -> None:
    at = NOW - timedelta(days=2)

    assert wasted_time_of(whole(live_pod({"base": ended(at=at), "istio-proxy": ended(at=at + after)}, ISTIO), "Succeeded")) is None


@pytest.mark.parametrize(
    "pod",
    [
        live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO),
        live_pod({"base": ended(at=None), "istio-proxy": RUNNING}, ISTIO),
        whole(live_pod({"base": ended(at=NOW - timedelta(days=2)), "istio-proxy": ended(at=None)}, ISTIO), "Succeeded"),
        whole(live_pod({"base": ended(at=NOW + timedelta(days=2)), "istio-proxy": ended(at=NOW + timedelta(days=9))}, ISTIO), "Failed"),
        live_pod({"base": ended(at=NOW + timedelta(days=2)), "istio-proxy": RUNNING}, ISTIO),
    ],
    ids=["the task runs", "no time of the task", "no time of the sidecar", "times to come", "a running one's time to come"],
)
def test_a_pod_whose_times_are_not_known_wasted_nothing(pod: JSONObject) -> None:
    assert wasted_time_of(pod) is None
