"""What holds whatever happens to a pod and to two replicas, of which one acts until it ends in the middle of something.

An act has stages, as in the controller, and between any two of them anything may happen to the pod, to the watches and to the replica.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

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
from webhook.reaper.act import ActOutcome, Method, PastAct
from webhook.reaper.agenda import Agenda, DueAct
from webhook.reaper.decision import ReaperPolicy, decide

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Progress

CATALOGUE: Final = default_policy().catalogue
MOST_TURNS: Final = 80
"""More than any pod needs: three sidecars, two methods, three attempts, each with a pause."""


class Crash(StrEnum):
    """Where the replica that acts ends: in the middle of its next act."""

    BEFORE_MEMORY = "before-memory"
    BEFORE_REQUEST = "before-request"
    AFTER_REQUEST = "after-request"


class Stage(StrEnum):
    """How far an act under way has come."""

    IS_DUE = "is-due"
    IS_REMEMBERED = "is-remembered"
    HAS_AN_ANSWER = "has-an-answer"


class WorkerStep(StrEnum):
    """What the worker does that carries out an act."""

    GOES_ON = "goes-on"
    """The act that is under way reaches its next stage."""


class WatchFault(StrEnum):
    """What becomes of the watches of both replicas."""

    BREAKS_OFF = "breaks-off"
    """What happens to the pod is not seen."""

    IS_BACK = "is-back"
    """A list shows what the pod has become."""


@dataclass
class ActUnderWay:
    """An act that a worker carries out."""

    due: DueAct
    stage: Stage = Stage.IS_DUE
    outcome: ActOutcome = ActOutcome.BEGUN


@dataclass
class SimulatedReplicas:
    """Two replicas that watch one pod; the first acts, and its memory is in the Lease. ``crashes``: what happens at each act."""

    pod: SimulatedPod
    policy: ReaperPolicy
    crashes: list[Crash | None]
    lease: dict[str, tuple[PastAct, ...]] = field(default_factory=dict)
    acts: list[ActUnderWay] = field(default_factory=list)
    shown: JSONObject = field(default_factory=dict)
    is_watching: bool = True

    def __post_init__(self) -> None:
        self.agendas = [self._agenda(), self._agenda()]
        self.witness = ActWitness(self.pod, self.policy)

    def _agenda(self) -> Agenda:
        return Agenda(self.policy, is_observing=False)

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
            agenda.retain(now.namespace, {now.uid})
            agenda.see(now, self.pod.now)

    def turn(self) -> None:
        """What the replica that acts does when something has happened, or its time has come."""
        self.acts += [ActUnderWay(due) for due in self.agendas[0].due(self.pod.now)]

    def work(self) -> None:
        """The act that is under way for the longest time reaches its next stage."""
        if self.acts:
            one = self.acts[0]
            {Stage.IS_DUE: self._remember, Stage.IS_REMEMBERED: self._request, Stage.HAS_AN_ANSWER: self._take_result}[one.stage](one)

    def _remember(self, one: ActUnderWay) -> None:
        if self._crashes(Crash.BEFORE_MEMORY):
            return
        self.lease = self.agendas[0].memory(self.pod.now)
        one.stage = Stage.IS_REMEMBERED

    def _request(self, one: ActUnderWay) -> None:
        if self._crashes(Crash.BEFORE_REQUEST):
            return
        due, fresh = one.due, self.progress()
        if fresh.uid != due.pod.uid or decide(fresh, self.policy, self.pod.now, due.past, due.work_ended_at).act != due.act:
            self.acts.remove(one)
            self.agendas[0].postpone(due, self.pod.now)
            self.lease = self.agendas[0].memory(self.pod.now)
            return
        one.outcome = self.witness.carry_out(due.act)
        one.stage = Stage.HAS_AN_ANSWER

    def _take_result(self, one: ActUnderWay) -> None:
        if self._crashes(Crash.AFTER_REQUEST):
            return
        self.acts.remove(one)
        self.agendas[0].end(one.due, one.outcome, "as the test says", self.pod.now)
        self.lease = self.agendas[0].memory(self.pod.now)
        if self.crashes:
            self.crashes.pop(0)

    def _crashes(self, where: Crash) -> bool:
        """Whether the replica that acts ends here: the other takes over, and a new one watches."""
        if not self.crashes or self.crashes[0] is not where:
            return False
        self.crashes.pop(0)
        self.acts.clear()
        self.agendas = [self.agendas[1], self._agenda()]
        self.agendas[0].adopt(self.lease, self.pod.now)
        self.list_again()
        return True

    def run_to_the_end(self) -> None:
        """Go on until nothing is to be decided any more, or the pod has ended."""
        for _ in range(MOST_TURNS):
            self.turn()
            while self.acts:
                self.work()
            self.watch()
            next_at = self.agendas[0].next_at
            if self.pod.has_ended or next_at is None:
                return
            self.pod.now = max(self.pod.now, next_at)


STEPS: Final = HAPPENINGS | st.sampled_from((*WatchFault, *[WorkerStep.GOES_ON] * 10))
CRASHES: Final = st.lists(st.sampled_from((None, None, *Crash)), max_size=4)
COURSES: Final = st.lists(st.tuples(st.sampled_from((0, 1, 12, 31, 90)), STEPS), min_size=4, max_size=20)


@given(conducts=CONDUCTS, helpers=HELPERS, beginning=ENDS_OF_TASKS, course=COURSES, crashes=CRASHES, methods=METHODS, fails=st.booleans())
@settings(max_examples=examples(75))
def test_nothing_is_done_too_early_or_twice_and_nothing_is_forgotten_whenever_a_replica_ends(
    conducts: dict[str, SidecarConduct],
    helpers: list[str],
    beginning: Happening,
    course: list[tuple[int, Happening | WatchFault | WorkerStep]],
    crashes: list[Crash | None],
    methods: frozenset[Method],
    fails: bool,
) -> None:
    pod = SimulatedPod(conducts, helpers)
    pod.happen(beginning)
    replicas = SimulatedReplicas(pod, ReaperPolicy(methods=methods), crashes)
    for seconds, step in course:
        pod.now += timedelta(seconds=seconds)
        if isinstance(step, WatchFault):
            replicas.is_watching = step is WatchFault.IS_BACK
        elif isinstance(step, WorkerStep):
            replicas.work()
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
