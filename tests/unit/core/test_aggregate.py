"""How the requests and limits of a pod are added up, and that no conversion raises them. Which places it takes: test_conversion_requests.py."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.simulated_injectors import inject_istio, inject_vault
from tests.support.oracles.aggregate import aggregate
from tests.support.pods import ABLE_CLUSTER, admitted
from tests.support.search import examples
from tests.support.task_pods import CLOUD_SQL, FLUENT_BIT, task_pod
from webhook.core.aggregate import MAX_RESOURCES, Aggregate, amounts_of, exceeds, has_amounts
from webhook.core.pod import Container, read_pod
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.json_object import JSONObject

POLICY: Final = build_policy(Settings())


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


def sized(name: str, cpu: int | str) -> JSONObject:
    """A container that requests so many cores."""
    return {"name": name, "image": "busybox", "resources": {"requests": {"cpu": cpu}}}


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


@pytest.mark.parametrize(("cores", "is_more"), [(2, False), (3, False), (4, True), ("much", True)])
def test_an_init_container_that_has_more_than_the_regular_containers_together_exceeds_them(cores: int | str, is_more: bool) -> None:
    pod = read_pod({"metadata": {}, "spec": {"containers": [sized("base", 2), sized("logs", 1)], "initContainers": [sized("one", cores)]}})

    assert exceeds(pod.init_containers[0], pod.spec.containers) is is_more
