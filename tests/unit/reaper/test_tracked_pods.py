"""What follows from all tracked pods is what a look at each of them says, whatever was put and taken out before."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.live_pods import BEGAN, ISTIO, RUNNING, ended, live_pod
from tests.support.search import examples
from webhook.core import default_policy, read_progress
from webhook.reaper.act import DeadlineAct
from webhook.reaper.decision import PodDecision
from webhook.reaper.reason import ReaperReason
from webhook.reaper.tracked_pods import TrackedPod, TrackedPods

PROGRESS: Final = read_progress(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), default_policy().catalogue)
assert PROGRESS is not None
PODS: Final = {uid: replace(PROGRESS, uid=uid, namespace=namespace) for uid, namespace in (("1", "a"), ("2", "a"), ("3", "b"))}
TIMES: Final = st.none() | st.integers(0, 5).map(lambda minutes: BEGAN + timedelta(minutes=minutes))
TRACKED: Final = st.builds(
    TrackedPod,
    pod=st.sampled_from(list(PODS.values())),
    since=st.just(BEGAN),
    work_ended_at=st.none(),
    decide_at=TIMES,
    decision=st.none() | st.sampled_from((ReaperReason.GRACE, ReaperReason.ENDING, ReaperReason.QUIT_SENT)).map(PodDecision),
    act=st.none() | st.just(DeadlineAct(1)),
)
NOW: Final = BEGAN + timedelta(minutes=3)


@given(steps=st.lists(TRACKED | st.sampled_from(sorted(PODS)), max_size=60))
@settings(max_examples=examples(60))
def test_what_follows_from_all_pods_is_what_each_of_them_says(steps: list[TrackedPod | str]) -> None:
    pods, expected = TrackedPods(), dict[str, TrackedPod]()
    for step in steps:
        if isinstance(step, str):
            assert pods.pop(step) == expected.pop(step, None)
        else:
            pods.put(step)
            expected[step.pod.uid] = step
        times = {uid: one.decide_at for uid, one in expected.items() if one.decide_at is not None}
        due = pods.due(NOW)
        assert sorted(due) == sorted(uid for uid, at in times.items() if at <= NOW)
        assert [times[uid] for uid in due] == sorted(times[uid] for uid in due), "not the earliest first"
        assert pods.next_at == min(times.values(), default=None)
        assert pods.under_way == sum(one.act is not None for one in expected.values())
        decided = [(one.pod.namespace, one.decision.reason) for one in expected.values() if one.decision is not None]
        assert pods.stuck() == Counter(one for one in decided if one[1] is not ReaperReason.GRACE)
        assert {one.pod.uid: one for one in pods} == expected
