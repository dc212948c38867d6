"""A conversion never raises the requests or limits of a pod as a whole, and takes the earliest places that do not."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.simulated_injectors import inject_istio, inject_vault
from tests.support.oracles.aggregate import aggregate
from tests.support.pods import ABLE_CLUSTER, admitted, container
from tests.support.search import examples
from tests.support.task_pods import CLOUD_SQL, FLUENT_BIT, after_conversion, inits_of, status_of, task_pod
from webhook.core.admission import treat
from webhook.core.aggregate import MAX_RESOURCES, Aggregate, amounts_of, has_amounts
from webhook.core.pod import Container, read_pod
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

POLICY: Final = build_policy(Settings())
USUAL: Final = ["istio-init", "istio-proxy", "logs", "fetch"]
MESH_FIRST: Final = ["istio-init", "istio-proxy", "fetch", "logs"]
LAST: Final = ["fetch", "istio-init", "istio-proxy", "logs"]
"""Orders of `meshed`'s init containers."""


def requesting(cpu: object, limit: object = None) -> JSONObject:
    """Resources with this request and limit of CPU."""
    return {"requests": {"cpu": cpu}} | ({"limits": {"cpu": limit}} if limit is not None else {})


def one_of(pod: JSONObject, name: str) -> JSONObject:
    """The container of this name, in whichever list it is."""
    found: JSONObject = next(one for one in (*pod["spec"]["containers"], *pod["spec"]["initContainers"]) if one["name"] == name)
    return found


def meshed(**resources: Any) -> JSONObject:
    """A task with Istio's proxy, a log shipper and an init container ``fetch``; ``resources`` by container, with _ for -."""
    pod = inject_istio(task_pod(FLUENT_BIT, inits=({"name": "fetch", "image": "busybox"},)))
    for name, amounts in resources.items():
        one_of(pod, name.replace("_", "-"))["resources"] = amounts
    return pod


ISTIO: Final = {"istio_init": requesting("10m", "2000m"), "istio_proxy": requesting("100m", "2000m")}

ORDERS: Final[dict[str, tuple[JSONObject, list[str]]]] = {
    "istio's usual pod keeps the order that istio gives it": (meshed(**ISTIO, base=requesting(1)), USUAL),
    "so does one whose task has no requests": (meshed(**ISTIO), USUAL),
    "an empty object is no request": (meshed(**ISTIO, fetch={}, logs=requesting(1)), USUAL),
    "a null is none": (meshed(**ISTIO, fetch={"requests": None, "limits": None}, logs=requesting(1)), USUAL),
    "what the task has is free while an init container runs": (
        meshed(base=requesting(1), istio_proxy=requesting("0.5"), fetch=requesting("1000m")),
        USUAL,
    ),
    "one billionth too much is too much": (
        meshed(base=requesting(1), istio_proxy=requesting("0.5"), fetch=requesting("1000000001n")),
        LAST,
    ),
    "each sidecar counts": (
        meshed(base=requesting("100m"), istio_proxy=requesting(1), logs=requesting(1), fetch=requesting("101m")),
        MESH_FIRST,
    ),
    "a log shipper that raises the aggregate leaves the proxy its place": (
        meshed(base=requesting(1), logs=requesting("500m"), fetch=requesting("1200m")),
        MESH_FIRST,
    ),
    "a sidecar without requests raises nothing": (meshed(base=requesting(1), fetch=requesting(2)), USUAL),
    "another resource is another sum": (meshed(base=requesting(1), logs=requesting(1), fetch={"requests": {"memory": "1Gi"}}), USUAL),
    "a limit raises the aggregate as a request does": (
        meshed(base=requesting(1, 1), istio_proxy=requesting(0, 1), fetch=requesting(0, "1.5")),
        LAST,
    ),
    "a limit alone is the request": (
        meshed(base=requesting(1, 3), istio_proxy=requesting("0.5", "0.5"), fetch={"limits": {"cpu": 2}}),
        LAST,
    ),
    "a request below its limit counts as it is": (
        meshed(base=requesting(1, 3), istio_proxy=requesting("0.5", "0.5"), fetch=requesting(1, 2)),
        USUAL,
    ),
    "istio-init runs before the proxy": (meshed(istio_init=requesting(5), istio_proxy=requesting(1)), USUAL),
}


@pytest.mark.parametrize(("pod", "order"), ORDERS.values(), ids=ORDERS)
def test_the_places_are_the_earliest_that_raise_nothing(pod: JSONObject, order: list[str]) -> None:
    after = admitted(pod, POLICY, ABLE_CLUSTER)[1]

    assert inits_of(after) == order
    assert status_of(after)["treatment"] == "native"


@pytest.mark.parametrize("resources", [requesting("much"), requesting(True), {"requests": []}, {"limits": {"cpu": {}}}], ids=str)
def test_a_sidecar_starts_last_beside_an_amount_that_cannot_be_read(resources: JSONObject) -> None:
    """The API server refuses such a pod by itself."""
    pod = meshed(fetch=resources)

    assert inits_of(treat(pod, POLICY, ABLE_CLUSTER).patched(pod)) == LAST


@pytest.mark.parametrize(("number", "order"), [(MAX_RESOURCES, USUAL), (MAX_RESOURCES + 1, LAST)])
def test_a_sidecar_starts_last_beside_more_resources_than_any_container_has(number: int, order: list[str]) -> None:
    pod = meshed(fetch={"requests": {f"example.com/device-{place}": 1 for place in range(number)}})

    assert inits_of(treat(pod, POLICY, ABLE_CLUSTER).patched(pod)) == order


def test_a_native_sidecar_of_the_users_own_counts_before_and_after(policy: Policy) -> None:
    cache = {"name": "cache", "image": "redis", "restartPolicy": "Always", "resources": requesting(1)}
    fetch = {"name": "fetch", "image": "busybox", "resources": requesting(2)}
    logs = {**FLUENT_BIT, "resources": requesting("500m")}
    raised, fitting = (task_pod(logs, inits=(cache, fetch)) for _ in range(2))
    container(raised, "base")["resources"] = requesting("1400m")
    container(fitting, "base")["resources"] = requesting("2")

    assert inits_of(after_conversion(raised, policy)) == ["cache", "fetch", "logs"]
    assert inits_of(after_conversion(fitting, policy)) == ["logs", "cache", "fetch"]


def test_a_regular_container_that_is_removed_counts_no_more(policy: Policy) -> None:
    """An injector has added its container again; the pod with both would be refused."""
    again = {**CLOUD_SQL, "resources": requesting(1)}
    fetch = {"name": "fetch", "image": "busybox", "resources": requesting(1)}
    pod = task_pod(again, {**FLUENT_BIT, "resources": requesting("100m")}, inits=(fetch, {**again, "restartPolicy": "Always"}))

    assert inits_of(after_conversion(pod, policy)) == ["logs", "fetch", "database"]
    pod["spec"]["initContainers"][0]["resources"] = requesting("1001m")
    assert inits_of(after_conversion(pod, policy)) == ["fetch", "logs", "database"]


def test_an_init_container_without_amounts_that_comes_later_changes_no_order(policy: Policy) -> None:
    """An injector that is called after the webhook appends its own; no amount is in it, so it could as well have come first."""
    fetch = {"name": "fetch", "image": "busybox", "resources": requesting(2)}
    pod = task_pod({**FLUENT_BIT, "resources": requesting(1)}, inits=(fetch,))
    container(pod, "base")["resources"] = requesting(1)
    pod["metadata"]["annotations"] |= {"vault.hashicorp.com/agent-inject": "true"}

    before = after_conversion(inject_vault(pod), policy)
    after = after_conversion(inject_vault(after_conversion(pod, policy)), policy)

    assert inits_of(before) == inits_of(after) == ["fetch", "logs", "vault-agent-init", "vault-agent"]


def test_an_agents_init_container_that_the_mesh_cuts_off_is_reported_if_the_proxy_starts_behind_it(policy: Policy) -> None:
    marks = {"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-pre-populate-only": "true"}
    pod = inject_istio(task_pod())
    pod["metadata"]["annotations"] |= marks
    pod["spec"]["initContainers"].append({"name": "vault-agent-init", "image": "hashicorp/vault", "resources": requesting("250m")})
    container(pod, "istio-proxy")["resources"] = requesting("100m")
    behind, after = admitted(pod, policy, ABLE_CLUSTER)
    container(pod, "base")["resources"] = requesting("250m")
    before, fitting = admitted(pod, policy, ABLE_CLUSTER)

    assert inits_of(after) == ["istio-init", "vault-agent-init", "istio-proxy"]
    assert inits_of(fitting) == ["istio-init", "istio-proxy", "vault-agent-init"]
    assert any("vault-agent-init needs the network" in warning for warning in behind.warnings)
    assert not any("vault-agent-init needs the network" in warning for warning in before.warnings)


def resourced(resources: Any) -> Container:
    """A container with these resources; None: it has no such field."""
    pod = task_pod()
    if resources is not None:
        pod["spec"]["containers"][0]["resources"] = resources
    return read_pod(pod).spec.containers[0]


@pytest.mark.parametrize("resources", [None, {}])
def test_a_container_without_resources_has_no_amounts(resources: JSONObject | None) -> None:
    """The API server writes an empty object."""
    assert not has_amounts(resourced(resources))
    assert amounts_of(resourced(resources)) == {}


def test_a_limit_without_a_request_is_the_request_and_a_request_stays_what_it_is() -> None:
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "1Ki"}}

    assert has_amounts(resourced(resources))
    assert amounts_of(resourced(resources)) == {
        ("requests", "cpu"): 10**8,
        ("requests", "memory"): 1024 * 10**9,
        ("limits", "cpu"): 10**9,
        ("limits", "memory"): 1024 * 10**9,
    }


@pytest.mark.parametrize(
    "resources", [{"requests": []}, {"limits": "1"}, {"limits": {f"example.com/{n}": 1 for n in range(MAX_RESOURCES + 1)}}]
)
def test_amounts_that_are_no_mapping_or_more_than_any_container_has_are_refused(resources: JSONObject) -> None:
    with pytest.raises(ValueError, match=r"^requests or limits are no mapping, or a large one$"):
        amounts_of(resourced(resources))


def added_up(*regular: JSONObject, inits: Sequence[JSONObject] = (), native: Sequence[str] = ()) -> dict[tuple[str, str], int]:
    """The aggregate of these containers in whole units."""
    pod = read_pod({"metadata": {}, "spec": {"containers": list(regular), "initContainers": list(inits)}})
    amounts = Aggregate(pod.spec.containers, pod.init_containers, frozenset(native)).amounts
    return {what: amount // 10**9 for what, amount in amounts.items() if amount}


def sized(name: str, cpu: int) -> JSONObject:
    """A container that requests so many cores."""
    return {"name": name, "image": "busybox", "resources": requesting(cpu)}


CPU: Final = ("requests", "cpu")


def test_regular_containers_are_added_up() -> None:
    assert added_up(sized("base", 2), sized("logs", 3)) == {CPU: 5}


def test_of_init_containers_the_largest_counts_if_it_is_larger_than_the_sum_of_the_regular_ones() -> None:
    assert added_up(sized("base", 2), inits=[sized("one", 7), sized("two", 6)]) == {CPU: 7}
    assert added_up(sized("base", 8), inits=[sized("one", 7), sized("two", 6)]) == {CPU: 8}


def test_a_native_sidecar_counts_beside_the_regular_containers_and_beside_the_init_containers_behind_it() -> None:
    assert added_up(sized("base", 2), inits=[sized("one", 3), sized("cache", 5)], native=["cache"]) == {CPU: 7}
    assert added_up(sized("base", 2), inits=[sized("cache", 5), sized("one", 3)], native=["cache"]) == {CPU: 8}


def test_native_sidecars_before_an_init_container_are_added_up() -> None:
    inits = [sized("cache", 5), sized("proxy", 4), sized("one", 3)]

    assert added_up(sized("base", 2), inits=inits, native=["cache", "proxy"]) == {CPU: 12}


@pytest.mark.parametrize(("one", "is_raised"), [(2, False), (3, True)])
def test_an_order_raises_the_aggregate_if_an_init_container_has_more_with_those_before_it(one: int, is_raised: bool) -> None:
    pod = read_pod({"metadata": {}, "spec": {"containers": [sized("base", 2), sized("logs", 5)], "initContainers": [sized("one", one)]}})
    aggregate_of_pod = Aggregate(pod.spec.containers, pod.init_containers, frozenset())

    assert aggregate_of_pod.is_raised(["logs", "one"], {"logs"}) is is_raised
    assert not aggregate_of_pod.is_raised(["one", "logs"], {"logs"})


AMOUNTS: Final = ("0", "100m", "0.25", "1", "1500m", "2Gi")
"""From the smallest to the largest."""


@st.composite
def resources(draw: st.DrawFn) -> JSONObject:
    """Requests and limits of two resources, each set or not; no request is above its limit."""
    drawn: JSONObject = {"requests": {}, "limits": {}}
    for name in ("cpu", "memory"):
        request, limit = sorted(draw(st.tuples(*(st.integers(0, len(AMOUNTS) - 1),) * 2)))
        drawn["requests"] |= {name: AMOUNTS[request]} if draw(st.booleans()) else {}
        drawn["limits"] |= {name: AMOUNTS[limit]} if draw(st.booleans()) else {}
    return drawn


@st.composite
def pods(draw: st.DrawFn) -> JSONObject:
    """A task's pod with sidecars that become native, init containers and native sidecars, in any order and with any resources."""
    cache: JSONObject = {"name": "cache", "image": "redis", "restartPolicy": "Always"}
    inits = draw(st.permutations([cache, *({"name": name, "image": "busybox"} for name in ("one", "two"))]))
    pod = task_pod(*draw(st.sets(st.sampled_from(("logs", "database"))).map(sidecars_of)), inits=tuple(inits))
    if draw(st.booleans()):
        pod = inject_istio(pod)
    if draw(st.booleans()):
        pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] = "true"
        pod = inject_vault(pod)
    for one in (*pod["spec"]["containers"], *pod["spec"]["initContainers"]):
        one["resources"] = draw(resources())
    return pod


def sidecars_of(names: set[str]) -> list[JSONObject]:
    """These sidecars."""
    return [one for one in (FLUENT_BIT, CLOUD_SQL) if one["name"] in names]


@settings(max_examples=examples(25))
@given(pods())
def test_no_conversion_raises_the_requests_or_limits_of_a_pod(pod: JSONObject) -> None:
    after = admitted(copy.deepcopy(pod), POLICY, ABLE_CLUSTER)[1]

    assert len(after["spec"]["containers"]) == 1
    for kind in ("requests", "limits"):
        before = aggregate(pod, kind)
        assert {name: amount for name, amount in aggregate(after, kind).items() if amount > before[name]} == {}


@settings(max_examples=examples(20))
@given(pods())
def test_a_pod_is_added_up_as_the_api_server_does_it(pod: JSONObject) -> None:
    read = read_pod(pod)
    native = {one.name for one in read.init_containers if one.is_native_sidecar}
    found = Aggregate(read.spec.containers, read.init_containers, native).amounts
    wanted = {(kind, name): int(amount * 10**9) for kind in ("requests", "limits") for name, amount in aggregate(pod, kind).items()}

    assert dict(found) == wanted
