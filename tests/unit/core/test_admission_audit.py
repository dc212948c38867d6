"""What becomes of a pod under ``enforcement: audit``: its spec stays as it is, and its status says what would be done."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_native
from tests.support.faulty_pods import FAULTY_PODS, without_shell
from tests.support.pods import ABLE_CLUSTER, admitted, load
from tests.support.task_pods import EXECUTOR, annotated, istio_pod, status_of, task_pod
from webhook.core import (
    UNKNOWN_CLUSTER,
    Cluster,
    Enforcement,
    NativeSupport,
    SkipReason,
    Version,
    cluster_at_admission,
    default_policy,
    treat,
)
from webhook.core.names import MODE_ANNOTATION, STATUS_ANNOTATION, TREATMENT_LABEL
from webhook.core.patch import MAX_ANNOTATION_BYTES

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

ENFORCING: Final = default_policy()
AUDITING: Final = replace(ENFORCING, enforcement=Enforcement.AUDIT)
STRANGER: Final = {"name": "uploader", "image": "registry.example.com/uploader:1"}

PODS: Final = {
    "native": (istio_pod(), ABLE_CLUSTER),
    "wrapped": (istio_pod(), UNKNOWN_CLUSTER),
    "labelled": (load(EXECUTOR), ABLE_CLUSTER),
    "left": (without_shell(), UNKNOWN_CLUSTER),
}
"""A pod for each treatment that it would get, and its cluster."""


def without_ours(pod: JSONObject) -> JSONObject:
    """The pod without the status and its label; an empty map of labels or annotations counts as none."""
    pod = copy.deepcopy(pod)
    for field, key in (("annotations", STATUS_ANNOTATION), ("labels", TREATMENT_LABEL)):
        entries = pod["metadata"].pop(field, None) or {}
        pod["metadata"][field] = {name: value for name, value in entries.items() if name != key}
    return pod


@pytest.mark.parametrize("would_be", PODS)
def test_the_status_says_what_would_be_done_and_nothing_else_of_the_pod_changes(would_be: str) -> None:
    pod, cluster = PODS[would_be]
    outcome, after = admitted(pod, AUDITING, cluster)
    enforced = admitted(pod, ENFORCING, cluster)[1]

    assert json.dumps(after["spec"]) == json.dumps(pod["spec"])
    assert without_ours(after) == without_ours(pod)
    assert (outcome.result, status_of(after)["treatment"], status_of(after)["would_be"]) == ("audited", "audited", would_be)
    assert status_of(after) | status_of(enforced) == {"would_be": would_be} | status_of(enforced), "all other members are the same"


def test_the_label_does_not_name_a_treatment_that_the_pod_did_not_get() -> None:
    assert [admitted(pod, AUDITING, cluster)[1]["metadata"]["labels"][TREATMENT_LABEL] for pod, cluster in PODS.values()] == ["audited"] * 4


def test_neither_the_short_name_nor_an_annotation_for_an_injector_is_set() -> None:
    pod = task_pod(annotations={"vault.hashicorp.com/agent-inject": "true"})
    enforced, audited = (admitted(pod, policy, UNKNOWN_CLUSTER)[1]["metadata"] for policy in (ENFORCING, AUDITING))

    assert enforced["labels"].keys() - pod["metadata"]["labels"] > {TREATMENT_LABEL}
    assert enforced["annotations"].keys() - pod["metadata"]["annotations"] > {STATUS_ANNOTATION}
    assert audited["labels"].keys() - pod["metadata"]["labels"] == {TREATMENT_LABEL}
    assert audited["annotations"].keys() - pod["metadata"]["annotations"] == {STATUS_ANNOTATION}


@pytest.mark.parametrize("mode", ["native", "wrap", "auto"])
def test_no_annotation_of_a_pod_overrides_it(mode: str) -> None:
    pod = annotated(istio_pod(), {MODE_ANNOTATION: mode})

    assert admitted(pod, AUDITING, ABLE_CLUSTER)[1]["spec"] == pod["spec"]


def test_a_pod_that_is_skipped_is_skipped_for_the_same_reason_and_gets_nothing() -> None:
    pod = annotated(istio_pod(), {MODE_ANNOTATION: "off"})

    assert admitted(pod, AUDITING, ABLE_CLUSTER) == admitted(pod, ENFORCING, ABLE_CLUSTER)
    assert [treat(faulty, AUDITING, UNKNOWN_CLUSTER).reason for faulty, _ in FAULTY_PODS.values()] == [
        treat(faulty, ENFORCING, UNKNOWN_CLUSTER).reason for faulty, _ in FAULTY_PODS.values()
    ]


def test_a_pod_without_room_for_the_longer_status_of_an_audit_is_skipped() -> None:
    pod = load(EXECUTOR)
    pod["metadata"]["annotations"]["big"] = ""
    after = admitted(pod, ENFORCING, UNKNOWN_CLUSTER)[1]
    size = sum(len(key + value) for key, value in after["metadata"]["annotations"].items())
    pod["metadata"]["annotations"]["big"] = "x" * (MAX_ANNOTATION_BYTES - size)

    assert admitted(pod, ENFORCING, UNKNOWN_CLUSTER)[0].result == "labelled"
    assert treat(pod, AUDITING, UNKNOWN_CLUSTER).reason is SkipReason.ANNOTATIONS_FULL


@pytest.mark.parametrize("would_be", PODS)
def test_a_second_audit_changes_nothing(would_be: str) -> None:
    pod, cluster = PODS[would_be]
    after = admitted(pod, AUDITING, cluster)[1]
    again, twice = admitted(after, AUDITING, cluster)

    assert (again.result, again.operations, twice) == ("unchanged", (), after)
    assert again.status == admitted(pod, AUDITING, cluster)[0].status


def test_a_sidecar_that_comes_after_the_first_review_changes_what_would_be_done() -> None:
    first = admitted(load(EXECUTOR), AUDITING, ABLE_CLUSTER)[1]
    second = admitted(inject_istio(first), AUDITING, ABLE_CLUSTER)[1]

    assert (status_of(first)["would_be"], status_of(second)["would_be"]) == ("labelled", "native")
    assert second["spec"] == inject_istio(first)["spec"]


def test_where_an_injector_would_have_rendered_its_sidecar_natively_for_the_webhook_an_audit_can_say_another_treatment() -> None:
    """It does so for an annotation of the webhook's, which an audit does not set."""
    reinvoked = Cluster(NativeSupport.READY, Version(1, 34), frozenset({"istio"}), frozenset({"istio"}))
    enforced = admitted(inject_istio(admitted(load(EXECUTOR), ENFORCING, reinvoked)[1]), ENFORCING, reinvoked)[1]
    audited = admitted(inject_istio(admitted(load(EXECUTOR), AUDITING, reinvoked)[1]), AUDITING, reinvoked)[1]

    assert (status_of(enforced)["treatment"], status_of(audited)["would_be"]) == ("native", "wrapped")


@pytest.mark.parametrize("would_be", PODS)
def test_an_audited_pod_is_treated_once_the_webhook_enforces_as_if_it_had_not_been_audited(would_be: str) -> None:
    pod, cluster = PODS[would_be]
    audited = admitted(pod, AUDITING, cluster)[1]
    outcome, after = admitted(audited, ENFORCING, cluster)

    assert after == admitted(pod, ENFORCING, cluster)[1]
    assert outcome.result == would_be
    assert admitted(after, ENFORCING, cluster)[0].operations == ()


def test_an_audited_pod_gets_the_annotation_for_an_injector_that_may_come_again_as_a_new_one_does() -> None:
    """After a review that has changed a pod such an annotation would come too late."""
    again = Cluster(NativeSupport.READY, Version(1, 34), frozenset(), frozenset({"istio"}))
    pod = istio_pod()
    audited = admitted(pod, AUDITING, again)[1]

    after = admitted(audited, ENFORCING, again)[1]

    assert after["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] == "true"
    assert after == admitted(pod, ENFORCING, again)[1]


def test_what_an_audit_would_have_made_native_does_not_count_as_native() -> None:
    """An init container of a known sidecar's image may run once and end; only one that the webhook has made native is restored."""
    logs = {"name": "logs", "image": "fluent/fluent-bit:4.0.0"}
    audited = admitted(task_pod(logs), AUDITING, ABLE_CLUSTER)[1]
    pod = task_pod(inits=(logs,), annotations={STATUS_ANNOTATION: audited["metadata"]["annotations"][STATUS_ANNOTATION]})

    assert status_of(audited)["sidecars"] == {"logs": "native"}
    assert admitted(pod, ENFORCING, ABLE_CLUSTER)[1]["spec"]["initContainers"] == [logs]


def test_the_task_that_an_audit_has_identified_is_known_when_a_later_injector_adds_containers() -> None:
    pod = istio_pod()
    pod["spec"]["containers"][0]["name"] = "worker"
    pod["spec"]["containers"][0].pop("env", None)
    reviewed = admitted(pod, AUDITING, ABLE_CLUSTER)[1]
    reviewed["spec"]["containers"].insert(0, STRANGER)

    assert status_of(admitted(reviewed, AUDITING, ABLE_CLUSTER)[1])["main"] == "worker"


def test_a_pod_that_is_created_again_as_it_was_treated_keeps_the_status_that_is_true_of_it() -> None:
    treated = admitted(istio_pod(), ENFORCING, ABLE_CLUSTER)[1]
    outcome, after = admitted(treated, AUDITING, ABLE_CLUSTER)

    assert (outcome.result, after) == ("unchanged", treated)


def test_a_status_of_a_treatment_that_the_pod_does_not_have_is_replaced() -> None:
    treated = admitted(istio_pod(), ENFORCING, ABLE_CLUSTER)[1]
    pod = istio_pod()
    pod["metadata"] = copy.deepcopy(treated["metadata"])
    after = admitted(pod, AUDITING, ABLE_CLUSTER)[1]

    assert after["spec"] == pod["spec"]
    assert (after["metadata"]["labels"][TREATMENT_LABEL], status_of(after)["treatment"]) == ("audited", "audited")


def test_the_duplicate_of_a_native_sidecar_stays_although_the_api_server_refuses_the_pod_for_it() -> None:
    """Between two replicas of which only the first enforces: whatever the pod is, an audit does not change its spec."""
    treated = admitted(istio_pod(), ENFORCING, ABLE_CLUSTER)[1]
    treated["spec"]["containers"].append(copy.deepcopy(istio_pod()["spec"]["containers"][-1]))
    outcome = treat(treated, AUDITING, ABLE_CLUSTER)

    assert outcome.patched(treated)["spec"] == treated["spec"]
    assert outcome.result == "audited"


@pytest.mark.parametrize("would_be", PODS)
def test_a_warning_about_what_would_be_done_says_would(would_be: str) -> None:
    pod, cluster = PODS[would_be]
    enforced, audited = (admitted(pod, policy, cluster)[0].warnings for policy in (ENFORCING, AUDITING))
    notice = f"airflow-sidecar-webhook: enforcement is audit, so this pod is not changed. Else it would be {would_be}, and:"

    assert audited == ((notice, *enforced) if enforced else ())
    assert bool(enforced) == (would_be == "left")


def test_an_annotation_that_is_ignored_is_a_warning_without_a_would() -> None:
    pod = annotated(load(EXECUTOR), {MODE_ANNOTATION: "never"})

    assert admitted(pod, AUDITING)[0].warnings == admitted(pod, ENFORCING)[0].warnings != ()


@pytest.mark.parametrize("would_be", PODS)
def test_the_status_of_an_audit_says_by_which_cluster_it_was_decided(would_be: str) -> None:
    pod, cluster = PODS[would_be]
    live = admitted(pod, AUDITING, cluster)[1]
    recorded = cluster_at_admission(live)

    assert recorded == cluster_at_admission(admitted(pod, ENFORCING, cluster)[1])
    if recorded is not None:
        assert treat(live, AUDITING, recorded).operations == ()


def test_a_native_sidecar_of_the_injectors_own_is_no_reason_to_change_an_audited_pod() -> None:
    pod = inject_istio_native(load(EXECUTOR))

    assert status_of(admitted(pod, AUDITING, ABLE_CLUSTER)[1])["would_be"] == "native"
