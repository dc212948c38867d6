"""A text whose JSON is made once, and the encoder that takes it."""

from __future__ import annotations

import json

import pytest

from webhook.core.pre_encoded import PreEncoded, to_json


def test_its_json_is_that_of_the_text() -> None:
    text = 'a "quoted"\nline \u00e9'

    assert json.loads(to_json({"script": PreEncoded(text), "other": text})) == {"script": text, "other": text}


def test_what_has_no_json_is_refused_with_its_type() -> None:
    with pytest.raises(NotImplementedError, match=r"^complex has no form in JSON$"):
        to_json({"script": 1j})
