"""``reaper``: a pass over the pods of a fake API server, from the command line to what each pod has become."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import pytest

from tests.support.fake_task_cluster import FakeTaskCluster, PortListener, end_of, fake_task_cluster
from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import (
    CLOUD_SQL,
    FLUENT_BIT,
    ISTIO,
    RUNNING,
    UPLOADER,
    VAULT,
    annotated,
    ended,
    live_pod,
    with_debugger,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram, ProgramRun

TASK_ENDED: Final[JSONObject] = {"base": ended(), "istio-proxy": RUNNING}
POST_EVENT: Final = "POST /api/v1/namespaces/airflow/events"
QUIT_ISTIO: Final = "POST /quitquitquit HTTP/1.1"


class ReaperRun(Protocol):
    """Runs the command with these arguments, beside those that every run needs."""

    def __call__(self, *arguments: str) -> ProgramRun: ...


@pytest.fixture
def cluster() -> Iterator[FakeTaskCluster]:
    with fake_task_cluster() as cluster:
        yield cluster


@pytest.fixture
def reaper(cluster: FakeTaskCluster, program: InProcessProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ReaperRun:
    """The command, on that cluster."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(cluster.url, "here"), "utf-8")
    # The package reads $KUBECONFIG once, when it is imported; a process for each run would take a hundred times as long.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))

    def run(*arguments: str) -> ProgramRun:
        return program.run("reaper", "--once", *(() if {"-n", "-A"} & set(arguments) else ("-n", "airflow")), *arguments)

    return run


def report_of(run: ProgramRun) -> JSONObject:
    """What it printed as JSON."""
    assert run.stderr == ""
    report: JSONObject = json.loads(run.stdout)
    return report


def istio_ends(cluster: FakeTaskCluster, name: str = "sales", status: int | None = 200) -> None:
    """Let the proxy of this pod end when it is requested to."""
    cluster.listeners[name, 15020] = PortListener(status, end_of("istio-proxy"))


def test_a_pod_whose_proxy_runs_on_ends_with_the_result_of_its_task(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod(TASK_ENDED, ISTIO))
    istio_ends(cluster)
    run = reaper()

    assert (run.code, run.stderr) == (0, "")
    assert cluster.phase("sales") == "Succeeded"
    assert cluster.quits == [("uid-of-sales", QUIT_ISTIO)]
    assert run.stdout == (
        "NAMESPACE  POD    TASK    PHASE      REASON       CONTAINERS  ACTS\n"
        "airflow    sales  exit 0  Succeeded  not-running              quit istio-proxy: accepted (HTTP 200)\n"
        "not-running: The pod has not started, or has ended.\n"
        "Running task pods: 1; acted on: 1; left to a person: 0\n"
    )


def test_the_json_has_what_was_found_and_done(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(137), "istio-proxy": RUNNING}, ISTIO))
    istio_ends(cluster)

    assert report_of(reaper("-o", "json")) == {
        "dry_run": False,
        "pods": [
            {
                "namespace": "airflow",
                "name": "sales",
                "uid": "uid-of-sales",
                "origin": "kubernetes-executor",
                "exit_code": 137,
                "task_ended_at": "2026-01-01T10:10:00+00:00",
                "phase": "Failed",
                "verdict": "skip",
                "reason": "not-running",
                "sentence": "The pod has not started, or has ended.",
                "remedy": "",
                "containers": [],
                "method": None,
                "acts": [{"method": "quit", "container": "istio-proxy", "outcome": "accepted", "detail": "HTTP 200"}],
            }
        ],
        "counts": {"quit": 1},
        "problems": [],
    }


def test_a_dry_run_says_what_would_be_done_also_by_an_event_and_only_reads_lists(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod(TASK_ENDED, ISTIO))
    run = reaper("--dry-run", "-o", "json")
    (pod,) = report_of(run)["pods"]

    assert run.code == 0
    assert (pod["verdict"], pod["reason"], pod["method"], pod["containers"]) == ("act", "quit", "quit", ["istio-proxy"])
    assert {line.partition("?")[0] for line in cluster.requests} == {"GET /api/v1/namespaces/airflow/pods", POST_EVENT}
    (event,) = cluster.events.values()
    assert (event["reason"], event["message"].endswith("The reaper is in observe mode, so it has done nothing.")) == ("SidecarStuck", True)


def test_passes_after_each_other_count_up_one_event(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL))
    assert [reaper().code for _ in range(3)] == [3, 3, 3]
    (event,) = cluster.events.values()
    assert (event["reason"], event["count"], event["involvedObject"]["uid"]) == ("SidecarStuck", 3, "uid-of-sales")


def test_a_namespace_that_does_not_exist_is_named_with_code_3(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.missing.add("airflo")
    run = reaper("-n", "airflo")
    message = "problem: cannot list the pods in the namespace airflo: 404 there is no such namespace\n"
    assert (run.code, run.stdout) == (3, f"{message}Running task pods: 0; acted on: 0; left to a person: 0\n")


@pytest.mark.parametrize("status", [403, 500])
def test_where_it_cannot_be_known_whether_a_namespace_exists_nothing_is_said(
    cluster: FakeTaskCluster, reaper: ReaperRun, status: int
) -> None:
    cluster.missing.add("airflo")
    cluster.refusals["GET", "airflo"] = (status, "no")
    run = reaper("-n", "airflo")
    assert (run.code, run.stdout) == (0, "Running task pods: 0; acted on: 0; left to a person: 0\n")


def test_a_namespace_without_task_pods_is_no_problem(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    assert reaper().code == 0
    assert cluster.requests[-1] == "GET /api/v1/namespaces/airflow"


def test_a_namespace_that_is_deleted_in_a_pass_over_all_is_no_problem(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.label("data")
    cluster.missing.add("data")
    assert reaper("-A").code == 0


def test_sidecars_end_one_after_the_other(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod(TASK_ENDED | {"vault-agent": RUNNING}, ISTIO, VAULT))
    istio_ends(cluster)
    cluster.listeners["sales", 8200] = PortListener(200, end_of("vault-agent"))
    reaper()

    assert [line for _, line in cluster.quits] == ["POST /agent/v1/quit HTTP/1.1", QUIT_ISTIO]
    assert cluster.phase("sales") == "Succeeded"


def test_a_failed_task_whose_sidecar_refuses_gets_its_deadline(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(1), "istio-proxy": RUNNING}, ISTIO))
    cluster.listeners["sales", 15020] = PortListener(403)
    (pod,) = report_of(reaper("-o", "json"))["pods"]

    assert [(act["method"], act["outcome"], act["detail"]) for act in pod["acts"]] == [
        ("quit", "refused", "HTTP 403"),
        ("deadline", "accepted", "activeDeadlineSeconds: 600"),
    ]
    assert cluster.phase("sales") == "Failed"
    assert cluster.pods["airflow", "sales"]["spec"]["activeDeadlineSeconds"] == 600


def test_a_successful_task_whose_sidecar_refuses_is_left_with_the_reason_and_code_3(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod(TASK_ENDED, ISTIO))
    cluster.listeners["sales", 15020] = PortListener(403)
    run = reaper()

    assert run.code == 3
    assert cluster.phase("sales") == "Running"
    assert "methods-spent: Every allowed method was tried, and the sidecar runs on. " in run.stdout
    assert run.stdout.endswith("Running task pods: 1; acted on: 1; left to a person: 1\n")


def test_a_sidecar_without_a_quit_request_gets_its_signal_where_exec_is_allowed(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT))
    cluster.shells["sales", "logs"] = end_of("logs")

    assert reaper().code == 3
    assert cluster.phase("sales") == "Running"
    (pod,) = report_of(reaper("--methods", "quit,exec", "-o", "json"))["pods"]
    assert (pod["phase"], pod["acts"]) == (
        "Succeeded",
        [{"method": "exec", "container": "logs", "outcome": "accepted", "detail": "SIGTERM sent"}],
    )


def test_an_image_without_a_shell_refuses_the_signal(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT))
    (pod,) = report_of(reaper("--methods", "exec", "-o", "json"))["pods"]

    assert (pod["reason"], pod["acts"][0]["outcome"]) == ("methods-spent", "refused")
    assert pod["acts"][0]["detail"] == "/bin/sh: no such file or directory"


def test_every_page_of_every_namespace_is_read(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    names = [f"task-{number}" for number in range(5)]
    for name in names:
        cluster.add(live_pod(TASK_ENDED, ISTIO), name)
        istio_ends(cluster, name)
    cluster.add(live_pod(TASK_ENDED, ISTIO), "other", "data")
    istio_ends(cluster, "other")
    cluster.add(live_pod(TASK_ENDED, ISTIO), "foreign", "elsewhere")
    istio_ends(cluster, "foreign")
    reaper("-n", "airflow", "-n", "data")

    assert {cluster.phase(name) for name in names} == {"Succeeded"}
    assert (cluster.phase("other", "data"), cluster.phase("foreign", "elsewhere")) == ("Succeeded", "Running")


def foreign(pod: JSONObject) -> JSONObject:
    pod["metadata"]["labels"] = {"app": "base"}
    return pod


JUST_NOW: Final = datetime.now(UTC) + timedelta(hours=1)
UNTOUCHED: Final[dict[str, JSONObject]] = {
    "task-runs": live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO),
    "uploader-works": live_pod(TASK_ENDED | {"uploader": RUNNING}, ISTIO, UPLOADER),
    "in-grace": live_pod({"base": ended(at=JUST_NOW), "istio-proxy": RUNNING}, ISTIO),
    "debugged": with_debugger(live_pod(TASK_ENDED, ISTIO), RUNNING),
    "runs-for-ever": live_pod(TASK_ENDED, ISTIO, restartPolicy="Always"),
    "foreign": foreign(live_pod(TASK_ENDED, ISTIO)),
    "without-status": annotated(live_pod(TASK_ENDED, ISTIO), status=None),
    "no-clean-end": live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL),
}


def test_what_must_not_be_touched_is_only_read(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    for name, pod in UNTOUCHED.items():
        cluster.add(pod, name)
        istio_ends(cluster, name)
    pods = {pod["name"]: pod["reason"] for pod in report_of(reaper("-o", "json"))["pods"]}

    assert cluster.quits == []
    others = {line for line in cluster.requests if not line.startswith("GET /api/v1/namespaces/airflow/pods?")}
    assert others == {POST_EVENT}
    assert {event["involvedObject"]["name"] for event in cluster.events.values()} == {"uploader-works", "debugged", "no-clean-end"}
    assert pods == {
        "uploader-works": "unknown-container-running",
        "in-grace": "grace",
        "debugged": "debug-container",
        "without-status": "no-status",
        "no-clean-end": "no-clean-end",
    }


def test_a_pod_without_the_webhooks_status_is_ended_where_that_is_allowed(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(annotated(live_pod(TASK_ENDED, ISTIO), status=None))
    istio_ends(cluster)
    assert reaper("--unmarked").code == 0
    assert cluster.phase("sales") == "Succeeded"


def test_the_pods_of_every_namespace_that_has_opted_in_are_ended_and_no_others(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    for namespace in ("airflow", "data", "web"):
        cluster.add(live_pod(TASK_ENDED, ISTIO), f"in-{namespace}", namespace)
        istio_ends(cluster, f"in-{namespace}")
    cluster.label("data")
    cluster.label("airflow")
    cluster.label("web", is_opted_in=False)
    report = report_of(reaper("-A", "-o", "json"))

    assert [(pod["namespace"], pod["phase"]) for pod in report["pods"]] == [("airflow", "Succeeded"), ("data", "Succeeded")]
    assert cluster.phase("in-web", "web") == "Running"


def test_where_the_namespaces_cannot_be_listed_that_is_said(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.refusals["GET", "namespaces"] = (403, "namespaces is forbidden")
    run = reaper("-A")
    assert (run.code, run.stdout) == (2, "")
    assert run.stderr.endswith(": 403 namespaces is forbidden\n")


def test_a_container_that_the_operators_own_rows_describe_is_ended_as_they_say(
    cluster: FakeTaskCluster, reaper: ReaperRun, tmp_path: Path
) -> None:
    rows, settings = tmp_path / "rows.yaml", tmp_path / "settings.yaml"
    row = {
        "id": "uploader",
        "title": "Uploader",
        "match": {"names": ["uploader"]},
        "quit": {"port": 9091, "path": "/end"},
        "sources": ["x"],
    }
    rows.write_text(json.dumps([row]), "utf-8")
    settings.write_text(json.dumps({"sidecars_file": str(rows)}), "utf-8")
    cluster.add(live_pod({"base": ended(), "uploader": RUNNING}, UPLOADER))
    cluster.listeners["sales", 9091] = PortListener(200, end_of("uploader"))

    assert report_of(reaper("-o", "json"))["counts"] == {"unknown-container-running": 1}
    assert report_of(reaper("-o", "json", "--config", str(settings)))["counts"] == {"quit": 1}
    assert cluster.quits == [("uid-of-sales", "POST /end HTTP/1.1")]


def test_a_longer_grace_is_kept(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(at=datetime.now(UTC) - timedelta(minutes=10)), "istio-proxy": RUNNING}, ISTIO))
    istio_ends(cluster)

    assert report_of(reaper("--grace", "3600", "-o", "json"))["counts"] == {"grace": 1}
    assert report_of(reaper("--grace", "0", "-o", "json"))["counts"] == {"quit": 1}


def test_a_pod_that_was_created_again_under_its_name_gets_no_request(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod(TASK_ENDED, ISTIO))
    istio_ends(cluster)
    # Between the connection and the request; the new pod looks the same.
    cluster.before["sales"] = lambda: cluster.add(live_pod(TASK_ENDED, ISTIO), uid="another")
    (pod,) = report_of(reaper("-o", "json"))["pods"]

    assert cluster.quits == []
    assert (pod["phase"], pod["acts"]) == ("gone", [])


def test_a_debugger_that_comes_at_the_last_moment_stops_the_request(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod(TASK_ENDED, ISTIO))
    istio_ends(cluster)
    cluster.before["sales"] = lambda: cluster.change(("airflow", "sales"), lambda pod: pod.update(with_debugger(pod, RUNNING)))
    (pod,) = report_of(reaper("-o", "json"))["pods"]

    assert (cluster.quits, pod["acts"], pod["reason"]) == ([], [], "debug-container")


def test_a_deadline_is_decided_again_where_the_pod_has_changed_meanwhile(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL))
    cluster.before["sales"] = lambda: cluster.change(("airflow", "sales"), lambda pod: pod.update(with_debugger(pod, RUNNING)))
    (pod,) = report_of(reaper("-o", "json"))["pods"]

    assert (pod["acts"], pod["reason"]) == ([], "debug-container")
    assert "activeDeadlineSeconds" not in cluster.pods["airflow", "sales"]["spec"]


def test_a_pod_that_never_stands_still_is_given_up(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL))
    cluster.refusals["PATCH", "sales"] = (409, "the object has been modified")
    (pod,) = report_of(reaper("-o", "json"))["pods"]

    assert (pod["acts"], pod["reason"]) == ([], "deadline")


RIGHTS: Final = {
    "list pods": ("GET", "pods"),
    "get pods": ("GET", "sales"),
    "get and create pods/portforward": ("GET", "portforward"),
    "watch pods": ("GET", "watch"),
}


@pytest.mark.parametrize(("right", "request_of"), RIGHTS.items(), ids=RIGHTS)
def test_a_missing_right_is_named_with_code_3(cluster: FakeTaskCluster, reaper: ReaperRun, right: str, request_of: tuple[str, str]) -> None:
    cluster.add(live_pod(TASK_ENDED, ISTIO))
    cluster.listeners["sales", 15020] = PortListener(200)
    cluster.refusals[request_of] = (403, "pods is forbidden")
    run = reaper()

    assert run.code == 3
    assert "in the namespace airflow: 403 pods is forbidden\n" in run.stdout
    assert f"  -> Grant the right to {right} in the namespace airflow.\n" in run.stdout


def test_a_missing_right_to_write_events_is_named_once_and_the_pods_end_all_the_same(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    for name in ("first", "second"):
        cluster.add(live_pod(TASK_ENDED, ISTIO), name)
        istio_ends(cluster, name)
    cluster.refusals["POST", "events"] = (403, "events is forbidden")
    run = reaper()

    assert (run.code, cluster.phase("first"), cluster.phase("second")) == (3, "Succeeded", "Succeeded")
    assert run.stdout.count("problem: cannot write Events in the namespace airflow: 403 events is forbidden\n") == 1
    assert run.stdout.count("  -> Grant the right to create and patch events in the namespace airflow.\n") == 1


def test_a_missing_right_to_patch_is_named(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL))
    cluster.refusals["PATCH", "sales"] = (403, "pods is forbidden")
    assert "  -> Grant the right to patch pods in the namespace airflow.\n" in reaper().stdout


def test_a_missing_right_to_exec_is_named(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT))
    cluster.refusals["GET", "exec"] = (403, "pods is forbidden")
    assert "  -> Grant the right to get and create pods/exec in the namespace airflow.\n" in reaper("--methods", "exec").stdout


def test_one_pod_that_cannot_be_read_does_not_keep_the_others(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.add(live_pod(TASK_ENDED, ISTIO))
    cluster.add(live_pod(TASK_ENDED, ISTIO), "second")
    istio_ends(cluster, "second")
    cluster.refusals["GET", "sales"] = (500, "etcd is unwell")
    run = reaper()

    assert cluster.phase("second") == "Succeeded"
    assert "problem: cannot read the pod in the namespace airflow: 500 etcd is unwell\n" in run.stdout


WRONG: Final = {
    "an unknown method": (("--methods", "quit,kill"), "kill: allowed are quit, exec, deadline"),
    "a grace that is no number": (("--grace", "soon"), "'soon' is not a number of seconds from 0 to 3600"),
    "a grace of days": (("--grace", "86400"), "'86400' is not a number of seconds from 0 to 3600"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_an_argument_that_cannot_be_used_is_named_with_code_2(reaper: ReaperRun, arguments: tuple[str, ...], message: str) -> None:
    run = reaper(*arguments)
    assert run.code == 2
    assert message in run.stderr


def test_an_api_server_that_does_not_answer_is_named_with_code_2(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.refusals["GET", "pods"] = (401, "Unauthorized")
    run = reaper()
    assert (run.code, run.stderr) == (2, f"airflow-sidecar-webhook: cannot read from the API server {cluster.url}: 401 Unauthorized\n")


def test_what_an_api_server_or_a_pod_says_cannot_write_to_the_terminal(cluster: FakeTaskCluster, reaper: ReaperRun) -> None:
    cluster.refusals["GET", "pods"] = (403, "\x1b[2Jpods is forbidden")
    run = reaper()
    assert ("\x1b" in run.stdout, "[2Jpods is forbidden" in run.stdout) == (False, True)
