"""A conversion takes the earliest places at which it does not raise the requests or limits of the pod as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec.structs import replace

from demo.simulated_injectors import inject_istio, inject_vault
from tests.support.oracles.aggregate import aggregate
from tests.support.pods import ABLE_CLUSTER, admitted, container
from tests.support.task_pods import CLOUD_SQL, FLUENT_BIT, after_conversion, inits_of, status_of, task_pod
from webhook.core.admission import treat
from webhook.core.aggregate import MAX_RESOURCES
from webhook.core.reasons import NotConvertedReason
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
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


def test_what_starts_before_all_sidecars_is_not_read() -> None:
    """Wherever the sidecars stand behind it, its own amounts raise nothing."""
    pod = meshed(istio_init={"requests": []})

    assert inits_of(treat(pod, POLICY, ABLE_CLUSTER).patched(pod)) == USUAL


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


@pytest.mark.parametrize("is_called_first", [True, False])
def test_an_injector_is_not_asked_to_put_its_sidecar_in_front_of_an_init_container_that_is_larger_than_the_task(
    policy: Policy, *, is_called_first: bool
) -> None:
    """Istio puts a proxy that it renders natively in front of all of the user's init containers, so both would have their amounts at once."""
    fetch = {"name": "fetch", "image": "busybox", "resources": requesting(2)}
    pods = {cpu: task_pod(inits=(fetch,), labels={"sidecar.istio.io/inject": "true"}) for cpu in (1, 2)}
    placed = {}
    for cpu, pod in pods.items():
        container(pod, "base")["resources"] = requesting(cpu)
        injected = inject_istio(admitted(pod, policy, ABLE_CLUSTER)[1] if is_called_first else pod)
        one_of(injected, "istio-proxy")["resources"] = requesting("100m")
        after = after_conversion(injected, policy)
        placed[cpu] = inits_of(after)
        fits = aggregate(after, "requests")["cpu"] <= aggregate(regularly_injected(pod), "requests")["cpu"]
        assert fits, f"with {cpu} CPUs for the task"

    assert placed == {1: ["fetch", "istio-init", "istio-proxy"], 2: ["istio-init", "istio-proxy", "fetch"]}


@pytest.mark.parametrize(
    ("init", "is_asked"),
    [
        ({"name": "fetch"}, False),
        ({"name": "fetch", "restartPolicy": "Always"}, True),
        ({"name": "istio-validation"}, True),
    ],
    ids=["the user's own", "a native sidecar", "an injector's own"],
)
def test_of_init_containers_that_are_larger_than_the_task_the_users_plain_ones_count(
    init: dict[str, str], is_asked: bool, policy: Policy
) -> None:
    """What the sidecars have beside the task makes no room for one."""
    large = {**init, "image": "busybox", "resources": requesting(2)}
    pod = task_pod({**FLUENT_BIT, "resources": requesting(4)}, inits=(large,), labels={"sidecar.istio.io/inject": "true"})
    container(pod, "base")["resources"] = requesting(1)

    assert ("sidecar.istio.io/nativeSidecar" in admitted(pod, policy, ABLE_CLUSTER)[1]["metadata"]["annotations"]) is is_asked


def test_where_istio_may_then_be_called_again_and_shows_no_version_its_proxy_stays_regular_and_the_task_is_wrapped(policy: Policy) -> None:
    fetch = {"name": "fetch", "image": "busybox", "resources": requesting(2)}
    pod = task_pod(inits=(fetch,), labels={"sidecar.istio.io/inject": "true"})
    cluster = replace(ABLE_CLUSTER, injectors=frozenset({"istio"}), reinvoked=frozenset({"istio"}))
    first = admitted(pod, policy, cluster)[1]
    outcome, after = admitted(inject_istio(first), policy, cluster)

    assert "sidecar.istio.io/nativeSidecar" not in first["metadata"]["annotations"]
    assert outcome.result == "wrapped"
    assert status_of(after)["not_converted"] == {"istio-proxy": NotConvertedReason.REINJECTION}


def regularly_injected(pod: JSONObject) -> JSONObject:
    """The pod with Istio's regular proxy, as without the webhook."""
    injected = inject_istio(pod)
    one_of(injected, "istio-proxy")["resources"] = requesting("100m")
    return injected
