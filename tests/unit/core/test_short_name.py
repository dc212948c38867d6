"""The short name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from webhook.core.names import CANONICAL_NAME
from webhook.core.pod import Pod
from webhook.core.short_name import ShortNamePolicy, ShortNameValue, is_label_value, short_name_labels, to_label_value

if TYPE_CHECKING:
    from collections.abc import Mapping

LONG = "a" * 64
IDS = {"dag_id": "sales", "task_id": "load"}
INJECTED = {"sidecar.istio.io/status": "{}"}


def pod(labels: Mapping[str, str] = {}, annotations: Mapping[str, str] = {}, **metadata: Any) -> Pod:
    """A pod with these."""
    document = {
        "metadata": {"name": "sales-load-x7k2p9qa", "labels": dict(labels), "annotations": dict(annotations), **metadata},
        "spec": {"containers": []},
    }
    return msgspec.json.decode(msgspec.json.encode(document), type=Pod)


ROWS = {
    "nothing names it": (pod(annotations=IDS), {CANONICAL_NAME: "sales.load"}),
    "ids in labels alone, as KubernetesPodOperator's": (pod(labels=IDS), {CANONICAL_NAME: "sales.load"}),
    "the annotation has the whole id, the label a shortened one": (
        pod(labels={"dag_id": "sal-1", "task_id": "loa-1"}, annotations=IDS), {CANONICAL_NAME: "sales.load"}),
    "a job of the chart": (pod(labels={"component": "create-user-job"}), {CANONICAL_NAME: "create-user-job"}),
    "nothing is known": (pod(), {CANONICAL_NAME: "airflow-task"}),
    "the user set canonical-name": (pod(labels={CANONICAL_NAME: "mine"}, annotations=IDS), {}),
    "the user set app.kubernetes.io/name": (pod(labels={"app.kubernetes.io/name": "mine"}, annotations=IDS), {}),
    "the user set app": (pod(labels={"app": "mine"}, annotations=IDS), {}),
    "an empty label is no name": (pod(labels={"app": ""}, annotations=IDS), {CANONICAL_NAME: "sales.load"}),
    "Istio came first and took the pod's name": (
        pod(labels={CANONICAL_NAME: "sales-load-x7k2p9qa"}, annotations=IDS | INJECTED), {CANONICAL_NAME: "sales.load"}),
    "Istio came first and took the user's app": (pod(labels={"app": "mine", CANONICAL_NAME: "mine"}, annotations=IDS | INJECTED), {}),
    "Istio up to 1.20 left a name that is too long": (
        pod(labels={CANONICAL_NAME: LONG}, annotations=IDS | INJECTED, name=LONG), {CANONICAL_NAME: "sales.load"}),
    "Istio 1.21 to 1.30 cut it so that it ends in a dot": (
        pod(labels={CANONICAL_NAME: "a" * 62 + "."}, annotations=IDS | INJECTED, name="a" * 62 + ".b"), {CANONICAL_NAME: "sales.load"}),
    "an invalid canonical-name and the user's app": (
        pod(labels={CANONICAL_NAME: LONG, "app": "mine"}, annotations=INJECTED), {CANONICAL_NAME: "mine"}),
    "only the DAG is known": (pod(annotations={"dag_id": "sales"}), {CANONICAL_NAME: "sales"}),
    "only the task is known": (pod(annotations={"task_id": "load"}), {CANONICAL_NAME: "airflow-task"}),
    "the user chose the pod's own name, and Istio was not there": (
        pod(labels={CANONICAL_NAME: "sales-load-x7k2p9qa"}, annotations=IDS), {}),
    "Istio came first to a generated name without an owner": (
        pod(labels={CANONICAL_NAME: "sales-load"}, annotations=IDS | INJECTED, name=None, generateName="sales-load--"),
        {CANONICAL_NAME: "sales.load"}),
    "Istio came first to a name that ends in what no label may end in": (
        pod(labels={CANONICAL_NAME: "loadX"}, annotations=IDS | INJECTED, name="loadX-_."), {CANONICAL_NAME: "sales.load"}),
    "an owner of one letter names no workload": (
        pod(labels={CANONICAL_NAME: "a"}, annotations=INJECTED, ownerReferences=[{"name": "a", "controller": True}]), {}),
    "an owner of two letters names one": (
        pod(labels={CANONICAL_NAME: "ab"}, annotations=IDS | INJECTED, ownerReferences=[{"name": "ab", "controller": True}]),
        {CANONICAL_NAME: "sales.load"}),
    "an owner that is no controller names none": (
        pod(labels={CANONICAL_NAME: "prod"}, annotations=INJECTED, ownerReferences=[{"name": "prod", "controller": False}]), {}),
    "Istio came first to a generated name with an owner": (
        pod(labels={CANONICAL_NAME: "prod-create-user", "component": "create-user-job"}, annotations=INJECTED, name=None,
            generateName="prod-create-user-", ownerReferences=[{"name": "prod-create-user", "controller": True}]),
        {CANONICAL_NAME: "create-user-job"}),
}  # fmt: skip


@pytest.mark.parametrize(("given", "labels"), ROWS.values(), ids=ROWS)
def test_each_row_gives_these_labels(given: Pod, labels: dict[str, str]) -> None:
    assert short_name_labels(given, ShortNamePolicy()) == labels


def test_the_name_is_the_same_for_every_try_and_every_mapped_task() -> None:
    names = {
        short_name_labels(pod(annotations=IDS | {"try_number": number, "map_index": number}, name=f"x-{number}"), ShortNamePolicy())[
            CANONICAL_NAME
        ]
        for number in "123"
    }

    assert names == {"sales.load"}


def test_the_key_and_the_value_are_settings() -> None:
    by_dag = ShortNamePolicy("app.kubernetes.io/name", ShortNameValue.DAG, "x")
    fixed = ShortNamePolicy("app", ShortNameValue.FIXED, "airflow_pod")

    assert short_name_labels(pod(annotations=IDS), by_dag) == {"app.kubernetes.io/name": "sales"}
    assert short_name_labels(pod(annotations=IDS), fixed) == {"app": "airflow_pod"}


def test_with_another_key_istios_own_label_is_mended_too() -> None:
    by_name = ShortNamePolicy("app.kubernetes.io/name")
    injected = pod(labels={CANONICAL_NAME: "sales-load-x7k2p9qa"}, annotations=IDS | INJECTED)

    assert short_name_labels(injected, by_name) == {"app.kubernetes.io/name": "sales.load", CANONICAL_NAME: "sales.load"}


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("", True),
        ("a", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("-a", False),
        ("a.", False),
        ("a_b-c.d", True),
        ("é", False),
        ("a\n", False),
    ],
)
def test_a_label_value_is_what_the_api_server_takes(text: str, is_valid: bool) -> None:
    assert is_label_value(text) == is_valid


def test_a_name_that_does_not_fit_keeps_a_readable_start() -> None:
    def digest(text: str) -> str:
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]

    assert to_label_value("daily sales report") == f"daily-sales-report-{digest('daily sales report')}"
    assert to_label_value("_X daily. X-") == f"X-daily.-X-{digest('_X daily. X-')}"
    assert to_label_value("x" * 300) == "x" * 54 + f"-{digest('x' * 300)}"
    assert to_label_value("\u65e5\u5831") == digest("\u65e5\u5831")
    assert to_label_value("\ud800") == digest("\ud800")
    assert to_label_value("") == digest("")
