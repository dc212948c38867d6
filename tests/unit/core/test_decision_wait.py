"""For which sidecars the task waits: for none that may start only after the task, since both would wait for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_with_hold
from tests.support.pods import admitted, container, load
from tests.support.simulated_kubelet import Wrapper, environment_of, find_wrapper
from webhook.core.admission import treat
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.decision import Mutate

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

HOOK = {"postStart": {"exec": {"command": ["sh", "-c", "until curl -s localhost:8080/started; do sleep 1; done"]}}}
HELPER = {"name": "helper", "image": "registry.example.com/helper:1"}


def task_pod(inject: Any = inject_istio, **of_the_task: Any) -> JSONObject:
    """An executor's pod with Istio's sidecar, and these fields in its task."""
    pod: JSONObject = inject(load("airflow-3.3.2-provider-10.25.0/ke_minimal_template.json"))
    container(pod, "base").update(of_the_task)
    return pod


def wrapper_of(pod: JSONObject, policy: Policy) -> Wrapper:
    """The wrapper of the task after a review."""
    base = container(admitted(pod, policy, UNKNOWN_CLUSTER)[1], "base")
    wrapper = find_wrapper([*base["command"], *(base.get("args") or ())])
    assert wrapper is not None
    return wrapper


def test_a_task_waits_for_a_proxy_that_starts_after_it(policy: Policy) -> None:
    assert wrapper_of(task_pod(), policy).waited_for == {"istio-proxy"}


def test_a_task_with_a_hook_does_not_wait_for_a_proxy_that_starts_only_after_the_hook_and_ends_it_all_the_same(policy: Policy) -> None:
    wrapper = wrapper_of(task_pod(lifecycle=HOOK), policy)

    assert wrapper.waited_for == set()
    assert wrapper.requested == {"istio-proxy"}


def test_the_wrapper_of_such_a_task_has_the_proxys_quit_request_alone(policy: Policy) -> None:
    decision = treat(task_pod(lifecycle=HOOK), policy, UNKNOWN_CLUSTER).decision

    assert isinstance(decision, Mutate)
    assert decision.wrap is not None
    assert [(one.ready, one.alive, one.quit is not None) for one in decision.wrap.sidecars] == [(None, None, True)]


def test_a_task_with_a_hook_waits_for_a_proxy_that_starts_before_it(policy: Policy) -> None:
    assert wrapper_of(task_pod(inject_istio_with_hold, lifecycle=HOOK), policy).waited_for == {"istio-proxy"}


@pytest.mark.parametrize("lifecycle", [{}, None, {"postStart": None}, {"preStop": HOOK["postStart"]}], ids=str)
def test_a_task_without_a_postStart_hook_waits(lifecycle: Any, policy: Policy) -> None:  # noqa: N802
    assert wrapper_of(task_pod(lifecycle=lifecycle), policy).waited_for == {"istio-proxy"}


def test_the_hook_of_an_unknown_container_between_task_and_proxy_may_wait_for_the_task_too(policy: Policy) -> None:
    pod = task_pod()
    pod["spec"]["containers"].insert(1, HELPER | {"lifecycle": HOOK})

    assert wrapper_of(pod, policy).waited_for == set()


@pytest.mark.parametrize("place", [0, 2], ids=["before the task", "after the proxy"])
def test_the_hook_of_an_unknown_container_elsewhere_holds_up_no_proxy_behind_the_task(place: int, policy: Policy) -> None:
    pod = task_pod()
    pod["spec"]["containers"].insert(place, HELPER | {"lifecycle": HOOK})

    assert wrapper_of(pod, policy).waited_for == {"istio-proxy"}


def test_the_hook_of_a_known_sidecar_waits_for_that_sidecar(policy: Policy) -> None:
    pod = task_pod()
    pod["spec"]["containers"].insert(1, {"name": "logs", "image": "fluent/fluent-bit:4.0.0", "lifecycle": HOOK})

    assert wrapper_of(pod, policy).waited_for == {"istio-proxy"}


def test_a_second_review_changes_nothing(policy: Policy) -> None:
    once = admitted(task_pod(lifecycle=HOOK), policy, UNKNOWN_CLUSTER)[1]

    assert treat(once, policy, UNKNOWN_CLUSTER).operations == ()
    assert environment_of(container(once, "base")) == environment_of(container(task_pod(), "base"))
