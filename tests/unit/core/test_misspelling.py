"""Which of the webhook's annotations a key misspells."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.cost import Meter
from webhook.core.misspelling import HALVES, MAX_CHARACTERS, NearAnnotations
from webhook.core.names import PREFIX
from webhook.core.pod_options import NEAR_OPTIONS, POD_OPTIONS

MEANT: Final = {
    f"{PREFIX}/main-conatiner": "main-container",
    f"{PREFIX}/sidecar": "sidecars",
    f"{PREFIX}/wait_seconds": "wait-seconds",
    f"{PREFIX}/waitSecond": "wait-seconds",
    f"{PREFIX}/Mode": "mode",
    f"{PREFIX}/outlive-tasks": "outlives-task",
    f"{PREFIX}s/shell": "shell",
    "airflow-sidecar-webhok/mode": "mode",
    "airflow-sidecar-webhook.io/mode": "mode",
    "airflow_sidecar_webhook/mode": "mode",
    "arflow-sidecar-webhook/shel": "shell",
}
NOT_MEANT: Final = [
    f"{PREFIX}/colour",
    f"{PREFIX}/treatment",
    f"{PREFIX}/",
    PREFIX,
    "sidecar.istio.io/inject",
    "airflow-sidecar-injector/mode",
    f"{PREFIX}-reaper/mode",
    f"example.com/{PREFIX}",
    f"{PREFIX}.io/v1/mode",
    "mode",
    "",
]


@pytest.mark.parametrize(("key", "name"), MEANT.items(), ids=MEANT)
def test_a_misspelt_key_means_an_annotation(key: str, name: str) -> None:
    assert NEAR_OPTIONS.nearest(key) == f"{PREFIX}/{name}"


@pytest.mark.parametrize("key", NOT_MEANT)
def test_a_key_that_is_like_none_means_none(key: str) -> None:
    assert NEAR_OPTIONS.nearest(key) is None


def test_one_letter_that_is_wrong_missing_or_too_many_in_any_place_still_means_the_annotation() -> None:
    places = [(key, at) for key in POD_OPTIONS for at in range(len(key)) if key[at] != "/"]
    written = {one: key for key, at in places for letter in "q-" for one in one_error(key, at, letter)}

    near = NearAnnotations(POD_OPTIONS)

    assert len(written) > 1000
    assert [one for one, key in written.items() if near.nearest(one) != key] == []
    assert [one for one in written if not any(half in one for half in HALVES)] == []


def one_error(key: str, at: int, letter: str) -> tuple[str, str, str]:
    """The key with a letter too many, another letter, and without the letter at this place."""
    return key[:at] + letter + key[at:], key[:at] + letter + key[at + 1 :], key[:at] + key[at + 1 :]


@pytest.mark.parametrize(
    "key", [f"{PREFIX}/{'m' * 300_000}", f"{'a' * 300_000}/mode", f"{PREFIX}/{'-' * 300_000}", f"{PREFIX}{'/' * 300_000}"]
)
def test_a_key_of_any_length_costs_no_more_than_a_short_one(key: str) -> None:
    assert Meter(2_000).run(lambda: NEAR_OPTIONS.nearest(key)) < 2_000


def test_a_name_that_is_longer_than_one_may_be_means_none() -> None:
    """The API server refuses it; separators do not count, but they take time."""
    longest = f"m{'-' * (MAX_CHARACTERS - len('mode'))}ode"

    assert NEAR_OPTIONS.nearest(f"{PREFIX}/{longest}") == f"{PREFIX}/mode"
    assert NEAR_OPTIONS.nearest(f"{PREFIX}/m-{longest[1:]}") is None


def test_of_two_annotations_the_one_that_is_written_exactly_is_meant() -> None:
    near = NearAnnotations([f"{PREFIX}/mode", f"{PREFIX}/modes"])

    assert [near.nearest(f"{PREFIX}/{name}") for name in ("mode", "modes", "Modes")] == [
        f"{PREFIX}/{name}" for name in ("mode", "modes", "modes")
    ]
