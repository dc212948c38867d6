"""Misspelt annotations in ``explain``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.pods import load

if TYPE_CHECKING:
    from tests.support.program import InProcessProgram

POD: Final = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
MEANT: Final = {
    "airflow-sidecar-webhook/main-conatiner": "airflow-sidecar-webhook/main-container",
    "airflow-sidecar-webhook/sidecar": "airflow-sidecar-webhook/sidecars",
    "airflow-sidecar-webhook/wait_seconds": "airflow-sidecar-webhook/wait-seconds",
    "airflow-sidecar-webhok/mode": "airflow-sidecar-webhook/mode",
    "airflow-sidecar-webhook.io/mode": "airflow-sidecar-webhook/mode",
}
NOT_MEANT: Final = [
    "airflow-sidecar-webhook/colour",
    "airflow-sidecar-webhook/mode",
    "airflow-sidecar-webhook/status",
    "sidecar.istio.io/inject",
]


def hints(program: InProcessProgram, metadata: Any) -> list[str]:
    """The hints about a pod with this metadata."""
    (one,) = program.explained("-", stdin=json.dumps({**POD, "metadata": metadata}))
    found: list[str] = one["hints"]
    return found


@pytest.mark.parametrize(("written", "meant"), MEANT.items(), ids=MEANT)
def test_a_misspelt_annotation_gets_the_one_that_is_meant(program: InProcessProgram, written: str, meant: str) -> None:
    metadata = {**POD["metadata"], "annotations": {written: "x"}}

    assert hints(program, metadata) == [f"annotation {written}: there is no such annotation; did you mean {meant}?"]
    assert f"  hint         annotation {written}: " in program("explain", "-", stdin=json.dumps({**POD, "metadata": metadata}))


@pytest.mark.parametrize("written", NOT_MEANT)
def test_an_annotation_that_exists_or_is_like_no_other_gets_no_hint(program: InProcessProgram, written: str) -> None:
    assert hints(program, {**POD["metadata"], "annotations": {written: "auto"}}) == []


@pytest.mark.parametrize("metadata", [None, 1, {"annotations": [1]}])
def test_metadata_of_a_wrong_type_has_no_hint(program: InProcessProgram, metadata: Any) -> None:
    assert [hint for hint in hints(program, metadata) if "annotation" in hint] == []
