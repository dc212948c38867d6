"""The helper's container: whatever checks the task passes, it passes as well."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.pods import admitted, container, load
from webhook.core.names import HELPER_CONTAINER, HELPER_MOUNT_PATH, HELPER_VOLUME
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

POD: Final = inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))
IMAGE: Final = "registry.example.com/helper:1"
RESTRICTED: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the restricted Pod Security Standard demands, and a file system that nothing writes to."""


def helped(task: JSONObject, of_pod: JSONObject | None = None) -> JSONObject:
    """A pod with these fields in its task's container, whose image may have no shell, and in its spec: as it is after its review."""
    pod = copy.deepcopy(POD)
    container(pod, "base").update({"image": "gcr.io/distroless/static", "command": ["/etl"], "args": []} | task)
    pod["spec"].update(of_pod or {})
    return admitted(pod, build_policy(Settings(helper_image=IMAGE)))[1]


def helper(task: JSONObject, of_pod: JSONObject | None = None) -> JSONObject:
    """The helper in that pod."""
    found: JSONObject = helped(task, of_pod)["spec"]["initContainers"][0]
    assert (found["name"], found["image"]) == (HELPER_CONTAINER, IMAGE)
    return found


USERS: Final[dict[str, tuple[JSONObject | None, JSONObject | None, int | None]]] = {
    "none, so that the image's or the cluster's counts": (None, None, None),
    "the task's": ({"runAsUser": 1000}, None, 1000),
    "the task's before the pod's": ({"runAsUser": 1000}, {"runAsUser": 0}, 1000),
    "the pod's, which it has anyway": (None, {"runAsUser": 2000}, None),
    "nobody where the task is root": ({"runAsUser": 0}, {"runAsUser": 2000}, 65532),
    "nobody where the pod is root": (None, {"runAsUser": 0}, 65532),
}


@pytest.mark.parametrize(("of_task", "of_pod", "user"), USERS.values(), ids=USERS)
def test_the_helper_is_restricted_and_its_user_is(of_task: JSONObject | None, of_pod: JSONObject | None, user: int | None) -> None:
    context = helper({"securityContext": of_task}, {"securityContext": of_pod})["securityContext"]

    assert context == (RESTRICTED if user is None else {**RESTRICTED, "runAsUser": user})


RESOURCES: Final[dict[str, tuple[JSONObject, JSONObject | None]]] = {
    "nothing": ({}, None),
    "requests": ({"requests": {"cpu": "1", "memory": "1Gi"}}, {"requests": {"cpu": "1", "memory": "1Gi"}}),
    "limits without the GPU": (
        {"limits": {"cpu": "1", "nvidia.com/gpu": 1, "ephemeral-storage": "2Gi"}},
        {"limits": {"cpu": "1", "ephemeral-storage": "2Gi"}},
    ),
    "a GPU alone": ({"limits": {"nvidia.com/gpu": 1}}, None),
    "requests and limits": ({"requests": {"cpu": "1"}, "limits": {"cpu": 2}}, {"requests": {"cpu": "1"}, "limits": {"cpu": 2}}),
}


@pytest.mark.parametrize(("of_task", "of_helper"), RESOURCES.values(), ids=RESOURCES)
def test_the_helper_has_of_the_tasks_resources(of_task: JSONObject, of_helper: JSONObject | None) -> None:
    assert helper({"resources": of_task}).get("resources") == of_helper


def test_a_mount_of_the_helpers_volume_at_another_path_is_not_the_helpers() -> None:
    own = {"name": HELPER_VOLUME, "mountPath": "/elsewhere"}
    after = helped({"volumeMounts": [own]}, {"volumes": [*POD["spec"]["volumes"], {"name": HELPER_VOLUME, "emptyDir": {}}]})

    assert container(after, "base")["volumeMounts"] == [own, {"name": HELPER_VOLUME, "mountPath": HELPER_MOUNT_PATH, "readOnly": True}]
