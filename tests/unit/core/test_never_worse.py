"""The law: where a pod starts and its task runs without the webhook, it does so with it, and nobody's container is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.oracles.admission import apply_reply
from tests.support.oracles.pod_schema import decoding_errors
from tests.support.oracles.pod_validation import DEFAULT_MINOR, validate
from tests.support.pods import review_of
from tests.support.search import examples
from tests.support.simulated_admission import SimulatedWebhook, admit_through
from tests.support.simulated_kubelet import HELPER, REDIRECTS, WRAPPER_MARK, TaskRun, find_wrapper, run
from tests.support.situations import Situation, rounds_of_injectors, situations
from webhook.core.admission import admit
from webhook.core.cluster import Cluster, NativeSupport
from webhook.core.review import parse_review, render_review
from webhook.core.version import Version, read_version
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject
    from tests.support.simulated_injectors import SimulatedInjector
    from webhook.core.policy import Policy

POLICIES = {
    "by default": build_policy(Settings()),
    "with a helper": build_policy(Settings(helper_image="registry.example.com/helper:1", when_not_ready="run")),
}


HELPER_MOUNT = {"name": WRAPPER_MARK, "mountPath": f"/{WRAPPER_MARK}", "readOnly": True}


@dataclass(frozen=True)
class Admission:
    """Who reviews a pod.

    Args:
        injectors: The injectors, each with whether it may be called again.
        place: How many of them are called before the webhook.
        is_created_again: Whether the result is created once more, as a copy of the pod.

    """

    injectors: tuple[tuple[SimulatedInjector, bool], ...]
    place: int
    is_created_again: bool

    def __str__(self) -> str:
        """The order of the reviews."""
        others = [injector.name + " (again)" * is_reinvoked for injector, is_reinvoked in self.injectors]
        order = [*others[: self.place], "us", *others[self.place :]]
        return " -> ".join(order) + ", twice" * self.is_created_again

    __repr__ = __str__

    def without_us(self, pod: JSONObject) -> JSONObject:
        """The pod as it is stored without the webhook."""
        return self._through(self._others(), pod)

    def with_us(self, pod: JSONObject, policy: Policy, cluster: Cluster) -> JSONObject:
        """The pod as it is stored with it."""
        own = SimulatedWebhook("own", lambda pod: reviewed(pod, policy, cluster), is_reinvoked=True)
        others = self._others()
        return self._through([*others[: self.place], own, *others[self.place :]], pod)

    def renders_another_proxy(self, pod: JSONObject) -> bool:
        """Whether a copy of the stored pod gets another proxy than the pod did: an old Istio adds it again without the user's own fields.

        Which of the two is to stay nobody can say, so the webhook leaves such a copy (`tests/unit/core/test_move.py`).
        """
        is_old = any(injector.name == "istio before native" for injector, _ in self.injectors)
        images = [one.get("image") for one in pod["spec"]["containers"] if one["name"] == "istio-proxy"]
        return self.is_created_again and is_old and images not in ([], ["auto"])

    def _others(self) -> list[SimulatedWebhook]:
        return [SimulatedWebhook(injector.name, injector.inject, is_reinvoked) for injector, is_reinvoked in self.injectors]

    def _through(self, webhooks: list[SimulatedWebhook], pod: JSONObject) -> JSONObject:
        stored = admit_through(webhooks, pod)
        return admit_through(webhooks, stored) if self.is_created_again else stored


def reviewed(pod: JSONObject, policy: Policy, cluster: Cluster) -> JSONObject:
    """The pod after one review, as the API server applies the response to it."""
    question = review_of(pod)
    request = parse_review(question)
    outcome = admit(request, policy, cluster)
    return apply_reply(question, render_review(request.uid, outcome.operations, outcome.warnings))


@st.composite
def admissions(draw: st.DrawFn) -> Admission:
    injectors = tuple(draw(rounds_of_injectors()))
    place = draw(st.integers(0, len(injectors)))
    return Admission(injectors, place, draw(st.integers(0, 3)) == 3)


@st.composite
def clusters_with(draw: st.DrawFn, admission: Admission) -> Cluster:
    """What is known of the cluster of these injectors: nothing, or the truth, in part or in full."""
    if draw(st.booleans()):
        return Cluster()
    minor = draw(st.sampled_from((29, 31, 33, 34, 35)))
    known = [(injector, is_reinvoked) for injector, is_reinvoked in admission.injectors if injector.id]
    versions = {injector.id: version for injector, _ in known if (version := read_version(injector.version)) is not None}
    knows = draw(st.booleans())
    return Cluster(
        NativeSupport.READY,
        Version(1, minor),
        frozenset(injector.id for injector, _ in known) if knows else frozenset(),
        frozenset(injector.id for injector, is_reinvoked in known if is_reinvoked) if knows else None,
        injector_versions=versions if knows and draw(st.booleans()) else {},
    )


EVERYTHING = admissions().flatmap(lambda admission: st.tuples(st.just(admission), clusters_with(admission)))
law = settings(
    max_examples=examples(250),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@law
@given(situations(), EVERYTHING, st.sampled_from(sorted(POLICIES)))
def test_a_pod_that_starts_and_runs_its_task_without_us_does_so_with_us(
    situation: Situation, review: tuple[Admission, Cluster], policy: str
) -> None:
    admission, cluster = review
    minor = cluster.server.minor if cluster.server else DEFAULT_MINOR
    assume(not list(decoding_errors(situation.pod)))
    assume(not admission.renders_another_proxy(situation.pod))
    without = admission.without_us(situation.pod)
    assume(not validate(without, minor))
    truth = situation.truth(tuple(injector for injector, _ in admission.injectors))
    expected = run(without, truth)
    assume(expected.argv is not None)

    within = admission.with_us(situation.pod, POLICIES[policy], cluster)

    assert validate(within, minor) == []
    assert list(harm(situation, admission, (without, expected), (within, run(within, truth)))) == []


def harm(
    situation: Situation, admission: Admission, without: tuple[JSONObject, TaskRun], within: tuple[JSONObject, TaskRun]
) -> Iterator[str]:
    """What has become worse, in words."""
    (pod_before, before), (pod_after, after) = without, within
    sidecars = treatable(situation, admission, pod_before)
    if after.problem:
        yield after.problem
    if after.argv != before.argv:
        yield f"the task runs {after.argv}, not {before.argv}"
    if after.environment != before.environment:
        yield f"the task has the environment {after.environment}, not {before.environment}"
    for field in ("containers", "initContainers"):
        yield from _changes(field, others(pod_after, field, sidecars), others(pod_before, field, sidecars), situation.task)
    for one in pod_after["spec"]["containers"]:
        if one["name"] != situation.task and find_wrapper([*(one.get("command") or ()), *(one.get("args") or ())]):
            yield f"{one['name']} is wrapped"
    if after.wrapper and not after.wrapper.requested <= sidecars:
        yield f"the wrapper ends {sorted(after.wrapper.requested - sidecars)}"


def _changes(field: str, after: list[JSONObject], before: list[JSONObject], task: str) -> Iterator[str]:
    """Whoever is neither the task nor a known sidecar is where it was, as it was; the task is, apart from its wrapper."""
    names = [[one["name"] for one in containers] for containers in (after, before)]
    if names[0] != names[1]:
        yield f"{field} has {names[0]}, not {names[1]}"
        return
    for new, old in zip(after, before, strict=True):
        if new != old and (new["name"] != task or unwrapped(new) != unwrapped(old)):
            yield f"{new['name']} is {new}, not {old}"


def treatable(situation: Situation, admission: Admission, stored: JSONObject) -> set[str]:
    """The known sidecars of the stored pod: its own, and those that an injector has added or filled."""
    own = {one["name"]: one for one in situation.pod["spec"]["containers"]}
    now = {one["name"]: one for field in ("containers", "initContainers") for one in stored["spec"].get(field) or ()}
    injected = {name for injector, _ in admission.injectors for name in injector.containers if name in now}
    inits = {name for injector, _ in admission.injectors for name in injector.init_containers}
    return situation.sidecars | situation.claims | inits | set(REDIRECTS) | {name for name in injected if own.get(name) != now[name]}


def others(pod: JSONObject, field: str, sidecars: set[str]) -> list[JSONObject]:
    """The containers of a list that are no known sidecars, without the webhook's own."""
    return [one for one in pod["spec"].get(field) or () if one["name"] not in sidecars and not is_helper(one)]


def is_helper(container: JSONObject) -> bool:
    return bool(container["name"] == HELPER and (container.get("command") or [""])[0] == "/busybox")


def unwrapped(container: JSONObject) -> JSONObject:
    """A container without its argv, which the kubelet has shown, and without the helper's mount."""
    bare = {key: value for key, value in container.items() if key not in {"command", "args", "volumeMounts"}}
    mounts = [one for one in container.get("volumeMounts") or () if one != HELPER_MOUNT]
    return bare | ({"volumeMounts": mounts} if mounts else {})
