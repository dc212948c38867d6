"""``bug-report``: a secret stands in every text of pods, settings, logs and the cluster, and in the file there is none."""

from __future__ import annotations

import gzip
import json
import re
import stat
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import ISTIO, RUNNING, UPLOADER, annotated, ended, live_pod
from tests.support.scripted_api_server import scripted_api_server
from webhook.command.redacted_log import MEMBERS
from webhook.kube.reading import CONFIGURATIONS_PATH
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import InProcessProgram
    from tests.support.scripted_api_server import ScriptedApiServer

SECRET: Final = "hunter2swordfish"  # noqa: S105  it opens nothing
PAGE: Final = Path(__file__).parents[3] / "docs" / "bug_report.md"
PODS: Final = "/api/v1/namespaces/airflow/pods"
OWN_PODS: Final = "/api/v1/namespaces/airflow-sidecar-webhook/pods"
STATUS: Final = '{"treatment":"wrapped","reason":"sidecars-quit","main":"base","sidecars":{"istio-proxy":"quit"},"version":"0.1.0"}'
EXAMPLE: Final = annotated(
    live_pod({"base": ended(137), "istio-proxy": RUNNING, "uploader": RUNNING}, ISTIO, UPLOADER, nodeName="node", volumes=[{"name": "v"}]),
    status=STATUS,
    mode="always",
    outlives_task="uploader",
    colour="red",
)
EXAMPLE["spec"]["containers"][0] |= {"args": ["--token", "x"], "command": ["sh"], "env": [{"name": "A", "value": "b"}], "workingDir": "/"}


def planted(value: Any) -> Iterator[Any]:
    """A copy of a JSON value for each text and each key in it, with the secret there."""
    match value:
        case str():
            yield f"{value}{SECRET}"
            yield SECRET
        case dict():
            for key in value:
                yield from ({**value, key: one} for one in planted(value[key]))
                yield {f"{name}{SECRET}" if name == key else name: member for name, member in value.items()}
        case list():
            for at, item in enumerate(value):
                yield from ([*value[:at], one, *value[at + 1 :]] for one in planted(item))


def everywhere(value: Any) -> Any:
    """A JSON value with the secret in each text."""
    match value:
        case str():
            return f"{value}{SECRET}"
        case dict():
            return {key: everywhere(member) for key, member in value.items()}
        case list():
            return list(map(everywhere, value))
    return value


def lines() -> Iterator[str]:
    """Log lines, with the secret in each place of one."""
    line: dict[str, Any] = dict.fromkeys(MEMBERS, "x") | {
        "time": "2026-01-01T10:00:00.000+00:00",
        "event": "review",
        "namespace": "a",
        "note": "b",
    }
    line["traceback"] = ["ValueError", "/packages/webhook/core/pod.py:12 read_pod"]
    yield json.dumps({**line, "level": "warning", "result": "left", "reason": "no-quit", "operations": 3, "dry_run": False})
    yield from map(json.dumps, planted(line))
    yield from (json.dumps({**line, name: [SECRET]}) for name in line)
    yield json.dumps(
        {**line, "traceback": [f"ValueError: {SECRET}", f"/{SECRET}/webhook/{SECRET}.py:1 f", f"/webhook/core/pod.py:2 {SECRET}"]}
    )
    yield from (SECRET, json.dumps(SECRET), json.dumps([SECRET]), "{" + SECRET)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApiServer]:
    """A fake API server on which nearly every text holds the secret, and a kubeconfig whose token and context do, too."""
    with scripted_api_server() as server:
        server.version = {"gitVersion": f"v1.34.2-{SECRET}"}
        node = {"metadata": {"name": "node", "labels": {"a": "b"}}, "status": {"nodeInfo": {"kubeletVersion": "v1.34.2-"}}}
        server.nodes = [everywhere(node)]
        webhook = {"name": "pods.airflow-sidecar-webhook.io", "clientConfig": {"url": "https://a/"}, "admissionReviewVersions": ["v1"]}
        configuration = {"metadata": {"name": "a", "annotations": {"b": "c"}}, "webhooks": [webhook]}
        server.objects[CONFIGURATIONS_PATH] = {"metadata": {}, "items": [configuration, everywhere(configuration)]}
        server.objects["/api/v1/namespaces/airflow"] = {"metadata": everywhere({"name": "airflow", "labels": {"a": "b"}})}
        server.objects[PODS] = {"metadata": {}, "items": [EXAMPLE]}
        server.objects[OWN_PODS] = {"metadata": {}, "items": [{"metadata": {"name": f"webhook-{SECRET}"}}]}
        server.texts[f"{OWN_PODS}/webhook-{SECRET}/log"] = "\n".join(lines())
        use(tmp_path, monkeypatch, server.url)
        yield server


def use(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Have the program use this API server."""
    path = folder / f"kubeconfig-{SECRET}"
    path.write_text(kubeconfig_for(url, f"context-{SECRET}", token=SECRET), "utf-8")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    monkeypatch.chdir(folder)


def secret_settings(folder: Path) -> dict[str, str]:
    """The secret in every setting that takes a text, and in the files that settings name."""
    texts = [name for name, field in Settings.model_fields.items() if field.annotation is str and isinstance(field.default, str)]
    paths = [name for name, field in Settings.model_fields.items() if isinstance(field.default, Path)]
    sidecars, entrypoints = folder / f"{SECRET}.yaml", folder / f"{SECRET}-entrypoints.yaml"
    row = {"id": SECRET, "title": SECRET, "sources": [SECRET], "match": {"names": ["uploader", SECRET]}, "ends_by_itself": True}
    sidecars.write_text(json.dumps([row]), "utf-8")
    entrypoints.write_text(json.dumps({"images": [{"image": f"{SECRET}/*", "shell": True}]}), "utf-8")
    own = {"sidecars_file": str(sidecars), "entrypoints_file": str(entrypoints)}
    return {name.upper(): value for name, value in {**dict.fromkeys([*texts, *paths], SECRET), **own}.items()}


def unpacked(path: Path) -> dict[str, str]:
    """The files of an archive, by their names."""
    with tarfile.open(path) as archive:
        return {one.name.removeprefix("bug-report/"): archive.extractfile(one).read().decode() for one in archive}  # type: ignore[union-attr]


def test_no_secret_of_pods_settings_logs_and_cluster_is_packed(
    server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path
) -> None:
    settings = secret_settings(tmp_path)
    server.objects[PODS] = {"metadata": {}, "items": [EXAMPLE, *planted(EXAMPLE)]}
    stdout = program("bug-report", "-n", "airflow", "report.tar.gz", **settings)
    packed = tmp_path / "report.tar.gz"
    files = unpacked(packed)
    pods = json.loads(files["pods.json"])["pods"]

    assert len(settings) > 8
    assert SECRET not in stdout
    assert SECRET.encode() not in packed.read_bytes() + gzip.decompress(packed.read_bytes())
    assert len(pods) > 100
    assert {"result", "reason", "course"} <= pods[0].keys()
    assert len(files["logs/1.jsonl"].splitlines()) == len(list(lines()))


@pytest.mark.usefixtures("server")
def test_what_helps_is_packed(program: InProcessProgram, tmp_path: Path) -> None:
    program("bug-report", "-n", "airflow", WAIT_SECONDS="77", MODE="wrap")
    files = unpacked(tmp_path / "airflow-sidecar-webhook-bug-report.tar.gz")
    (first, *_), settings, found = (
        json.loads(files["pods.json"])["pods"],
        json.loads(files["settings.json"]),
        json.loads(files["findings.json"]),
    )
    log = json.loads(files["logs/1.jsonl"].splitlines()[0])

    assert json.loads(files["about.json"])["missing"] == []
    assert (first["course"]["state"], first["course"]["exit_code"], first["course"]["recorded_reason"]) == ("stuck", 137, "sidecars-quit")
    assert first["invalid_annotations"] == ["other", "airflow-sidecar-webhook/mode"]
    assert first["sidecars"] == [["istio-proxy", "keeps-running"], ["other", "ends-by-itself"]]
    assert (settings["wait_seconds"], settings["mode"], settings["host"]) == (77, "wrap", "(the default)")
    assert settings.keys() == Settings.model_fields.keys()
    assert {"id", "severity"} == set().union(*found)
    assert (log["event"], log["result"], log["reason"], log["operations"]) == ("review", "left", "no-quit", 3)
    assert log["traceback"] == ["ValueError", "webhook/core/pod.py:12"]


def test_what_cannot_be_read_is_named_on_stderr_and_its_message_is_not_packed(
    program: InProcessProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(tmp_path, monkeypatch, f"https://me:{SECRET}@127.0.0.1:1")
    parts = ["installed settings", "findings", "pods", "logs"]
    run = program.run("bug-report", "a.tar.gz")
    files = unpacked(tmp_path / "a.tar.gz")

    assert run.code == 0
    assert [line.split(": ")[1] for line in run.stderr.splitlines()] == [f"without {part}" for part in parts]
    assert json.loads(files["about.json"])["missing"] == sorted(parts)
    assert sorted(files) == ["about.json", "settings.json"]
    assert "127.0.0.1" not in "".join(files.values())


@pytest.mark.usefixtures("server")
def test_the_file_is_its_owners_alone_and_no_other_file_is_written_over(program: InProcessProgram, tmp_path: Path) -> None:
    program("bug-report", "-n", "airflow", "a.tar.gz")
    before = (tmp_path / "a.tar.gz").read_bytes()
    again = program.run("bug-report", "-n", "airflow", "a.tar.gz")

    assert stat.S_IMODE((tmp_path / "a.tar.gz").stat().st_mode) == 0o600
    assert (again.code, again.stderr) == (2, "airflow-sidecar-webhook: a.tar.gz: cannot be written: File exists\n")
    assert (tmp_path / "a.tar.gz").read_bytes() == before


def test_of_very_many_pods_the_first_are_packed(
    server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhook.command.bug_report.MAX_PODS", 3)
    server.objects[PODS] = {"metadata": {}, "items": [EXAMPLE] * 5}
    program("bug-report", "-n", "airflow", "a.tar.gz")

    assert len(json.loads(unpacked(tmp_path / "a.tar.gz")["pods.json"])["pods"]) == 3


@pytest.mark.usefixtures("server")
def test_the_page_names_every_file_and_every_member_that_is_packed(program: InProcessProgram, tmp_path: Path) -> None:
    program("bug-report", "-n", "airflow", "a.tar.gz")
    files: dict[str, str] = unpacked(tmp_path / "a.tar.gz")
    members: set[str] = {*json.loads(files["about.json"]), *json.loads(files["pods.json"])["pods"][0], *MEMBERS}
    named = set(re.findall(r"`([\w./]+)`", PAGE.read_text("utf-8")))

    assert {re.sub(r"\d+", "N", name) for name in files} | members <= named
