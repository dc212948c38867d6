"""Pods that have a fault of their own, or no room for what the webhook adds, and pods that only look as if."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.simulated_injectors import inject_istio_native
from tests.support.faulty_pods import EXECUTOR, FAULTY_PODS, injected_pod, with_more, without_shell
from tests.support.pods import ABLE_CLUSTER, load, review_of
from webhook.core.admission import Outcome, admit
from webhook.core.cluster import UNKNOWN_CLUSTER, Cluster
from webhook.core.pod_options import Mode
from webhook.core.review import parse_review
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


@pytest.fixture(scope="module")
def helping() -> Policy:
    """The policy of an installation with a helper image, which wraps where it can."""
    return build_policy(Settings(helper_image="registry.example.com/helper:1", mode=Mode.WRAP))


def decided(pod: JSONObject, policy: Policy, cluster: Cluster = UNKNOWN_CLUSTER) -> Outcome:
    """The outcome of a pod that the API server may refuse."""
    return admit(parse_review(review_of(pod)), policy, cluster)


@pytest.mark.parametrize("cluster", [UNKNOWN_CLUSTER, ABLE_CLUSTER], ids=["without native sidecars", "with native sidecars"])
@pytest.mark.parametrize(("pod", "reason"), FAULTY_PODS.values(), ids=FAULTY_PODS)
def test_a_pod_with_a_fault_of_its_own_is_left_with_the_reason(pod: JSONObject, reason: str, cluster: Cluster, helping: Policy) -> None:
    assert decided(pod, helping, cluster).reason == reason


def sidecar_twice() -> JSONObject:
    """A pod whose native sidecar has been added once more, as a regular container."""
    pod = inject_istio_native(load(EXECUTOR))
    proxy = next(init for init in pod["spec"]["initContainers"] if init["name"] == "istio-proxy")
    return with_more(pod, "containers", {key: value for key, value in proxy.items() if key != "restartPolicy"})


FAULTLESS: dict[str, tuple[JSONObject, str]] = {
    "a container with the longest name": (with_more(injected_pod(), "containers", {"name": "a" * 63}), "sidecars-quit"),
    "a native sidecar that is a regular container too": (sidecar_twice(), "sidecars-quit"),
    "init containers and volumes of different names": (
        with_more(with_more(injected_pod(), "initContainers", {"name": "i"}, {"name": "j"}), "volumes", {"name": "v"}, {"name": "w"}),
        "sidecars-quit",
    ),
    "a container called like the helper in a pod that needs none": (
        with_more(injected_pod(), "containers", {"name": "airflow-sidecar-webhook-helper", "image": "a"}), "sidecars-quit"),
    "an image that may have no shell, with room for the helper": (without_shell(), "sidecars-quit"),
    "no container at all": ({"metadata": {"labels": {"kubernetes_executor": "True"}}, "spec": {"containers": [], "restartPolicy": "Never"}}, "no-sidecar"),
}  # fmt: skip


@pytest.mark.parametrize(("pod", "reason"), FAULTLESS.values(), ids=FAULTLESS)
def test_a_pod_without_such_a_fault_is_treated(pod: JSONObject, reason: str, helping: Policy) -> None:
    assert decided(pod, helping).reason == reason


def test_the_creator_of_a_pod_with_a_name_that_is_too_long_is_warned(policy: Policy) -> None:
    outcome = decided(with_more(injected_pod(), "containers", {"name": "a" * 64}), policy)

    assert outcome.warnings == ("airflow-sidecar-webhook leaves the pod unchanged: the name of a container is longer than 63 characters",)
