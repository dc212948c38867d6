"""What a remedy removes from a pod: what is in the way of native sidecars, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.paste import removal_of
from tests.support.pods import ABLE_CLUSTER
from tests.unit.core.test_remedy import POLICY, RULES, described, in_mesh, operator_pod, remedies
from webhook.core import NativeSupport, NotConvertedReason, treat
from webhook.core.removal import MAX_TOLERATIONS_BYTES

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import ExplainedWord


def removal(pod: JSONObject, reason: ExplainedWord) -> JSONObject:
    """The patch in the line of this reason's remedy."""
    (remedy,) = remedies(treat(pod, POLICY, ABLE_CLUSTER), reason)
    return removal_of(remedy.line)


@pytest.mark.parametrize(
    ("fields", "removed"),
    [
        ({"restartPolicy": "Never"}, {"restartPolicy": None}),
        ({"restartPolicy": "Never", "restartPolicyRules": RULES}, {"restartPolicy": None, "restartPolicyRules": None}),
    ],
    ids=["a policy", "a policy and rules"],
)
def test_of_a_container_with_its_own_restarts_those_fields_go_that_it_has(fields: JSONObject, removed: JSONObject) -> None:
    assert removal(described(**fields), NotConvertedReason.OWN_RESTARTS) == {"spec": {"containers": [{"name": "cache", **removed}]}}


VIRTUAL: Final = {"key": "virtual-kubelet.io/provider", "operator": "Exists"}
OTHER: Final = {"key": "spot", "operator": "Exists"}
SELECTED: Final = {"type": "virtual-kubelet"}
PLACED: Final[dict[str, tuple[JSONObject, JSONObject]]] = {
    "a node's name": ({"nodeName": "virtual-node-aci", "tolerations": [OTHER]}, {"nodeName": None}),
    "a selector": ({"nodeName": "node-1", "nodeSelector": SELECTED}, {"nodeSelector": {"type": None}}),
    "a toleration": ({"tolerations": [VIRTUAL]}, {"tolerations": []}),
    "a toleration among others": ({"nodeName": "node-1", "tolerations": [OTHER, VIRTUAL]}, {"tolerations": [OTHER]}),
}


@pytest.mark.parametrize(("spec", "removed"), PLACED.values(), ids=PLACED)
def test_of_a_pod_that_names_virtual_nodes_only_what_names_them_goes(spec: dict[str, Any], removed: JSONObject) -> None:
    assert removal(in_mesh(operator_pod(), **spec), NativeSupport.VIRTUAL_NODE) == {"spec": removed}


@pytest.mark.parametrize(("more", "has_line"), [(0, True), (1, False)])
def test_tolerations_of_more_than_a_limited_length_are_left_to_their_author(more: int, has_line: bool) -> None:
    long = VIRTUAL | {"value": ""}
    long["value"] = "x" * (MAX_TOLERATIONS_BYTES + more - len('[{"key":"virtual-kubelet.io/provider","operator":"Exists","value":""}]'))
    (remedy,) = remedies(treat(in_mesh(operator_pod(), tolerations=[long]), POLICY, ABLE_CLUSTER), NativeSupport.VIRTUAL_NODE)

    assert (remedy.line != "") == has_line
