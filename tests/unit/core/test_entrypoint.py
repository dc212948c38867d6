"""The entrypoint table, as it is parsed."""

from __future__ import annotations

import pytest

from webhook.core.entrypoint import EntrypointTable, Image, parse_entrypoints


def test_a_switch_may_be_quoted_as_in_a_template_of_a_chart() -> None:
    assert parse_entrypoints({"images": [{"image": "etl", "shell": "true"}]}) == EntrypointTable((Image("etl", shell=True),))


@pytest.mark.parametrize("document", [None, {}], ids=str)
def test_an_empty_file_is_an_empty_table(document: object) -> None:
    assert parse_entrypoints(document) == EntrypointTable()


def test_what_is_wrong_is_named_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"at `\$\.images\[1\]\.entrypoint`"):
        parse_entrypoints({"images": [{"image": "etl"}, {"image": "etl", "entrypoint": "/run"}]})
