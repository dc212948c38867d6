"""The files that ``explain`` and ``patch`` read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.support.pods import FIXTURES, SIMULATED, load
from webhook import __version__
from webhook.command import pod_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import InProcessProgram

HELM: Final = FIXTURES / "helm-chart"
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
    (one,) = program.explained("-", stdin=given)

    assert (one["pod"], one["result"], one["reason"]) == ("airflow/example-dag-extract-v6bc1e7o", "labelled", "no-sidecar")
    assert one["status"] == {"treatment": "labelled", "reason": "no-sidecar", "main": "base", "version": __version__}


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
    (one,) = program.explained("-n", "data", "-", stdin=given)

    assert one["pod"] == name


NO_POD: Final = "; allowed are a Pod, a List of Pods, an AdmissionReview, a workload with a pod template"
UNUSABLE: Final = {
    "no such file": (["patch", "none.yaml"], b"", "none.yaml: cannot be read: No such file or directory"),
    "not YAML": (["explain", "-"], b"a: [", "stdin: cannot be read as YAML or JSON: "),
    "not UTF-8": (["explain", "-"], b"\xff", "stdin: cannot be read as YAML or JSON: "),
    "empty": (["explain", "-"], b"", f"stdin: is empty{NO_POD}"),
    "only comments": (["explain", "-"], b"# nothing\n---\n", f"stdin: is empty{NO_POD}"),
    "too deep": (["explain", "-"], b"[" * 100_000, "stdin: cannot be read as YAML or JSON: "),
    "a value that its tag does not allow": (
        ["explain", "-"],
        b"kind: Pod\nspec: {hostNetwork: !!bool maybe}\n",
        "stdin: cannot be read as YAML or JSON: a value is none of those that its tag allows",
    ),
    "a time that is none": (["explain", "-"], b"!!timestamp x", "stdin: cannot be read as YAML or JSON: a value is none of those"),
    "an empty number": (["explain", "-"], b"!!int ''", "stdin: cannot be read as YAML or JSON: a value is none of those"),
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
    "merged mappings of ten times as many members at each line": (
        ["explain", "-"],
        b"kind: Pod\na0: &a0 {x: 1}\n"
        + b"".join(b"a%d: &a%d {<<: [%s]}\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)),
        "stdin: cannot be read as YAML or JSON: its aliases make more than 2,000,000 values of it",
    ),
}


def test_yaml_is_read_as_kubectl_reads_it_with_times_keys_and_words_as_text(program: InProcessProgram) -> None:
    given = b"""
        kind: Pod
        metadata:
          creationTimestamp: 2026-11-24T10:00:00Z
          labels: {kubernetes_executor: "True", dag_id: a, task_id: b, on: a, 3: b, 2026-01-01: c, 1.5: d}
        spec:
          restartPolicy: Never
          containers:
            - {name: base, image: "apache/airflow:2.10.0", args: [airflow, tasks, run, 12:30, 1:30.5, -1:00, =, 0.5m]}
    """
    (one,) = program.explained("-", stdin=given)

    assert one["result"] == "labelled", one["sentence"]


@pytest.mark.parametrize(("arguments", "given", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_is_named_in_a_line_with_code_2(
    program: InProcessProgram, arguments: list[str], given: bytes, problem: str
) -> None:
    run = program.run(*arguments, stdin=given)

    assert (run.code, run.stdout) == (2, "")
    assert run.stderr.startswith(f"airflow-sidecar-webhook: {problem}")
    assert run.stderr.count("\n") == 1


WITHOUT_POD: Final = {
    "another kind": (b"kind: Service", "document 1: skipped, kind is Service"),
    "no kind": (b"replicas: 2", "document 1: skipped, there is no kind"),
    "a scalar": (b"hello", "document 1: skipped, it is no object"),
    "a workload without its template": (
        b"{kind: CronJob, spec: 1}",
        "document 1: skipped, the CronJob has no spec.jobTemplate.spec.template",
    ),
    "a ConfigMap of something else": (
        b"{kind: ConfigMap, data: {a: b}}",
        "document 1: skipped, the ConfigMap has no pod_template_file.yaml or pod_template.yaml",
    ),
    "a ConfigMap with a broken template": (
        b"{kind: ConfigMap, data: {pod_template_file.yaml: 'a: ['}}",
        "document 1.data[pod_template_file.yaml]: skipped, it cannot be read as YAML: line 2, column 1: did not find expected node content",
    ),
    "an item": (b'[{"kind": "Job"}]', "document 1[0]: skipped, the Job has no spec.template"),
}


@pytest.mark.parametrize("command", ["explain", "patch"])
@pytest.mark.parametrize(("given", "problem"), WITHOUT_POD.values(), ids=WITHOUT_POD)
def test_a_file_without_any_pod_is_refused_with_what_it_holds(program: InProcessProgram, command: str, given: bytes, problem: str) -> None:
    run = program.run(command, "-", stdin=given)
    first, last = run.stderr.splitlines()

    assert (run.code, run.stdout) == (2, "")
    assert first.startswith(f"airflow-sidecar-webhook: stdin: {problem}")
    assert last.startswith(f"airflow-sidecar-webhook: stdin: there is no pod{NO_POD}")


@pytest.mark.parametrize("given", ["{kind: List, items: []}", "{kind: PodList}", "[]"])
def test_an_empty_list_is_no_error(program: InProcessProgram, given: str) -> None:
    assert program("explain", "-", stdin=given).endswith("\n\nno pods\n")
    assert program.explained("-", stdin=given) == []


def test_documents_of_other_kinds_are_skipped_each_with_a_line(program: InProcessProgram) -> None:
    run = program.run("explain", "-o", "json", "-", stdin=f"kind: ServiceAccount\n---\n{yaml.safe_dump(POD)}---\nkind: Service\n")
    document = json.loads(run.stdout)

    assert (run.code, run.stderr) == (0, "")
    assert [one["place"] for one in document["pods"]] == ["stdin: document 2"]
    assert document["skipped"] == [
        {"place": "stdin: document 1", "why": "kind is ServiceAccount"},
        {"place": "stdin: document 3", "why": "kind is Service"},
    ]
    text = program.run("explain", "-", stdin=f"kind: ServiceAccount\n---\n{yaml.safe_dump(POD)}")
    assert text.stderr == "airflow-sidecar-webhook: stdin: document 1: skipped, kind is ServiceAccount\n"
    assert "airflow/example-dag-extract-v6bc1e7o\n  from         stdin: document 2\n" in text.stdout


def test_several_files_and_whole_folders_are_read(program: InProcessProgram, tmp_path: Path) -> None:
    folder = tmp_path / "manifests" / "deep"
    folder.mkdir(parents=True)
    for name in ("b.yaml", "a.json", "deep/c.yml", "deep/notes.txt"):
        (tmp_path / "manifests" / name).write_text(json.dumps({**POD, "metadata": {"name": name}}), "utf-8")
    (tmp_path / "manifests" / "template.yaml").write_text("{{- if .Values.a }}\nkind: [\n", "utf-8")
    run = program.run("explain", "-o", "json", str(tmp_path / "manifests"), str(folder / "c.yml"))
    document = json.loads(run.stdout)

    assert [one["pod"] for one in document["pods"]] == [f"default/{name}" for name in ("a.json", "b.yaml", "deep/c.yml", "deep/c.yml")]
    assert document["pods"][2]["place"] == f"{folder}/c.yml: document 1"
    ((place, why),) = [one.values() for one in document["skipped"]]
    assert place == str(tmp_path / "manifests" / "template.yaml")
    assert why.startswith("cannot be read as YAML or JSON: line ")


def test_one_pod_of_several_is_no_patch(program: InProcessProgram) -> None:
    run = program.run("patch", "-", stdin=json.dumps([POD, POD]))

    assert (run.code, run.stderr) == (
        2,
        "airflow-sidecar-webhook: stdin: holds 2 pods; patch takes one, explain -o json takes any number\n",
    )


TEMPLATE: Final[dict[str, Any]] = {
    "metadata": {"labels": {"tier": "airflow", "component": "create-user-job"}},
    "spec": {"restartPolicy": "Never", "containers": [{"name": "create-user", "image": "apache/airflow:3.0.6"}]},
}
WORKLOADS: Final[dict[str, dict[str, Any]]] = {
    "CronJob": {"spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}}},
    "PodTemplate": {"template": TEMPLATE},
    **{kind: {"spec": {"template": TEMPLATE}} for kind in ("Job", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")},
}


@pytest.mark.parametrize(("kind", "workload"), WORKLOADS.items(), ids=WORKLOADS)
def test_the_template_of_a_workload_is_explained_as_the_pod_that_it_makes(
    program: InProcessProgram, kind: str, workload: dict[str, Any]
) -> None:
    given = {"kind": kind, "metadata": {"name": "users", "namespace": "airflow"}, **workload}
    (one,) = program.explained("-", stdin=json.dumps({"kind": f"{kind}List", "items": [given]}))

    assert (one["pod"], one["template_of"], one["reason"]) == ("airflow/users-", f"{kind} users", "no-sidecar")


@pytest.mark.parametrize("path", sorted(HELM.glob("*/*job-*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_job_of_airflows_chart_is_explained_as_the_pod_that_it_makes(program: InProcessProgram, path: Path) -> None:
    (one,) = program.explained(str(path))

    assert one["reason"] in {"no-sidecar", "not-in-mesh"}


@pytest.mark.parametrize("command", ["explain", "patch"])
def test_a_file_without_an_end_is_refused(command: str, program: InProcessProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_file, "MAX_BYTES", 3 * pod_file.CHUNK_BYTES)

    run = program.run(command, "/dev/zero")

    assert (run.code, run.stdout) == (2, "")
    assert run.stderr == "airflow-sidecar-webhook: /dev/zero: is larger than 3145728 bytes; give fewer pods at a time\n"
