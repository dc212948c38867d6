"""The workflows run no action that can change under its name, and may do no more than they need."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import yaml

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

ROOT: Final = Path(__file__).parents[2]
WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
MAKEFILE: Final = (ROOT / "Makefile").read_text("utf-8")


def workflow(path: Path) -> JSONObject:
    """A workflow's content."""
    return dict(yaml.safe_load(path.read_text("utf-8")))


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run([zizmor, "--offline", "--quiet", "--no-progress", ROOT / ".github"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run([sys.executable, "-m", "release.workflows"], cwd=ROOT, capture_output=True, text=True, check=False)
    if "not checked" in done.stdout:
        pytest.skip(done.stdout.strip())

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_pinned_by_the_hash_of_a_commit_beside_its_version(path: Path) -> None:
    used = re.findall(r"^ *(?:- )?uses: (.*)$", path.read_text("utf-8"), re.MULTILINE)

    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []


def test_an_action_has_one_version_in_all_workflows() -> None:
    used = re.findall(r"uses: ([\w./-]+)@(\w+)", "\n".join(path.read_text("utf-8") for path in WORKFLOWS))

    assert len(dict(used)) == len(set(used))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_and_each_job_its_own(path: Path) -> None:
    content = workflow(path)

    assert content["permissions"] == {}
    assert all("permissions" in job and "timeout-minutes" in job for job in content["jobs"].values())


def test_only_the_release_may_write_and_only_in_the_jobs_that_publish() -> None:
    writing = {
        (path.name, name) for path in WORKFLOWS for name, job in workflow(path)["jobs"].items() if "write" in job["permissions"].values()
    }

    assert writing == {("release.yaml", "image"), ("release.yaml", "publish"), ("release.yaml", "site")}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_makes_is_a_target(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    text = path.read_text("utf-8")
    made = {*re.findall(r"\bmake ([a-z0-9-]+)", text), *" ".join(re.findall(r"\.ci/run ([a-z0-9 ]+)$", text, re.MULTILINE)).split()}

    assert made
    assert made <= targets


def test_every_python_that_the_package_names_is_tested() -> None:
    matrix = workflow(ROOT / ".github" / "workflows" / "ci.yaml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))

    assert matrix == named
