"""A long text that goes into many patches: put into JSON once."""

from __future__ import annotations

from typing import Any, Final

import msgspec


class PreEncoded(str):
    """A string with its JSON encoded once. Searching the wrapper's thousands of characters for what JSON escapes is a tenth of a review."""

    __slots__ = ("json",)

    json: msgspec.Raw

    def __new__(cls, text: str) -> PreEncoded:  # noqa: PYI034 - a str has no Self of its own here
        """Encode the text."""
        encoded = super().__new__(cls, text)
        encoded.json = msgspec.Raw(msgspec.json.encode(text))
        return encoded


def _json_of(value: Any) -> msgspec.Raw:
    if isinstance(value, PreEncoded):
        return value.json
    message = f"{type(value).__name__} has no form in JSON"
    raise NotImplementedError(message)


# msgspec calls the hook for every value that is not exactly a str.
_ENCODER: Final = msgspec.json.Encoder(enc_hook=_json_of)


def to_json(value: Any) -> bytes:
    """JSON of anything that operations hold."""
    return _ENCODER.encode(value)
