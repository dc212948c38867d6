"""What has to be unique in a pod, and an operation could double: rule by rule, in the order of kubernetes pkg/apis/core/validation/validation.go (1.37).

Its other rules of this kind are about what no operation changes: block devices, bind mount options, claims and sysctls of the pod,
scheduling gates, spread constraints, and ephemeral containers, which no pod is created with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.faulty_pods import injected_pod, with_more, without_shell
from tests.support.oracles.admission import verify_no_worse
from tests.support.oracles.pod_validation import validate
from tests.support.pods import ABLE_CLUSTER, admitted, container, review_of
from tests.support.task_pods import FLUENT_BIT, native, not_converted, task_pod
from webhook.core import Mode, admit, parse_review, render_review
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.names import HELPER_CONTAINER, HELPER_MOUNT_PATH, HELPER_VOLUME
from webhook.core.reasons import NotConvertedReason
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.cluster import Cluster

POLICY: Final = build_policy(Settings(helper_image="registry.example.com/helper:1", mode=Mode.WRAP))
CLAIM: Final = {"persistentVolumeClaim": {"claimName": "disk"}}
OWN: Final = {"name": "own", "image": "own:1"}


def device(name: str, path: str) -> JSONObject:
    """A task with this volume as a block device."""
    return with_more(without_shell(volumeDevices=[{"name": name, "devicePath": path}]), "volumes", {"name": name, **CLAIM})


def mount(path: str) -> JSONObject:
    """A task with a volume of its own at this path."""
    return with_more(without_shell(volumeMounts=[{"name": "own", "mountPath": path}]), "volumes", {"name": "own", "emptyDir": {}})


HELPER: Final[dict[str, tuple[JSONObject, JSONObject]]] = {
    "names of volumes (ValidateVolumes)": (
        with_more(without_shell(), "volumes", {"name": HELPER_VOLUME, "configMap": {"name": "own"}}),
        with_more(without_shell(), "volumes", {"name": "own", "configMap": {"name": "own"}})),
    "paths of mounts (ValidateVolumeMounts)": (mount(HELPER_MOUNT_PATH), mount("/own")),
    "volumes of mounts and of devices (ValidateVolumeMounts)": (device(HELPER_VOLUME, "/dev/own"), device("own", "/dev/own")),
    "paths of mounts and of devices (ValidateVolumeMounts)": (device("own", HELPER_MOUNT_PATH), device("own", "/dev/own")),
    "names of init containers (validateInitContainers)": (
        with_more(without_shell(), "initContainers", {**OWN, "name": HELPER_CONTAINER}), with_more(without_shell(), "initContainers", OWN)),
    "names of regular containers (validateContainers)": (
        with_more(without_shell(), "containers", {**OWN, "name": HELPER_CONTAINER}), with_more(without_shell(), "containers", OWN)),
}  # fmt: skip
"""For each rule a valid pod in which the helper would break it, and one in which it does not."""


@pytest.mark.parametrize(("clash", "other"), HELPER.values(), ids=HELPER)
def test_what_the_helper_would_double_is_a_reason_to_leave_the_pod(clash: JSONObject, other: JSONObject) -> None:
    assert validate(clash) == validate(other) == []
    assert admitted(clash, POLICY)[0].reason == "helper-name-taken"
    assert HELPER_VOLUME in [volume["name"] for volume in admitted(other, POLICY)[1]["spec"]["volumes"]]


@pytest.mark.parametrize("cluster", [UNKNOWN_CLUSTER, ABLE_CLUSTER], ids=["without native sidecars", "with native sidecars"])
def test_a_sidecar_does_not_join_an_init_container_of_its_name(cluster: Cluster) -> None:
    """The API server refuses that pod anyway (validateInitContainers), and says why."""
    review = review_of(with_more(injected_pod(), "initContainers", {**OWN, "name": "istio-proxy"}))
    request = parse_review(review)
    outcome = admit(request, POLICY, cluster)

    verify_no_worse(review, render_review(request.uid, outcome.operations, outcome.warnings))
    assert outcome.reason == "duplicate-names"


MOVED: Final[dict[str, JSONObject]] = {
    "names of ports (validateContainerPorts)": {"ports": [{"containerPort": 2020, "name": "metrics"}]},
    "claims (validateResourceClaimNames)": {"resources": {"claims": [{"name": "gpu"}]}},
    "resources of a resizePolicy (validateResizePolicy)": {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]},
    "block devices (ValidateVolumeDevices)": {"volumeDevices": [{"name": "disk", "devicePath": "/dev/disk"}]},
}
"""What has to be unique in a container."""


@pytest.mark.parametrize("fields", MOVED.values(), ids=MOVED)
def test_what_is_unique_in_a_container_moves_with_a_sidecar_though_the_task_has_the_same(fields: JSONObject) -> None:
    pod = task_pod({**FLUENT_BIT, **fields})
    container(pod, "base").update(fields)
    pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or ()), {"name": "disk", **CLAIM}]
    pod["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimName": "gpu"}]
    after = admitted(pod, build_policy(Settings()), ABLE_CLUSTER)[1]

    assert validate(pod) == validate(after) == []
    assert {field: native(after, "logs")[field] for field in fields} == fields
    assert {field: container(after, "base")[field] for field in fields} == fields


def test_a_sidecar_with_a_port_of_the_host_stays_among_the_containers_that_may_not_have_the_same() -> None:
    """AccumulateUniqueHostPorts compares regular containers, and an init container with itself alone."""
    pod = task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020, "hostPort": 2020}]})

    assert not_converted(pod, build_policy(Settings())) == {"logs": NotConvertedReason.HOST_PORT}
