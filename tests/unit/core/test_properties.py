"""Laws that hold whatever comes in."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from demo.simulated_injectors import inject_dapr, inject_istio, inject_istio_native, inject_istio_with_hold, inject_linkerd, inject_vault
from tests.support.oracles.admission import apply_reply
from tests.support.oracles.pod_validation import validate
from tests.support.pods import ABLE_CLUSTER, admitted, own_command, review_of
from tests.support.search import examples
from tests.support.strategies import CLUSTERS, CONTAINER_FIELDS, IDS, JSON, NEAR_JSON, airflow_pods
from tests.support.task_pods import DAPR_MARKS, DAPRD, FLUENT_BIT, USER_INIT, after_conversion, inits_of, task_pod
from webhook.core.admission import admit, treat
from webhook.core.cluster import NATIVE_SERVER, Cluster
from webhook.core.errors import MalformedReviewError
from webhook.core.names import CANONICAL_NAME, HELPER_CONTAINER, HELPER_VOLUME, MODE_ANNOTATION, PREFIX, STATUS_ANNOTATION, TREATMENT_LABEL
from webhook.core.policy import Enforcement
from webhook.core.review import parse_review, render_review
from webhook.core.short_name import is_label_value, to_label_value
from webhook.core.version import Version
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

WITHOUT_HELPER = build_policy(Settings())
WITH_HELPER = build_policy(
    Settings(helper_image="registry.example.com/airflow-sidecar-webhook:0.1.0", entrypoint_guess="allow", injectors=("linkerd",))
)
POLICIES = st.sampled_from((WITHOUT_HELPER, WITH_HELPER))
AUDITING = replace(WITH_HELPER, enforcement=Enforcement.AUDIT)
ISTIOS = (inject_istio, inject_istio_with_hold, inject_istio_native)
ALL_INJECTORS = (*ISTIOS, inject_linkerd, inject_vault, inject_dapr)
INJECTORS = st.lists(st.sampled_from(ALL_INJECTORS), max_size=3, unique=True)

SIMULATED_ISTIO = Version(1, 26, 8)
ISTIO_STATUS = "sidecar.istio.io/status"
SWITCHES = (
    "vault.hashicorp.com/agent-enable-quit",
    "config.linkerd.io/proxy-admin-shutdown",
    "sidecar.istio.io/nativeSidecar",
    "consul.hashicorp.com/enable-consul-dataplane-as-sidecar",
    "dapr.io/enable-native-sidecar",
)
"""Annotations for the injectors."""

thorough = settings(
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
with_pods = settings(thorough, max_examples=examples(40))
"""A pod takes long to make."""


def inject(pod: JSONObject, injectors: Sequence[Injector]) -> JSONObject:
    """Run the injectors one after the other."""
    for injector in injectors:
        pod = injector(pod)
    return pod


def oldest_minor(cluster: Cluster) -> int:
    """The version whose rules a pod for this cluster keeps to."""
    return cluster.server.minor if cluster.server else NATIVE_SERVER.minor


@with_pods
@given(airflow_pods(), INJECTORS, POLICIES, CLUSTERS)
def test_applying_twice_changes_nothing(pod: JSONObject, injectors: list[Injector], policy: Policy, cluster: Cluster) -> None:
    once = admitted(inject(pod, injectors), policy, cluster)[1]
    outcome, twice = admitted(once, policy, cluster)

    assert outcome.operations == ()
    assert twice == once


@pytest.mark.parametrize(
    "shared",
    [{"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}, {"ports": [{"containerPort": 9090}]}],
    ids=lambda one: next(iter(one)),
)
def test_applying_twice_changes_nothing_where_a_sidecar_shares_with_dapr(shared: JSONObject) -> None:
    pod = task_pod(FLUENT_BIT | shared, DAPRD | shared, inits=(USER_INIT,), volumes=("scratch",), labels=DAPR_MARKS)

    assert inits_of(after_conversion(pod, WITHOUT_HELPER)) == ["logs", "prepare", "daprd"]


@with_pods
@given(airflow_pods(), st.sampled_from(ISTIOS), POLICIES, CLUSTERS)
def test_an_injector_before_or_after_us_gives_the_same_end_state(
    pod: JSONObject, injector: Injector, policy: Policy, cluster: Cluster
) -> None:
    # An injector of unknown age that may be called again finishes this itself: tests/e2e/api_server/test_native_orders.py.
    cluster = msgspec.structs.replace(cluster, injector_versions={"istio": SIMULATED_ISTIO})
    after_it = admitted(injector(pod), policy, cluster)[1]
    around_it = admitted(injector(admitted(pod, policy, cluster)[1]), policy, cluster)[1]

    assert end_state(around_it) == end_state(after_it)


def end_state(pod: JSONObject) -> JSONObject:
    """The pod without what depends on who came first and means nothing to a node.

    That is a null for command and args, which the API reads as an absent one and the wrapper takes away; also the container that Istio names to kubectl (the first of those that were regular ones when it came), the
    order of the volumes: a map by name (core/v1 types.go: PodSpec.Volumes, listType=map), and Linkerd's endpoint for a quit request, to
    which nobody sends one where its proxy is native.
    """
    pod = copy.deepcopy(pod)
    for annotation in ("kubectl.kubernetes.io/default-container", "config.linkerd.io/proxy-admin-shutdown"):
        (pod["metadata"].get("annotations") or {}).pop(annotation, None)
    for container in pod["spec"]["containers"]:
        for field in [field for field in ("command", "args") if container.get(field, "") is None]:
            del container[field]
    for container in pod["spec"].get("initContainers") or ():
        if container["name"] == "linkerd-proxy" and container.get("restartPolicy") == "Always":
            container["env"] = [one for one in container["env"] if one["name"] != "LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED"]
    if pod["spec"].get("volumes"):
        pod["spec"]["volumes"].sort(key=lambda volume: str(volume["name"]))
    return pod


# Two meshes are one too many.
MESHES = (*ISTIOS, inject_linkerd)
PAIRS = st.permutations((None, inject_vault)).flatmap(
    lambda pair: st.tuples(*(st.sampled_from(MESHES) if one is None else st.just(one) for one in pair))
)


@with_pods
@given(airflow_pods(), PAIRS, POLICIES)
def test_two_injectors_in_either_order_and_us_wherever_give_the_same_end_state(
    pod: JSONObject, injectors: tuple[Injector, Injector], policy: Policy
) -> None:
    first, second = injectors

    def ours(pod: JSONObject) -> JSONObject:
        return admitted(pod, policy, ABLE_CLUSTER)[1]

    last = ours(second(first(pod)))
    # A sidecar that ends by its quit request needs the annotation for it before it is injected.
    assume(is_all_native(last))
    for other in (second(ours(first(pod))), second(first(ours(pod))), second(ours(first(ours(pod)))), first(second(pod))):
        assert end_state(ours(other)) == end_state(last)


def is_all_native(pod: JSONObject) -> bool:
    """Whether none of these injectors' containers is left among the regular ones."""
    return {one["name"] for one in pod["spec"]["containers"]}.isdisjoint({"istio-proxy", "linkerd-proxy", "vault-agent"})


@with_pods
@given(airflow_pods(), POLICIES)
def test_dapr_before_or_after_us_gives_the_same_end_state(pod: JSONObject, policy: Policy) -> None:
    pod = copy.deepcopy(pod)
    pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), "dapr.io/enabled": "true"}
    after_it = admitted(inject_dapr(pod), policy, ABLE_CLUSTER)[1]
    around_it = admitted(inject_dapr(admitted(pod, policy, ABLE_CLUSTER)[1]), policy, ABLE_CLUSTER)[1]

    assert end_state(around_it) == end_state(after_it)


@with_pods
@given(airflow_pods(), INJECTORS, POLICIES)
def test_what_an_injector_with_old_types_takes_from_native_sidecars_is_given_back(
    pod: JSONObject, injectors: list[Injector], policy: Policy
) -> None:
    pod = copy.deepcopy(pod)
    (pod["metadata"].get("annotations") or {}).pop(MODE_ANNOTATION, None)
    treated = admitted(inject(pod, injectors), policy, ABLE_CLUSTER)[1]
    before = {one["name"] for one in treated["spec"].get("initContainers") or () if one.get("restartPolicy") == "Always"}
    known = before & {"istio-proxy", "linkerd-proxy", "vault-agent", "daprd"}
    stripped = copy.deepcopy(treated)
    for one in stripped["spec"].get("initContainers") or ():
        if one["name"] in known:
            del one["restartPolicy"]
    outcome, after = admitted(stripped, policy, ABLE_CLUSTER)

    assert by_name(after) == by_name(treated)
    assert outcome.status is None or set(outcome.status.restored) == known


@with_pods
@given(airflow_pods(), INJECTORS, POLICIES, CLUSTERS)
def test_what_the_webhook_does_not_know_is_never_lost(pod: JSONObject, injectors: list[Injector], policy: Policy, cluster: Cluster) -> None:
    before = inject(pod, injectors)
    after = admitted(before, policy, cluster)[1]

    assert without_our_work(after, before) == without_our_work(before, before)


def without_our_work(pod: JSONObject, before: JSONObject) -> JSONObject:
    """The pod without all that the webhook may do to what lies outside of its containers: null and absent maps count as empty ones."""
    pod = copy.deepcopy(pod)
    metadata, spec = pod["metadata"], pod["spec"]
    theirs = before["metadata"].get("annotations") or {}
    ours = {key for key in SWITCHES if key not in theirs} | {CANONICAL_NAME, ISTIO_STATUS, STATUS_ANNOTATION, TREATMENT_LABEL}
    for field in ("labels", "annotations"):
        metadata[field] = {key: value for key, value in (metadata.get(field) or {}).items() if key not in ours}
    spec["volumes"] = [one for one in spec.get("volumes") or () if one["name"] != HELPER_VOLUME]
    del spec["containers"]
    spec.pop("initContainers", None)
    return pod


@with_pods
@given(airflow_pods(), INJECTORS, POLICIES, CLUSTERS)
def test_no_container_is_lost_or_doubled_and_the_others_keep_their_order(
    pod: JSONObject, injectors: list[Injector], policy: Policy, cluster: Cluster
) -> None:
    before = inject(pod, injectors)
    after = admitted(before, policy, cluster)[1]
    moved = set(names_in(before, "containers")) - set(names_in(after, "containers"))
    inits = [name for name in names_in(after, "initContainers") if name != HELPER_CONTAINER]

    assert sorted(names_in(before, "containers") + names_in(before, "initContainers")) == sorted(names_in(after, "containers") + inits)
    assert names_in(after, "containers") == [name for name in names_in(before, "containers") if name not in moved]
    assert users_of(after) == users_of(before)


@with_pods
@given(airflow_pods(), INJECTORS, POLICIES, CLUSTERS)
def test_nothing_changes_in_a_container_for_which_there_is_no_rule(
    pod: JSONObject, injectors: list[Injector], policy: Policy, cluster: Cluster
) -> None:
    before = inject(pod, injectors)
    after = admitted(before, policy, cluster)[1]
    moved = set(names_in(before, "containers")) - set(names_in(after, "containers"))
    now = by_name(after)

    for name, container in by_name(before).items():
        if name in moved:
            assert_moved(container, now[name])
        elif name == "base":
            assert unwrapped(now[name]) == unwrapped(container)
        else:
            assert now[name] == container


MOUNTER = {"name": "mounter", "image": "registry.example.com/fuse:1", "command": ["/mount"]}
"""A container that nobody knows."""


@with_pods
@given(airflow_pods(), INJECTORS, POLICIES, CLUSTERS)
def test_an_unknown_container_that_is_put_before_the_task_between_two_reviews_is_never_touched(
    pod: JSONObject, injectors: list[Injector], policy: Policy, cluster: Cluster
) -> None:
    before = copy.deepcopy(pod)
    by_name(before)["base"]["name"] = "worker"
    reviewed = admitted(before, policy, cluster)[1]
    reviewed["spec"]["containers"].insert(0, copy.deepcopy(MOUNTER))
    outcome, after = admitted(inject(reviewed, injectors), policy, cluster)

    assert by_name(after)["mounter"] == MOUNTER
    assert unwrapped(by_name(after)["worker"]) == unwrapped(by_name(before)["worker"])
    assert outcome.status is None or outcome.status.main in {"worker", None}
    assert admitted(after, policy, cluster)[0].operations == ()


def assert_moved(before: JSONObject, after: JSONObject) -> None:
    """Five fields may change, each in one direction."""
    edited = ("restartPolicy", "lifecycle", "startupProbe", "env", "resizePolicy")
    hooks, env = after.get("lifecycle") or {}, before.get("env") or []

    assert {key: value for key, value in after.items() if key not in edited} == {
        key: value for key, value in before.items() if key not in edited
    }
    assert after["restartPolicy"] == "Always"
    assert not hooks.get("postStart")
    assert hooks.get("stopSignal") == (before.get("lifecycle") or {}).get("stopSignal")
    assert before.get("startupProbe") in (None, after.get("startupProbe"))
    assert (after.get("env") or [])[: len(env)] == env
    assert after.get("resizePolicy") in (None, before.get("resizePolicy"))


def unwrapped(container: JSONObject) -> JSONObject:
    """The task's container with its own command and without the helper's mount; null counts as absent there."""
    mounts = [one for one in container.get("volumeMounts") or () if one["name"] != HELPER_VOLUME]
    return container | {"command": own_command(container.get("command")), "volumeMounts": mounts}


def by_name(pod: JSONObject) -> dict[str, JSONObject]:
    """All its containers."""
    return {one["name"]: one for field in ("containers", "initContainers") for one in pod["spec"].get(field) or ()}


def names_in(pod: JSONObject, field: str) -> list[str]:
    """Names of one list, in its order."""
    return [one["name"] for one in pod["spec"].get(field) or ()]


def users_of(pod: JSONObject) -> list[str]:
    """Names of the user's own init containers, in their order."""
    return [name for name in names_in(pod, "initContainers") if name in {"prepare", "migrate"}]


@with_pods
@given(airflow_pods(), INJECTORS, POLICIES, CLUSTERS)
def test_the_pod_is_valid_on_the_server_that_it_goes_to(
    pod: JSONObject, injectors: list[Injector], policy: Policy, cluster: Cluster
) -> None:
    before = inject(pod, injectors)
    minor = oldest_minor(cluster)
    after = admitted(before, policy, cluster)[1]

    assert set(validate(after, minor)) <= set(validate(before, minor))


@with_pods
@given(airflow_pods(), INJECTORS, POLICIES, CLUSTERS)
def test_a_native_sidecar_is_never_waited_for_or_sent_a_quit_request(
    pod: JSONObject, injectors: list[Injector], policy: Policy, cluster: Cluster
) -> None:
    after = admitted(inject(pod, injectors), policy, cluster)[1]
    command = original_and_ours(by_name(after)["base"].get("command") or [])
    requested = {command[place + 1] for place, word in enumerate(command) if word == "--sidecar"}

    assert requested <= set(names_in(after, "containers")) - {"base", "airflow-xcom-sidecar"}


def original_and_ours(command: list[str]) -> list[str]:
    """The options of our wrapper, without the user's own words; nothing for a command that is not wrapped."""
    if PREFIX not in command or own_command(command) == command:
        return []
    return command[command.index(PREFIX) + 1 : len(command) - len(own_command(command) or ())]


@thorough
@given(JSON | NEAR_JSON | airflow_pods(), CLUSTERS)
def test_any_json_whatever_as_a_pod_gets_a_valid_answer(pod: Any, cluster: Cluster) -> None:
    question = review_of(pod)
    request = parse_review(question)
    outcome = admit(request, WITH_HELPER, cluster)
    answer = render_review(request.uid, outcome.operations, outcome.warnings)

    if pod is None or isinstance(pod, dict):
        apply_reply(question, answer)
    else:
        assert outcome.operations == ()


@st.composite
def broken_pods(draw: st.DrawFn) -> JSONObject:
    """A pod of Airflow's with one place, of those that the rules read, replaced by anything."""
    pod: JSONObject = copy.deepcopy(draw(airflow_pods()))
    lists = [pod["spec"][field] for field in ("containers", "initContainers") if pod["spec"].get(field)]
    place = draw(st.sampled_from([one for containers in lists for one in containers]))
    value = draw(NEAR_JSON | st.sampled_from(("base", "logs", "vault-agent", "Always", [], [{}], [None])))
    place[draw(st.sampled_from(CONTAINER_FIELDS))] = value
    return pod


@with_pods
@given(broken_pods(), INJECTORS, CLUSTERS)
def test_a_pod_that_is_broken_in_one_place_gets_a_valid_answer(pod: JSONObject, injectors: list[Injector], cluster: Cluster) -> None:
    question = review_of(inject(pod, injectors))
    request = parse_review(question)
    outcome = admit(request, WITH_HELPER, cluster)

    apply_reply(question, render_review(request.uid, outcome.operations, outcome.warnings))


@with_pods
@given(airflow_pods() | broken_pods(), INJECTORS, CLUSTERS)
def test_an_audit_leaves_the_spec_of_any_pod_as_it_is_and_decides_as_without(
    pod: JSONObject, injectors: list[Injector], cluster: Cluster
) -> None:
    before = inject(pod, injectors)
    outcome, enforced = treat(before, AUDITING, cluster), treat(before, WITH_HELPER, cluster)
    after = outcome.patched(before)
    again = treat(after, AUDITING, cluster)

    assert json.dumps(after["spec"]) == json.dumps(before["spec"])
    assert without_ours(after) == without_ours(before)
    assert outcome.decision == enforced.decision
    assert (again.reason, again.operations) == (outcome.reason, ())
    assert treat(after, WITH_HELPER, cluster).patched(after)["spec"] == enforced.patched(before)["spec"]


def without_ours(pod: JSONObject) -> JSONObject:
    """The pod without the status and its label; null and absent maps count as empty ones."""
    metadata = dict(pod["metadata"])
    for field, key in (("annotations", STATUS_ANNOTATION), ("labels", TREATMENT_LABEL)):
        metadata[field] = {name: value for name, value in (metadata.get(field) or {}).items() if name != key}
    return {**pod, "metadata": metadata}


@thorough
@given(JSON | NEAR_JSON)
def test_any_json_whatever_that_is_no_review_is_refused_in_words(review: Any) -> None:
    with pytest.raises(MalformedReviewError, match=r"^the body is "):
        parse_review(msgspec.json.encode(review))


@thorough
@given(st.binary(max_size=200))
def test_any_bytes_whatever_are_refused_in_words(body: bytes) -> None:
    with pytest.raises(MalformedReviewError, match=r"^the body is "):
        parse_review(body)


@thorough
@given(IDS | st.text(st.characters(), max_size=300))
def test_a_name_of_any_length_and_alphabet_gives_a_valid_label(name: str) -> None:
    label = to_label_value(name)

    assert label
    assert is_label_value(label)
    assert to_label_value(label) == label


@thorough
@given(IDS, IDS)
def test_two_names_share_a_label_only_when_they_are_the_same(one: str, other: str) -> None:
    assert (to_label_value(one) == to_label_value(other)) == (one == other)
