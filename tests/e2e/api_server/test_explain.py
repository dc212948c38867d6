"""``explain`` of pods on a real API server, and the lines of kubectl that it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio
from testbed import binaries
from testbed.api import path_of
from tests.e2e.api_server.ended_pods import FAILED, KIND, SUCCEEDED, ended_pod
from tests.e2e.api_server.submission import submission
from tests.e2e.namespaces import new_namespace
from tests.e2e.rights import rule, user_who_may
from tests.support.pods import load
from webhook.core import TREATMENT_LABEL
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

SECONDS: Final = 120
CLOUD_SQL: Final[JSONObject] = {"name": "db", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.0"}
"""Without a flag it has no quit request, and exits 143 on SIGTERM."""

LEFT: Final = "airflow-3.3.2-provider-10.25.0/kpo_template_multi.json"
WRAPPED: Final = "airflow-3.3.2-provider-10.25.0/ke_default.json"


@pytest.fixture
def namespace(api_server: Level) -> Iterator[str]:
    with new_namespace(api_server.api, "explain") as name:
        yield name


def explain(level: Level, *arguments: str, user: str = "admin") -> subprocess.CompletedProcess[str]:
    """Run it with this user's credentials."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment = {**clean, "KUBECONFIG": str(level.server.credentials.kubeconfig(level.server.server, user))}
    command = [sys.executable, "-m", "webhook", "explain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment)


def run_line(level: Level, home: Path, line: str) -> None:
    """Run a line as it is printed, with the real kubectl; it must not fail."""
    program = binaries.find(binaries.KUBECTL)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "KUBECONFIG": str(level.server.kubeconfig), "HOME": str(home)}
    done = subprocess.run(["/bin/sh", "-c", line], env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


def lines_of(level: Level, namespace: str, pod: JSONObject) -> list[str]:
    """The lines that end a stuck pod."""
    done = explain(level, "-n", namespace, "-o", "json", f"pod/{pod['metadata']['name']}")
    (one,) = json.loads(done.stdout)["pods"]

    assert (done.returncode, done.stderr) == (3, "")
    assert (one["pod"], one["course"]["state"]) == (f"{namespace}/{pod['metadata']['name']}", "stuck")
    return [step["line"] for step in one["course"]["now"] if step["line"]]


def test_the_line_for_a_task_that_failed_sets_the_deadline_at_the_end_of_its_work(
    api_server: Level, namespace: str, tmp_path: Path
) -> None:
    pod = ended_pod(api_server, namespace, "failed", FAILED, CLOUD_SQL)
    (line,) = lines_of(api_server, namespace, pod)
    run_line(api_server, tmp_path, line)

    assert api_server.api.get(path_of(pod | KIND))["spec"]["activeDeadlineSeconds"] == 600


def test_the_line_for_a_task_that_succeeded_and_cannot_be_ended_otherwise_deletes_the_pod(
    api_server: Level, namespace: str, tmp_path: Path
) -> None:
    pod = ended_pod(api_server, namespace, "succeeded", SUCCEEDED, CLOUD_SQL)
    (line,) = lines_of(api_server, namespace, pod)
    run_line(api_server, tmp_path, f"{line} --wait=false")
    names = {one["metadata"]["name"] for one in api_server.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]}

    assert "succeeded" not in names


def test_pods_are_selected_by_namespace_labels_and_everywhere(api_server: Level, namespace: str) -> None:
    ended_pod(api_server, namespace, "task", SUCCEEDED)
    ended_pod(api_server, namespace, "web", SUCCEEDED, {"name": "other", "image": "other"}, is_airflows=False)

    def selected(*arguments: str) -> list[str]:
        found = json.loads(explain(api_server, "-o", "json", *arguments).stdout)["pods"]
        return [one["pod"] for one in found if one["pod"].startswith(f"{namespace}/")]

    assert selected("-n", namespace) == selected("-A") == [f"{namespace}/task"]
    assert selected("-n", namespace, "-l", "app in (web)") == [f"{namespace}/web"]
    assert selected("-n", namespace, "-l", "app=none") == []


def test_a_selector_that_the_api_server_does_not_understand_is_refused_with_its_words(api_server: Level, namespace: str) -> None:
    done = explain(api_server, "-n", namespace, "-l", "a in b")

    assert (done.returncode, done.stdout) == (2, "")
    assert "unable to parse requirement" in done.stderr


def test_the_summary_has_the_stuck_pod(api_server: Level, namespace: str) -> None:
    ended_pod(api_server, namespace, "task", SUCCEEDED)
    done = explain(api_server, "-n", namespace, "--summary")

    assert (done.returncode, done.stderr) == (3, "")
    assert f"{namespace}/task" in done.stdout


def test_who_may_read_pods_alone_gets_the_course_and_who_may_not_gets_the_missing_right(api_server: Level, namespace: str) -> None:
    ended_pod(api_server, namespace, "task", SUCCEEDED)
    with user_who_may(api_server.server, "explain-reader", rule("get", "pods")) as user:
        read = explain(api_server, "-n", namespace, "pod/task", user=user)
        listed = explain(api_server, "-A", user=user)

    assert read.returncode == 3
    assert "\n  stuck: " in read.stdout
    assert listed.returncode == 2
    assert 'User "explain-reader" cannot list resource "pods"' in listed.stderr


def test_pods_are_selected_by_the_label_of_their_treatment(api_server: Level, namespace: str) -> None:
    pods = {path: submission(inject_istio(load(path)), namespace) for path in (LEFT, WRAPPED)}
    left, _ = (api_server.api.create(pod)["metadata"]["name"] for pod in pods.values())
    done = explain(api_server, "-n", namespace, "-l", f"{TREATMENT_LABEL}=left", "-o", "json")
    found = json.loads(done.stdout)["pods"]

    assert (done.returncode, done.stderr) == (0, "")
    assert [one["pod"] for one in found] == [f"{namespace}/{left}"]
    assert found[0]["course"]["recorded_reason"] == found[0]["reason"]


def test_kubectl_runs_the_program_as_its_plugin(api_server: Level, namespace: str, tmp_path: Path) -> None:
    ended_pod(api_server, namespace, "task", SUCCEEDED)
    programs = (binaries.find(binaries.KUBECTL).parent, Path(sys.executable).parent, os.environ["PATH"])
    environment = {"PATH": ":".join(map(str, programs)), "KUBECONFIG": str(api_server.server.kubeconfig), "HOME": str(tmp_path)}
    plugin = ["kubectl", "airflow-sidecar", "explain"]
    done = subprocess.run(
        [*plugin, "-n", namespace, "pod/task"], env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    wrong = subprocess.run([*plugin, "--none"], env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)

    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith(f"{namespace}/task\n  stuck: ")
    assert wrong.stderr.startswith("usage: kubectl airflow-sidecar ")
