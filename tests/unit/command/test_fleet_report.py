"""``doctor -A`` on a fake API server."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from tests.support.live_pods import FLUENT_BIT, ISTIO, RUNNING, UPLOADER, annotated, ended, live_pod
from tests.support.terminal import SECONDS, on_terminal
from webhook.command.doctor_document import FleetDocument
from webhook.command.fleet_report import HEADINGS
from webhook.command.progress_line import CLEARED, QUIET_SECONDS
from webhook.core import STATUS_ANNOTATION
from webhook.kube.reading import NODES_PATH

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram
    from tests.support.scripted_api_server import ScriptedApiServer

FORBIDDEN: Final = (403, b'{"message": "pods is forbidden: User \\"me\\" cannot list resource \\"pods\\""}')
STATUS: Final = {"treatment": "left", "reason": "no-quit", "main": "base", "version": "0.1.0"}


def path_of(namespace: str) -> str:
    """The path of its pods."""
    return f"/api/v1/namespaces/{namespace}/pods"


def opt_in(cluster: ScriptedApiServer, **pods: list[JSONObject]) -> None:
    """Let these namespaces have opted in, with these pods."""
    cluster.objects["/api/v1/namespaces"] = {"metadata": {}, "items": [{"metadata": {"name": name}} for name in pods]}
    for namespace, found in pods.items():
        for pod in found:
            pod["metadata"]["namespace"] = namespace
        cluster.objects[path_of(namespace)] = {"metadata": {}, "items": found}


def stuck(name: str, at: datetime | None, *, beside: JSONObject = ISTIO, status: JSONObject | None = None) -> JSONObject:
    """A stuck pod whose task ended then."""
    pod = live_pod({"base": ended(at=at), beside["name"]: RUNNING}, beside)
    pod["metadata"]["name"] = name
    return pod if status is None else annotated(pod, status=json.dumps(status))


def hours_ago(hours: int) -> datetime:
    """The time before so many hours."""
    return datetime.now(UTC) - timedelta(hours=hours)


def fleet(program: InProcessProgram, *arguments: str) -> JSONObject:
    """The JSON, whose form is the documented one."""
    document: JSONObject = json.loads(program.run("doctor", "-A", "-o", "json", *arguments).stdout)
    msgspec.convert(document, FleetDocument)
    return document


def test_each_stuck_pod_is_a_row_the_longest_stuck_first_and_the_slot_hours_are_their_sum(
    program: InProcessProgram, cluster: ScriptedApiServer
) -> None:
    cluster.refused[NODES_PATH] = FORBIDDEN  # so that it is not known whether native sidecars are supported
    opt_in(
        cluster,
        data=[stuck("new", hours_ago(1)), live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO)],
        web=[stuck("old", hours_ago(30), beside=FLUENT_BIT, status=STATUS)],
    )
    done = program.run("doctor", "-A")
    head, first, second, *_ = done.stdout.splitlines()[1:]

    assert (done.code, done.stderr) == (3, "")
    assert head.split() == " ".join(HEADINGS).split()
    assert first.split()[:8] == ["web", "old", "sales", "load", "1", "d", "6", "h"]
    assert first[head.index("CONTAINER") :].split()[:2] == ["logs", "no-quit"]
    assert first[head.index("REMEDY") :].startswith("If this sidecar has a quit request, describe it with its own PORT and PATH. Add to ")
    assert second.split()[:4] == ["data", "new", "sales", "load"]
    assert "\nstuck: 2; Running: 3 task pods in 2 namespaces; slot-hours wasted: 31.0\n" in done.stdout


def test_where_there_is_nothing_to_change_the_remedy_is_what_ends_the_pod_now(
    program: InProcessProgram, cluster: ScriptedApiServer
) -> None:
    pod = stuck("unseen", hours_ago(1))
    del pod["metadata"]["annotations"][STATUS_ANNOTATION]
    opt_in(cluster, data=[pod])
    head, row, *_ = program.run("doctor", "-A").stdout.splitlines()[1:]

    assert row[head.index("REASON") :].split()[0] == "no-status"
    assert "Send istio-proxy its quit request: " in row[head.index("REMEDY") :]
    assert "kubectl --namespace data port-forward pod/unseen " in row[head.index("REMEDY") :]


def test_a_pod_that_an_unknown_container_keeps_running_is_a_row_too(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    opt_in(cluster, data=[stuck("sales", hours_ago(1), beside=UPLOADER)])
    (pod,) = fleet(program)["stuck_pods"]

    assert (pod["name"], pod["course"]["state"]) == ("sales", "possibly-stuck")
    assert pod["remedies"][0]["line"]


def test_a_namespace_that_cannot_be_listed_is_a_row_and_the_others_are_read(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    opt_in(cluster, closed=[], data=[stuck("sales", hours_ago(2))])
    cluster.refused[path_of("closed")] = FORBIDDEN
    done = program.run("doctor", "-A")
    document = fleet(program)

    assert done.code == 3
    assert [line.split()[:2] for line in done.stdout.splitlines()[2:4]] == [["data", "sales"], ["closed", "not-listed"]]
    assert 'cannot list resource "pods"' in done.stdout
    assert "in 2 namespaces, of which 1 cannot be listed; " in done.stdout
    assert document["is_complete"] is False
    assert [(one["namespace"], one["running"], one["stuck"], bool(one["failure"])) for one in document["namespaces"]] == [
        ("closed", 0, 0, True),
        ("data", 1, 1, False),
    ]


def test_a_namespace_that_cannot_be_listed_is_code_4_where_no_pod_is_stuck(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    opt_in(cluster, closed=[], data=[])
    cluster.refused[path_of("closed")] = FORBIDDEN

    assert program.run("doctor", "-A").code == 4


def test_a_fleet_without_a_stuck_pod_is_code_0(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    opt_in(cluster, data=[live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO)])
    done = program.run("doctor", "-A")

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.endswith("\nstuck: 0; Running: 1 task pods in 1 namespace; slot-hours wasted: 0.0\n")


def test_where_no_namespace_has_opted_in_the_report_says_how_to(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    opt_in(cluster)
    done = program.run("doctor", "-A")

    said = "none: kubectl label namespace NAMESPACE airflow-sidecar-webhook=enabled, or see webhook.namespaces of the chart"
    assert (done.code, done.stdout.splitlines()[1]) == (0, said)


def test_the_line_for_scripts_has_the_counts(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    opt_in(cluster, data=[stuck("sales", hours_ago(2))], web=[])
    done = program.run("doctor", "-A", "--short")

    assert (done.code, done.stdout) == (3, "problem namespaces=2 not-listed=0 running=1 stuck=1 slot-hours=2.0\n")


def test_the_json_counts_a_pod_whose_task_ended_at_an_unknown_time_or_in_the_future_as_0_hours(
    program: InProcessProgram, cluster: ScriptedApiServer
) -> None:
    opt_in(cluster, data=[stuck("unknown", None), stuck("hour", hours_ago(1))])
    document = fleet(program)

    assert ([one["name"] for one in document["stuck_pods"]], document["stuck_slot_hours"]) == (["unknown", "hour"], 1.0)
    assert (document["version"], document["context"], document["server"]) == (1, "here", cluster.url)


@pytest.mark.parametrize("status", [403, 401])
def test_namespaces_that_cannot_be_listed_at_all_are_one_line_also_in_json(
    program: InProcessProgram, cluster: ScriptedApiServer, status: int
) -> None:
    cluster.refused["/api/v1/namespaces"] = (status, b'{"message": "no"}')
    done = program.run("doctor", "-A", "-o", "json")
    (message,) = json.loads(done.stdout)["error"]["messages"]

    assert (done.code, message) == (2, f"cannot read from the API server {cluster.url}: {status} no")


def test_on_a_terminal_the_progress_is_shown_and_gone_before_the_report(cluster: ScriptedApiServer, tmp_path: Path) -> None:
    opt_in(cluster, data=[stuck("sales", hours_ago(2))], web=[])
    is_shown = threading.Event()

    def slow(path: str) -> None:
        if path == path_of("data"):
            time.sleep(QUIET_SECONDS)
        elif path == path_of("web"):
            is_shown.wait(SECONDS)

    cluster.before = slow
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "TERM": "xterm",
        "NO_COLOR": "1",
    }
    with on_terminal([sys.executable, "-m", "webhook", "doctor", "-A"], environ, tmp_path) as terminal:
        terminal.read_until("namespaces: 1 of 2, task pods: 1, stuck: 1")
        is_shown.set()
        text = terminal.read_all()

    assert text.rpartition(CLEARED)[2].startswith("namespaces that have opted in on ")
    assert "stuck: 1; Running: 1 task pods" in text.rpartition(CLEARED)[2]


def test_names_of_strangers_cannot_forge_a_row(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    pod = stuck("sales", hours_ago(1))
    pod["metadata"]["labels"]["task_id"] = "\x1b[2J\nall is well"
    opt_in(cluster, data=[pod])
    text = program.run("doctor", "-A").stdout

    assert all(line.isprintable() for line in text.splitlines())
    assert "\\x1b[2J\\nall is well" in text
