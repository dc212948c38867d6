"""The operations that carry a decision out: only what the pod does not have yet, and each at its place."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.pods import ABLE_CLUSTER, admitted, container, load
from webhook.core.catalogue import Catalogue
from webhook.core.names import HELPER_CONTAINER, HELPER_MOUNT_PATH, HELPER_VOLUME, MODE_ANNOTATION, PREFIX, TREATMENT_LABEL
from webhook.core.sidecar import parse_sidecars
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

OPERATOR = "airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"
MOUNTS: tuple[list[JSONObject] | None, ...] = (None, [], [{"name": "data", "mountPath": "/data"}])


@pytest.fixture
def helping() -> Policy:
    """A policy with a helper image."""
    return build_policy(Settings(helper_image="registry.example.com/helper:1"))


def pod_without_shell(place: int = 0) -> JSONObject:
    """An operator's pod whose image may have no shell, with its task's container at this index and Istio's sidecar."""
    pod = inject_istio(load(OPERATOR))
    task = container(pod, "base") | {"image": "gcr.io/distroless/static", "command": ["/etl"], "args": []}
    others = [one for one in pod["spec"]["containers"] if one["name"] != "base"]
    pod["spec"]["containers"] = [*others[:place], task, *others[place:]]
    return pod


@pytest.mark.parametrize("inits", [None, [], [{"name": "prepare", "image": "alpine"}]])
def test_the_helper_is_the_first_init_container_whatever_was_there(inits: list[JSONObject] | None, helping: Policy) -> None:
    pod = pod_without_shell()
    pod["spec"]["initContainers"] = inits
    after = admitted(pod, helping)[1]

    assert [one["name"] for one in after["spec"]["initContainers"]] == [HELPER_CONTAINER, *(one["name"] for one in inits or ())]


@pytest.mark.parametrize("env", [None, [], [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "own", "key": "token"}}}]])
def test_a_converted_sidecar_gets_the_variables_of_its_native_mode_behind_its_own(env: list[JSONObject] | None, policy: Policy) -> None:
    row = {
        "id": "own",
        "title": "Own",
        "sources": ["here"],
        "match": {"names": ["own"]},
        "native": {"convert": {"env": {"MODE": "native"}}},
    }
    pod = load(OPERATOR)
    pod["spec"]["containers"].append({"name": "own", "image": "own:1", "env": env})
    after = admitted(pod, replace(policy, catalogue=Catalogue(parse_sidecars([row]))), ABLE_CLUSTER)[1]

    assert [one["env"] for one in after["spec"]["initContainers"]] == [[*(env or ()), {"name": "MODE", "value": "native"}]]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("mounts", MOUNTS)
def test_the_helper_is_mounted_in_the_tasks_container_behind_its_own_mounts(
    mounts: list[JSONObject] | None, place: int, helping: Policy
) -> None:
    pod = pod_without_shell(place)
    pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or ()), {"name": "data", "emptyDir": {}}]
    container(pod, "base")["volumeMounts"] = copy.deepcopy(mounts)
    after = admitted(pod, helping)[1]

    helper = {"name": HELPER_VOLUME, "mountPath": HELPER_MOUNT_PATH, "readOnly": True}
    assert container(after, "base")["volumeMounts"] == [*(mounts or ()), helper]
    assert container(after, "istio-proxy").get("volumeMounts") == container(pod, "istio-proxy").get("volumeMounts")


def test_a_wrapper_that_is_no_longer_needed_leaves_the_users_command(policy: Policy) -> None:
    pod = inject_istio(load(OPERATOR))
    own = list(container(pod, "base")["command"])
    wrapped = admitted(pod, policy)[1]
    assert PREFIX in container(wrapped, "base")["command"]

    wrapped["metadata"]["annotations"][MODE_ANNOTATION] = "label-only"
    assert container(admitted(wrapped, policy)[1], "base")["command"] == own


def test_it_is_removed_from_the_args_where_another_webhook_has_put_it_behind_a_command_of_its_own(policy: Policy) -> None:
    pod = inject_istio(load(OPERATOR))
    own = [*container(pod, "base")["command"], *container(pod, "base")["args"]]
    wrapped = admitted(pod, policy)[1]
    task = container(wrapped, "base")
    task.update(command=["/tini", "--"], args=[*task["command"], *task["args"]])
    wrapped["metadata"]["annotations"][MODE_ANNOTATION] = "label-only"
    after = container(admitted(wrapped, policy)[1], "base")

    assert (after["command"], after["args"]) == (["/tini", "--"], own)


@pytest.mark.parametrize("earlier", [{}, {TREATMENT_LABEL: "native"}], ids=["none", "another"])
def test_the_treatment_is_a_label_beside_the_pods_own(earlier: dict[str, str], policy: Policy) -> None:
    pod = inject_istio(load(OPERATOR))
    pod["metadata"]["labels"] |= earlier
    labels = admitted(pod, policy)[1]["metadata"]["labels"]

    assert (labels["dag_id"], labels[TREATMENT_LABEL]) == ("example_dag", "wrapped")


def test_init_containers_that_are_in_their_order_stay_where_they_are(policy: Policy) -> None:
    """Several sidecars are moved, and each is found again at its own place."""
    pod = inject_istio(load(OPERATOR))
    logs = [{"name": f"logs-{number}", "image": "fluent/fluent-bit:4.0.0"} for number in range(3)]
    pod["spec"]["containers"] += logs
    pod["spec"]["initContainers"] = [*(pod["spec"].get("initContainers") or ()), {"name": "prepare", "image": "alpine"}]
    outcome, after = admitted(pod, policy, ABLE_CLUSTER)

    names = [one["name"] for one in after["spec"]["initContainers"]]
    assert names == ["istio-init", "istio-proxy", "logs-0", "logs-1", "logs-2", "prepare"]
    assert [one["op"] for one in outcome.operations].count("move") == 4
    assert admitted(after, policy, ABLE_CLUSTER)[0].operations == ()
