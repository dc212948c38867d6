"""What holds whatever happens to a pod between two decisions, in a simulated pod whose sidecars end, refuse, hang or do not answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.search import examples
from tests.support.simulated_task_pod import (
    CONDUCTS,
    ENDS_OF_TASKS,
    HAPPENINGS,
    HELPERS,
    METHODS,
    ActWitness,
    Happening,
    SidecarConduct,
    SimulatedPod,
    can_end,
)
from webhook.core import default_policy, read_progress
from webhook.reaper.act import Method, PastAct
from webhook.reaper.decision import PodDecision, ReaperPolicy, decide
from webhook.reaper.reason import Verdict

CATALOGUE: Final = default_policy().catalogue
MOST_DECISIONS: Final = 60
"""More than any pod needs: three sidecars, two methods, three attempts, each with a pause."""


@dataclass
class SimulatedReaper:
    """Decides again and again, and remembers its acts; ``observes``: it says itself when the pod's work ended."""

    pod: SimulatedPod
    policy: ReaperPolicy
    observes: bool
    past: dict[str, list[PastAct]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.witness = ActWitness(self.pod, self.policy)

    def decide(self) -> PodDecision:
        progress = read_progress(self.pod.document(), CATALOGUE)
        assert progress is not None
        past = self.past.setdefault(progress.uid, [])
        decision = decide(progress, self.policy, self.pod.now, past, self.pod.work_ended_at if self.observes else None)
        if decision.act is not None:
            outcome = self.witness.carry_out(decision.act)
            past.append(PastAct(decision.act.method, decision.act.container_id, self.pod.now, outcome))
        return decision

    def run_to_the_end(self) -> PodDecision:
        """Decide until the pod has ended or is left, at the times that the decisions name."""
        for _ in range(MOST_DECISIONS):
            decision = self.decide()
            if self.pod.has_ended or decision.reason.verdict is Verdict.LEAVE:
                return decision
            if decision.act is None:
                assert decision.again_at is not None, f"{decision.reason}: nothing happens any more, and the pod is forgotten"
                self.pod.now = decision.again_at
        message = "the pod neither ends nor is left"
        raise AssertionError(message)


COURSES: Final = st.lists(st.tuples(st.sampled_from((0, 1, 20, 40, 90)), HAPPENINGS), min_size=4, max_size=12)


@given(
    conducts=CONDUCTS,
    helpers=HELPERS,
    beginning=ENDS_OF_TASKS,
    course=COURSES,
    methods=METHODS,
    fails=st.booleans(),
    observes=st.booleans(),
)
@settings(max_examples=examples(75))
def test_no_pod_is_acted_on_while_it_works_and_each_that_can_end_ends(
    conducts: dict[str, SidecarConduct],
    helpers: list[str],
    beginning: Happening,
    course: list[tuple[int, Happening]],
    methods: frozenset[Method],
    fails: bool,
    observes: bool,
) -> None:
    pod = SimulatedPod(conducts, helpers)
    pod.happen(beginning)
    reaper = SimulatedReaper(pod, ReaperPolicy(methods=methods), observes)
    for seconds, what in course:
        pod.now += timedelta(seconds=seconds)
        pod.happen(what)
        reaper.decide()

    for what in (Happening.TASK_FAILS if fails else Happening.TASK_SUCCEEDS, Happening.RESULT_IS_READ, Happening.UPLOADER_ENDS):
        pod.happen(what)
    pod.happen(Happening.DEBUGGER_GOES)
    reaper.run_to_the_end()

    assert pod.has_ended or not can_end(pod, methods)
