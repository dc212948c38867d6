"""``doctor``: how it ends, the line for scripts, and the wait until no problem is found. On a fake API server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from webhook.command.checked_cluster import until_no_problem
from webhook.command.doctor_report import DoctorReport
from webhook.command.exit_code import ExitCode
from webhook.core import STATUS_ANNOTATION
from webhook.doctor.finding import FindingId, found
from webhook.doctor.registration import OWN_WEBHOOK
from webhook.kube.kubeconfig import Context
from webhook.kube.reading import CONFIGURATIONS_PATH, NODES_PATH, VERSION_PATH

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram
    from tests.support.scripted_api_server import ScriptedApiServer

PODS: Final = "/api/v1/namespaces/airflow/pods"
FORBIDDEN: Final = (403, b'{"message": "forbidden"}')
NODE: Final[JSONObject] = {"metadata": {"name": "node"}, "status": {"nodeInfo": {"kubeletVersion": "v1.34.2"}}}
INSTALLED: Final[JSONObject] = {
    "metadata": {"name": "webhook"},
    "webhooks": [
        {
            "name": OWN_WEBHOOK,
            "clientConfig": {"url": "https://127.0.0.1"},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "resources": ["pods"]}],
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "IfNeeded",
        }
    ],
}


@pytest.fixture
def well(cluster: ScriptedApiServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedApiServer:
    """A cluster in which nothing is wrong."""
    cluster.nodes = [NODE]
    cluster.objects[CONFIGURATIONS_PATH] = {"metadata": {}, "items": [INSTALLED]}
    cluster.annotations = {STATUS_ANNOTATION: "{}"}
    monkeypatch.setattr("webhook.command.checked_cluster.POLL_SECONDS", 0.01)
    return cluster


def stuck() -> JSONObject:
    """The list of a namespace with a stuck pod."""
    return {"metadata": {}, "items": [live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)]}


def test_where_nothing_is_wrong_the_line_says_ok(program: InProcessProgram, well: ScriptedApiServer) -> None:
    del well
    done = program.run("doctor", "-n", "airflow", "--short")

    assert (done.code, done.stdout, done.stderr) == (0, "ok namespace=airflow problems=0 warnings=0 not-checked=0 findings=-\n", "")


def test_a_problem_is_named_in_the_line(program: InProcessProgram, well: ScriptedApiServer) -> None:
    well.objects[PODS] = stuck()
    done = program.run("doctor", "-n", "airflow", "--short")

    assert (done.code, done.stdout) == (3, "problem namespace=airflow problems=1 warnings=0 not-checked=0 findings=stuck-pod\n")


@pytest.mark.parametrize("path", [VERSION_PATH, NODES_PATH, CONFIGURATIONS_PATH, PODS, "/api/v1/namespaces/airflow"])
def test_a_check_that_could_not_be_made_has_an_exit_code_of_its_own(program: InProcessProgram, well: ScriptedApiServer, path: str) -> None:
    well.refused[path] = FORBIDDEN
    line, document = (program.run("doctor", "-n", "airflow", *arguments) for arguments in (["--short"], ["-o", "json"]))

    assert line.code == document.code == ExitCode.INCOMPLETE
    assert line.stdout.startswith("incomplete namespace=airflow problems=0 ")
    assert " not-checked=1 " in line.stdout
    assert json.loads(document.stdout)["is_complete"] is False


def test_a_problem_counts_more_than_a_check_that_could_not_be_made(program: InProcessProgram, well: ScriptedApiServer) -> None:
    well.refused[NODES_PATH] = FORBIDDEN
    well.objects[PODS] = stuck()

    assert program.run("doctor", "-n", "airflow").code == ExitCode.PROBLEM


def test_the_wait_ends_as_soon_as_nothing_is_wrong_and_the_last_report_is_printed(
    program: InProcessProgram, well: ScriptedApiServer
) -> None:
    well.objects[PODS] = stuck()

    def end_pod(path: str) -> None:
        if path == PODS and well.requests.count(PODS) == 3:
            well.objects[PODS] = {"metadata": {}, "items": []}

    well.before = end_pod
    done = program.run("doctor", "-n", "airflow", "--wait", "86400", "--short")

    assert (done.code, done.stdout.count("\n"), done.stdout.split()[0]) == (0, 1, "ok")
    assert well.requests.count(PODS) == 3


def test_the_wait_is_over_at_its_limit_with_what_is_still_wrong(program: InProcessProgram, well: ScriptedApiServer) -> None:
    well.objects[PODS] = stuck()
    done = program.run("doctor", "-n", "airflow", "--wait", "1", "--short")

    assert (done.code, done.stdout.split()[0]) == (3, "problem")


def test_a_wait_checks_every_five_seconds_and_once_more_at_its_limit() -> None:
    clock, checked_at = [0.0], list[float]()

    def check() -> DoctorReport:
        checked_at.append(clock[0])
        return DoctorReport(Context("here", "airflow", "https://127.0.0.1"), "airflow", (found(FindingId.WEBHOOK_UNREACHABLE),))

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    assert until_no_problem(check, 12, sleep, lambda: clock[0]).exit_code is ExitCode.PROBLEM
    assert checked_at == [0.0, 5.0, 10.0, 12.0]


def test_all_namespaces_can_be_waited_for_too(program: InProcessProgram, well: ScriptedApiServer) -> None:
    well.objects["/api/v1/namespaces"] = {"metadata": {}, "items": [{"metadata": {"name": "airflow"}}]}

    assert program.run("doctor", "-A", "--wait", "60", "--short").stdout.startswith("ok namespaces=1 ")


def test_an_api_server_that_does_not_accept_the_credentials_ends_the_wait(program: InProcessProgram, well: ScriptedApiServer) -> None:
    well.refusal = (401, b'{"message": "Unauthorized"}')
    done = program.run("doctor", "-n", "airflow", "--wait", "60", "-o", "json")

    assert (done.code, list(json.loads(done.stdout))) == (2, ["version", "error"])


NOT_TOGETHER: Final = {
    "all namespaces and one": (["-A", "-n", "airflow"], "--all-namespaces lists the stuck pods of all namespaces: "),
    "all namespaces and a reaper": (["-A", "--reaper", "a/b"], "--all-namespaces lists the stuck pods of all namespaces: "),
    "a line and JSON": (["--short", "-o", "json"], "--short prints a line of text: leave out --output json"),
    "no time": (["--wait", "0"], "argument --wait: '0' is not a number of seconds from 1 to 86400"),
    "too long": (["--wait", "86401"], "argument --wait: '86401' is not a number of seconds"),
    "too many digits": (["--wait", "0086400999"], "argument --wait: '0086400999' is not a number of seconds"),
    "a word": (["--wait", "long"], "argument --wait: 'long' is not a number of seconds"),
}


@pytest.mark.parametrize(("arguments", "problem"), NOT_TOGETHER.values(), ids=NOT_TOGETHER)
def test_arguments_that_do_not_belong_together_are_refused(program: InProcessProgram, arguments: list[str], problem: str) -> None:
    run = program.run("doctor", *arguments)

    assert run.code == ExitCode.UNUSABLE
    assert f"airflow-sidecar-webhook: {problem}" in run.stderr
