"""What people meet who report something or set up the project: forms, hooks and a container that fit it."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.project.test_docs import MAX_LINE_CHARACTERS
from webhook.command.main import COMMANDS

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

ROOT: Final = Path(__file__).parents[2]
FORMS: Final = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PYPROJECT: Final[JSONObject] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def fields(form: Path) -> dict[str, JSONObject]:
    """The fields of a form, by their ids."""
    return {part["id"]: part for part in yaml.safe_load(form.read_text("utf-8"))["body"] if "id" in part}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_asks_for_commands_that_there_are(form: Path) -> None:
    text = form.read_text("utf-8")
    named = set(re.findall(r"airflow-sidecar-webhook ([a-z][a-z-]+)", text))

    assert named <= {command.name for command in COMMANDS}
    assert all(part["attributes"]["label"] for part in fields(form).values())


def test_whoever_reports_a_pod_is_asked_for_explain_and_doctor_as_json() -> None:
    asked = fields(ROOT / ".github" / "ISSUE_TEMPLATE" / "pod.yml")

    for name in ("explain", "doctor"):
        assert f"{name} -o json" in asked[name]["attributes"]["description"]
        assert asked[name]["validations"]["required"] is True


def test_whoever_changes_something_is_asked_for_explain_and_doctor() -> None:
    text = (ROOT / ".github" / "pull_request_template.md").read_text("utf-8")

    assert "`explain -o json` and `doctor`" in text


def test_the_hooks_before_a_commit_run_what_make_style_runs() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    programs = {hook["entry"].split()[0] for hook in local["hooks"]}
    style = (ROOT / "Makefile").read_text("utf-8").partition("\nstyle:")[2].partition("\n\n")[0]

    assert programs == {f".venv/bin/{name}" for name in (*re.findall(r"^\t\$\(BIN\)/([\w-]+)", style, re.MULTILINE), "zizmor")}


def test_editors_break_lines_where_the_checks_do() -> None:
    editor = configparser.ConfigParser()
    editor.read_string("[general]\n" + (ROOT / ".editorconfig").read_text("utf-8"))

    assert editor["*.py"]["max_line_length"] == str(PYPROJECT["tool"]["ruff"]["line-length"])
    assert editor["*.md"]["max_line_length"] == str(MAX_LINE_CHARACTERS)


def test_the_container_for_developers_is_that_of_ci_and_sets_itself_up() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text("utf-8"))

    assert container["image"] == ci["jobs"]["e2e"]["container"]["image"]
    assert container["postCreateCommand"] == ".ci/run check"


def test_what_is_kept_up_to_date_is_there() -> None:
    for update in yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]:
        assert (ROOT / update["directory"].lstrip("/")).is_dir()
        assert update["cooldown"]["default-days"] > 0
