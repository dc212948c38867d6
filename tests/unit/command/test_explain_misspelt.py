"""Misspelt annotations in ``explain``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.pods import load

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram

POD: Final = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
WRITTEN: Final = "airflow-sidecar-webhook/main-conatiner"
LINE: Final = f"annotation {WRITTEN} is ignored: there is no such annotation; did you mean airflow-sidecar-webhook/main-container?"


def explained(program: InProcessProgram, metadata: Any) -> JSONObject:
    """What is said of a pod with this metadata."""
    (one,) = program.explained("-", stdin=json.dumps({**POD, "metadata": metadata}))
    return one


def test_a_misspelt_annotation_of_a_task_pod_is_in_its_warnings_and_nowhere_else(program: InProcessProgram) -> None:
    metadata = {**POD["metadata"], "annotations": {WRITTEN: "x"}}
    one = explained(program, metadata)

    assert (one["warnings"], one["hints"]) == ([LINE], [])
    assert f"  warning      {LINE}\n" in program("explain", "-", stdin=json.dumps({**POD, "metadata": metadata}))


def test_a_misspelt_annotation_of_a_pod_that_the_webhook_does_not_treat_is_a_hint(program: InProcessProgram) -> None:
    one = explained(program, {"name": "web", "annotations": {WRITTEN: "x"}})

    assert (one["result"], one["warnings"], one["hints"][0]) == ("skipped", [], LINE)


@pytest.mark.parametrize("metadata", [None, 1, {"annotations": [1]}])
def test_metadata_of_a_wrong_type_has_no_hint(program: InProcessProgram, metadata: Any) -> None:
    assert [hint for hint in explained(program, metadata)["hints"] if "annotation" in hint] == []
