"""Where the harness takes a program from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed import binaries
from testbed.binaries import ACTIONLINT, ETCD, KUBE_APISERVER, NEWEST_KUBE_APISERVER, PROGRAMS, Program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


def put(folder: Path, program: Program, version: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / program.name
    path.write_text(f"#!/bin/sh\necho Kubernetes v{version}\n")
    path.chmod(0o755)
    return path


def test_the_assets_come_before_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    put(tmp_path / "path", KUBE_APISERVER, f"{KUBE_APISERVER.minor}0")
    wanted = put(tmp_path / "assets", KUBE_APISERVER, f"{KUBE_APISERVER.minor}9")
    assert binaries.find(KUBE_APISERVER) == wanted


def test_a_program_of_another_minor_version_is_not_taken(tmp_path: Path) -> None:
    put(tmp_path / "path", KUBE_APISERVER, "1.2.3")
    with pytest.raises(binaries.NoGoError):
        binaries.find(KUBE_APISERVER)


def test_the_second_version_is_never_taken_from_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "path", NEWEST_KUBE_APISERVER, f"{NEWEST_KUBE_APISERVER.minor}0")
    with pytest.raises(binaries.NoGoError):
        binaries.find(NEWEST_KUBE_APISERVER)


def test_without_go_it_is_said_what_to_install() -> None:
    with pytest.raises(binaries.NoGoError, match=r"install Go .* or set KUBEBUILDER_ASSETS"):
        binaries.find(ETCD)


def test_without_go_nothing_is_downloaded_and_that_is_no_error(tmp_path: Path) -> None:
    binaries.download(PROGRAMS)
    assert not list(tmp_path.rglob("*.mod"))


@pytest.mark.parametrize("program", [*PROGRAMS, ACTIONLINT], ids=lambda program: f"{program.module}/{program.name}")
def test_every_program_has_a_pinned_version(program: Program) -> None:
    assert program.version.startswith("v")


def test_the_second_version_is_another_minor_one() -> None:
    assert NEWEST_KUBE_APISERVER.minor != KUBE_APISERVER.minor
