"""What is said of the end of each container beside the task, and of the pod as a whole."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.pods import ABLE_CLUSTER, admitted, container, load
from tests.support.task_pods import FLUENT_BIT
from webhook.core.catalogue import Catalogue
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.names import MAIN_CONTAINER_ANNOTATION, MODE_ANNOTATION, OUTLIVES_TASK_ANNOTATION, PREFIX
from webhook.core.sidecar import parse_sidecars

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.admission import Outcome
    from webhook.core.cluster import Cluster
    from webhook.core.policy import Policy

UPLOADER: Final = {"name": "uploader", "image": "registry.example.com/tools/uploader:3"}
CACHE: Final = {"name": "cache", "image": "redis:7"}
FUSE: Final = {
    "name": "gke-gcsfuse-sidecar",
    "image": "gke.gcr.io/gcs-fuse-csi-driver-sidecar-mounter:v1",
    "securityContext": {"runAsUser": 65534},
    "volumeMounts": [{"name": "gke-gcsfuse-tmp", "mountPath": "/gcsfuse-tmp"}],
}
REAPED: Final = {"name": "reaped", "image": "corp/reaped:1"}


def task_pod(*beside: JSONObject, outlives_task: str = "") -> JSONObject:
    """A pod of the operator whose task is in ``base``, with these containers beside it."""
    pod = load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json")
    container(pod, "base")["command"] = ["sh", "-c", "true"]
    pod["spec"]["containers"] += copy.deepcopy(list(beside))
    pod["metadata"]["annotations"]["gke-gcsfuse/volumes"] = "true"
    pod["spec"]["volumes"] = [{"name": "gke-gcsfuse-tmp", "emptyDir": {}}]
    if outlives_task:
        pod["metadata"]["annotations"][OUTLIVES_TASK_ANNOTATION] = outlives_task
    return pod


def with_row(policy: Policy, image: str, **says: bool) -> Policy:
    """The policy with an admin's row for this image."""
    row = {"id": "own", "title": "x", "sources": ["x"], "match": {"markers": [{"image": image}]}, **says}
    return replace(policy, catalogue=Catalogue((*parse_sidecars([row]), *policy.catalogue.sidecars)))


def ends(outcome: Outcome) -> dict[str, str]:
    """The ends in the status."""
    assert outcome.status is not None
    return dict(outcome.status.sidecars)


def test_a_sidecar_that_waits_for_all_others_ends_by_itself(policy: Policy) -> None:
    outcome, _ = admitted(task_pod(FUSE), policy)

    assert (outcome.result, outcome.reason) == ("labelled", "ends-by-itself")
    assert ends(outcome) == {"gke-gcsfuse-sidecar": "ends-by-itself"}


def test_it_is_not_said_to_end_beside_a_container_of_which_nobody_knows_whether_it_ends(policy: Policy) -> None:
    outcome, after = admitted(task_pod(FUSE, CACHE), policy)

    assert (outcome.result, outcome.reason) == ("left", "unknown-container")
    assert ends(outcome) == {"gke-gcsfuse-sidecar": "keeps-running"}
    assert outcome.status is not None
    assert outcome.status.may_keep_running == ("cache",)
    assert after["spec"] == task_pod(FUSE, CACHE)["spec"]


def test_it_ends_beside_a_container_of_which_the_user_says_that_it_ends(policy: Policy) -> None:
    outcome, _ = admitted(task_pod(FUSE, UPLOADER, outlives_task="uploader"), policy)

    assert (outcome.result, outcome.reason) == ("labelled", "ends-by-itself")
    assert ends(outcome) == {"gke-gcsfuse-sidecar": "ends-by-itself", "uploader": "ends-by-itself"}


def test_two_sidecars_that_wait_for_each_other_do_not_end(policy: Policy) -> None:
    known = with_row(policy, "corp/reaped", ends_by_itself=True)
    outcome, _ = admitted(task_pod(FUSE, REAPED), known)

    assert (outcome.result, outcome.reason) == ("left", "no-quit")
    assert set(ends(outcome).values()) == {"keeps-running"}


def test_one_that_waits_for_all_others_ends_after_those_that_the_wrapper_ends(policy: Policy) -> None:
    outcome, _ = admitted(inject_istio(task_pod(FUSE)), policy)

    assert (outcome.result, outcome.reason) == ("wrapped", "sidecars-quit")
    assert ends(outcome) == {"istio-proxy": "quit", "gke-gcsfuse-sidecar": "ends-by-itself"}


def test_beside_an_unknown_container_the_wrapper_does_not_make_it_end(policy: Policy) -> None:
    outcome, _ = admitted(inject_istio(task_pod(FUSE, CACHE)), policy)

    assert (outcome.result, outcome.reason) == ("wrapped", "some-keep-running")
    assert ends(outcome) == {"istio-proxy": "quit", "gke-gcsfuse-sidecar": "keeps-running"}
    assert outcome.status is not None
    assert outcome.status.may_keep_running == ("cache",)


ENDLESS: Final[dict[str, tuple[JSONObject, str]]] = {
    "no quit request": (task_pod(FLUENT_BIT), "no-quit"),
    "one more that has one": (inject_istio(task_pod(FLUENT_BIT)), "some-keep-running"),
    "an unknown container": (task_pod(FUSE, CACHE), "unknown-container"),
    "a container that outlives the task": (inject_istio(task_pod(UPLOADER, outlives_task="uploader")), "outlives-task"),
}
"""Why a known sidecar keeps running on a cluster without native ones."""


@pytest.mark.parametrize(("pod", "reason"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("mode", ["auto", "native", "wrap", "label-only"])
def test_the_reason_of_a_pod_in_which_a_known_sidecar_keeps_running_has_a_remedy(
    pod: JSONObject, reason: str, mode: str, policy: Policy
) -> None:
    pod = copy.deepcopy(pod)
    pod["metadata"]["annotations"][MODE_ANNOTATION] = mode
    outcome, _ = admitted(pod, policy)

    assert "keeps-running" in ends(outcome).values()
    assert outcome.reason in {reason, "native-only", "label-only"}
    assert outcome.reason in [remedy.reason for remedy in outcome.remedies]


def test_a_container_that_works_on_after_the_task_keeps_its_mesh(policy: Policy) -> None:
    pod = inject_istio(task_pod(UPLOADER, outlives_task="uploader"))
    outcome, after = admitted(pod, policy)

    assert (outcome.result, outcome.reason) == ("left", "outlives-task")
    assert after["spec"] == pod["spec"]
    assert ends(outcome) == {"istio-proxy": "keeps-running", "uploader": "ends-by-itself"}


def test_native_sidecars_run_until_it_has_ended(policy: Policy) -> None:
    outcome, after = admitted(inject_istio(task_pod(UPLOADER, outlives_task="uploader")), policy, ABLE_CLUSTER)

    assert (outcome.result, outcome.reason) == ("native", "sidecars-native")
    assert ends(outcome) == {"istio-proxy": "native", "uploader": "ends-by-itself"}
    assert container(after, "uploader") == UPLOADER


def test_an_admin_says_in_a_row_that_a_container_works_on_after_the_task(policy: Policy) -> None:
    outcome, _ = admitted(inject_istio(task_pod(UPLOADER)), with_row(policy, "tools/uploader", works_after_task=True))

    assert (outcome.result, outcome.reason) == ("left", "outlives-task")
    assert ends(outcome) == {"istio-proxy": "keeps-running", "uploader": "ends-by-itself"}


def test_a_container_that_outlives_the_task_is_not_the_task(policy: Policy) -> None:
    pod = task_pod(UPLOADER, outlives_task="uploader")
    container(pod, "base")["name"] = "worker"
    outcome, _ = admitted(pod, policy)

    assert outcome.status is not None
    assert outcome.status.main == "worker"


WRONG: Final = {
    "it is not there": ("uploader, nobody", ["uploader"]),
    "it is the task's": ("base,uploader", ["uploader"]),
    "it is a known sidecar": ("istio-proxy,uploader", ["uploader"]),
    "its name is not valid": ("uploader;base", []),
    "there is no name": ("", []),
}


@pytest.mark.parametrize(("value", "valid"), WRONG.values(), ids=WRONG)
def test_a_name_in_the_annotation_is_reported_and_does_not_count_where(value: str, valid: list[str], policy: Policy) -> None:
    pod = inject_istio(task_pod(UPLOADER))
    pod["metadata"]["annotations"][OUTLIVES_TASK_ANNOTATION] = value
    outcome, after = admitted(pod, policy)

    assert [bad.key for bad in outcome.invalid_annotations.named] == [OUTLIVES_TASK_ANNOTATION]
    assert [name for name, end in ends(outcome).items() if end == "ends-by-itself"] == valid
    assert (PREFIX in container(after, "base")["command"]) is not bool(valid)


def test_the_only_container_that_may_be_the_tasks_does_not_outlive_it(policy: Policy) -> None:
    pod = inject_istio(task_pod(outlives_task="worker"))
    container(pod, "base")["name"] = "worker"
    outcome, _ = admitted(pod, policy)

    assert outcome.result == "wrapped"
    assert [bad.key for bad in outcome.invalid_annotations.named] == [OUTLIVES_TASK_ANNOTATION]


def test_the_container_that_the_user_names_as_the_task_does_not_outlive_it(policy: Policy) -> None:
    pod = inject_istio(task_pod(UPLOADER, outlives_task="uploader"))
    pod["metadata"]["annotations"][MAIN_CONTAINER_ANNOTATION] = "uploader"
    outcome, _ = admitted(pod, policy)

    assert outcome.status is not None
    assert outcome.status.main == "uploader"
    assert [bad.key for bad in outcome.invalid_annotations.named] == [OUTLIVES_TASK_ANNOTATION]


def test_of_a_sidecar_that_is_there_twice_the_regular_one_goes_whatever_its_row_says_of_native_ones(policy: Policy) -> None:
    cache = {"name": "cache", "image": "tools/cache"}
    pod = task_pod(cache)
    pod["spec"]["initContainers"] = [{**cache, "restartPolicy": "Always"}]
    outcome, after = admitted(pod, with_row(policy, "tools/cache"), ABLE_CLUSTER)

    assert ends(outcome) == {"cache": "native"}
    assert [one["name"] for one in after["spec"]["containers"]] == ["base"]


@pytest.mark.parametrize(("cluster", "described"), [(ABLE_CLUSTER, '"native": true'), (UNKNOWN_CLUSTER, '"quit"')], ids=["able", "unknown"])
def test_how_an_unknown_container_is_described_depends_on_whether_it_can_become_native(
    policy: Policy, cluster: Cluster, described: str
) -> None:
    outcome, _ = admitted(inject_istio(task_pod(UPLOADER)), policy, cluster)

    assert any("uploader" in one.containers and described in one.line for one in outcome.remedies)
