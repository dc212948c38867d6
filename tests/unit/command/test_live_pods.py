"""``explain`` of pods of a cluster, on a fake API server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import jsonpatch
import pytest

from demo.simulated_injectors import inject_istio
from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import ISTIO, RUNNING, annotated, ended, live_pod
from tests.support.pods import ABLE_CLUSTER, load
from tests.support.scripted_api_server import scripted_api_server
from webhook.core import default_policy, treat
from webhook.doctor.registration import OWN_WEBHOOK
from webhook.kube.reading import CONFIGURATIONS_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram, ProgramRun
    from tests.support.scripted_api_server import ScriptedApiServer

POD: Final = inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))
POD["spec"]["containers"].append({"name": "uploader", "image": "registry.example.com/uploader:1"})
NAMESPACE: Final = "/api/v1/namespaces/airflow"
PATH: Final = f"{NAMESPACE}/pods/etl"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApiServer]:
    """A fake API server with one node, and a kubeconfig that names it; the package reads the place of that once, when it is imported."""
    with scripted_api_server() as server:
        server.nodes = [{"metadata": {"name": "node"}, "status": {"nodeInfo": {"kubeletVersion": "v1.34.2"}}}]
        path = tmp_path / "kubeconfig"
        path.write_text(kubeconfig_for(server.url, "here"), "utf-8")
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield server


def explained(program: InProcessProgram, *arguments: str) -> ProgramRun:
    """Run explain in the namespace of the pods."""
    return program.run("explain", "-n", "airflow", *arguments)


def test_a_pod_of_the_cluster_is_explained_as_at_its_admission(server: ScriptedApiServer, program: InProcessProgram) -> None:
    outcome = treat(POD, default_policy(), ABLE_CLUSTER)
    server.objects[PATH] = jsonpatch.apply_patch(POD, list(outcome.operations))
    server.version = {"gitVersion": "v1.28.0"}
    (one,) = json.loads(explained(program, "-o", "json", "pod/etl").stdout)["pods"]

    assert (one["result"], one["reason"]) == ("unchanged", "sidecars-native")
    assert [remedy["line"] for remedy in one["remedies"]] == [remedy.line for remedy in outcome.remedies]


@pytest.mark.parametrize("text", [None, "users: ["], ids=["no file", "no YAML"])
def test_a_kubeconfig_that_cannot_be_read_is_named_in_json_too(
    text: str | None, tmp_path: Path, program: InProcessProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my-kubeconfig"
    if text is not None:
        path.write_text(text, "utf-8")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    done = explained(program, "-o", "json", "pod/etl")
    (message,) = json.loads(done.stdout)["error"]["messages"]

    assert (done.code, done.stderr) == (2, f"airflow-sidecar-webhook: {message}\n")
    assert message.startswith(f"the kubeconfig cannot be used: {path}: ")


def test_a_pod_without_a_status_is_explained_on_the_cluster_that_it_is_in(server: ScriptedApiServer, program: InProcessProgram) -> None:
    server.objects[PATH] = POD
    done = explained(program, "pod/etl")

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("airflow/hello-world-1-v6bc1e7o\n  native (sidecars-native): ")
    assert "  cluster      native sidecars are used (ready)\n" in done.stdout


def test_a_pod_that_is_not_there_is_one_line(server: ScriptedApiServer, program: InProcessProgram) -> None:
    server.refusal = (404, b'{"message": "not found"}')
    done = explained(program, "pod/none")

    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == "airflow-sidecar-webhook: there is no pod none in the namespace airflow; -n names another one\n"


STUCK: Final = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
OTHERS: Final[JSONObject] = {
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"containers": [{"name": "web"}]},
    "status": {"phase": "Running"},
}
IN_NAMESPACE: Final = "/api/v1/namespaces/airflow/pods"


def names_of(done: ProgramRun) -> list[str]:
    """The explained pods."""
    return [one["pod"] for one in json.loads(done.stdout)["pods"]]


def test_a_stuck_pod_of_the_cluster_has_its_course_and_code_3_and_lines_for_its_context(
    server: ScriptedApiServer, program: InProcessProgram
) -> None:
    server.objects[PATH] = STUCK
    done = explained(program, "--context", "here", "pod/etl")

    assert (done.code, done.stderr) == (3, "")
    assert done.stdout.startswith("airflow/sales\n  stuck: ")
    assert " kubectl --context here --namespace airflow port-forward pod/sales " in done.stdout


def test_several_pods_are_read_by_their_names(server: ScriptedApiServer, program: InProcessProgram) -> None:
    server.objects |= {PATH: STUCK, f"{IN_NAMESPACE}/web": OTHERS}

    assert names_of(explained(program, "-o", "json", "po/etl", "pods/web")) == ["airflow/sales", "shop/web"]


def test_pods_are_read_by_their_labels_all_of_them(server: ScriptedApiServer, program: InProcessProgram) -> None:
    server.objects[IN_NAMESPACE] = {"metadata": {}, "items": [STUCK, OTHERS]}
    done = explained(program, "-o", "json", "-l", "dag_id in (a, b)")

    assert names_of(done) == ["airflow/sales", "shop/web"]
    assert server.selectors == ["dag_id in (a, b)"]


WHERE: Final = {"a namespace": (IN_NAMESPACE, ()), "all namespaces": ("/api/v1/pods", ("-A",))}


@pytest.mark.parametrize(("path", "options"), WHERE.values(), ids=WHERE)
def test_without_labels_only_pods_of_airflow_are_explained_and_those_that_may_be(
    server: ScriptedApiServer, program: InProcessProgram, path: str, options: tuple[str, ...]
) -> None:
    unlabelled = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    unlabelled["metadata"] |= {"name": "job", "labels": {}}
    broken = {"metadata": {"name": "odd"}, "spec": {"restartPolicy": "Never", "containers": []}, "status": {"phase": 1}}
    another = live_pod({"base": RUNNING})
    another["metadata"] |= {"name": "another-job", "labels": {}}
    server.objects[path] = {"metadata": {}, "items": [STUCK, OTHERS, unlabelled, another, broken]}
    done = explained(program, "-o", "json", *options)

    assert (names_of(done), done.stderr) == (["airflow/sales", "airflow/job"], "")


def test_no_pods_are_no_error(server: ScriptedApiServer, program: InProcessProgram) -> None:
    server.objects[IN_NAMESPACE] = {"metadata": {}, "items": []}
    done = explained(program, "-l", "a=b")

    assert (done.code, done.stdout, done.stderr) == (0, "no pods\n", "")


def test_a_namespace_without_a_task_pod_is_named_since_it_may_be_misspelt(server: ScriptedApiServer, program: InProcessProgram) -> None:
    server.objects[IN_NAMESPACE] = {"metadata": {}, "items": []}
    done = explained(program)

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == "no task pods in the namespace airflow; doctor -n airflow says whether it exists and has opted in\n"


def own_webhook(**namespace_labels: str) -> JSONObject:
    """A configuration with the product's webhook, for namespaces with these labels."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    own = {"name": OWN_WEBHOOK, "rules": [rule], "namespaceSelector": {"matchLabels": namespace_labels}}
    return {"metadata": {"name": "airflow-sidecar-webhook"}, "webhooks": [own]}


UNSEEN: Final = annotated(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), status=None)


def test_a_pod_of_a_namespace_that_has_not_opted_in_is_said_to_be_one_with_the_command(
    server: ScriptedApiServer, program: InProcessProgram
) -> None:
    server.objects |= {PATH: UNSEEN, NAMESPACE: {"metadata": {"labels": {"team": "a"}}}}
    server.objects[CONFIGURATIONS_PATH] = {"metadata": {}, "items": [own_webhook(**{"airflow-sidecar-webhook": "enabled"})]}
    text = explained(program, "pod/etl").stdout

    assert "  webhook      not treated (not-opted-in): airflow-sidecar-webhook/pods.airflow-sidecar-webhook.io is not called " in text
    assert "\n  new pods     If tasks run here: kubectl label namespace airflow airflow-sidecar-webhook=enabled\n" in text
    assert "\n  then a new pod like it: native (sidecars-native): " in text
    assert "created before" not in text


def test_where_the_webhook_is_not_installed_that_is_why_a_pod_was_not_treated(server: ScriptedApiServer, program: InProcessProgram) -> None:
    server.objects |= {PATH: UNSEEN, NAMESPACE: {"metadata": {}}, CONFIGURATIONS_PATH: {"metadata": {}, "items": []}}

    assert "  webhook      not treated (webhook-not-installed): " in explained(program, "pod/etl").stdout


KNOWN: Final[dict[str, JSONObject]] = {
    "it has opted in": {"metadata": {"labels": {"airflow-sidecar-webhook": "enabled"}}},
    "it cannot be read": {},
}


@pytest.mark.parametrize("namespace", KNOWN.values(), ids=KNOWN)
def test_a_pod_that_the_webhook_was_called_for_or_may_have_been_is_one_from_before_or_from_an_outage(
    server: ScriptedApiServer, program: InProcessProgram, namespace: JSONObject
) -> None:
    server.objects |= {PATH: UNSEEN, NAMESPACE: namespace}
    server.objects[CONFIGURATIONS_PATH] = {"metadata": {}, "items": [own_webhook(**{"airflow-sidecar-webhook": "enabled"})]}
    text = explained(program, "pod/etl").stdout

    assert "  webhook      not seen (no-status): The pod does not carry the webhook's status: it was created before " in text
    assert "\n  a new pod like it: native (sidecars-native): " in text


def test_pods_that_may_not_be_listed_are_one_line_with_what_the_api_server_said(
    server: ScriptedApiServer, program: InProcessProgram
) -> None:
    server.refusal = (403, b'{"message": "pods is forbidden"}')
    done = explained(program, "-A")

    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == f"airflow-sidecar-webhook: cannot read from the API server {server.url}: 403 pods is forbidden\n"


NOT_TOGETHER: Final = {
    "a cluster is assumed": (["--cluster-version", "1.34", "pod/etl"], "pods of the cluster are explained as in that cluster: "),
    "files and pods": (["pod/etl", "a.yaml"], "pod/etl a.yaml: name either pods of the cluster or files"),
    "files and labels": (["-l", "a=b", "a.yaml"], "a.yaml: --selector and --all-namespaces are for pods of the cluster"),
    "names and labels": (["-l", "a=b", "pod/etl"], "pod/etl: --selector and --all-namespaces are for pods that are not named"),
    "a bare name": (["etl"], "etl: there is no such file; a pod of the cluster is named pod/etl\n"),
    "a name of a table": (["data/etl"], "data/etl: there is no such file; a pod of the cluster is named pod/etl -n data\n"),
    "a name as kubectl takes it": (["pod", "etl"], "pod: there is no such file; a pod of the cluster is named pod/etl\n"),
    "nothing": ([], "name a FILE, pod/NAME, a namespace with -n, labels with -l, or all namespaces with -A"),
}


@pytest.mark.parametrize(("arguments", "problem"), NOT_TOGETHER.values(), ids=NOT_TOGETHER)
def test_arguments_that_do_not_belong_together_are_refused(program: InProcessProgram, arguments: list[str], problem: str) -> None:
    run = program.run("explain", *arguments)

    assert (run.code, run.stdout) == (2, "")
    assert run.stderr.startswith(f"airflow-sidecar-webhook: {problem}")
