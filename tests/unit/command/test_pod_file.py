"""The files that ``explain`` and ``patch`` read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.support.pods import SIMULATED, load

if TYPE_CHECKING:
    from tests.support.program import InProcessProgram

POD: Final = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
SHAPES: Final = {
    "JSON": json.dumps(POD),
    "YAML": yaml.safe_dump(POD),
    "List": json.dumps({"kind": "List", "items": [POD]}),
    "array": json.dumps([POD]),
    "PodList": json.dumps({"kind": "PodList", "items": [{key: value for key, value in POD.items() if key != "kind"}]}),
    "documents": "---\n" + yaml.safe_dump(POD) + "---\n",
    "AdmissionReview": (SIMULATED / "airflow-3.3.2-provider-10.25.0" / "ke_default.json").read_text("utf-8"),
}


@pytest.mark.parametrize("given", SHAPES.values(), ids=SHAPES)
def test_a_pod_is_read_in_every_shape(program: InProcessProgram, given: str) -> None:
    (one,) = json.loads(program("explain", "-o", "json", "-", stdin=given))

    assert (one["pod"], one["result"], one["reason"]) == ("airflow/example-dag-extract-v6bc1e7o", "labelled", "no-sidecar")
    assert one["status"] == {"treatment": "labelled", "reason": "no-sidecar", "main": "base"}


NAMES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "both": ({"namespace": "team", "name": "a"}, "team/a"),
    "no namespace": ({"name": "a"}, "data/a"),
    "a generated name": ({"generateName": "a-"}, "data/a-"),
    "no name": ({}, "data/(no name)"),
    "wrong types": ({"namespace": 1, "name": [2]}, "data/(no name)"),
}


@pytest.mark.parametrize(("metadata", "name"), NAMES.values(), ids=NAMES)
def test_a_pod_is_named_with_its_namespace_or_the_one_of_the_command_line(
    program: InProcessProgram, metadata: dict[str, Any], name: str
) -> None:
    given = json.dumps({"kind": "Pod", "metadata": metadata, "spec": {"containers": []}})
    (one,) = json.loads(program("explain", "-n", "data", "-o", "json", "-", stdin=given))

    assert one["pod"] == name


UNUSABLE: Final = {
    "no such file": (["patch", "none.yaml"], b"", "none.yaml: cannot be read: No such file or directory"),
    "not YAML": (["explain", "-"], b"a: [", "stdin: cannot be read as YAML or JSON: "),
    "not UTF-8": (["explain", "-"], b"\xff", "stdin: cannot be read as YAML or JSON: "),
    "empty": (
        ["explain", "-"],
        b"",
        "stdin: is empty; allowed are a Pod, a List or PodList of Pods, or an AdmissionReview, as YAML or JSON",
    ),
    "another kind": (["explain", "-"], b'[{"kind":"Pod"},{"kind":"Job"}]', "stdin: document 1[1]: kind is Job; allowed are a Pod, "),
    "a scalar": (["explain", "-"], b"hello", "stdin: document 1: there is no kind; allowed are a Pod, "),
    "too deep": (["explain", "-"], b"[" * 100_000, "stdin: cannot be read as YAML or JSON: "),
    "an alias that contains itself": (
        ["explain", "-"],
        b"kind: Pod\nmetadata: &all\n  annotations: *all\n",
        "stdin: cannot be read as YAML or JSON: it is nested more than 200 levels deep, as when an alias contains itself",
    ),
    "aliases that double at each line": (
        ["explain", "-"],
        b"kind: Pod\na0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40)),
        "stdin: cannot be read as YAML or JSON: its aliases make more than 2,000,000 values of it",
    ),
}


def test_yaml_is_read_as_kubectl_reads_it_with_times_and_keys_as_text(program: InProcessProgram) -> None:
    given = b"""
        kind: Pod
        metadata:
          creationTimestamp: 2026-11-24T10:00:00Z
          labels: {kubernetes_executor: "True", dag_id: a, task_id: b, on: a, 3: b, 2026-01-01: c, 1.5: d}
        spec:
          restartPolicy: Never
          containers:
            - {name: base, image: "apache/airflow:2.10.0", args: [airflow, tasks, run]}
    """
    (one,) = json.loads(program("explain", "-o", "json", "-", stdin=given))

    assert one["result"] == "labelled", one["sentence"]


@pytest.mark.parametrize(("arguments", "given", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_is_named_in_a_line_with_code_2(
    program: InProcessProgram, arguments: list[str], given: bytes, problem: str
) -> None:
    run = program.run(*arguments, stdin=given)

    assert (run.code, run.stdout) == (2, "")
    assert run.stderr.startswith(f"airflow-sidecar-webhook: {problem}")
    assert run.stderr.count("\n") == 1
