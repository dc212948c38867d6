"""What is read of a small YAML or JSON mapping in an annotation or a variable."""

from __future__ import annotations

import pytest

from webhook.core.document import MAX_DOCUMENT_CHARACTERS, MAX_DOCUMENTS, MAX_OPENINGS, Documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("port: 15020", "15020"),
        ('{"port": 15020}', "15020"),
        ("other: 1\nport: '2'\n", "2"),
        ("port: {a: b}", None),
        ("port: [1]", None),
        ("other: port", None),
        ("[port]", None),
        ("port", None),
        ("port: [", None),
        ("port: \x00", None),
        ("", None),
        ("port: 1" + " " * (MAX_DOCUMENT_CHARACTERS - len("port: 1")), "1"),
        ("port: 1" + " " * (MAX_DOCUMENT_CHARACTERS - len("port: 1") + 1), None),
        ("port: 1\na: " + "[]" * 0 + f"'{'[' * MAX_OPENINGS}'", "1"),
        (f"port: 1\na: '{'[' * (MAX_OPENINGS + 1)}'", None),
        (f"port: 1\na: '{'{' * MAX_OPENINGS}?'", None),
        (f"port: 1\na: '{'- ' * (MAX_OPENINGS + 1)}'", None),
    ],
    ids=lambda text: repr(text)[:30],
)
def test_a_top_level_text_of_a_mapping_is_read_and_nothing_else(text: str, value: str | None) -> None:
    assert Documents().field(text, "port") == value


def test_of_one_pod_a_few_documents_are_read_however_often() -> None:
    documents = Documents()
    texts = [f"port: {number}" for number in range(MAX_DOCUMENTS + 1)]

    for _ in range(2):
        assert [documents.field(text, "port") for text in texts] == [*map(str, range(MAX_DOCUMENTS)), None]
