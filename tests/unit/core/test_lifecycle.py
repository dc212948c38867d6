"""Lifecycle hooks that are none, and paths that are nearly those of quit requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.pods import ABLE_CLUSTER
from tests.support.task_pods import FLUENT_BIT, after_conversion, native, task_pod
from webhook.core.admission import treat
from webhook.core.catalogue import Catalogue
from webhook.core.lifecycle import MAX_CHARACTERS_READ
from webhook.core.sidecar import parse_sidecars

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

STAYING: Final[dict[str, object]] = {
    "a text": "/shutdown",
    "a command that is a text": {"exec": "kill 1"},
    "a command that is null": {"exec": None},
    "words that are a text": {"exec": {"command": "kill 1"}},
    "a request that is a text": {"httpGet": "/shutdown"},
    "a path that goes on": {"httpGet": {"path": "/shutdownX", "port": 2020}},
}
"""The API server refuses most of them, and names what is wrong."""


@pytest.mark.parametrize("hook", STAYING.values(), ids=STAYING)
def test_a_hook_that_is_no_quit_request_stays(hook: object, policy: Policy) -> None:
    pod: JSONObject = task_pod({**FLUENT_BIT, "lifecycle": {"preStop": hook}})

    assert native(treat(pod, policy, ABLE_CLUSTER).patched(pod), "logs")["lifecycle"] == {"preStop": hook}


@pytest.mark.parametrize("path", ["/shutdown", "/shutdown/", "shutdown", "/shutdown?now"])
def test_a_hook_that_is_one_goes(path: str, policy: Policy) -> None:
    pod: JSONObject = task_pod({**FLUENT_BIT, "lifecycle": {"preStop": {"httpGet": {"path": path, "port": 2020}}}})

    assert "lifecycle" not in native(treat(pod, policy, ABLE_CLUSTER).patched(pod), "logs")


@pytest.mark.parametrize(
    ("image", "has_hook"),
    [("own:1.26.8", False), ("own:1.27.0", True), ("own:1.27.1", True), ("own:latest", True)],
)
def test_a_hook_is_added_unless_the_image_is_of_a_version_before_its_command(image: str, has_hook: bool, policy: Policy) -> None:
    convert = {"pre_stop": ["own", "drain", "{port}"], "pre_stop_since": "1.27.0"}
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["own"]}, "alive": {"port": 9091, "path": "/"}}
    own = replace(policy, catalogue=Catalogue(parse_sidecars([{**row, "native": {"convert": convert}}])))
    after = native(after_conversion(task_pod({"name": "own", "image": image}), own), "own")

    assert after.get("lifecycle") == ({"preStop": {"exec": {"command": ["own", "drain", "9091"]}}} if has_hook else None)


@pytest.mark.parametrize(
    ("program", "goes"), [("w" * MAX_CHARACTERS_READ, True), ("w" * (MAX_CHARACTERS_READ + 1), False), ("/opt/bin/wait", True)]
)
def test_a_hook_that_a_row_drops_is_known_by_its_program_with_any_path_and_of_a_limited_length(
    program: str, goes: bool, policy: Policy
) -> None:
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["own"]}}
    rows = parse_sidecars([{**row, "native": {"convert": {"drops_lifecycle_hooks": [[program.rpartition("/")[2]]]}}}])
    own = replace(policy, catalogue=Catalogue((*rows, *policy.catalogue.sidecars)))
    hooks = {"preStop": {"exec": {"command": [program]}}}
    after = after_conversion(task_pod({"name": "own", "image": "own:1", "lifecycle": hooks}), own)

    assert native(after, "own").get("lifecycle") == (None if goes else hooks)
