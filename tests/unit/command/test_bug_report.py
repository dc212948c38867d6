"""``bug-report``: a secret stands in every text of pods, settings, logs and the cluster, and in the file there is none."""

from __future__ import annotations

import gzip
import json
import re
import resource
import shlex
import stat
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.kubeconfigs import kubeconfig_for
from tests.support.live_pods import ISTIO, RUNNING, UPLOADER, annotated, ended, live_pod
from tests.support.scripted_api_server import scripted_api_server
from webhook.command.redacted_log import MEMBERS
from webhook.core import UnsoundPatchError
from webhook.doctor.registration import OWN_WEBHOOK
from webhook.kube.reading import CONFIGURATIONS_PATH
from webhook.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.program import InProcessProgram
    from tests.support.scripted_api_server import ScriptedApiServer

SECRET: Final = "hunter2swordfish"  # noqa: S105  it opens nothing
INFRA: Final = f"infra-{SECRET}"
"""The namespace of the installed webhook."""

PAGE: Final = Path(__file__).parents[3] / "docs" / "bug_report.md"
PODS: Final = "/api/v1/namespaces/airflow/pods"
OWN_PODS: Final = f"/api/v1/namespaces/{INFRA}/pods"
OWN_POD: Final = {"metadata": {"name": f"webhook-{SECRET}"}, "spec": {"containers": [{"name": f"container-{SECRET}"}]}}
LOG: Final = f"{OWN_PODS}/webhook-{SECRET}/log"
DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{INFRA}/deployments/webhook-{SECRET}"
ROWS: Final = f"/api/v1/namespaces/{INFRA}/configmaps/rows-{SECRET}"
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
        service = {"namespace": INFRA, "name": f"webhook-{SECRET}"}
        webhook = {"name": OWN_WEBHOOK, "clientConfig": {"service": service}, "admissionReviewVersions": ["v1"]}
        configuration = {"metadata": {"name": "a", "annotations": {"b": "c"}}, "webhooks": [webhook]}
        server.objects[CONFIGURATIONS_PATH] = {"metadata": {}, "items": [configuration, everywhere(configuration)]}
        server.objects["/api/v1/namespaces/airflow"] = {"metadata": everywhere({"name": "airflow", "labels": {"a": "b"}})}
        server.objects[PODS] = {"metadata": {}, "items": [EXAMPLE]}
        server.objects[OWN_PODS] = {"metadata": {}, "items": [OWN_POD]}
        server.texts[LOG] = next(lines())
        install(server, MODE="wrap")
        use(tmp_path, monkeypatch, server.url)
        yield server


def install(server: ScriptedApiServer, **variables: str) -> None:
    """Have the webhook be installed with these settings, and a ConfigMap with the secret in its rows."""
    rows = {f"{SECRET}.yaml": json.dumps([ROW]), f"{SECRET}-entrypoints.yaml": json.dumps(ENTRYPOINTS)}
    container = {
        "name": SECRET,
        "env": [{"name": SECRET, "value": SECRET}, *({"name": f"{PREFIX}{name}", "value": value} for name, value in variables.items())],
        "volumeMounts": [{"name": SECRET, "mountPath": f"/{SECRET}"}],
    }
    volume = {"name": SECRET, "configMap": {"name": f"rows-{SECRET}"}}
    server.objects[DEPLOYMENT] = {"spec": {"template": {"spec": {"containers": [container], "volumes": [volume]}}}}
    server.objects[ROWS] = {"data": rows}


def use(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Have the program use this API server."""
    path = folder / f"kubeconfig-{SECRET}"
    path.write_text(kubeconfig_for(url, f"context-{SECRET}", token=SECRET), "utf-8")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    monkeypatch.chdir(folder)


ROW: Final = {"id": SECRET, "title": SECRET, "sources": [SECRET], "match": {"names": ["uploader", SECRET]}, "ends_by_itself": True}
ENTRYPOINTS: Final = {"images": [{"image": f"{SECRET}/*", "shell": True}]}


def secret_settings(folder: Path) -> dict[str, str]:
    """The secret in every setting that takes a text, and in the files that settings name."""
    texts = [name for name, field in Settings.model_fields.items() if field.annotation is str and isinstance(field.default, str)]
    paths = [name for name, field in Settings.model_fields.items() if isinstance(field.default, Path)]
    sidecars, entrypoints = folder / f"{SECRET}.yaml", folder / f"{SECRET}-entrypoints.yaml"
    folder.mkdir(exist_ok=True)
    sidecars.write_text(json.dumps([ROW]), "utf-8")
    entrypoints.write_text(json.dumps(ENTRYPOINTS), "utf-8")
    own = {"service_namespace": INFRA, "sidecars_file": str(sidecars), "entrypoints_file": str(entrypoints)}
    return {name.upper(): value for name, value in {**dict.fromkeys([*texts, *paths], SECRET), **own}.items()}


def unpacked(path: Path) -> dict[str, str]:
    """The files of an archive, by their names."""
    with tarfile.open(path) as archive:
        return {one.name.removeprefix("bug-report/"): archive.extractfile(one).read().decode() for one in archive}  # type: ignore[union-attr]


def assert_no_secret_in(packed: Path, stdout: str) -> None:
    """Neither in the output nor in the archive, compressed or not."""
    assert SECRET not in stdout
    assert SECRET.encode() not in packed.read_bytes() + gzip.decompress(packed.read_bytes())


def test_no_secret_of_pods_logs_and_cluster_is_packed(server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path) -> None:
    server.objects[PODS] = {"metadata": {}, "items": [EXAMPLE, *planted(EXAMPLE)]}
    server.texts[LOG] = "\n".join(lines())
    stdout = program("bug-report", "-n", "airflow", "report.tar.gz")
    files = unpacked(tmp_path / "report.tar.gz")
    pods = json.loads(files["pods.json"])["pods"]

    assert_no_secret_in(tmp_path / "report.tar.gz", stdout)
    assert json.loads(files["about.json"])["missing"] == {}
    assert len(pods) > 100
    assert {"result", "reason", "course"} <= pods[0].keys()
    assert len(files["logs/1.jsonl"].splitlines()) == len(list(lines()))


@pytest.mark.parametrize("source", ["given", "installed"])
def test_no_secret_of_settings_is_packed(source: str, server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path) -> None:
    settings = secret_settings(tmp_path)
    if source == "installed":
        install(server, **{name: value.replace(str(tmp_path), f"/{SECRET}") for name, value in settings.items()})
    stdout = program("bug-report", "-n", "airflow", "report.tar.gz", **(settings if source == "given" else {}))
    files = unpacked(tmp_path / "report.tar.gz")
    about = json.loads(files["about.json"])

    assert len(settings) > 8
    assert_no_secret_in(tmp_path / "report.tar.gz", stdout)
    assert (about["settings_source"], about["missing"]) == (source, {})
    assert json.loads(files["settings.json"])["sidecars_file"] == "(set, and not shown)"
    assert ((ROWS in server.requests), (DEPLOYMENT in server.requests)) == ((source == "installed",) * 2)


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

    assert json.loads(files["about.json"])["missing"] == {}
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
    parts = ["settings", "findings", "pods", "logs"]
    run = program.run("bug-report", "a.tar.gz")
    files = unpacked(tmp_path / "a.tar.gz")

    assert run.code == 0
    assert [line.split(": ")[1] for line in run.stderr.splitlines()] == [f"without {part}" for part in parts]
    assert json.loads(files["about.json"])["missing"] == dict.fromkeys(parts, "UnreachableError")
    assert sorted(files) == ["about.json"]
    assert "127.0.0.1" not in "".join(files.values())


def test_the_given_settings_are_packed_where_there_is_no_kubeconfig(
    program: InProcessProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    program.run("bug-report", str(tmp_path / "a.tar.gz"), WAIT_SECONDS="77")
    files = unpacked(tmp_path / "a.tar.gz")
    about = json.loads(files["about.json"])

    assert json.loads(files["settings.json"])["wait_seconds"] == 77
    assert (about["settings_source"], about["missing"]) == ("given", dict.fromkeys(["findings", "pods", "logs"], "KubeconfigError"))


@pytest.mark.parametrize("path", [DEPLOYMENT, CONFIGURATIONS_PATH])
def test_default_settings_are_not_packed_in_the_place_of_installed_ones_that_the_user_may_not_read(
    path: str, server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path
) -> None:
    server.refused[path] = (403, json.dumps({"message": f"forbidden: {SECRET}"}).encode())
    run = program.run("bug-report", "-n", "airflow", "--webhook-namespace", INFRA, "a.tar.gz")
    files = unpacked(tmp_path / "a.tar.gz")
    about = json.loads(files["about.json"])

    assert (run.code, len(run.stderr.splitlines())) == (0, 1)
    assert run.stderr.startswith("airflow-sidecar-webhook: without settings: ")
    assert (about["settings_source"], about["missing"]) == (None, {"settings": "UnreadSettingsError"})
    assert sorted(files) == ["about.json", "findings.json", "logs/1.jsonl", "pods.json"]
    assert SECRET not in "".join(files.values())


@pytest.mark.parametrize(
    ("broken", "part", "file"),
    [
        ("webhook.command.checked_cluster.collect", "findings", "findings.json"),
        ("webhook.command.bug_report.known_names", "pods", "pods.json"),
        ("webhook.command.bug_report.redacted_log", "logs", "logs/1.jsonl"),
    ],
)
@pytest.mark.usefixtures("server")
def test_a_bug_in_one_part_leaves_the_others(
    broken: str, part: str, file: str, program: InProcessProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken, failing(ZeroDivisionError(SECRET)))
    run = program.run("bug-report", "-n", "airflow", "a.tar.gz")
    files = unpacked(tmp_path / "a.tar.gz")
    whole = {"about.json", "findings.json", "logs/1.jsonl", "pods.json", "settings.json"}

    assert (run.code, run.stderr) == (0, f"airflow-sidecar-webhook: without {part}: a bug: ZeroDivisionError: {SECRET}\n")
    assert json.loads(files["about.json"])["missing"] == {part: "ZeroDivisionError"}
    assert files.keys() == whole - {file}
    assert SECRET not in "".join(files.values())


@pytest.mark.usefixtures("server")
def test_a_pod_on_which_the_rules_fail_is_packed_as_the_type_of_the_error(
    program: InProcessProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("command.explainer", "course.stuck_pod"):
        monkeypatch.setattr(f"webhook.{module}.treat", failing(UnsoundPatchError(SECRET)))
    program("bug-report", "-n", "airflow", "a.tar.gz")
    files = unpacked(tmp_path / "a.tar.gz")

    assert json.loads(files["pods.json"])["pods"] == [{"bug": "UnsoundPatchError"}]
    assert {"id": "stuck-pod", "severity": "problem"} in json.loads(files["findings.json"])


def failing(error: BaseException) -> Callable[..., None]:
    """A function that raises this."""

    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_container_whose_log_cannot_be_read_is_named_and_the_logs_of_the_others_are_packed(
    server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path
) -> None:
    pods = [{"metadata": {"name": name}, "spec": {"containers": [{"name": "webhook"}, {"name": "mesh"}]}} for name in ("creating", "works")]
    server.objects[OWN_PODS] = {"metadata": {}, "items": pods}
    server.refused[f"{OWN_PODS}/creating/log"] = (400, b'{"message": "container is waiting to start: ContainerCreating"}')
    server.texts[f"{OWN_PODS}/works/log"] = '{"event": "listening"}\n'
    run = program.run("bug-report", "-n", "airflow", "a.tar.gz")
    files = unpacked(tmp_path / "a.tar.gz")
    why = "400 container is waiting to start: ContainerCreating"

    assert run.stderr.splitlines() == [
        f"airflow-sidecar-webhook: without logs/1.jsonl: container webhook of pod/creating: {why}",
        f"airflow-sidecar-webhook: without logs/2.jsonl: container mesh of pod/creating: {why}",
    ]
    assert json.loads(files["about.json"])["missing"] == dict.fromkeys(["logs/1.jsonl", "logs/2.jsonl"], "UnreadLogError")
    assert [files[f"logs/{number}.jsonl"] for number in (3, 4)] == ['{"event":"listening"}\n'] * 2
    assert [query["container"] for query in server.queries if "tailLines" in query] == [["webhook"], ["mesh"]] * 2


def test_of_a_long_log_the_last_whole_lines_are_packed(
    server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhook.command.webhook_logs.BYTES", 60)
    server.texts[LOG] = "".join(json.dumps({"event": "review", "operations": number}) + "\n" for number in range(9))
    program("bug-report", "-n", "airflow", "a.tar.gz")

    assert unpacked(tmp_path / "a.tar.gz")["logs/1.jsonl"] == '{"event":"review","operations":8}\n'
    assert not any("limitBytes" in query for query in server.queries)


def test_a_namespace_without_pods_of_the_webhook_is_named(server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path) -> None:
    server.objects["/api/v1/namespaces/other/pods"] = {"metadata": {}, "items": []}
    run = program.run("bug-report", "-n", "airflow", "--webhook-namespace", "other", "a.tar.gz")

    assert run.stderr.startswith("airflow-sidecar-webhook: without logs: the namespace other has no pod of the webhook ")
    assert json.loads(unpacked(tmp_path / "a.tar.gz")["about.json"])["missing"] == {"logs": "NoWebhookPodsError"}


@pytest.mark.parametrize(
    ("installed", "given"),
    [({"SERVICE_NAMESPACE": "there"}, {}), ({}, {"SERVICE_NAMESPACE": "there"})],
    ids=["installed settings", "given settings"],
)
def test_the_logs_are_those_of_the_namespace_of_the_service_in_the_settings(
    installed: dict[str, str], given: dict[str, str], server: ScriptedApiServer, program: InProcessProgram
) -> None:
    install(server, **installed)
    server.objects["/api/v1/namespaces/there/pods"] = {"metadata": {}, "items": [OWN_POD]}
    server.texts[f"/api/v1/namespaces/there/pods/webhook-{SECRET}/log"] = ""
    program("bug-report", "-n", "airflow", "a.tar.gz", **given)

    assert "/api/v1/namespaces/there/pods" in server.requests


def test_the_login_program_runs_once(
    server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig, runs = json.loads(kubeconfig_for(server.url, "here")), tmp_path / "runs"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": SECRET}}
    command = f"echo run >> {shlex.quote(str(runs))}; echo {shlex.quote(json.dumps(credential))}"
    login = {"apiVersion": credential["apiVersion"], "command": "/bin/sh", "args": ["-c", command], "interactiveMode": "Never"}
    path = tmp_path / "with-login"
    path.write_text(json.dumps({**kubeconfig, "users": [{**kubeconfig["users"][0], "user": {"exec": login}}]}), "utf-8")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    program("bug-report", "-n", "airflow", "a.tar.gz")

    assert runs.read_text("utf-8") == "run\n"


def test_the_file_is_its_owners_alone_and_no_other_file_is_written_over(
    server: ScriptedApiServer, program: InProcessProgram, tmp_path: Path
) -> None:
    program("bug-report", "-n", "airflow", "a.tar.gz")
    before = (tmp_path / "a.tar.gz").read_bytes()
    server.requests.clear()
    again = program.run("bug-report", "-n", "airflow", "a.tar.gz")

    assert stat.S_IMODE((tmp_path / "a.tar.gz").stat().st_mode) == 0o600
    assert (again.code, again.stderr) == (2, "airflow-sidecar-webhook: a.tar.gz: cannot be written: File exists\n")
    assert (tmp_path / "a.tar.gz").read_bytes() == before
    assert server.requests == [], "nothing is read for a file that cannot be written"


@pytest.mark.usefixtures("server")
def test_a_file_that_cannot_be_written_to_its_end_is_deleted(program: InProcessProgram, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        run = program.run("bug-report", "-n", "airflow", "a.tar.gz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert (run.code, run.stderr) == (2, "airflow-sidecar-webhook: a.tar.gz: cannot be written: File too large\n")
    assert not (tmp_path / "a.tar.gz").exists()


@pytest.mark.usefixtures("server")
def test_an_interrupted_command_leaves_no_file(program: InProcessProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.command.checked_cluster.collect", failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        program.run("bug-report", "-n", "airflow", "a.tar.gz")

    assert not (tmp_path / "a.tar.gz").exists()


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
    members: set[str] = {"bug", *json.loads(files["about.json"]), *json.loads(files["pods.json"])["pods"][0], *MEMBERS}
    named = set(re.findall(r"`([\w./]+)`", PAGE.read_text("utf-8")))

    assert {re.sub(r"\d+", "N", name) for name in files} | members <= named
