"""What is read of a small YAML or JSON mapping in an annotation or a variable."""

from __future__ import annotations

import tracemalloc

import pytest

from webhook.core.document import CACHED, MAX_DOCUMENT_CHARACTERS, MAX_DOCUMENTS, MAX_FIELDS, MAX_OPENINGS, Documents


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
        ("port: 1\n" + "".join(f"a{number}: b\n" for number in range(MAX_FIELDS - 1)), "1"),
        ("port: 1\n" + "".join(f"a{number}: b\n" for number in range(MAX_FIELDS)), None),
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


@pytest.mark.parametrize("fields", [MAX_FIELDS, 400])
def test_the_documents_of_earlier_pods_take_a_few_mebibytes(fields: int) -> None:
    tracemalloc.start()
    try:
        for number in range(2 * CACHED):
            text = f"port: {number}\n" + "".join(f"{field:x}: 😀\n" for field in range(fields - 1))
            Documents().field(text + "# 😀" * ((MAX_DOCUMENT_CHARACTERS - len(text)) // 3), "port")
        taken, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 4 * 1024 * 1024
