"""When the decision brings the helper, and how the helper's container and its mount look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.oracles.pod_security import violations_of_restricted
from tests.support.pods import admitted, container
from tests.unit.core.test_decision import operator_pod
from webhook.core import names
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

HELPER_IMAGE = "registry.example.com/airflow-sidecar-webhook:0.1.0"


@pytest.fixture(scope="module")
def helping() -> Policy:
    """The policy of an installation with a helper image."""
    return build_policy(Settings(helper_image=HELPER_IMAGE))


def test_the_helper_runs_the_wrapper_with_its_own_busybox(helping: Policy) -> None:
    command = container(admitted(operator_pod(["/etl"]), helping)[1], "base")["command"]

    assert command[:3] == ["/airflow-sidecar-webhook/busybox", "sh", "-c"]
    assert command[command.index("--busybox") + 1] == "/airflow-sidecar-webhook/busybox"
    assert command[-2:] == ["--", "/etl"]


def test_the_helper_goes_before_all_init_containers_and_is_mounted_read_only(helping: Policy) -> None:
    after = admitted(operator_pod(["/etl"]), helping)[1]

    assert [one["name"] for one in after["spec"]["initContainers"]] == [names.HELPER_CONTAINER, "istio-init"]
    assert container(after, "base")["volumeMounts"][-1] == {
        "name": names.HELPER_VOLUME, "mountPath": "/airflow-sidecar-webhook", "readOnly": True,
    }  # fmt: skip


@pytest.mark.parametrize("user", [None, 0, 1000])
@pytest.mark.parametrize("level", ["pod", "container"])
def test_the_helper_passes_the_restricted_pod_security_standard_whoever_the_task_runs_as(
    level: str, user: int | None, helping: Policy
) -> None:
    pod = operator_pod(["/etl"])
    context = {} if user is None else {"runAsUser": user}
    (pod["spec"] if level == "pod" else container(pod, "base"))["securityContext"] = context
    after = admitted(pod, helping)[1]

    assert violations_of_restricted(after, [names.HELPER_CONTAINER]) == []


def test_the_helper_requests_no_more_than_the_task_and_for_no_device(helping: Policy) -> None:
    pod = operator_pod(["/etl"])
    amounts = {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "1"}
    container(pod, "base")["resources"] = {"requests": amounts, "limits": amounts, "claims": []}
    helper = admitted(pod, helping)[1]["spec"]["initContainers"][0]

    assert helper["resources"] == {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}


@pytest.mark.parametrize("inits", [(), ({"name": "prepare", "image": "busybox"},)], ids=len)
def test_the_helper_gets_the_requests_that_the_task_has_got_since(inits: tuple[JSONObject, ...], helping: Policy) -> None:
    """A later webhook gives default requests to regular containers only, and a quota demands them of every container."""
    first = admitted(operator_pod(["/etl"]), helping)[1]
    first["spec"]["initContainers"] = [*inits, *first["spec"]["initContainers"]]
    amounts = {"requests": {"cpu": "100m", "memory": "64Mi"}}
    container(first, "base")["resources"] = amounts
    after = admitted(first, helping)[1]

    assert init_named(after, names.HELPER_CONTAINER)["resources"] == amounts
    assert admitted(after, helping)[0].operations == ()


def test_a_helper_that_another_webhook_has_given_requests_keeps_them(helping: Policy) -> None:
    first = admitted(operator_pod(["/etl"]), helping)[1]
    own = {"requests": {"cpu": "10m"}}
    init_named(first, names.HELPER_CONTAINER)["resources"] = own
    container(first, "base")["resources"] = {"requests": {"cpu": "1"}}

    assert init_named(admitted(first, helping)[1], names.HELPER_CONTAINER)["resources"] == own


def init_named(pod: JSONObject, name: str) -> JSONObject:
    """The init container of this name."""
    found: JSONObject = next(one for one in pod["spec"]["initContainers"] if one["name"] == name)
    return found


def test_the_helper_is_added_once(helping: Policy) -> None:
    once = admitted(operator_pod(["/etl"]), helping)[1]

    assert admitted(once, helping)[0].operations == ()


def test_the_helper_is_not_brought_where_the_image_has_a_shell(helping: Policy) -> None:
    after = admitted(operator_pod(["sh", "-c", "true"]), helping)[1]

    assert [one["name"] for one in after["spec"]["initContainers"]] == ["istio-init"]


@pytest.mark.parametrize(
    "nodes",
    [{"nodeSelector": {"disk": "ssd"}}, {"nodeSelector": {"kubernetes.io/hostname": "node-1"}}, {"nodeName": "node-1"}],
    ids=["a selector", "a selector of one node", "a node"],
)
def test_a_pod_that_names_some_nodes_has_the_helper_all_the_same(nodes: JSONObject, helping: Policy) -> None:
    pod = operator_pod(["/etl"])
    pod["spec"] |= nodes

    assert admitted(pod, helping)[1]["spec"]["initContainers"][0]["name"] == names.HELPER_CONTAINER
