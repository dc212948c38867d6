"""The help of each command: its examples run as they are printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.service.running_service import Certificates, settings_for
from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from tests.support.pods import FIXTURES
from tests.support.scripted_api_server import scripted_api_server
from webhook.command.exit_code import ExitCode
from webhook.command.main import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import InProcessProgram
    from webhook.command.command import Command

POD: Final = FIXTURES / "airflow-3.3.2-provider-10.25.0" / "kpo_cmds_args.json"
SECONDS: Final = 60
ROOT: Final = Path(__file__).parents[3]

IN_BLOCK: Final = re.compile(
    r"(?:^|\| |/| )airflow-sidecar-webhook ((?:explain|patch|doctor|report|reaper|bug-report|completion)\b[^|>&#\n]*)", re.MULTILINE
)
"""A command in a line of a block of code, up to a pipe, a file or a comment."""

SYNTAX: Final = re.compile(r"[\[…]")
"""In a synopsis, which is no command."""

LINES: Final = {example.line: command.name for command in COMMANDS for example in command.examples}
SERVING: Final = [line for line, name in LINES.items() if name == "serve" or (name == "reaper" and "--once" not in line)]
ENDING: Final = [line for line in LINES if line not in SERVING]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """For the examples: their files in the folder, a stand-in for kubectl that prints a pod, and an API server without the webhook."""
    (tmp_path / "pod.yaml").write_bytes(POD.read_bytes())
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in settings_for(Certificates(tmp_path)).items()}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\nexec cat '{POD}'\n", "utf-8")
    kubectl.chmod(0o755)
    with scripted_api_server() as server:
        server.objects["/api/v1/namespaces/airflow"] = {"metadata": {"name": "airflow"}}
        server.objects["/api/v1/namespaces/airflow/pods/my-task-pod"] = json.loads(POD.read_bytes())
        for namespace in ("airflow", "data"):
            server.objects[f"/api/v1/namespaces/{namespace}/pods"] = {"metadata": {}, "items": []}
        own_pods = "/api/v1/namespaces/airflow-sidecar-webhook/pods"
        server.objects[own_pods] = {"metadata": {}, "items": [{"metadata": {"name": "own"}, "spec": {"containers": [{"name": "webhook"}]}}]}
        server.texts[f"{own_pods}/own/log"] = ""
        server.objects["/api/v1/namespaces"] = {"metadata": {}, "items": [{"metadata": {"name": "web"}}]}
        server.objects["/api/v1/namespaces/web"] = {"metadata": {"name": "web"}}
        server.objects["/api/v1/namespaces/web/pods"] = {
            "metadata": {},
            "items": [live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)],
        }
        (tmp_path / "kubeconfig").write_text(kubeconfig_for(server.url, "here", "staging"), "utf-8")
        yield {
            "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "AIRFLOW_SIDECAR_WEBHOOK__HEALTH_PORT": "0",
        }


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_two_or_three_examples_of_it_in_its_help(program: InProcessProgram, command: Command) -> None:
    text = program(command.name, "--help")
    lines = [line for line in LINES if f"\n  {line}\n" in text]

    assert len(lines) in {2, 3}
    assert [line for line in lines if f"airflow-sidecar-webhook {command.name} " not in line] == []


@pytest.mark.parametrize("line", ENDING)
def test_an_example_runs_as_it_is_printed(line: str, tmp_path: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )

    # The fake API server has no webhook, and a pod that is stuck, which the doctor finds.
    assert (done.returncode, done.stderr) == (ExitCode.PROBLEM if LINES[line] == "doctor" else ExitCode.DONE, "")
    _, _, file = line.partition(" > ")
    assert (tmp_path / file).read_text("utf-8") if file else done.stdout


def documented() -> dict[str, Path]:
    """Every whole command of the webhook in a block of code of the documentation, with its page."""
    found = {}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"^ *```.*?^ *```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            for words in IN_BLOCK.findall(block.replace("\\\n", " ")):
                if not SYNTAX.search(words):
                    found[words.strip()] = page
    return found


def test_the_documentation_has_commands() -> None:
    assert {words.split()[0] for words in documented()} == {"explain", "doctor", "report", "reaper", "completion"}


@pytest.mark.parametrize("words", documented())
def test_a_command_of_the_documentation_has_options_that_exist(
    program: InProcessProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    run = program.run(*shlex.split(words))

    # What is wrong with arguments is said below the usage; here only the cluster and the files are missing.
    assert "usage: " not in run.stderr
    assert run.code in {ExitCode.DONE, ExitCode.UNUSABLE}


@pytest.mark.parametrize("line", SERVING)
def test_an_example_that_serves_listens_until_sigterm(line: str, tmp_path: Path, environment: dict[str, str]) -> None:
    # exec: the signal reaches the program, and not the shell.
    command = ["/bin/sh", "-c", f"exec env {line}"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as service:
        too_late = threading.Timer(SECONDS, service.kill)
        too_late.start()
        assert service.stdout
        # serve has a port for reviews, too.
        for _ in range(2 if LINES[line] == "serve" else 1):
            assert any('"event":"listening"' in logged for logged in service.stdout)
        service.send_signal(signal.SIGTERM)
        service.stdout.read()
        assert service.wait() == ExitCode.DONE
        too_late.cancel()
