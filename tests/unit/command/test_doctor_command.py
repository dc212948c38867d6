"""``doctor`` where there is no cluster to ask: one line, code 2, nothing secret."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = "s3cr3t-t0k3n"  # noqa: S105  it opens nothing
NOT_USED: Final = "airflow-sidecar-webhook: the kubeconfig cannot be used: "
ENTRY: Final[dict[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": SECRET}}],
    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "here",
}


def doctor(folder: Path, kubeconfig: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it with this text as the kubeconfig, or with none."""
    path = folder / "kubeconfig"
    if kubeconfig is not None:
        path.write_text(kubeconfig, "utf-8")
    environment = {"PATH": "", "HOME": str(folder), "KUBECONFIG": str(path)}
    command = [sys.executable, "-m", "webhook", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


def with_server(server: str) -> str:
    """A kubeconfig whose API server is there."""
    return json.dumps({**ENTRY, "clusters": [{"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": True}}]})


def with_login(command: str, *arguments: str) -> str:
    """A kubeconfig whose user logs in by a program."""
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": arguments, "interactiveMode": "Never"}
    return json.dumps({**ENTRY, "users": [{"name": "u", "user": {"exec": program}}]})


UNUSABLE: Final[dict[str, tuple[str | None, tuple[str, ...], str]]] = {
    "no file": (None, (), f"{NOT_USED}Invalid kube-config file. No configuration found."),
    "an empty file": ("", (), NOT_USED),
    "no YAML": (f"users: [{{user: {{token: {SECRET}", (), f"{NOT_USED}line 1, column "),
    "no kubeconfig": ("[1, 2]", (), NOT_USED),
    "another kind of thing": ('{"clusters": 5, "contexts": "x", "current-context": "y", "users": 7}', (), NOT_USED),
    "no current context": (json.dumps({**ENTRY, "current-context": ""}), (), NOT_USED),
    "a context that is not there": (
        json.dumps(ENTRY),
        ("--context", "there"),
        f"{NOT_USED}Invalid kube-config file. Expected object with name there",
    ),
    "a login program that fails": (
        with_login("/bin/sh", "-c", f"echo {SECRET}; exit 1"),
        (),
        f"{NOT_USED}its login program returned no credentials",
    ),
    "a login program that is not there": (with_login("/none"), (), f"{NOT_USED}its login program returned no credentials"),
    "a login program that talks": (
        with_login("/bin/sh", "-c", f"echo {SECRET}"),
        (),
        f"{NOT_USED}its login program returned no credentials",
    ),
    "a certificate that is not there": (
        json.dumps({**ENTRY, "users": [{"name": "u", "user": {"client-certificate": "/none.crt", "client-key": "/none.key"}}]}),
        (),
        f"{NOT_USED}File does not exist: /none.crt",
    ),
    "nobody listens": (json.dumps(ENTRY), (), "airflow-sidecar-webhook: the API server https://127.0.0.1:1 cannot be asked: "),
    "no such host": (
        with_server("https://api.invalid"),
        (),
        "airflow-sidecar-webhook: the API server https://api.invalid cannot be asked: ",
    ),
    "a password in the URL": (
        with_server(f"https://me:{SECRET}@127.0.0.1:1"),
        (),
        "airflow-sidecar-webhook: the API server https://127.0.0.1:1 ",
    ),
}


@pytest.mark.parametrize(("kubeconfig", "arguments", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_told_in_a_line_with_code_2(
    tmp_path: Path, kubeconfig: str | None, arguments: tuple[str, ...], problem: str
) -> None:
    done = doctor(tmp_path, kubeconfig, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(problem), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert SECRET not in done.stderr


def test_an_api_server_that_takes_the_connection_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        done = doctor(tmp_path, with_server(f"https://127.0.0.1:{silent.getsockname()[1]}"))

    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be asked: " in done.stderr
    assert time.monotonic() - began < 30


def test_the_exit_codes_are_told_in_the_help(tmp_path: Path) -> None:
    text = " ".join(doctor(tmp_path, None, "--help").stdout.split())

    assert "Exit codes: 0 no problem, though there may be notes and warnings; 1 a fault" in text
    assert text.endswith("3 at least one problem.")


def test_the_program_does_not_load_the_kubernetes_client_for_another_command(tmp_path: Path) -> None:
    code = "import sys; from webhook.command.main import main; main(['explain', sys.argv[1]]); print('kubernetes' in sys.modules)"
    path = tmp_path / "pod.json"
    path.write_text('{"kind": "Pod", "metadata": {}, "spec": {"containers": []}}', "utf-8")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.endswith("False\n")
