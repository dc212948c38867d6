"""Every pod of the fixtures through a real API server with a real webhook that watches it and uses native sidecars.

The injections are SIMULATED (`demo/simulated_injectors.py`): they show what the API server makes of our conversion of such pods, not that
an injector of some version leaves them so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_istio_with_hold, inject_linkerd, inject_vault
from tests.e2e.api_server.native_webhook import names, native_webhook, status_of, supports, treated_by
from tests.e2e.api_server.submission import stored
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.support.expectations import NOT_AIRFLOW, NOT_IN_MESH, expected
from tests.support.pods import admitted, pods_in
from webhook.core.cluster import Cluster, NativeSupport
from webhook.core.version import read_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from demo.simulated_injectors import Injector
    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


ALL: Final = dict(pods_in(""))
NATIVE: Final = "native sidecars-native"


class NativeNamespaces(NamedTuple):
    """One that opted in, and one that did not; the cluster they are in, as far as decisions go."""

    api: ApiClient
    opted_in: str
    bystander: str
    cluster: Cluster


@pytest.fixture(scope="module", params=["api_server", "newest_api_server"])
def namespaces(request: pytest.FixtureRequest) -> Iterator[NativeNamespaces]:
    level: Level = request.getfixturevalue(request.param)
    version = read_version(level.api.get("/version")["gitVersion"])
    with (
        native_webhook(level) as webhook,
        treated_by(webhook, level.api) as opted_in,
        new_namespace(level.api, "bystander", **NOT_OPTED_IN) as bystander,
    ):
        assert supports(webhook) == [NativeSupport.READY]
        yield NativeNamespaces(level.api, opted_in, bystander, Cluster(NativeSupport.READY, version, frozenset(), frozenset()))


def with_annotation(pod: JSONObject, name: str, value: str) -> JSONObject:
    """A copy with one annotation more."""
    metadata = pod["metadata"]
    return {**pod, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), name: value}}}


def vault(pod: JSONObject) -> JSONObject:
    """With HashiCorp's agent and the annotation for it."""
    return inject_vault(with_annotation(pod, "vault.hashicorp.com/agent-inject", "true"))


def linkerd(pod: JSONObject) -> JSONObject:
    """With Linkerd's proxy and the annotation for it."""
    return inject_linkerd(with_annotation(pod, "linkerd.io/inject", "enabled"))


def as_created(path: str) -> str:
    """What is said of a pod of the fixtures without an injection: its own sidecars become native, and are not left any more."""
    said = expected(path)[0]
    return NATIVE if said.startswith("left") else said


def beside_istio(path: str) -> str:
    """What is said of it after Istio."""
    said = expected(path)[1]
    return said if said.startswith("skipped") else NATIVE


def beside_another(path: str) -> str:
    """What is said of it after an injector to which a word against Istio's means nothing."""
    return "skipped not-airflow" if expected(path) == NOT_AIRFLOW else NATIVE


def beside_linkerd(path: str) -> str:
    """The same of Linkerd; on the host's network the API server makes the proxy's ports ones of the host, and so it stays."""
    return "left host-network" if ALL[path]["spec"].get("hostNetwork") else beside_another(path)


INJECTIONS: Final[dict[str, tuple[Injector, Callable[[str], str]]]] = {
    "as created": (lambda pod: pod, as_created),
    "simulated Istio": (inject_istio, beside_istio),
    "simulated Istio with hold": (inject_istio_with_hold, beside_istio),
    "simulated native Istio": (inject_istio_native, beside_istio),
    "simulated Vault": (vault, beside_another),
    "simulated Linkerd": (linkerd, beside_linkerd),
    "simulated Vault, then Istio": (lambda pod: inject_istio(vault(pod)), beside_another),
    "simulated Istio, then Vault": (lambda pod: vault(inject_istio(pod)), beside_another),
}
"""What is done to a pod before it is created, and what its status says then."""

PROXIES: Final = {"istio-proxy", "linkerd-proxy", "vault-agent"}


def treatment_of(pod: JSONObject) -> str:
    """The treatment and the reason in a pod's status; one that was skipped carries none."""
    status = status_of(pod)
    return f"{status['treatment']} {status['reason']}" if status else "skipped"


@pytest.mark.parametrize("injection", INJECTIONS)
@pytest.mark.parametrize("path", ALL)
def test_a_pod_is_accepted_becomes_what_was_decided_and_stays_so_when_it_is_created_again(
    namespaces: NativeNamespaces, path: str, injection: str, policy: Policy
) -> None:
    inject, expectation = INJECTIONS[injection]
    untouched = stored(namespaces.api, inject(ALL[path]), namespaces.bystander)
    treated = stored(namespaces.api, inject(ALL[path]), namespaces.opted_in)
    decided = admitted(untouched, policy, namespaces.cluster)[1]
    said = expectation(path)

    # What was decided is sent once more where no webhook sees it: the API server itself completes the fields that we have added.
    assert treated == stored(namespaces.api, decided, namespaces.bystander)
    assert said.startswith("skipped") if treatment_of(treated) == "skipped" else treatment_of(treated) == said
    assert stored(namespaces.api, treated, namespaces.opted_in) == treated
    if said == NATIVE:
        prove_native(untouched, treated)


def prove_native(untouched: JSONObject, treated: JSONObject) -> None:
    """That every proxy and agent is a native sidecar, no container is lost or doubled, and the others are as they were."""
    before, after = untouched["spec"], treated["spec"]
    inits = {container["name"]: container for container in after.get("initContainers") or ()}
    regular = [container for container in before["containers"] if container["name"] in names(after["containers"])]

    assert after["containers"] == regular
    assert PROXIES.isdisjoint(names(regular))
    everybody = sorted([*inits, *names(after["containers"])])
    assert everybody == sorted([*names(before.get("initContainers")), *names(before["containers"])])
    moved = [name for name in names(before["containers"]) if name in inits]
    assert {inits[name]["restartPolicy"] for name in moved} <= {"Always"}
    for container in before.get("initContainers") or ():
        assert inits[container["name"]] == container


@pytest.mark.parametrize("path", [path for path in ALL if expected(path) not in {NOT_AIRFLOW, NOT_IN_MESH}])
def test_istios_proxy_gets_the_place_that_its_own_injector_gives_it(namespaces: NativeNamespaces, path: str) -> None:
    converted = stored(namespaces.api, inject_istio(ALL[path]), namespaces.opted_in)["spec"]
    own = stored(namespaces.api, inject_istio_native(ALL[path]), namespaces.opted_in)["spec"]

    assert converted == own
    assert names(converted["initContainers"])[:2] == ["istio-init", "istio-proxy"]
