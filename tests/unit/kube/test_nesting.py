"""What is nested deeper than any type of the API is cut, and nothing else changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cost import Meter
from tests.support.nested import DEEPEST, nested
from webhook.kube.nesting import MOST_LEVELS, shallow

ODD = ["[[[", "}", '\\"', '"{', "\\", "\n", "é"]

JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from(ODD), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(ODD), inner)
)


@given(JSON)
def test_what_is_not_deep_stays_as_it_is(document: object) -> None:
    data = json.dumps(document, ensure_ascii=False).encode()
    assert shallow(data) == data


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 1000, DEEPEST])
def test_a_deeper_object_or_list_is_null_and_what_stands_beside_it_stays(levels: int) -> None:
    data = b'{"a":["]",%b,{"b":%b}],"c":"{"}' % (nested("{}", levels), nested("[]", levels))
    left = b'{"a":["]",%b,{"b":%b}],"c":"{"}'
    assert shallow(data) == left % (nested("{}", MOST_LEVELS - 2, b"null"), nested("[]", MOST_LEVELS - 3, b"null"))


def test_a_text_takes_no_step_of_its_own() -> None:
    fields = b",".join(b'"f:%d":"x"' % number for number in range(5000))
    assert Meter(1000).run(lambda: shallow(b"{%b}" % fields)) < 1000
