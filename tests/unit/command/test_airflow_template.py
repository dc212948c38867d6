"""``explain --as``: Airflow's pod template as the pod that Airflow makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.support.pods import FIXTURES

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram

TEMPLATE: Final[JSONObject] = json.loads((FIXTURES / "helm-chart/chart-1.19.0-kubernetes/pod-placeholder-name.json").read_text("utf-8"))
"""Of Airflow's chart; its labels are tier, component and release."""

CONFIG_MAP: Final = {
    "kind": "ConfigMap",
    "metadata": {"name": "prod-config", "namespace": "airflow"},
    "data": {"airflow.cfg": "[core]", "pod_template_file.yaml": yaml.safe_dump(TEMPLATE)},
}


@pytest.mark.parametrize("maker", ["kubernetes-executor", "pod-operator"])
def test_a_template_is_explained_as_the_pod_that_this_makes_of_it(program: InProcessProgram, maker: str) -> None:
    (without,) = program.explained("-", stdin=json.dumps(TEMPLATE))
    (one,) = program.explained("--as", maker, "-", stdin=json.dumps(TEMPLATE))

    assert without["reason"] == "not-airflow"
    assert [hint.endswith(": --as kubernetes-executor or --as pod-operator.") for hint in without["hints"]] == [True]
    assert (one["reason"], one["hints"], one["template_of"]) == ("no-sidecar", [], f"pod template, as made by {maker}")


def test_airflow_calls_the_first_container_of_the_template_base(program: InProcessProgram) -> None:
    containers = [{"name": "airflow", "image": "a"}, {"name": "other", "image": "b"}]
    template = {"kind": "Pod", "spec": {"restartPolicy": "Never", "containers": containers}}
    (one,) = program.explained("--as", "pod-operator", "-", stdin=json.dumps(template))

    assert one["status"]["main"] == "base"


@pytest.mark.parametrize(("options", "maker"), [((), "kubernetes-executor"), (("--as", "pod-operator"), "pod-operator")])
def test_the_template_in_the_charts_config_map_is_the_executors_unless_said_otherwise(
    program: InProcessProgram, options: tuple[str, ...], maker: str
) -> None:
    (one,) = program.explained(*options, "-", stdin=yaml.safe_dump(CONFIG_MAP))

    assert (one["pod"], one["reason"]) == ("airflow/placeholder-name", "no-sidecar")
    assert one["place"] == "stdin: document 1.data[pod_template_file.yaml][0]"
    assert one["template_of"] == f"ConfigMap prod-config, as made by {maker}"


UNCHANGED: Final[dict[str, tuple[JSONObject, str]]] = {
    "it carries a label already": (
        {"kind": "Pod", "metadata": {"labels": {"spark_kubernetes_operator": "False"}}, "spec": {}},
        "malformed-pod",
    ),
    "a Deployment": ({"kind": "Deployment", "spec": {"template": {"spec": {"containers": []}}}}, "not-airflow"),
    "no spec": ({"kind": "Pod"}, "malformed-pod"),
    "labels of a wrong type": ({"kind": "Pod", "metadata": {"labels": [1]}, "spec": {"containers": []}}, "malformed-pod"),
    "containers of a wrong type": ({"kind": "Pod", "spec": {"containers": 1}}, "malformed-pod"),
}


@pytest.mark.parametrize(("given", "reason"), UNCHANGED.values(), ids=UNCHANGED)
def test_what_airflow_would_not_use_as_a_template_stays_as_it_is(program: InProcessProgram, given: JSONObject, reason: str) -> None:
    (one,) = program.explained("--as", "pod-operator", "-", stdin=json.dumps(given))

    assert (one["reason"], "as made by" in one["template_of"]) == (reason, False)
