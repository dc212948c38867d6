"""A task pod whose sidecars end, refuse, hang or do not answer, and to which things happen while a reaper looks after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.support.live_pods import BEGAN, CLOUD_SQL, FLUENT_BIT, ISTIO, RUNNING, UPLOADER, VAULT, XCOM, ended, live_pod, with_debugger
from webhook.reaper.act import Act, ActOutcome, DeadlineAct, Method

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.reaper.decision import ReaperPolicy

CONTAINERS: Final = {one["name"]: one for one in (ISTIO, VAULT, FLUENT_BIT, CLOUD_SQL, XCOM, UPLOADER)}
QUITS: Final = frozenset({"istio-proxy", "vault-agent"})
EXITS_0_ON_SIGTERM: Final = frozenset({"istio-proxy", "vault-agent", "logs"})


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
    NOTHING = "nothing"


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
        elif what is not Happening.NOTHING:
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


SHORTEST_DRAIN: Final = timedelta(seconds=10)
"""Of the sidecars here, with its margin."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """An act that reached the pod.

    Args:
        at: When.
        uid: Of the pod, as it was then.
        act: What was done.
        outcome: What became of it.

    """

    at: datetime
    uid: int
    act: Act
    outcome: ActOutcome


@dataclass
class ActWitness:
    """Carries out the acts on a pod, each of which must keep the law. ``sent``: those before."""

    pod: SimulatedPod
    policy: ReaperPolicy
    sent: list[SentRequest] = field(default_factory=list)

    def carry_out(self, act: Act) -> ActOutcome:
        """The outcome. AssertionError: the act breaks the law."""
        self._check(act)
        outcome = self.pod.suffer(act)
        self.sent.append(SentRequest(self.pod.now, self.pod.uid, act, outcome))
        return outcome

    def _check(self, act: Act) -> None:
        assert not self.pod.works, "an act on a pod that works"
        assert self.pod.now >= self.pod.work_ended_at + self.policy.grace, "an act before the grace is over"
        assert act.method in self.policy.methods, "a method that is not allowed"
        if isinstance(act, DeadlineAct):
            assert self.pod.has_failed, "a successful task would count as failed"
        else:
            assert act.container_id == f"containerd://{self.pod.uid}-{act.container}", "an act on another container"
            assert "running" in self.pod.states[act.container], "an act on a container that has ended"
        assert not any(self._may_take_effect(one) for one in self.sent), "an act while an earlier one may still take effect"

    def _may_take_effect(self, one: SentRequest) -> bool:
        is_accepted = one.uid == self.pod.uid and one.outcome is ActOutcome.ACCEPTED
        return is_accepted and self.pod.now < one.at + SHORTEST_DRAIN and "running" in self.pod.states.get(one.act.container, {})


_ENDS: Final = {
    Happening.TASK_SUCCEEDS: ("base", 0),
    Happening.TASK_FAILS: ("base", 1),
    Happening.RESULT_IS_READ: ("airflow-xcom-sidecar", 0),
    Happening.UPLOADER_ENDS: ("uploader", 0),
}


_ORDINARY: Final = (SidecarConduct.ENDS, SidecarConduct.ENDS, SidecarConduct.HANGS, SidecarConduct.HANGS)
_SIDECARS: Final = ("istio-proxy", "istio-proxy", "istio-proxy", "vault-agent", "vault-agent", "logs", "db")
_METHODS: Final = (
    *[{Method.QUIT, Method.DEADLINE}] * 3,
    *[set(Method)] * 3,
    *({Method.QUIT, Method.EXEC}, {Method.QUIT}, {Method.EXEC}, {Method.DEADLINE}),
)
CONDUCTS: Final = st.dictionaries(st.sampled_from(_SIDECARS), st.sampled_from((*_ORDINARY, *SidecarConduct)), min_size=1, max_size=3)
"""Sidecars by name, with their conducts. Each sidecar that nothing ends keeps the others from being ended, so most can be."""

HELPERS: Final = st.sampled_from(([], [], [], ["airflow-xcom-sidecar"], ["uploader"], ["airflow-xcom-sidecar", "uploader"]))
"""Other containers beside the task: most pods have none."""

HAPPENINGS: Final = st.sampled_from((*Happening, *[Happening.DEBUGGER_COMES] * 2, *[Happening.NOTHING] * 8))
METHODS: Final = st.sampled_from(_METHODS).map(frozenset)
ENDS_OF_TASKS: Final = st.sampled_from((Happening.TASK_FAILS, Happening.TASK_FAILS, Happening.TASK_SUCCEEDS, Happening.NOTHING))
"""What has happened before the reaper looks: most courses would wait long for the end of the task."""


def can_end(pod: SimulatedPod, methods: frozenset[Method]) -> bool:
    """Whether an allowed method ends each sidecar that runs, or all of them at once."""
    ending = {Method.QUIT: QUITS, Method.EXEC: EXITS_0_ON_SIGTERM}
    endable = frozenset[str]().union(*(names for method, names in ending.items() if method in methods))
    running = {name for name in pod.conducts if "running" in pod.states[name]}
    is_clean = all(name in endable and pod.conducts[name] is SidecarConduct.ENDS for name in running)
    return is_clean or (pod.has_failed and Method.DEADLINE in methods)
