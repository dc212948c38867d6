"""What Helm prints after an install, by Helm alone: it says what README and the page about the installation say."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from manifests.generate import POLICY_KUBERNETES
from manifests.rendering import CHART, MANIFESTS, NAME, helm
from testbed import binaries
from tests.e2e.api_server.chart import OPTIONS
from tests.e2e.levels import require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROOT: Final = MANIFESTS.parent
README: Final = (ROOT / "README.md").read_text("utf-8")
INSTALL_PAGE: Final = (ROOT / "docs" / "install.md").read_text("utf-8")
AS_OBJECT: Final = 'text: {{ tpl (.Files.Get "notes.txt") . | toJson }}'


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with its notes as an object, since ``helm template`` shows objects alone and ``helm install`` needs a cluster."""
    require(binaries.HELM)
    copy = tmp_path_factory.mktemp("notes") / NAME
    shutil.copytree(CHART, copy)
    (copy / "templates" / "NOTES.txt").rename(copy / "notes.txt")
    (copy / "templates" / "notes.yaml").write_text(AS_OBJECT, "utf-8")
    return copy


def notes(chart: Path, values: Mapping[str, object]) -> str:
    """The notes of an install with these values."""
    shown = ("--show-only", "templates/notes.yaml", "--namespace", NAME, "--kube-version", POLICY_KUBERNETES, "--values", "-")
    return str(yaml.safe_load(helm("template", NAME, chart, *shown, given=json.dumps(values)))["text"])


def commands(said: str) -> list[str]:
    """The commands that a text of notes shows, in their order."""
    return re.findall(r"^     (\S.*)$", said, re.MULTILINE)


@pytest.mark.parametrize("values", [{}, {"test": {"namespace": "airflow"}}, {"settings": {"enforcement": "audit"}}], ids=json.dumps)
def test_each_command_is_one_of_the_page_about_the_installation(values: Mapping[str, object], chart: Path) -> None:
    shown = commands(notes(chart, values))

    assert len(shown) > 4
    assert [command for command in shown if command not in INSTALL_PAGE] == []


def test_the_commands_stand_in_the_order_of_the_readme(chart: Path) -> None:
    places = [README.index(command) for command in commands(notes(chart, {})) if command in README]

    assert len(places) > 2
    assert places == sorted(places)


def test_a_namespace_is_checked_before_it_is_opted_in(chart: Path) -> None:
    said = notes(chart, {})

    assert said.index("doctor --namespace NAMESPACE") < said.index("kubectl label namespace NAMESPACE")


@pytest.mark.parametrize(
    "option",
    ["names", "cert-manager-issuer", "fail-closed", "host-network", "settings", "namespaces", "namespace-selector", "reaper-everywhere"],
)
def test_no_option_leaves_a_hole_in_the_notes(option: str, chart: Path) -> None:
    said = notes(chart, OPTIONS[option])

    assert said.startswith(f"{OPTIONS[option].get('fullnameOverride', OPTIONS[option].get('nameOverride', NAME))} ")
    assert "\n\n\n" not in said
    assert not re.search(r"\S\n\d\. ", said)
    assert not re.search(r"<no value>|%!|map\[", said)
