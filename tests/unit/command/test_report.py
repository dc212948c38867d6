"""``report`` on a fake API server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from tests.support.live_pods import FLUENT_BIT, ISTIO, RUNNING, annotated, ended, live_pod
from webhook.core import OPT_IN, STATUS_ANNOTATION, UnsoundPatchError, treat
from webhook.kube.reading import CONFIGURATIONS_PATH, NODES_PATH, VERSION_PATH
from webhook.report.document import ReportDocument
from webhook.report.week import WEEKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram
    from tests.support.scripted_api_server import ScriptedApiServer
    from webhook.core import Cluster, Outcome, Policy

NATIVE: Final = {"treatment": "native", "reason": "sidecars-native", "version": "0.1.0", "sidecars": {"istio-proxy": "native"}}
LEFT: Final = {"treatment": "left", "reason": "no-quit", "version": "0.2.0", "sidecars": {"logs": "keeps-running"}}


def task_pod(name: str, phase: str, hours_late: float, *, beside: JSONObject = ISTIO, status: JSONObject | None = None) -> JSONObject:
    """A pod whose task ended so many hours ago; where it has ended, its sidecar did so just now."""
    now = datetime.now(UTC)
    end = ended(at=now) if phase == "Succeeded" else RUNNING
    pod = live_pod({"base": ended(at=now - timedelta(hours=hours_late)), beside["name"]: end}, beside)
    pod["metadata"]["name"] = name
    pod["status"]["phase"] = phase
    if status is None:
        del pod["metadata"]["annotations"][STATUS_ANNOTATION]
        return pod
    return annotated(pod, status=json.dumps(status))


@pytest.fixture
def fleet(cluster: ScriptedApiServer) -> ScriptedApiServer:
    """Two namespaces that have opted in, with an ended pod, two stuck ones and one that the webhook has not seen."""
    pods = {
        "data": [task_pod("done", "Succeeded", 0, status=NATIVE), task_pod("slow", "Succeeded", 2, status=NATIVE)],
        "web": [
            task_pod("old", "Running", 10, beside=FLUENT_BIT, status=LEFT),
            task_pod("unseen", "Running", 4),
            {"metadata": {"name": "no-task-pod"}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}, "status": {}},
        ],
    }
    cluster.objects["/api/v1/namespaces"] = {"metadata": {}, "items": [{"metadata": {"name": name}} for name in pods]}
    for namespace, found in pods.items():
        for pod in found:
            pod["metadata"]["namespace"] = namespace
        cluster.objects[f"/api/v1/namespaces/{namespace}"] = {"metadata": {"name": namespace}}
        cluster.objects[f"/api/v1/namespaces/{namespace}/pods"] = {"metadata": {}, "items": found}
    return cluster


def report(program: InProcessProgram) -> JSONObject:
    """The JSON, whose form is the documented one."""
    document: JSONObject = json.loads(program.run("report", "-A", "-o", "json").stdout)
    msgspec.convert(document, ReportDocument)
    return document


@pytest.mark.usefixtures("fleet")
def test_task_pods_of_every_phase_are_counted_by_treatment_and_reason(program: InProcessProgram) -> None:
    document = report(program)

    assert document["pods"] == 4
    assert {(one["treatment"], one["reason"]): (one["pods"], one["example"]) for one in document["treatments"]} == {
        ("native", "sidecars-native"): (2, "data/done"),
        ("left", "no-quit"): (1, "web/old"),
        ("not seen", "no-status"): (1, "web/unseen"),
    }
    assert document["versions"] == {"0.1.0": 2, "0.2.0": 1}
    assert document["sidecars"] == [
        {"name": "istio-proxy", "end": "native", "pods": 2},
        {"name": "logs", "end": "keeps-running", "pods": 1},
    ]


@pytest.mark.usefixtures("fleet")
def test_the_slot_hours_are_those_of_stuck_pods_and_of_ended_ones_that_ended_late(program: InProcessProgram) -> None:
    weeks = report(program)["weeks"]

    assert len(weeks) == WEEKS
    assert sum(week["slot_hours"] for week in weeks) == pytest.approx(16, abs=0.1)
    assert sum(week["pods"] for week in weeks) >= 3, "a time over midnight of a Monday counts in both weeks"


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("command", [("report", "-A"), ("doctor", "-A"), ("explain", "-n", "web", "--summary")], ids=" ".join)
def test_each_command_gives_the_same_slot_hours_of_the_stuck_pods(command: tuple[str, ...], program: InProcessProgram) -> None:
    document = json.loads(program.run(*command, "-o", "json").stdout)

    assert document["stuck_slot_hours"] == pytest.approx(14, abs=0.1)
    assert f"slot-hours wasted{' so far' * (command[0] == 'report')}: 14.0" in program.run(*command).stdout


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("command", "stuck_in"),
    [
        (("report", "-A"), lambda document: [one["name"] for one in document["stuck_pods"]]),
        (("doctor", "-A"), lambda document: [one["name"] for one in document["stuck_pods"]]),
        (("doctor", "-n", "web"), lambda document: [one["values"]["pod"] for one in document["findings"] if one["id"] == "stuck-pod"]),
    ],
    ids=["report -A", "doctor -A", "doctor"],
)
def test_a_pod_on_which_the_rules_fail_stays_listed_as_stuck_and_hides_no_other(
    command: tuple[str, ...], stuck_in: Callable[[JSONObject], list[str]], program: InProcessProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsound(pod: bytes, policy: Policy, cluster: Cluster) -> Outcome:
        if json.loads(pod)["metadata"]["name"] == "old":
            message = "the patch does not apply"
            raise UnsoundPatchError(message)
        return treat(pod, policy, cluster)

    monkeypatch.setattr("webhook.course.stuck_pod.treat", unsound)
    run = program.run(*command, "-o", "json")

    assert run.stderr == ""
    assert stuck_in(json.loads(run.stdout)) == ["old", "unseen"]


@pytest.mark.usefixtures("fleet")
def test_a_stuck_pod_is_a_row_with_its_dag_the_container_and_what_to_do(program: InProcessProgram) -> None:
    document = report(program)

    assert [(one["name"], one["reason"], one["course"]["dag"]) for one in document["stuck_pods"]] == [
        ("old", "no-quit", "sales"),
        ("unseen", "no-status", "sales"),
    ]
    text = program.run("report", "-A").stdout
    assert "stuck now: 2" in text
    assert "explain -n web pod/old prints what to do." in text


@pytest.mark.usefixtures("fleet")
def test_what_the_doctor_finds_in_several_namespaces_is_one_row(program: InProcessProgram) -> None:
    found = {one["id"]: one["namespaces"] for one in report(program)["findings"]}

    assert found["webhook-not-installed"] == ["data", "web"]
    assert "stuck-pod" not in found


def test_a_namespace_that_cannot_be_listed_is_named_and_the_others_are_counted(program: InProcessProgram, fleet: ScriptedApiServer) -> None:
    fleet.refused["/api/v1/namespaces/web/pods"] = (403, b'{"message": "pods is forbidden"}')
    done = program.run("report", "-A")
    document = report(program)

    assert done.code == 4
    assert "pods is forbidden" in done.stdout
    assert f"2 task pods in 2 namespaces with the label {OPT_IN}, of which 1 cannot be listed; " in done.stdout
    assert (document["is_complete"], document["pods"]) == (False, 2)


def test_a_namespace_whose_checks_get_no_response_is_a_finding_and_the_others_are_checked(
    program: InProcessProgram, fleet: ScriptedApiServer
) -> None:
    def break_off(path: str) -> None:
        if path == "/api/v1/namespaces/web":
            raise ConnectionError

    fleet.before = break_off
    document = report(program)
    found = {one["id"]: one for one in document["findings"]}

    assert (document["is_complete"], document["pods"]) == (False, 4)
    assert found["read-failed"]["namespaces"] == ["web"]
    assert "the namespace web" in found["read-failed"]["sentence"]
    assert found["webhook-not-installed"]["namespaces"] == ["data"]


@pytest.mark.parametrize("command", [("report", "-A"), ("doctor", "-A"), ("doctor", "-n", "web")], ids=" ".join)
def test_what_is_the_same_for_all_namespaces_is_read_once(
    command: tuple[str, ...], program: InProcessProgram, fleet: ScriptedApiServer
) -> None:
    program.run(*command)

    assert [fleet.requests.count(path) for path in (NODES_PATH, CONFIGURATIONS_PATH, VERSION_PATH)] == [1, 1, 1]


@pytest.mark.parametrize("command", ["report", "doctor"])
def test_an_answer_that_is_no_list_of_namespaces_ends_the_command_with_a_line(
    program: InProcessProgram, cluster: ScriptedApiServer, command: str
) -> None:
    cluster.texts["/api/v1/namespaces"] = "<html>a proxy's login page</html>"
    done = program.run(command, "-A")

    assert (done.code, len(done.stderr.splitlines())) == (2, 1)
    assert "cannot read from the API server" in done.stderr


def test_without_an_opted_in_namespace_the_report_says_how_to_opt_in(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    cluster.objects["/api/v1/namespaces"] = {"metadata": {}, "items": []}
    done = program.run("report", "-A")

    assert done.code == 0
    assert "no namespace has opted in: kubectl label namespace" in done.stdout
    assert "\nstuck now: 0; slot-hours wasted so far: 0.0\n" in done.stdout
    assert done.stdout.endswith("\nslot-hours wasted by all task pods in 12 weeks: 0.0\n\nfindings: 0\n")


class Elements(HTMLParser):
    """Names of the elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


HOSTILE: Final = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7 * 7 }}"


def test_the_page_needs_nothing_else_and_no_name_of_a_pod_becomes_markup(program: InProcessProgram, fleet: ScriptedApiServer) -> None:
    for pod in fleet.objects["/api/v1/namespaces/web/pods"]["items"][:2]:
        pod["metadata"]["annotations"]["dag_id"] = HOSTILE
    done = program.run("report", "-A", "-o", "html")
    page = Elements()
    page.feed(done.stdout)

    assert done.code == 0
    assert not page.tags & {"script", "img", "link", "iframe", "object", "embed", "base", "form"}
    assert not {name for name in page.attributes if name in {"src", "href"} or name.startswith("on")}
    assert "&lt;script&gt;alert(1)" in done.stdout
    assert "{{ 7 * 7 }}" in done.stdout
