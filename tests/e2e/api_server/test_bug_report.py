"""``bug-report`` on a real API server, with a user's own rights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.e2e.api_server.dormant_webhook import dormant_webhook
from tests.e2e.api_server.ended_pods import SUCCEEDED, ended_pod
from tests.e2e.namespaces import new_namespace
from tests.e2e.rights import rule, user_who_may
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

SECONDS: Final = 120
SECRET: Final = "hunter2swordfish"  # noqa: S105  it opens nothing
NOT_INSTALLED: Final = {"settings": "UnreadSettingsError", "logs": "NoWebhookPodsError"}
UPLOADER: Final[JSONObject] = {"name": SECRET, "image": f"{SECRET}/a:1", "args": [SECRET], "env": [{"name": SECRET, "value": SECRET}]}


def bug_report(level: Level, namespace: str, folder: Path, user: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run it with this user's credentials; how it ended, and the files that it packed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment = {**clean, "KUBECONFIG": str(level.server.credentials.kubeconfig(level.server.server, user))}
    path = folder / f"{user}.tar.gz"
    command = [sys.executable, "-m", "webhook", "bug-report", "-n", namespace, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment)
    with tarfile.open(path) as archive:
        files = {one.name.removeprefix("bug-report/"): archive.extractfile(one) for one in archive}
        return done, {name: file.read().decode() for name, file in files.items() if file}


def test_the_decision_about_a_stuck_pod_is_packed_and_none_of_its_own_words(api_server: Level, tmp_path: Path) -> None:
    with new_namespace(api_server.api, "bug") as namespace:
        ended_pod(api_server, namespace, f"task-{SECRET}", SUCCEEDED, UPLOADER)
        done, files = bug_report(api_server, namespace, tmp_path, "admin")
    (pod,) = json.loads(files["pods.json"])["pods"]

    assert done.returncode == 0
    assert json.loads(files["about.json"])["missing"] == NOT_INSTALLED
    assert (pod["course"]["state"], pod["course"]["exit_code"], pod["unknown"]) == ("possibly-stuck", 0, 1)
    assert json.loads(files["findings.json"]) != []
    assert SECRET not in "".join(files.values())


@contextmanager
def installed_webhook(level: Level, namespace: str) -> Iterator[None]:
    """A webhook that is called for no pod, with its Deployment and a setting, for the time of the block."""
    container = {"name": "webhook", "image": "webhook:1", "env": [{"name": f"{PREFIX}WAIT_SECONDS", "value": "77"}]}
    with dormant_webhook(level.api, {"name": "webhook", "namespace": namespace}, containers=[container]):
        yield


def test_what_the_user_may_not_read_is_left_out(api_server: Level, tmp_path: Path) -> None:
    with new_namespace(api_server.api, "bug") as namespace, user_who_may(api_server.server, "bug-reader", rule("get list", "pods")) as user:
        ended_pod(api_server, namespace, "task", SUCCEEDED)
        done, files = bug_report(api_server, namespace, tmp_path, user)

    assert done.returncode == 0
    assert len(json.loads(files["pods.json"])["pods"]) == 1
    assert files.keys() == {"about.json", "findings.json", "pods.json"}
    assert json.loads(files["about.json"])["missing"] == NOT_INSTALLED


def test_the_installed_settings_are_packed_only_for_a_user_who_may_read_the_deployment(api_server: Level, tmp_path: Path) -> None:
    rights = (rule("get list", "pods"), rule("list", "mutatingwebhookconfigurations", "admissionregistration.k8s.io"))
    with (
        new_namespace(api_server.api, "bug") as namespace,
        installed_webhook(api_server, namespace),
        user_who_may(api_server.server, "bug-lister", *rights) as lister,
        user_who_may(api_server.server, "bug-getter", *rights, rule("get", "deployments", "apps")) as getter,
    ):
        refused, without = bug_report(api_server, namespace, tmp_path, lister)
        _, files = bug_report(api_server, namespace, tmp_path, getter)

    assert refused.stderr.startswith("airflow-sidecar-webhook: without settings: 403 ")
    assert json.loads(without["about.json"])["missing"]["settings"] == "UnreadSettingsError"
    assert "settings.json" not in without
    assert json.loads(files["about.json"])["settings_source"] == "installed"
    assert json.loads(files["settings.json"])["wait_seconds"] == 77
