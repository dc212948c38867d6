"""Label selectors, as the API server evaluates them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.doctor.selector import LabelSelector, Requirement

SELECTORS: list[tuple[dict[str, Any], dict[str, str], bool]] = [
    ({}, {}, True),
    ({}, {"a": "1"}, True),
    ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
    ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
    ({"matchLabels": {"a": "1"}}, {}, False),
    ({"matchLabels": {"a": ""}}, {}, False),
    ({"matchLabels": {"a": ""}}, {"a": ""}, True),
    ({"matchLabels": {"a": "1", "b": "2"}}, {"a": "1"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, True),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "3"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {}, False),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1", "2"]}]}, {"a": "2"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1", "2"]}]}, {"a": "3"}, True),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1", "2"]}]}, {}, True),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"b": ""}, False),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, True),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, {"a": "1"}, True),
    ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, {"a": "1", "b": ""}, False),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]}, {"a": "1"}, False),
]
"""Selector, labels, whether they match: by the API's documentation of LabelSelector."""

KEYS = st.sampled_from("abc")
VALUES = st.sampled_from(["", "1", "2"])


@pytest.mark.parametrize(("selector", "labels", "matches"), SELECTORS, ids=str)
def test_a_selector_matches_as_the_api_documents_it(selector: dict[str, Any], labels: dict[str, str], matches: bool) -> None:
    assert msgspec.convert(selector, LabelSelector).matches(labels) is matches


@pytest.mark.parametrize(("selector", "labels", "matches"), SELECTORS, ids=str)
def test_there_are_unmet_parts_exactly_where_a_selector_does_not_match(
    selector: dict[str, Any], labels: dict[str, str], matches: bool
) -> None:
    assert (msgspec.convert(selector, LabelSelector).unmet(labels) == "") is matches


@pytest.mark.parametrize(("selector", "labels", "matches"), SELECTORS, ids=str)
def test_a_missing_label_is_one_of_match_labels_and_makes_the_selector_match(
    selector: dict[str, Any], labels: dict[str, str], matches: bool
) -> None:
    read = msgspec.convert(selector, LabelSelector)
    missing = read.missing_labels(labels)

    assert (missing == {}) is matches
    if missing is None:
        assert not read.matches({**labels, **selector.get("matchLabels", {})})
    else:
        assert missing.items() <= selector.get("matchLabels", {}).items()
        assert read.matches({**labels, **missing})


@given(key=KEYS, values=st.frozensets(VALUES, min_size=1), labels=st.dictionaries(KEYS, VALUES))
def test_an_operator_and_its_opposite_never_agree(key: str, values: frozenset[str], labels: dict[str, str]) -> None:
    listed = tuple(values)

    assert Requirement(key, "In", listed).matches(labels) is not Requirement(key, "NotIn", listed).matches(labels)
    assert Requirement(key, "Exists").matches(labels) is not Requirement(key, "DoesNotExist").matches(labels)


def test_unmet_parts_are_in_the_syntax_of_kubectl() -> None:
    selector = LabelSelector(
        {"a": "1"},
        (
            Requirement("b", "In", ("x", "y")),
            Requirement("c", "Exists"),
            Requirement("d", "DoesNotExist"),
            Requirement("e", "NotIn", ("z",)),
        ),
    )

    assert selector.unmet({"d": "", "e": "z"}) == "a=1, b in (x, y), c, !d, e notin (z)"
