"""The webhook before, after and between two injectors: in every order, called again or not, a pod is the same in the end.

The two others are SIMULATED (`simulated_injection.py` says what that cannot show). The order, the second calls, the validation and the
configurations that our webhook reads are the API server's own.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from demo.simulated_injectors import inject_vault
from testbed.api import ApiError
from tests.e2e.api_server.native_webhook import names, native_webhook, status_of
from tests.e2e.api_server.scripted_webhook import ScriptedWebhook
from tests.e2e.api_server.simulated_injection import (
    ISTIO,
    NEW_ISTIO,
    OLD_ISTIO,
    PROXY,
    VAULT,
    annotated_for_vault,
    configuration,
    injecting,
    injector_webhook,
)
from tests.e2e.api_server.submission import stored
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import is_patched_in, registered, task_pod
from tests.support.pods import load
from webhook.core.names import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.simulated_injectors import Injector
    from testbed.api import ApiClient
    from testbed.levels import Level
    from testbed.webhook import Webhook
    from tests.support.json_object import JSONObject


POLICIES: Final = ("Never", "IfNeeded")
ISTIOS: Final = {"new": NEW_ISTIO, "old": OLD_ISTIO}
SETUPS: Final = (("api_server", "Never"), ("api_server", "IfNeeded"), ("newest_api_server", "IfNeeded"))
"""The server, and the reinvocation policy of Istio's webhooks."""

INJECTORS: Final[dict[str, Injector]] = {**ISTIOS, "vault": inject_vault}
OWN: Final = "own"


class Order(NamedTuple):
    """Who is called in which place, which Istio it is, and whether Vault's injector wants to be called again."""

    places: tuple[str, ...]
    istio: str
    vault_policy: str

    @property
    def labels(self) -> dict[str, str]:
        """The namespace labels by which the three configurations find their pods."""
        place = {name: f"{position}" for position, name in enumerate(self.places)}
        return {OWN: place[OWN], "istio": f"{place['istio']}-{self.istio}", "vault": f"{place['vault']}-{self.vault_policy}"}

    def __str__(self) -> str:
        """As it stands in the name of a test."""
        return f"{'-'.join(self.places)}-{self.istio}-istio-vault-{self.vault_policy}"


ORDERS: Final = [
    Order(places, istio, policy) for places in itertools.permutations((OWN, "istio", "vault")) for istio in ISTIOS for policy in POLICIES
]

PODS: Final = {
    path: annotated_for_vault(load(path))
    for path in (
        "airflow-3.3.2-provider-10.25.0/ke_kerberos_sidecar_template.json",
        "airflow-3.3.2-provider-10.25.0/kpo_init_env_volumes.json",
        "airflow-3.3.2-provider-10.25.0/kpo_template_multi.json",
        "airflow-3.3.2-provider-10.25.0/kpo_xcom.json",
        "helm-chart/chart-1.19.0-kubernetes/pod-of-job-prod-create-user.json",
    )
}
"""Tasks with a sidecar of their own, with init containers, with both, with a result to read, and a job that is tried again."""


class Created(NamedTuple):
    """A pod as it is stored, and how often each injector has changed it until then."""

    pod: JSONObject
    effects: dict[str, int]


@dataclass(frozen=True, slots=True)
class Orders:
    """All orders at once: a namespace for each.

    Args:
        api: An admin's client.
        istio_policy: The reinvocation policy of Istio's webhooks.
        webhook: This project's.
        injectors: The servers of the others.
        namespaces: By order.
        created: What became of the pods that were created so far, see `Created`.

    """

    api: ApiClient
    istio_policy: str
    webhook: Webhook
    injectors: dict[str, ScriptedWebhook]
    namespaces: dict[Order, str]
    created: dict[tuple[str, Order], Created] = field(default_factory=dict)

    def treated(self, path: str, order: Order) -> JSONObject:
        """What becomes of one of the pods there."""
        return self.first(path, order).pod

    def first(self, path: str, order: Order) -> Created:
        """The creation of one of the pods there, once for all tests."""
        if (path, order) not in self.created:
            self.created[path, order] = self.create(PODS[path], order)
        return self.created[path, order]

    def create(self, pod: JSONObject, order: Order) -> Created:
        """Create a pod there. ApiError: it is refused."""
        before = {name: len(server.calls) for name, server in self.injectors.items()}
        treated = stored(self.api, pod, self.namespaces[order])
        effects = {
            name: sum(INJECTORS[name](call.pod) != call.pod for call in server.calls[before[name] :])
            for name, server in self.injectors.items()
            if name in {order.istio, "vault"}
        }
        return Created(treated, effects)

    def ends_again(self, path: str, order: Order) -> str:
        """What becomes of the pod that came of one of these, when it is created again."""
        pod = self.treated(path, order)
        try:
            return "as it was" if self.create(pod, order).pod == pod else "otherwise"
        except ApiError as error:
            return str(error)

    def is_called(self, name: str, place: int, _api: ApiClient) -> bool:
        """Whether this injector is called in this place."""
        order = next(order for order in self.namespaces if order.places[place] == "istio" and order.istio == name)
        before = len(self.injectors[name].calls)
        self.api.create(task_pod(self.namespaces[order]), dryRun="All")
        return len(self.injectors[name].calls) > before

    def keeps_proxy(self, order: Order) -> bool:
        """Whether Istio may add its proxy again to a pod in which it is a native sidecar."""
        return order.istio == "old" and self.istio_policy == "IfNeeded"


def injectors_in(place: int, injectors: dict[str, ScriptedWebhook], istio_policy: str) -> JSONObject:
    """The configuration of everybody who injects in this place."""
    istio = [injector_webhook(f"{name}.{ISTIO}", injectors[name], {"istio": f"{place}-{name}"}, istio_policy) for name in ISTIOS]
    vault = [injector_webhook(f"{one.lower()}.{VAULT}", injectors["vault"], {"vault": f"{place}-{one}"}, one) for one in POLICIES]
    return configuration(f"order-{place}-injectors", *istio, *vault)


@pytest.fixture(scope="module", params=SETUPS, ids="-istio-".join)
def orders(request: pytest.FixtureRequest) -> Iterator[Orders]:
    server, istio_policy = request.param
    level: Level = request.getfixturevalue(server)
    with ExitStack() as ends:
        injectors = {name: ends.enter_context(ScriptedWebhook(injecting(injector))) for name, injector in INJECTORS.items()}
        namespaces = {order: ends.enter_context(new_namespace(level.api, "order", **NOT_OPTED_IN, **order.labels)) for order in ORDERS}
        here = partial(Orders, level.api, istio_policy, injectors=injectors, namespaces=namespaces)
        for place in range(3):
            called = partial(here(level.webhook).is_called, "new", place)
            ends.enter_context(registered(level.api, injectors_in(place, injectors, istio_policy), called))
        webhook = ends.enter_context(native_webhook(level))
        for place in range(3):
            namespace = next(namespace for order, namespace in namespaces.items() if order.places[place] == OWN)
            selected: JSONObject = {"namespaceSelector": {"matchLabels": {OWN: f"{place}"}}}
            own = webhook.configuration(f"order-{place}-own", **selected)
            ends.enter_context(registered(level.api, own, partial(is_patched_in, namespace)))
        yield here(webhook)


def with_sorted(pod: JSONObject, lists: tuple[str, ...]) -> JSONObject:
    """A copy in which these lists of its spec stand by name."""
    ordered = {field: sorted(pod["spec"][field], key=lambda entry: str(entry["name"])) for field in lists}
    return {**pod, "spec": {**pod["spec"], **ordered}}


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("path", PODS)
def test_a_pod_has_the_same_result_in_every_order(orders: Orders, path: str, order: Order) -> None:
    end = orders.treated(path, order)
    injectors = [name for name in order.places if name != OWN]
    ours_last, injectors_turned = (Order((*two, OWN), order.istio, "Never") for two in (injectors, injectors[::-1]))

    # Each injector puts its own behind what is there: volumes, and an init container that we have no reason to move.
    own = ("volumes", "initContainers") if orders.keeps_proxy(order) else ("volumes",)

    assert end == orders.treated(path, ours_last)
    assert with_sorted(end, own) == with_sorted(orders.treated(path, injectors_turned), own)


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("path", PODS)
def test_its_sidecars_are_native_and_its_command_is_its_own_unless_istio_may_add_the_proxy_again(
    orders: Orders, path: str, order: Order
) -> None:
    pod = orders.treated(path, order)
    inits, regular = names(pod["spec"]["initContainers"]), names(pod["spec"]["containers"])
    status = status_of(pod)

    assert status["sidecars"]["vault-agent"] == "native"
    assert inits.index("vault-agent") == inits.index("vault-agent-init") + 1
    if orders.keeps_proxy(order):
        assert status["not_converted"] == {PROXY: "reinjection"}
        assert PROXY in regular
    else:
        assert (status["treatment"], status.get("not_converted")) == ("native", None)
        assert inits[:2] == ["istio-init", PROXY]
        commands = [container.get("command") for container in pod["spec"]["containers"]]
        sent = {container["name"]: container.get("command") for container in PODS[path]["spec"]["containers"]}
        assert commands == [sent[name] for name in regular]


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("path", PODS)
def test_whatever_is_done_to_it_is_done_once(orders: Orders, path: str, order: Order) -> None:
    pod, effects = orders.first(path, order)
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    sent = PODS[path]["spec"]
    users = names([*(sent.get("initContainers") or ()), *sent["containers"]])
    words = [word for container in containers for word in container.get("command") or ()]

    is_moved_by_istio = order.istio == "new" and orders.istio_policy == "IfNeeded" and order.places.index("istio") < order.places.index(OWN)
    assert effects == {order.istio: 1 + is_moved_by_istio, "vault": 1}
    assert sorted(names(containers)) == sorted([*users, "istio-init", PROXY, "vault-agent", "vault-agent-init"])
    assert words.count(PREFIX) == (status_of(pod)["treatment"] == "wrapped")


@pytest.mark.parametrize("order", [order for order in ORDERS if order.istio == "new"], ids=str)
@pytest.mark.parametrize("path", PODS)
def test_the_pod_that_comes_of_it_is_accepted_again_as_it_is_with_all_of_them_in_place(orders: Orders, path: str, order: Order) -> None:
    pod = orders.treated(path, order)

    assert orders.create(pod, order) == Created(pod, {order.istio: 0, "vault": 0})


def test_so_is_every_one_of_them_beside_an_old_istio(orders: Orders) -> None:
    """Called once for each creation, such an Istio is called again for the next, and searches for its proxy in one list only."""
    cases = [(path, order) for path in PODS for order in ORDERS if order.istio == "old"]
    ends = {f"{path} {order}": orders.ends_again(path, order) for path, order in cases}

    assert {case: end for case, end in ends.items() if end != "as it was"} == {}


def test_our_webhook_has_had_no_fault(orders: Orders) -> None:
    assert {line["level"] for line in orders.webhook.log} == {"info"}
