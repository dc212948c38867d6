"""``explain pod/NAME`` on a fake API server, in a process of its own: the kubeconfig's place is read once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import jsonpatch
import pytest

from demo.simulated_injectors import inject_istio
from tests.support.kubeconfigs import kubeconfig_for
from tests.support.pods import ABLE_CLUSTER, load
from tests.support.scripted_api_server import scripted_api_server
from webhook.core import default_policy, treat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import InProcessProgram
    from tests.support.scripted_api_server import ScriptedApiServer

POD: Final = inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))
POD["spec"]["containers"].append({"name": "uploader", "image": "registry.example.com/uploader:1"})
PATH: Final = "/api/v1/namespaces/airflow/pods/etl"


@pytest.fixture
def server() -> Iterator[ScriptedApiServer]:
    """A fake API server with one node."""
    with scripted_api_server() as server:
        server.nodes = [{"metadata": {"name": "node"}, "status": {"nodeInfo": {"kubeletVersion": "v1.34.2"}}}]
        yield server


def explained(server: ScriptedApiServer, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run explain with a kubeconfig that names the server."""
    path = folder / "kubeconfig"
    path.write_text(kubeconfig_for(server.url, "here"), "utf-8")
    environment = {"PATH": "", "HOME": str(folder), "KUBECONFIG": str(path)}
    command = [sys.executable, "-m", "webhook", "explain", "-n", "airflow", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


def test_a_pod_of_the_cluster_is_explained_as_at_its_admission(server: ScriptedApiServer, tmp_path: Path) -> None:
    outcome = treat(POD, default_policy(), ABLE_CLUSTER)
    server.objects[PATH] = jsonpatch.apply_patch(POD, list(outcome.operations))
    server.version = {"gitVersion": "v1.28.0"}
    (one,) = json.loads(explained(server, tmp_path, "-o", "json", "pod/etl").stdout)

    assert (one["result"], one["reason"]) == ("unchanged", "sidecars-native")
    assert [remedy["line"] for remedy in one["remedies"]] == [remedy.line for remedy in outcome.remedies]


def test_a_pod_without_a_status_is_explained_on_the_cluster_that_it_is_in(server: ScriptedApiServer, tmp_path: Path) -> None:
    server.objects[PATH] = POD
    done = explained(server, tmp_path, "pod/etl")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("airflow/hello-world-1-v6bc1e7o\n  native (sidecars-native): ")
    assert "  cluster      native sidecars are used (ready)\n" in done.stdout


def test_a_pod_that_is_not_there_is_one_line(server: ScriptedApiServer, tmp_path: Path) -> None:
    server.refusal = (404, b'{"message": "not found"}')
    done = explained(server, tmp_path, "pod/none")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "airflow-sidecar-webhook: there is no pod none in the namespace airflow\n"


def test_a_cluster_cannot_be_assumed_for_a_pod_of_a_cluster(program: InProcessProgram) -> None:
    run = program.run("explain", "--cluster-version", "1.34", "pod/etl")

    assert run.code == 2
    assert "pod/etl is explained as in its cluster" in run.stderr
