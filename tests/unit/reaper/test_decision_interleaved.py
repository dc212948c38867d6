"""What holds whatever happens to a pod between two decisions, in a simulated pod whose sidecars end, refuse, hang or do not answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.live_pods import BEGAN, CLOUD_SQL, FLUENT_BIT, ISTIO, RUNNING, UPLOADER, VAULT, XCOM, ended, live_pod, with_debugger
from tests.support.search import examples
from webhook.core import default_policy, read_progress
from webhook.reaper.act import Act, ActOutcome, DeadlineAct, Method, PastAct
from webhook.reaper.decision import PodDecision, ReaperPolicy, decide
from webhook.reaper.reason import Verdict

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

CATALOGUE: Final = default_policy().catalogue
CONTAINERS: Final = {one["name"]: one for one in (ISTIO, VAULT, FLUENT_BIT, CLOUD_SQL, XCOM, UPLOADER)}
SIDECARS: Final = ("istio-proxy", "vault-agent", "logs", "db")
QUITS: Final = frozenset({"istio-proxy", "vault-agent"})
EXITS_0_ON_SIGTERM: Final = frozenset({"istio-proxy", "vault-agent", "logs"})
MOST_DECISIONS: Final = 60
"""More than any pod needs: three sidecars, two methods, three attempts, each with a pause."""


class SidecarConduct(StrEnum):
    """What a sidecar does when it is to end."""

    ENDS = "ends"
    HANGS = "hangs"
    REFUSES = "refuses"
    IS_SILENT = "is-silent"


OUTCOMES: Final = {SidecarConduct.REFUSES: ActOutcome.REFUSED, SidecarConduct.IS_SILENT: ActOutcome.FAILED}


class Happening(StrEnum):
    """What happens to the pod, whatever the reaper does."""

    TASK_SUCCEEDS = "task-succeeds"
    TASK_FAILS = "task-fails"
    RESULT_IS_READ = "result-is-read"
    UPLOADER_ENDS = "uploader-ends"
    DEBUGGER_COMES = "debugger-comes"
    DEBUGGER_GOES = "debugger-goes"
    IS_CREATED_AGAIN = "is-created-again"


@dataclass
class SimulatedPod:
    """A pod with these sidecars, and with these other containers beside its task."""

    conducts: dict[str, SidecarConduct]
    helpers: list[str]
    now: datetime = BEGAN
    uid: int = 1
    states: dict[str, JSONObject] = field(default_factory=dict)
    work_ended_at: datetime = BEGAN
    is_debugged: bool = False

    def __post_init__(self) -> None:
        self.states = dict.fromkeys(["base", *self.helpers, *self.conducts], RUNNING)

    @property
    def works(self) -> bool:
        """Whether anything of it still works, or is being looked at."""
        return self.is_debugged or any("running" in self.states[name] for name in ("base", *self.helpers))

    @property
    def has_ended(self) -> bool:
        return not any("running" in state for state in self.states.values())

    @property
    def has_failed(self) -> bool:
        return bool(self.states["base"].get("terminated", {}).get("exitCode", 0))

    def document(self) -> JSONObject:
        pod = live_pod(self.states, *(CONTAINERS[name] for name in (*self.helpers, *self.conducts)))
        pod["metadata"]["uid"] = str(self.uid)
        for status in pod["status"]["containerStatuses"]:
            status["containerID"] = f"containerd://{self.uid}-{status['name']}"
        if self.has_ended:
            pod["status"]["phase"] = "Succeeded"
        return with_debugger(pod, RUNNING) if self.is_debugged else pod

    def happen(self, what: Happening) -> None:
        """Let it happen, where it can."""
        if what is Happening.IS_CREATED_AGAIN:
            self.uid += 1
            self.is_debugged = False
            self.__post_init__()
        elif what in {Happening.DEBUGGER_COMES, Happening.DEBUGGER_GOES}:
            self.is_debugged = what is Happening.DEBUGGER_COMES
        else:
            self._end(*_ENDS[what])

    def _end(self, name: str, code: int) -> None:
        is_early = name == "airflow-xcom-sidecar" and "running" in self.states["base"]
        if "running" in self.states.get(name, {}) and not is_early:
            self.states[name] = ended(code, self.now)
            self.work_ended_at = self.now

    def suffer(self, act: Act) -> ActOutcome:
        """Carry out an act of the reaper's."""
        if isinstance(act, DeadlineAct):
            for name, state in self.states.items():
                self.states[name] = ended(143, self.now) if "running" in state else state
            return ActOutcome.ACCEPTED
        conduct = self.conducts[act.container]
        if conduct is SidecarConduct.ENDS:
            self.states[act.container] = ended(0, self.now)
        return OUTCOMES.get(conduct, ActOutcome.ACCEPTED)


_ENDS: Final = {
    Happening.TASK_SUCCEEDS: ("base", 0),
    Happening.TASK_FAILS: ("base", 1),
    Happening.RESULT_IS_READ: ("airflow-xcom-sidecar", 0),
    Happening.UPLOADER_ENDS: ("uploader", 0),
}


@dataclass
class SimulatedReaper:
    """Decides again and again, remembers its acts, and checks each; ``observes``: it says itself when the pod's work ended."""

    pod: SimulatedPod
    policy: ReaperPolicy
    observes: bool
    past: dict[str, list[PastAct]] = field(default_factory=dict)

    def decide(self) -> PodDecision:
        progress = read_progress(self.pod.document(), CATALOGUE)
        assert progress is not None
        past = self.past.setdefault(progress.uid, [])
        decision = decide(progress, self.policy, self.pod.now, past, self.pod.work_ended_at if self.observes else None)
        if decision.act is not None:
            self._check(decision.act)
            past.append(PastAct(decision.act.method, decision.act.container_id, self.pod.now, self.pod.suffer(decision.act)))
        return decision

    def _check(self, act: Act) -> None:
        assert not self.pod.works, "an act on a pod that works"
        assert self.pod.now >= self.pod.work_ended_at + self.policy.grace, "an act before the grace is over"
        assert act.method in self.policy.methods
        if isinstance(act, DeadlineAct):
            assert self.pod.has_failed, "a successful task would count as failed"
        else:
            assert act.container_id == f"containerd://{self.pod.uid}-{act.container}"
            assert "running" in self.pod.states[act.container]

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


CONDUCTS: Final = st.dictionaries(st.sampled_from(SIDECARS), st.sampled_from(SidecarConduct), min_size=1, max_size=3)
HELPERS: Final = st.sets(st.sampled_from(("airflow-xcom-sidecar", "uploader"))).map(sorted)
BEGINNINGS: Final = st.sets(st.sampled_from((Happening.TASK_FAILS, Happening.UPLOADER_ENDS))).map(sorted)
"""What has ended before the reaper looks: most courses would wait long for that."""

COURSES: Final = st.lists(st.tuples(st.sampled_from((0, 1, 20, 40, 90)), st.sampled_from(Happening)), min_size=2, max_size=8)
METHODS: Final = st.sets(st.sampled_from(Method)).map(frozenset)


@given(
    conducts=CONDUCTS, helpers=HELPERS, beginning=BEGINNINGS, course=COURSES, methods=METHODS, fails=st.booleans(), observes=st.booleans()
)
@settings(max_examples=examples(60))
def test_no_pod_is_acted_on_while_it_works_and_each_that_can_end_ends(
    conducts: dict[str, SidecarConduct],
    helpers: list[str],
    beginning: list[Happening],
    course: list[tuple[int, Happening]],
    methods: frozenset[Method],
    fails: bool,
    observes: bool,
) -> None:
    pod = SimulatedPod(conducts, helpers)
    for what in beginning:
        pod.happen(what)
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


def can_end(pod: SimulatedPod, methods: frozenset[Method]) -> bool:
    """Whether an allowed method ends each sidecar that runs, or all of them at once."""
    ending = {Method.QUIT: QUITS, Method.EXEC: EXITS_0_ON_SIGTERM}
    endable = frozenset[str]().union(*(names for method, names in ending.items() if method in methods))
    running = {name for name in pod.conducts if "running" in pod.states[name]}
    is_clean = all(name in endable and pod.conducts[name] is SidecarConduct.ENDS for name in running)
    return is_clean or (pod.has_failed and Method.DEADLINE in methods)
