"""``doctor``: its report on a fake API server, and where there is none to read: one line, code 2, nothing secret."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from tests.support.kubeconfigs import kubeconfig_for
from tests.support.program import InProcessProgram
from tests.support.scripted_api_server import scripted_api_server
from webhook.command.doctor_document import DoctorDocument
from webhook.command.doctor_report import DoctorReport
from webhook.command.terminal import Palette
from webhook.doctor.finding import FindingId, found
from webhook.kube.kubeconfig import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.json_object import JSONObject
    from tests.support.program import ProgramRun
    from tests.support.scripted_api_server import ScriptedApiServer

    Doctor = Callable[..., ProgramRun]

SECRET: Final = "s3cr3t-t0k3n"  # noqa: S105  it opens nothing
NOT_USED: Final = "airflow-sidecar-webhook: the kubeconfig cannot be used: {path}: "
ENTRY: Final[JSONObject] = json.loads(kubeconfig_for("https://127.0.0.1:1", "here", token=SECRET))


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Doctor:
    """Runs it with this text as the kubeconfig, or with none; the package reads the place of that once, when it is imported.

    What a login program writes is seen, too: hence capfd.
    """
    program = InProcessProgram(monkeypatch, capfd)
    path = tmp_path / "kubeconfig"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    for name, value in {"PATH": "", "HOME": str(tmp_path), "KUBECONFIG": str(path), "KUBERNETES_SERVICE_HOST": ""}.items():
        monkeypatch.setenv(name, value)

    def run(kubeconfig: str | None, *arguments: str) -> ProgramRun:
        if kubeconfig is not None:
            path.write_text(kubeconfig, "utf-8")
        return program.run("doctor", *arguments)

    return run


def with_login(command: str, *arguments: str) -> str:
    """A kubeconfig whose user logs in by a program."""
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": arguments, "interactiveMode": "Never"}
    return json.dumps({**ENTRY, "users": [{"name": "u", "user": {"exec": program}}]})


UNUSABLE: Final[dict[str, tuple[str | None, tuple[str, ...], str]]] = {
    "no file": (None, (), f"{NOT_USED}there is no such file; the environment variable KUBECONFIG names another one"),
    "an empty file": ("", (), NOT_USED),
    "no YAML": (f"users: [{{user: {{token: {SECRET}", (), f"{NOT_USED}line 1, column "),
    "broken YAML": (f"users: [{SECRET}: [", (), NOT_USED),
    "a user without credentials": (f"users: [{{name: {SECRET}}}]", (), NOT_USED),
    "a list of a text": (f"[{SECRET}]", (), NOT_USED),
    "a character that no YAML has": ("\x00", (), NOT_USED),
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
    "a login program that prints the token": (
        with_login("/bin/sh", "-c", f"echo {SECRET}"),
        (),
        f"{NOT_USED}its login program returned no credentials",
    ),
    "a certificate that is not there": (
        json.dumps({**ENTRY, "users": [{"name": "u", "user": {"client-certificate": "/none.crt", "client-key": "/none.key"}}]}),
        (),
        f"{NOT_USED}File does not exist: /none.crt",
    ),
    "nobody listens": (json.dumps(ENTRY), (), "airflow-sidecar-webhook: cannot read from the API server https://127.0.0.1:1: "),
    "no such host": (
        kubeconfig_for("https://api.invalid", "here"),
        (),
        "airflow-sidecar-webhook: cannot read from the API server https://api.invalid: ",
    ),
    "a password in the URL": (
        kubeconfig_for(f"https://me:{SECRET}@127.0.0.1:1", "here"),
        (),
        "airflow-sidecar-webhook: cannot read from the API server https://127.0.0.1:1: ",
    ),
}


@pytest.mark.parametrize(("kubeconfig", "arguments", "problem"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_kubeconfig_or_api_server_that_cannot_be_used_is_named_in_a_line_with_code_2(
    tmp_path: Path, doctor: Doctor, kubeconfig: str | None, arguments: tuple[str, ...], problem: str
) -> None:
    done = doctor(kubeconfig, *arguments)

    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(problem.format(path=tmp_path / "kubeconfig")), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert SECRET not in done.stderr


def test_an_api_server_that_accepts_the_connection_and_sends_nothing_is_given_up(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = doctor(kubeconfig_for(f"https://127.0.0.1:{silent.getsockname()[1]}", "here"))

    assert (done.code, done.stdout) == (2, "")
    assert "cannot read from the API server " in done.stderr


@pytest.fixture
def server() -> Iterator[ScriptedApiServer]:
    """A fake API server of a cluster without the webhook."""
    with scripted_api_server() as server:
        server.objects["/api/v1/namespaces/airflow"] = {"metadata": {"name": "airflow"}}
        server.objects["/api/v1/namespaces/airflow/pods"] = {"metadata": {}, "items": []}
        yield server


def test_the_text_has_a_finding_in_a_line_with_what_to_do_and_where_to_read_more_below(server: ScriptedApiServer, doctor: Doctor) -> None:
    done = doctor(kubeconfig_for(server.url, "here"), "-n", "airflow")

    assert (done.code, done.stderr) == (3, "")
    assert done.stdout.startswith(
        f"namespace airflow on {server.url} (context here)\nok      The API server runs Kubernetes v1.34.2. [server-version]\n"
    )
    assert (
        "\nproblem airflow-sidecar-webhook is not installed: no MutatingWebhookConfiguration contains the webhook "
        "pods.airflow-sidecar-webhook.io. [webhook-not-installed]\n"
        "        -> Install it; see docs/install.md.\n"
        "        see: docs/findings.md#webhook-not-installed\n"
    ) in done.stdout
    assert "\x1b" not in done.stdout


def test_the_text_has_only_printable_characters_whatever_an_image_is_called() -> None:
    hostile = "\x1b[2J\nok      all is well"
    finding = found(FindingId.ENTRYPOINTS_UNKNOWN, images=hostile, rows=hostile)
    text = DoctorReport(Context("here", "airflow", "https://127.0.0.1"), "airflow", (finding,)).as_text(Palette(is_coloured=False))
    assert text.count("\\x1b[2J\\nok      all is well") == 2
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_json_has_the_members_that_the_page_names(server: ScriptedApiServer, doctor: Doctor) -> None:
    done = doctor(kubeconfig_for(server.url, "here"), "-n", "airflow", "-o", "json")
    report = json.loads(done.stdout)

    msgspec.convert(report, DoctorDocument)
    assert (report["version"], report["server"], report["context"], report["namespace"]) == (1, server.url, "here", "airflow")
    assert report["is_complete"] is True
    assert report["findings"][0] == {
        "id": "server-version",
        "severity": "ok",
        "sentence": "The API server runs Kubernetes v1.34.2.",
        "remedy": "",
        "values": {"version": "v1.34.2"},
        "steps": [],
        "see": "docs/findings.md#server-version",
    }


def test_the_reapers_rights_are_checked_where_its_account_is_named(doctor: Doctor) -> None:
    with scripted_api_server() as server:
        server.objects["/api/v1/namespaces/airflow"] = {"metadata": {"name": "airflow"}}
        server.objects["/api/v1/namespaces/airflow/pods"] = {"metadata": {}, "items": []}
        kubeconfig = kubeconfig_for(server.url, "here")
        run = doctor(kubeconfig, "-n", "airflow", "--reaper", "infra/reaper", "-o", "json")
    # The fake API server returns each review as it was sent: nothing is granted.
    (finding,) = [one for one in json.loads(run.stdout)["findings"] if one["id"].startswith("reaper-")]
    assert (finding["id"], finding["values"]["user"], finding["values"]["missing"]) == (
        "reaper-rights-missing",
        "system:serviceaccount:infra:reaper",
        "create and patch events, list pods",
    )


@pytest.mark.parametrize("account", ["reaper", "infra/", "/reaper", "a/b/c"])
def test_an_account_without_its_namespace_is_refused(account: str, doctor: Doctor) -> None:
    run = doctor(json.dumps(ENTRY), "--reaper", account)
    assert (run.code, run.stdout) == (2, "")
    assert "is not NAMESPACE/NAME" in run.stderr
