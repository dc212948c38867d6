"""Which pods were left although a sidecar may keep them Running, and what is read of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.live_pods import FLUENT_BIT, GIT_SYNC_ONCE, ISTIO, UPLOADER, annotated, live_pod
from webhook.core.admission import treat
from webhook.core.built_in import default_policy
from webhook.core.cluster import Cluster, NativeSupport
from webhook.core.left_pod import LeftTaskPod, read_left_pod
from webhook.core.policy import Enforcement
from webhook.core.reasons import Reason, Treatment

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

CATALOGUE: Final = default_policy().catalogue
OLD_CLUSTER: Final = Cluster(NativeSupport.OLD_SERVER)
PLANTED: Final = "hunter2"


def left(*beside: JSONObject, treatment: str = "left", reason: str = "no-quit", **annotations: str) -> JSONObject:
    """A pod that says that it was treated so."""
    pod = live_pod({}, *beside)
    return annotated(pod, status=json.dumps({"treatment": treatment, "reason": reason}), **annotations)


def read(pod: JSONObject) -> LeftTaskPod | None:
    return read_left_pod(json.dumps(pod).encode(), CATALOGUE)


def test_what_the_rules_leave_is_read_with_its_reason_its_sidecars_and_its_remedy() -> None:
    pod = live_pod({}, ISTIO, FLUENT_BIT, hostNetwork=True)
    outcome = treat(pod, default_policy(), OLD_CLUSTER)
    assert outcome.result == "left"

    found = read(outcome.patched(pod))
    assert found is not None
    assert (found.reason, sorted(found.sidecars)) == (Reason.HOST_NETWORK, ["istio-proxy", "logs"])
    assert found.remedy == next(one for one in outcome.remedies if one.reason == found.reason)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.treatment is Treatment.LEFT])
def test_each_reason_for_which_a_pod_is_left_has_a_remedy(reason: Reason) -> None:
    found = read(left(ISTIO, UPLOADER, reason=reason))
    assert found is not None
    assert found.remedy is not None
    assert (found.remedy.reason, found.remedy.sentence) == (reason, reason.sentence)


@pytest.mark.parametrize(
    ("marks", "where"),
    [
        ({"kubernetes_executor": "True"}, "metadata.annotations of pod_template_file, or of the task's pod_override"),
        ({"kubernetes_pod_operator": "True"}, "annotations of the operator (KubernetesPodOperator)"),
    ],
)
def test_the_line_of_its_remedy_belongs_where_the_annotations_of_such_a_pod_are_set(marks: dict[str, str], where: str) -> None:
    pod = left(ISTIO, reason=Reason.SHELL_UNKNOWN)
    pod["metadata"]["labels"] = marks
    found = read(pod)
    assert found is not None
    assert found.remedy is not None
    assert found.remedy.where == where


def test_a_pod_that_was_only_audited_was_not_left() -> None:
    pod = live_pod({}, ISTIO, hostNetwork=True)
    audited = treat(pod, replace(default_policy(), enforcement=Enforcement.AUDIT), OLD_CLUSTER).patched(pod)
    assert read(audited) is None


@pytest.mark.parametrize(
    "pod",
    [
        left(ISTIO, treatment="wrapped", reason="sidecars-quit"),
        left(ISTIO, treatment="wrapped", reason="no-quit"),
        left(ISTIO, treatment="left", reason="sidecars-quit"),
        left(ISTIO, treatment="left", reason="of-a-later-version"),
        left(ISTIO, mode="off"),
        left(),
        left(UPLOADER),
        left(GIT_SYNC_ONCE),
        live_pod({}, ISTIO),
    ],
    ids=["wrapped", "forged reason", "forged treatment", "later", "off", "alone", "unknown", "one-time", "no status"],
)
def test_any_other_pod_is_not(pod: JSONObject) -> None:
    assert read(pod) is None


def test_nothing_is_read_that_may_be_secret() -> None:
    pod: Any = left(ISTIO, UPLOADER, reason="entrypoint-unknown", entrypoint=json.dumps([PLANTED]))
    for container in pod["spec"]["containers"]:
        container |= {"args": [PLANTED], "env": [{"name": "PASSWORD", "value": PLANTED}], "workingDir": f"/{PLANTED}"}
    pod["metadata"]["annotations"]["password"] = PLANTED
    pod["metadata"]["labels"]["password"] = PLANTED
    found = read(pod)
    assert found is not None
    assert PLANTED not in repr(found)
