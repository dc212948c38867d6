"""Runs the doctor's command line against a level's API server, and creates webhooks and nodes for it to find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.e2e.api_server.nodes import make_node, remove_node
from tests.e2e.api_server.scripted_webhook import ScriptedWebhook, allowed
from tests.e2e.registration import registered
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.e2e.api_server.scripted_webhook import Call, ScriptedReply
    from tests.support.json_object import JSONObject


NO_PROBLEM: Final = 0
UNUSABLE: Final = 2
PROBLEM: Final = 3
INCOMPLETE: Final = 4
SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class DoctorRun:
    """A run of the doctor.

    Args:
        code: The exit code.
        findings: By their ids, as JSON has them.

    """

    code: int
    findings: dict[str, JSONObject]

    def sentence(self, finding: str) -> str:
        """The sentence of a finding."""
        return str(self.findings[finding]["sentence"])

    @property
    def worst(self) -> dict[str, str]:
        """The problems and warnings, by their ids."""
        return {name: one["severity"] for name, one in self.findings.items() if one["severity"] in {"problem", "warning"}}


def run_doctor(kubeconfig: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the program with this kubeconfig and no other setting than these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment = {**clean, "KUBECONFIG": str(kubeconfig), **{f"{PREFIX}{name}": value for name, value in settings.items()}}
    command = [sys.executable, "-m", "webhook", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment)


def diagnose(level: Level, namespace: str, user: str = "admin", **settings: str) -> DoctorRun:
    """Run the doctor for a namespace; its JSON output."""
    done = run_doctor(level.server.credentials.kubeconfig(level.server.server, user), "-n", namespace, "-o", "json", **settings)
    assert done.stdout, done.stderr
    assert done.stderr == ""
    return DoctorRun(done.returncode, {one["id"]: one for one in json.loads(done.stdout)["findings"]})


@contextmanager
def other_webhook(
    api: ApiClient,
    configuration: str,
    webhook: str,
    selector: JSONObject,
    answer: Callable[[Call], ScriptedReply] = allowed,
    **fields: object,
) -> Iterator[None]:
    """A registered webhook of this name, called for the creation of pods in the selected namespace."""
    with ScriptedWebhook(answer) as scripted:
        document = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": configuration},
            "webhooks": [
                {
                    "name": webhook,
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "clientConfig": scripted.client_config,
                    "namespaceSelector": selector,
                    "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
                    **fields,
                }
            ],
        }

        def is_called(api: ApiClient) -> bool:
            before = len(scripted.calls)
            place = selector["matchLabels"]["kubernetes.io/metadata.name"]
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": place}}
            api.request(
                "POST", f"/api/v1/namespaces/{place}/pods", {**pod, "spec": {"containers": [{"name": "a", "image": "a"}]}}, dryRun="All"
            )
            return len(scripted.calls) > before

        with registered(api, document, is_called):
            yield


def only(namespace: str) -> JSONObject:
    """The selector of one namespace."""
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


@contextmanager
def node(api: ApiClient, name: str, kubelet: str, **labels: str) -> Iterator[None]:
    """A node, for the time of a test."""
    make_node(api, name, kubelet, **labels)
    try:
        yield
    finally:
        remove_node(api, name)
