"""Pods whose containers kubexit starts and ends in turn: the webhook leaves them what kubexit looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from demo.simulated_injectors import inject_istio, inject_linkerd
from tests.support.pods import admitted, container
from tests.support.task_pods import (
    CLOUD_SQL,
    FLUENT_BIT,
    after_conversion,
    inits_of,
    native,
    not_converted,
    regular_of,
    status_of,
    task_pod,
)
from webhook.core.reasons import NotConvertedReason

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

ENDED: Final = [{"name": "KUBEXIT_NAME", "value": "database"}, {"name": "KUBEXIT_DEATH_DEPS", "value": "base"}]


def awaiting(pod: JSONObject, *names: str) -> JSONObject:
    """This pod with a kubexit that awaits these containers before it starts the task."""
    container(pod, "base")["command"] = ["kubexit", "psql"]
    container(pod, "base")["env"] = [{"name": "KUBEXIT_NAME", "value": "base"}, {"name": "KUBEXIT_BIRTH_DEPS", "value": ",".join(names)}]
    return pod


def test_a_sidecar_that_kubexit_ends_stays_as_it_is_and_gets_no_request(policy: Policy) -> None:
    sidecar = {**CLOUD_SQL, "env": ENDED}
    pod = awaiting(task_pod(sidecar), "database")
    for after in (after_conversion(pod, policy), admitted(pod, policy)[1]):
        assert status_of(after)["sidecars"] == {"database": "ends-by-itself"}
        assert container(after, "base")["command"] == ["kubexit", "psql"]
    assert not_converted(pod, policy) == {"database": NotConvertedReason.KUBEXIT}
    assert not_converted(task_pod(sidecar), policy) == {"database": NotConvertedReason.KUBEXIT}


def test_a_sidecar_that_kubexit_awaits_and_does_not_end_gets_its_quit_request(policy: Policy) -> None:
    after = after_conversion(awaiting(task_pod(CLOUD_SQL), "database"), policy)

    assert status_of(after)["sidecars"] == {"database": "quit"}
    assert container(after, "base")["command"][-2:] == ["kubexit", "psql"]


def test_others_in_the_pod_become_native(policy: Policy) -> None:
    after = after_conversion(awaiting(task_pod({**CLOUD_SQL, "env": ENDED}, FLUENT_BIT), "database"), policy)

    assert native(after, "logs")
    assert regular_of(after) == ["base", "database"]


def test_no_mesh_proxy_that_kubexit_awaits_is_native(policy: Policy) -> None:
    pod = awaiting(task_pod(annotations={"linkerd.io/inject": "enabled"}), "linkerd-proxy", "istio-proxy")
    for inject in (inject_linkerd, inject_istio):
        after = after_conversion(inject(after_conversion(pod, policy)), policy)
        assert not {"linkerd-proxy", "istio-proxy"}.intersection(inits_of(after))
        assert set(status_of(after)["sidecars"].values()) == {"quit"}
