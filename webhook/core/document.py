"""Small JSON and YAML mappings that a user or an injector wrote into an annotation or a variable, such as ``proxy.istio.io/config``.

They are parsed by libyaml: the parser in Python takes a second for 4,000 brackets, this one milliseconds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import yaml

MAX_DOCUMENT_CHARACTERS: Final = 4096
"""A longer text is no list of a few settings, and is not read."""

MAX_OPENINGS: Final = 256
"""A text with more of `OPENINGS` is not read: the time for nested ones grows with the square of their depth."""

OPENINGS: Final = ("[", "{", "?", "- ")

MAX_DOCUMENTS: Final = 4
"""So many different ones are read for one pod, which has one annotation and one proxy with a variable."""

MAX_FIELDS: Final = 64
"""A document with more top-level texts is not read. Istio's ProxyConfig has some forty fields, of which a mesh sets few."""

CACHED: Final = 64
"""Documents of the pods before: those of one mesh are nearly all the same. The largest takes some 50 KB, so all of them 3 MiB at most."""

_NO_FIELDS: Final[dict[str, str]] = {}


class Documents:
    """The documents of one pod."""

    def __init__(self) -> None:
        """None has been read."""
        self._fields: dict[str, dict[str, str]] = {}

    def field(self, text: str, key: str) -> str | None:
        """One top-level value of this document, as text; None for anything that is not one, and beyond `MAX_DOCUMENTS`."""
        if len(text) > MAX_DOCUMENT_CHARACTERS or key not in text:
            return None
        if text not in self._fields:
            self._fields[text] = _fields_of(text) if len(self._fields) < MAX_DOCUMENTS else _NO_FIELDS
        return self._fields[text].get(key)


@lru_cache(maxsize=CACHED)
def _fields_of(text: str) -> dict[str, str]:
    if sum(map(text.count, OPENINGS)) > MAX_OPENINGS:
        return _NO_FIELDS
    try:
        # The base loader: scalars stay text, and there are no merge keys, whose expansion grows without bound.
        document: Any = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - it makes nothing but text, lists and dicts
    except (yaml.YAMLError, RecursionError, ValueError):
        return _NO_FIELDS
    texts = {key: value for key, value in document.items() if isinstance(value, str)} if isinstance(document, dict) else _NO_FIELDS
    return texts if len(texts) <= MAX_FIELDS else _NO_FIELDS
