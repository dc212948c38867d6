"""What the Dockerfile says fits the project. That it builds and runs is shown on a node."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from testbed.images.webhook_image import CONTEXT, PROJECT
from webhook import __version__

DOCKERFILE = (PROJECT / "Dockerfile").read_text("utf-8")
IGNORED = [line for line in (PROJECT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")]
COPIED = [name for line in re.findall(r"^COPY ((?!--from).*)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]]


def test_what_is_built_from_is_all_that_decides_its_digest() -> None:
    assert {*COPIED, "Dockerfile", ".dockerignore"} == set(CONTEXT)


@pytest.mark.parametrize("name", COPIED)
def test_what_is_copied_is_there_and_sent_to_the_builder(name: str) -> None:
    assert (PROJECT / name).exists()
    assert f"!{name}" in IGNORED


def test_nothing_else_is_sent_to_the_builder() -> None:
    assert IGNORED[0] == "*"
    assert {line[1:] for line in IGNORED if line.startswith("!")} == set(COPIED)
    assert any(fnmatch("webhook/core/__pycache__", line) for line in IGNORED)


def test_every_dependency_comes_by_its_hash_and_none_is_built_from_source() -> None:
    (command,) = re.findall(r"-m pip install((?:.|\\\n)*)", DOCKERFILE)

    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(command.split())


def test_the_user_is_a_number_and_not_root() -> None:
    assert re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE) == ["65532"]


def test_the_version_is_that_of_the_service() -> None:
    assert re.findall(r"^ARG VERSION=(.*)$", DOCKERFILE, re.MULTILINE) == [__version__]
    assert f"localhost/airflow-sidecar-webhook:{__version__}" in DOCKERFILE


@pytest.mark.parametrize("path", ["Dockerfile", "manifests/image/root.py"])
def test_it_names_no_architecture(path: str) -> None:
    text = (PROJECT / path).read_text("utf-8")

    assert re.findall(r"(?i)amd64|x86|arm64|aarch|--platform|linux-gnu", text) == []
