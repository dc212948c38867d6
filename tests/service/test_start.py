"""What cannot be served is said in one line each on stderr, with exit code 2 and without a traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tests.service.running_service import DEADLINE_SECONDS, PREFIX, ROOT, Certificates, running_service, settings_for, start
from webhook.command.main import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNUSABLE = 2


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def _refusal(certificates: Certificates, *arguments: str, **settings: object) -> list[str]:
    """The lines that a start with these settings ends with."""
    process = start({**settings_for(certificates), **settings}, *arguments)
    try:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == UNUSABLE
    return _said(out, err)


def _said(out: str, err: str) -> list[str]:
    assert out == ""
    lines = err.splitlines()
    assert lines
    assert all(line.startswith("airflow-sidecar-webhook: ") for line in lines)
    return [line.removeprefix("airflow-sidecar-webhook: ") for line in lines]


@pytest.fixture
def refusal(certificates: Certificates, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """The same for what is found out before anything is started: the command is run in this process, which takes a hundredth of the time."""

    def refusal(*arguments: str, **settings: object) -> list[str]:
        # Were the settings taken by mistake, the command would end at this file instead of serving.
        for name, value in {**settings_for(certificates), "certificate_file": os.devnull, **settings}.items():
            monkeypatch.setenv(f"{PREFIX}{name.upper()}", str(value))
        assert run(["serve", *arguments]) == UNUSABLE
        return _said(*capsys.readouterr())

    return refusal


@pytest.mark.parametrize("setting", ["certificate_file", "private_key_file"])
def test_a_missing_file_is_named(certificates: Certificates, tmp_path: Path, setting: str) -> None:
    missing = tmp_path / "nowhere"
    problem = f"{missing}: cannot be read: No such file or directory (settings certificate_file and private_key_file)"
    assert _refusal(certificates, **{setting: missing}) == [problem]


def test_a_pair_that_does_not_belong_together_is_refused(certificates: Certificates) -> None:
    certificates.private_key_file.write_bytes(certificates.new_leaf().key_pem)
    (line,) = _refusal(certificates)
    assert line.startswith(f"{certificates.private_key_file}: is not the private key of {certificates.certificate_file}")


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_prompted_for_it(certificates: Certificates) -> None:
    leaf = certificates.new_leaf()
    certificates.certificate_file.write_bytes(leaf.certificate_pem)
    encrypted = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    certificates.private_key_file.write_bytes(encrypted)
    # OpenSSL prompts on the controlling terminal, so there must be one.
    on_a_terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    settings = {f"{PREFIX}{name.upper()}": str(value) for name, value in settings_for(certificates).items()}
    process = subprocess.run(
        [sys.executable, "-c", on_a_terminal, sys.executable, "-m", "webhook", "serve"],
        cwd=ROOT,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert process.returncode == UNUSABLE
    assert b"is not the private key of" in process.stdout
    assert b"pass phrase" not in process.stdout


def test_every_bad_setting_of_environment_and_file_is_listed_at_once(certificates: Certificates, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("wait_seconds: 900\nmodus: auto\nmax_body_bytes: many\n", "utf-8")
    lines = _refusal(certificates, config=config, port=70000, mode="natvie", on_fault="deny", short_name_fixed="not a label")
    places = {line.partition(": ")[0] if line.startswith(PREFIX) else line.split(": ")[1] for line in lines}
    environment = {f"{PREFIX}{name}" for name in ("PORT", "MODE", "ON_FAULT", "SHORT_NAME_FIXED")}
    assert places == environment | {"wait_seconds", "modus", "max_body_bytes"}
    assert len(lines) == len(places)
    assert all(line.startswith(f"{config}: ") for line in lines if not line.startswith(PREFIX))


def test_a_misspelt_setting_is_answered_with_the_one_that_was_meant(refusal: Callable[..., list[str]]) -> None:
    (line,) = refusal(helper_imgae="busybox")
    assert line.startswith(f"{PREFIX}HELPER_IMGAE: there is no such setting; did you mean helper_image?")


def test_variables_that_kubernetes_sets_for_a_service_of_this_name_are_no_settings(
    refusal: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_SIDECAR_WEBHOOK_PORT", "tcp://10.96.0.1:443")
    monkeypatch.setenv("AIRFLOW_SIDECAR_WEBHOOK_SERVICE_HOST", "10.96.0.1")
    (line,) = refusal(modus="auto")
    assert line.startswith(f"{PREFIX}MODUS: ")


def test_settings_come_from_a_file_and_the_environment_wins(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("config")
    config = directory / "settings.yaml"
    config.write_text("max_body_bytes: 65536\nlog_level: error\n", "utf-8")
    with running_service(directory, config=config, log_level="info") as service:
        assert service.post(b" " * 65537).body == b"the body is larger than 65536 bytes\n"
        service.log(event="refused", level="warning")


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_a_configuration_that_cannot_be_read_is_named(refusal: Callable[..., list[str]], tmp_path: Path, given: str) -> None:
    missing = tmp_path / "nowhere.yaml"
    arguments, settings = (("--config", str(missing)), {}) if given == "argument" else ((), {"config": missing})
    (line,) = refusal(*arguments, **settings)
    assert line == f"{missing}: cannot be read: No such file or directory"


@pytest.mark.parametrize("text", ["- a\n- b\n", "7\n", "just words\n", "!!python/object/apply:os.getpid [a]\n"])
def test_a_configuration_that_is_no_mapping_of_settings_is_named(refusal: Callable[..., list[str]], tmp_path: Path, text: str) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(text, "utf-8")
    (line,) = refusal(config=config)
    assert line.startswith(f"{config}: must be a mapping of settings; allowed are host, ")


@pytest.mark.parametrize("text", [b"a: [\n", b"\xff\xfe", b"a: b: c\n"], ids=repr)
def test_a_configuration_that_is_no_yaml_is_named(refusal: Callable[..., list[str]], tmp_path: Path, text: bytes) -> None:
    config = tmp_path / "settings.yaml"
    config.write_bytes(text)
    assert refusal(config=config)[0].startswith(f"{config}: cannot be read as YAML: ")


@pytest.mark.parametrize(
    ("setting", "text", "field"),
    [
        ("sidecars_file", "- id: mine\n  match: {names: 7}\n", "$[0].match.names"),
        ("entrypoints_file", "images: [{image: a, entrypoint: 7}]\n", "$.images[0].entrypoint"),
    ],
)
def test_a_bad_row_of_a_data_file_is_named_with_file_and_field(
    certificates: Certificates, tmp_path: Path, setting: str, text: str, field: str
) -> None:
    """tests/unit/test_settings.py has all that a row can have wrong."""
    path = tmp_path / "data.yaml"
    path.write_text(text, "utf-8")
    (line,) = _refusal(certificates, **{setting: path})
    assert line.startswith(f"{path}: ")
    assert field in line


def test_a_data_file_that_is_not_there_is_named(certificates: Certificates, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yaml"
    assert _refusal(certificates, sidecars_file=missing) == [f"{missing}: cannot be read: No such file or directory"]


@pytest.mark.parametrize("setting", ["port", "health_port"])
def test_a_port_in_use_is_named(certificates: Certificates, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (line,) = _refusal(certificates, **{setting: port})
    assert line.startswith("cannot listen: Address already in use")
    assert f"'127.0.0.1', {port}" in line


def test_an_address_that_is_not_here_is_named(certificates: Certificates) -> None:
    (line,) = _refusal(certificates, host="192.0.2.1")
    assert line.startswith("cannot listen: ")
    assert "192.0.2.1" in line


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_the_service_listens_on_ipv6_when_it_is_set_to(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_service(tmp_path_factory.mktemp("ipv6"), host="::1") as service:
        for port in (service.port, service.health_port):
            socket.create_connection(("::1", port), timeout=DEADLINE_SECONDS).close()
