"""Every case comes out as expected, through the commands that a user runs; and whatever comes of a case, the API server takes the pod."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import jsonpatch
import pytest
import yaml

from tests.cases.case import CASES, EXPECTED, FOLDER, PODS, Case
from tests.support.oracles.pod_validation import validate
from tests.support.program import InProcessProgram

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.json_object import JSONObject

NATIVE: Final = ("--cluster-version", "1.34")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InProcessProgram:
    return InProcessProgram(monkeypatch, capsys)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_comes_out_as_expected(case: Case, program: InProcessProgram) -> None:
    expected = case.expected
    options = (*expected.arguments, str(case.path))
    (said,) = program.explained(*options, **expected.settings)
    before = pod_in(case.path)
    after = jsonpatch.apply_patch(before, said["patch"])

    check_is_taken(before, after)
    assert (said["result"], said["reason"]) == (expected.result, expected.reason)
    assert (said["status"] or {}).get("not_converted", {}) == expected.not_converted
    assert moved(before, after) == list(expected.moved)
    if expected.init_containers is not None:
        assert [one["name"] for one in after["spec"].get("initContainers", ())] == list(expected.init_containers)
    assert annotations_of(after, expected.annotations) == expected.annotations
    assert probes_of(after, expected.startup_probes) == expected.startup_probes
    if expected.main is not None:
        assert said["status"]["main"] == expected.main
    if expected.sidecars is not None:
        assert said["status"].get("sidecars", {}) == expected.sidecars
        assert tuple(said["status"].get("may_keep_running", ())) == expected.may_keep_running
    read = {key: text for key, text in said.items() if key not in {"pod", "cluster", "patch"}}
    assert [text for text in expected.says if text not in words(read)] == []


@pytest.mark.parametrize("path", PODS, ids=lambda path: path.stem)
def test_a_case_is_patched_so_that_the_api_server_takes_it(path: Path, program: InProcessProgram) -> None:
    """Also one of which nothing is expected yet."""
    before = pod_in(path)

    check_is_taken(before, jsonpatch.apply_patch(before, json.loads(program("patch", *NATIVE, str(path)))))


def test_every_expectation_belongs_to_a_case() -> None:
    pods = {f"{path.stem}{EXPECTED}.yaml" for path in PODS}

    assert {path.name for path in FOLDER.glob(f"*{EXPECTED}.yaml")} <= pods
    assert CASES


@pytest.mark.parametrize("path", PODS, ids=lambda path: path.stem)
def test_a_case_says_what_it_is_and_where_it_was_seen(path: Path) -> None:
    head = path.read_text("utf-8").partition("apiVersion:")[0]

    assert head.count("\n# From: ") == 1
    assert all(line.startswith("# ") for line in head.splitlines())


def pod_in(path: Path) -> JSONObject:
    """The pod of a case."""
    pod: JSONObject = yaml.safe_load(path.read_text("utf-8"))
    return pod


def check_is_taken(before: JSONObject, after: JSONObject) -> None:
    """The API server takes the pod, and of the containers that stay where they are, at most the task's own is changed."""
    staying = [one for one in before["spec"]["containers"] if one["name"] not in moved(before, after)]

    assert validate(before) == validate(after) == []
    assert len([one for one in staying if one not in after["spec"]["containers"]]) <= 1


def moved(before: JSONObject, after: JSONObject) -> list[str]:
    """The regular containers that have become init containers."""
    regular = {one["name"] for one in before["spec"]["containers"]}
    return [one["name"] for one in after["spec"].get("initContainers", ()) if one["name"] in regular]


def annotations_of(pod: JSONObject, names: dict[str, str | None]) -> dict[str, str | None]:
    """The values of these annotations."""
    present = pod["metadata"].get("annotations", {})
    return {name: present.get(name) for name in names}


def probes_of(pod: JSONObject, names: dict[str, str]) -> dict[str, str]:
    """The startup probes of these containers."""
    containers = {one["name"]: one for key in ("initContainers", "containers") for one in pod["spec"].get(key, ())}
    probed = {name: containers[name]["startupProbe"]["httpGet"] for name in names if "startupProbe" in containers[name]}
    return {name: f"GET :{probe['port']}{probe['path']}" for name, probe in probed.items()}


def words(value: Any) -> str:
    """All texts in what was said, as they are read."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {words(item)}" for key, item in value.items())
    return "\n".join(map(words, value)) if isinstance(value, list) else str(value)
