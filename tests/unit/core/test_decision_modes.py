"""What each mode means on a cluster with native sidecars, and pods whose sidecars need different treatments.

The pods have the shape that the injectors' sources give them, as far as a rule reads it. The tests of the mesh compare with real injectors.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_istio_with_hold
from tests.support.pods import ABLE_CLUSTER, admitted, container, load
from tests.support.task_pods import (
    CLOUD_SQL,
    FLUENT_BIT,
    KERBEROS,
    LEGACY_ISTIO,
    WITH_XCOM,
    after_conversion,
    annotated,
    inits_of,
    istio_pod,
    native,
    regular_of,
    status_of,
    task_pod,
)
from webhook.core import names, treat
from webhook.core.cluster import UNKNOWN_CLUSTER, Cluster
from webhook.core.decision import Mutate
from webhook.core.reasons import ContainerReason, NotConvertedReason

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


# --- modes ---


@pytest.mark.parametrize(
    ("mode", "cluster", "member"),
    [
        ("auto", ABLE_CLUSTER, "native"),
        ("native", ABLE_CLUSTER, "native"),
        ("wrap", ABLE_CLUSTER, "quit"),
        ("auto", UNKNOWN_CLUSTER, "quit"),
    ],
    ids=["auto", "native", "wrap", "auto on a cluster without native sidecars"],
)
def test_an_unknown_container_is_to_be_described_as_native_where_the_mode_and_the_cluster_have_native_sidecars(
    mode: str, cluster: Cluster, member: str, policy: Policy
) -> None:
    pod = annotated(task_pod({"name": "uploader", "image": "registry.example.com/uploader:1"}), {names.MODE_ANNOTATION: mode})
    (remedy,) = [one for one in treat(pod, policy, cluster).remedies if one.reason == ContainerReason.UNKNOWN]

    assert [word for word in ("native", "quit") if f'"{word}":' in remedy.line] == [member]


@pytest.mark.parametrize("mode", ["auto", "native"])
def test_with_native_sidecars_the_task_runs_as_the_user_wrote_it(mode: str, policy: Policy) -> None:
    pod = annotated(istio_pod(), {names.MODE_ANNOTATION: mode})
    after = after_conversion(pod, policy)

    assert container(after, "base") == container(pod, "base")
    assert (status_of(after)["treatment"], status_of(after)["reason"]) == ("native", "sidecars-native")
    assert status_of(after)["sidecars"] == {"istio-proxy": "native"}


def test_mode_wrap_wraps_on_every_cluster(policy: Policy) -> None:
    after = after_conversion(annotated(istio_pod(), {names.MODE_ANNOTATION: "wrap"}), policy)

    assert names.PREFIX in container(after, "base")["command"]
    assert inits_of(after) == ["istio-init"]
    status = status_of(after).keys()
    assert status == {"treatment", "reason", "main", "entrypoint", "shell", "sidecars", "version"}, "nothing was to be converted"


def test_mode_native_on_a_cluster_without_leaves_the_pod_and_says_why(policy: Policy) -> None:
    outcome, after = admitted(annotated(istio_pod(), {names.MODE_ANNOTATION: "native"}), policy, UNKNOWN_CLUSTER)

    assert (status_of(after)["treatment"], status_of(after)["reason"], status_of(after)["no_native"]) == ("left", "native-only", "unknown")
    assert "command" not in container(after, "base")
    assert "native-only" in outcome.warnings[0]


def test_mode_native_never_wraps_what_has_to_stay(policy: Policy) -> None:
    outcome, after = admitted(
        annotated(istio_pod(ports=[{"containerPort": 1, "hostPort": 1}]), {names.MODE_ANNOTATION: "native"}), policy, ABLE_CLUSTER
    )

    assert outcome.reason == "native-only"
    assert "command" not in container(after, "base")


# --- mixed pods ---


STAYING_SQL: Final = {**CLOUD_SQL, "ports": [{"containerPort": 5432, "hostPort": 5432}]}
NOBODYS: Final = {"name": "cache", "image": "redis:8"}


@pytest.mark.parametrize("inject", [*LEGACY_ISTIO, inject_istio_native])
def test_each_sidecar_of_a_mixed_pod_gets_its_own_treatment(inject: Injector, policy: Policy) -> None:
    """One native, one with a quit request, one that is in no catalogue."""
    pod = inject(task_pod(STAYING_SQL, NOBODYS))
    after = after_conversion(pod, policy)
    command = container(after, "base")["command"]

    assert status_of(after)["treatment"] == "wrapped"
    assert status_of(after)["sidecars"] == {"istio-proxy": "native", "database": "quit"}
    assert status_of(after)["may_keep_running"] == ["cache"]
    assert status_of(after)["not_converted"] == {"database": NotConvertedReason.HOST_PORT}
    assert [command[place + 1] for place, word in enumerate(command) if word == "--sidecar"] == ["database"]
    for name in ("database", "cache"):
        assert container(after, name) == container(pod, name)


def test_a_sidecar_that_neither_fits_is_left_with_both_reasons(policy: Policy) -> None:
    outcome, after = admitted(task_pod({**FLUENT_BIT, "ports": [{"containerPort": 1, "hostPort": 1}]}), policy, ABLE_CLUSTER)

    assert outcome.reason == "no-quit"
    assert status_of(after)["not_converted"] == {"logs": NotConvertedReason.HOST_PORT}


@pytest.mark.parametrize("cluster", [ABLE_CLUSTER, UNKNOWN_CLUSTER], ids=["able", "unknown"])
@pytest.mark.parametrize("others", [(), (STAYING_SQL,), (FLUENT_BIT, STAYING_SQL), (NOBODYS,), (KERBEROS, NOBODYS)], ids=str)
@pytest.mark.parametrize("inject", [None, inject_istio, inject_istio_with_hold, inject_istio_native])
def test_the_xcom_sidecar_stays_as_it_is_in_every_combination(
    inject: Injector | None, others: tuple[JSONObject, ...], cluster: Cluster, policy: Policy
) -> None:
    pod = load(WITH_XCOM)
    pod["spec"]["containers"] += copy.deepcopy(list(others))
    pod = inject(pod) if inject else pod
    after = after_conversion(pod, policy, cluster)

    assert container(after, names.XCOM_CONTAINER) == container(pod, names.XCOM_CONTAINER)
    assert "airflow-xcom-sidecar" not in (container(after, "base").get("command") or ())
    assert "airflow-xcom-sidecar" not in status_of(after).get("sidecars", {})


SPARK_CONTAINERS: Final = ("base", "spark-kubernetes-driver", "spark-kubernetes-executor")
"""What Spark calls its containers (spark Constants.scala), and what nothing hinders a pod template from calling them."""


def spark_pod(name: str, inject: Injector, *sidecars: JSONObject) -> JSONObject:
    """A Spark driver or executor whose container has this name, with Istio."""
    pod = task_pod(*sidecars)
    del pod["metadata"]["labels"]["kubernetes_executor"]
    pod["metadata"]["labels"]["spark_kubernetes_operator"] = "True"
    ports = [{"containerPort": 7079, "name": "blockmanager", "protocol": "TCP"}]
    container(pod, "base").update(name=name, image="apache/spark:4.0.1", args=[name.rpartition("-")[2]], ports=ports)
    return inject(pod)


@pytest.mark.parametrize("inject", LEGACY_ISTIO)
@pytest.mark.parametrize("name", SPARK_CONTAINERS)
def test_a_spark_drivers_and_executors_sidecars_are_converted(name: str, inject: Injector, policy: Policy) -> None:
    after = after_conversion(spark_pod(name, inject, FLUENT_BIT), policy)

    assert regular_of(after) == [name]
    assert (status_of(after)["treatment"], status_of(after)["main"]) == ("native", name)


@pytest.mark.parametrize("inject", LEGACY_ISTIO)
@pytest.mark.parametrize("name", SPARK_CONTAINERS)
def test_a_spark_driver_or_executor_is_never_wrapped(name: str, inject: Injector, policy: Policy) -> None:
    pod = spark_pod(name, inject, STAYING_SQL)
    after = after_conversion(pod, policy)

    assert container(after, name) == container(pod, name)
    assert (status_of(after)["reason"], status_of(after)["sidecars"]) == ("spark", {"istio-proxy": "native", "database": "keeps-running"})


def test_a_wrapped_pod_that_reaches_a_cluster_with_native_sidecars_is_converted_and_its_command_given_back(policy: Policy) -> None:
    pod = istio_pod()
    wrapped = admitted(pod, policy, UNKNOWN_CLUSTER)[1]

    assert after_conversion(wrapped, policy) == after_conversion(pod, policy)


def test_a_field_that_nobody_knows_moves_with_its_container(policy: Policy) -> None:
    future = {"newInKubernetes": {"deep": [1, {"er": None}]}}

    assert native(after_conversion(task_pod({**FLUENT_BIT, **future}), policy), "logs") == {
        **FLUENT_BIT,
        **future,
        "restartPolicy": "Always",
    }


# --- where a wrapper is possible at all, whatever the pod lacks for it ---


@pytest.mark.parametrize(
    ("mode", "label", "spec", "is_possible"),
    [
        ("auto", "kubernetes_executor", {}, True),
        ("wrap", "kubernetes_pod_operator", {}, True),
        ("native", "kubernetes_executor", {}, False),
        ("label-only", "kubernetes_executor", {}, False),
        ("auto", "spark_kubernetes_operator", {}, False),
        ("native", "spark_kubernetes_operator", {}, False),
        ("auto", "kubernetes_executor", {"hostNetwork": True}, False),
        ("wrap", "kubernetes_executor", {"os": {"name": "windows"}}, False),
    ],
)
def test_a_wrapper_is_possible_in_two_modes_and_never_for_spark_windows_or_the_hosts_network(
    mode: str, label: str, spec: JSONObject, *, is_possible: bool, policy: Policy
) -> None:
    pod = annotated(inject_istio(task_pod()), {names.MODE_ANNOTATION: mode})
    pod["metadata"]["labels"] = {label: "True"}
    pod["spec"] |= spec
    decision = treat(pod, policy, ABLE_CLUSTER).decision

    assert isinstance(decision, Mutate)
    assert decision.may_wrap is is_possible


@pytest.mark.parametrize(("role", "reason"), [("driver", "spark-submit"), ("executor", "spark-submit"), ("other", "not-airflow")])
def test_a_pod_of_spark_without_a_label_of_airflow_is_skipped_with_its_own_reason(role: str, reason: str, policy: Policy) -> None:
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_minimal_template.json"))
    pod["metadata"]["labels"] = {"spark-role": role}

    assert admitted(pod, policy)[0].reason == reason
