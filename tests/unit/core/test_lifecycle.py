"""Lifecycle hooks that are none, and paths that are nearly those of quit requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.pods import ABLE_CLUSTER
from tests.support.task_pods import FLUENT_BIT, native, task_pod
from webhook.core.admission import treat

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
