"""When a task's pod counts as stuck."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.cluster_snapshots import LONG_AGO, NOW, RUNNING, ended, stuck_pod_of, task_pod

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

JUST_NOW: Final = (NOW - timedelta(seconds=30)).isoformat()
DELETED: Final = task_pod(ended(), RUNNING)
DELETED["metadata"]["deletionTimestamp"] = LONG_AGO
COURSES: Final[dict[str, tuple[JSONObject, bool]]] = {
    "the proxy keeps running": (task_pod(ended(), RUNNING), True),
    "after a failed task too": (task_pod(ended(1), RUNNING), True),
    "the task runs": (task_pod(RUNNING, RUNNING), False),
    "both have ended": (task_pod(ended(), ended()), False),
    "it is just ending": (task_pod(ended(finished=JUST_NOW), RUNNING), False),
    "the task will be restarted": (task_pod(ended(1), RUNNING, restartPolicy="OnFailure"), False),
    "it was restarted until it succeeded": (task_pod(ended(0), RUNNING, restartPolicy="OnFailure"), True),
    "no state yet": (task_pod({}, {}), False),
    "it is being deleted": (DELETED, False),
}


@pytest.mark.parametrize(("pod", "is_stuck"), COURSES.values(), ids=COURSES)
def test_a_pod_is_stuck_whose_task_ended_long_ago_while_a_known_sidecar_runs(pod: JSONObject, is_stuck: bool) -> None:
    assert (stuck_pod_of(pod) is not None) is is_stuck
