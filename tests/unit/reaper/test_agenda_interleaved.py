"""What holds whatever happens to a pod and to two replicas, of which one acts until it ends in the middle of something."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.search import examples
from tests.support.simulated_task_pod import SIDECARS, Happening, SidecarConduct, SimulatedPod, can_end
from webhook.core import default_policy, read_progress
from webhook.reaper.act import Act, ActOutcome, DeadlineAct, Method, PastAct
from webhook.reaper.agenda import Agenda, DueAct
from webhook.reaper.decision import ReaperPolicy, decide

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Progress

CATALOGUE: Final = default_policy().catalogue
MOST_TURNS: Final = 80
"""More than any pod needs: three sidecars, two methods, three attempts, each with a pause."""

SHORTEST_DRAIN: Final = timedelta(seconds=10)
"""Of the sidecars here, with its margin."""


class Crash(StrEnum):
    """Where the replica that acts ends: in the middle of its next act."""

    BEFORE_MEMORY = "before-memory"
    BEFORE_REQUEST = "before-request"
    AFTER_REQUEST = "after-request"


class WatchFault(StrEnum):
    """What becomes of the watches of both replicas."""

    BREAKS_OFF = "breaks-off"
    """What happens to the pod is not seen."""

    IS_BACK = "is-back"
    """A list shows what the pod has become."""


@dataclass
class SimulatedReplicas:
    """Two replicas that watch one pod; the first acts, and its memory is in the Lease. ``crashes``: what happens at each act."""

    pod: SimulatedPod
    policy: ReaperPolicy
    lease: dict[str, tuple[PastAct, ...]] = field(default_factory=dict)
    crashes: list[Crash | None] = field(default_factory=list)
    requests: list[tuple[datetime, str, Act, ActOutcome]] = field(default_factory=list)
    agendas: list[Agenda] = field(default_factory=list)
    shown: JSONObject = field(default_factory=dict)
    is_watching: bool = True

    def __post_init__(self) -> None:
        self.agendas = [Agenda(self.policy, is_observing=False), Agenda(self.policy, is_observing=False)]

    def progress(self) -> Progress:
        progress = read_progress(self.pod.document(), CATALOGUE)
        assert progress is not None
        return progress

    def watch(self) -> None:
        """Both replicas see the pod, where it has changed."""
        if self.is_watching and self.pod.document() != self.shown:
            self.list_again()

    def list_again(self) -> None:
        """Both replicas see the pod as it is."""
        self.shown = self.pod.document()
        for agenda in self.agendas:
            now = self.progress()
            agenda.keep_only(now.namespace, {now.uid})
            agenda.see(now, self.pod.now)

    def turn(self) -> None:
        """What the replica that acts does when something has happened, or its time has come."""
        for due in self.agendas[0].due(self.pod.now):
            if not self._carry_out(due):
                return

    def _carry_out(self, due: DueAct) -> bool:
        """Whether the replica is still there afterwards."""
        crash = self.crashes.pop(0) if self.crashes else None
        if crash is Crash.BEFORE_MEMORY:
            return self._end()
        self.lease = self.agendas[0].memory(self.pod.now)
        if crash is Crash.BEFORE_REQUEST:
            return self._end()
        fresh = self.progress()
        if fresh.uid != due.pod.uid or decide(fresh, self.policy, self.pod.now, due.past, due.work_ended_at).act != due.act:
            self.agendas[0].postpone(due, self.pod.now)
            return True
        self._check(due.act)
        outcome = self.pod.suffer(due.act)
        self.requests.append((self.pod.now, due.pod.uid, due.act, outcome))
        if crash is Crash.AFTER_REQUEST:
            return self._end()
        self.agendas[0].end(due, outcome, "as the test says", self.pod.now)
        self.lease = self.agendas[0].memory(self.pod.now)
        return True

    def _end(self) -> bool:
        """The replica that acts ends: the other takes over, and a new one watches."""
        self.agendas = [self.agendas[1], Agenda(self.policy, is_observing=False)]
        self.agendas[0].adopt(self.lease, self.pod.now)
        self.list_again()
        return False

    def _check(self, act: Act) -> None:
        assert not self.pod.works, "an act on a pod that works"
        assert self.pod.now >= self.pod.work_ended_at + self.policy.grace, "an act before the grace is over"
        if isinstance(act, DeadlineAct):
            assert self.pod.has_failed, "a successful task would count as failed"
        else:
            assert act.container_id == f"containerd://{self.pod.uid}-{act.container}"
            assert "running" in self.pod.states[act.container]
        for at, uid, earlier, outcome in self.requests:
            if uid == str(self.pod.uid) and earlier == act and outcome is ActOutcome.ACCEPTED:
                assert self.pod.now >= at + SHORTEST_DRAIN, "a request that may still take effect is repeated"

    def run_to_the_end(self) -> None:
        """Go on until nothing is to be decided any more, or the pod has ended."""
        for _ in range(MOST_TURNS):
            self.turn()
            self.watch()
            next_at = self.agendas[0].next_at
            if self.pod.has_ended or next_at is None:
                return
            self.pod.now = max(self.pod.now, next_at)


CONDUCTS: Final = st.dictionaries(st.sampled_from(SIDECARS), st.sampled_from(SidecarConduct), min_size=1, max_size=3)
HELPERS: Final = st.sets(st.sampled_from(("airflow-xcom-sidecar", "uploader"))).map(sorted)
STEPS: Final = st.sampled_from((*Happening, *WatchFault))
CRASHES: Final = st.lists(st.sampled_from((None, *Crash)), max_size=4)
COURSES: Final = st.lists(st.tuples(st.sampled_from((0, 1, 12, 31, 90)), STEPS), min_size=3, max_size=10)
METHODS: Final = st.sets(st.sampled_from(Method), min_size=1).map(frozenset)


@given(conducts=CONDUCTS, helpers=HELPERS, course=COURSES, crashes=CRASHES, methods=METHODS, fails=st.booleans())
@settings(max_examples=examples(60))
def test_nothing_is_done_too_early_or_twice_and_nothing_is_forgotten_whenever_a_replica_ends(
    conducts: dict[str, SidecarConduct],
    helpers: list[str],
    course: list[tuple[int, Happening | WatchFault]],
    crashes: list[Crash | None],
    methods: frozenset[Method],
    fails: bool,
) -> None:
    pod = SimulatedPod(conducts, helpers)
    replicas = SimulatedReplicas(pod, ReaperPolicy(methods=methods), crashes=crashes)
    for seconds, step in course:
        pod.now += timedelta(seconds=seconds)
        if isinstance(step, WatchFault):
            replicas.is_watching = step is WatchFault.IS_BACK
        else:
            pod.happen(step)
        replicas.watch()
        replicas.turn()

    for what in (Happening.TASK_FAILS if fails else Happening.TASK_SUCCEEDS, Happening.RESULT_IS_READ, Happening.UPLOADER_ENDS):
        pod.happen(what)
    pod.happen(Happening.DEBUGGER_GOES)
    replicas.is_watching = True
    replicas.watch()
    replicas.run_to_the_end()

    assert pod.has_ended or not can_end(pod, methods)
