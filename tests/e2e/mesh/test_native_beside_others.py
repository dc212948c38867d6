"""A native istio-proxy beside regular containers: Airflow's XCom sidecar, a sidecar with a quit endpoint, an unknown one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from testbed.images import catalogue
from tests.e2e.mesh.task import assert_runs_on, end_from_within, ended, in_container, is_from_envoy, regular, request, status_of
from tests.e2e.node.native import native, native_status
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy
from webhook.core.names import SIDECARS_ANNOTATION

if TYPE_CHECKING:
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


XCOM: Final = "trap 'exit 0' INT; while true; do sleep 1; done;"
"""As Airflow's provider has it (airflow/providers/cncf/kubernetes/utils/xcom_sidecar.py)."""

RESULT: Final = '{"rows": 3}'
XCOM_VOLUME: JSONObject = {"volumes": [{"name": "xcom", "emptyDir": {}}]}
XCOM_MOUNT: Final = [{"name": "xcom", "mountPath": "/airflow/xcom"}]

STAYS: Final = "while :; do sleep 1; done"
TUNNEL: Final = {SIDECARS_ANNOTATION: json.dumps([{"name": "tunnel", "quit": {"port": 9000, "path": "/quitquitquit"}}])}


def test_airflow_reads_the_result_of_a_task_and_ends_its_own_sidecar_before_the_proxy_ends(
    converted: PodNamespace, task_image: str, web: str
) -> None:
    base = shell(task_image, f"{request(web)}; echo '{RESULT}' > /airflow/xcom/return.json; exit 3", volumeMounts=XCOM_MOUNT)
    xcom = {"name": "airflow-xcom-sidecar", **shell(task_image, XCOM, volumeMounts=XCOM_MOUNT)}
    pod = converted.level.api.create(operator_pod(converted.name, "xcom", base, xcom, **XCOM_VOLUME))
    assert (native(pod), regular(pod)) == (["istio-proxy"], ["base", "airflow-xcom-sidecar"])
    assert status_of(pod)["treatment"] == "native"

    assert converted.base_end("xcom")["exitCode"] == 3
    assert in_container(converted, "xcom", "airflow-xcom-sidecar", "cat /airflow/xcom/return.json").strip() == RESULT
    end_from_within(converted, "xcom", "airflow-xcom-sidecar", "kill -2 1")
    end = converted.end("xcom")
    assert is_from_envoy(ended(end, "base")["message"])
    assert ended(end, "airflow-xcom-sidecar")["exitCode"] == 0
    proxy = native_status(end, "istio-proxy")
    assert (proxy["restartCount"], proxy["state"]["terminated"]["exitCode"]) == (0, 0)
    assert end.phase == "Failed"


def test_one_with_only_a_quit_request_gets_it_and_the_native_proxy_does_not(
    converted: PodNamespace, node: NodeLevel, task_image: str, web: str
) -> None:
    pod = converted.level.api.create(mixed_pod(converted, "mixed", node, shell(task_image, f"{request(web)}; exit 3")))
    assert (native(pod), regular(pod)) == (["istio-proxy"], ["base", "tunnel"])
    assert status_of(pod)["treatment"] == "wrapped"
    assert status_of(pod)["sidecars"] == {"istio-proxy": "native", "tunnel": "quit"}

    end = converted.end("mixed")
    assert is_from_envoy(ended(end, "base")["message"])
    assert [ended(end, name)["exitCode"] for name in ("base", "tunnel")] == [3, 0]
    proxy = native_status(end, "istio-proxy")
    assert (proxy["restartCount"], proxy["state"]["terminated"]["exitCode"]) == (0, 0)
    assert "/quitquitquit" not in converted.log("mixed", "istio-proxy")


def test_beside_a_stranger_that_stays_the_rest_ends_and_the_pod_says_who_is_unknown(
    converted: PodNamespace, node: NodeLevel, task_image: str
) -> None:
    stranger = {"name": "stranger", **shell(task_image, STAYS)}
    pod = converted.level.api.create(mixed_pod(converted, "stranger", node, shell(task_image, "exit 3"), stranger))
    assert status_of(pod)["sidecars"] == {"istio-proxy": "native", "tunnel": "quit"}
    assert status_of(pod)["may_keep_running"] == ["stranger"]

    assert converted.base_end("stranger")["exitCode"] == 3
    last = converted.when("stranger", lambda moment: moment.terminated("tunnel") is not None, "has its tunnel ended")
    assert ended(last, "tunnel")["exitCode"] == 0
    assert "running" in native_status(last, "istio-proxy")["state"]
    assert_runs_on(converted, "stranger")


def mixed_pod(namespace: PodNamespace, name: str, node: NodeLevel, base: JSONObject, *others: JSONObject) -> JSONObject:
    """A task beside a sidecar of its author's that has a quit, on ports of its own; Istio's will be added."""
    proxy = stand_in_proxy(node.node.load(catalogue.stand_in_istio_agent()))
    tunnel = {**proxy, "name": "tunnel", "command": [*proxy["command"], "--status-port=9000", "--ready-port=9001"]}
    return operator_pod(namespace.name, name, base, tunnel, *others, annotations=TUNNEL)
