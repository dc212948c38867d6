"""Keys of annotations that look like one of the webhook's, and are none: which one is meant.

Two words are near each other where the same remains of both once a letter at most is deleted from each (Garbe, SymSpell): that is one
letter too many, too few, wrong or exchanged with its neighbour. Separators and capitals do not count. What remains of the known words is a
table, so the cost is a few lookups for each letter of a key: a key may have any length, and comes from anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.core.names import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SEPARATORS: Final = str.maketrans("", "", "-_. ")

_HALF: Final = len(PREFIX) // 2
HALVES: Final = (PREFIX[:_HALF], PREFIX[_HALF:])
"""One of them is in each key whose prefix is wrong in one place."""

MAX_CHARACTERS: Final = 63
"""Of the name in an annotation's key, and of a label of its prefix (apimachinery pkg/util/validation, IsQualifiedName, IsDNS1123Label)."""


class NearWords:
    """Words, and the search for the one that another text misspells."""

    def __init__(self, words: Iterable[str]) -> None:
        """Write the table; of two words with the same remainder the first counts."""
        plain = {_plain(word): word for word in words}
        self._by_remainder = dict(plain)
        for text, word in plain.items():
            for remainder in _remainders(text):
                self._by_remainder.setdefault(remainder, word)

    def nearest(self, text: str) -> str | None:
        """The word that this text is, or misspells; None where it is like none."""
        if len(text) > MAX_CHARACTERS:
            return None
        plain = _plain(text)
        found = self._by_remainder.get(plain)
        return found or next((self._by_remainder[one] for one in _remainders(plain) if one in self._by_remainder), None)


class NearAnnotations:
    """The webhook's annotations, and the search for the one that another key misspells."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Take the keys, all of which have the webhook's prefix."""
        by_name = {key.partition("/")[2]: key for key in keys}
        self._by_name = by_name
        self._names = NearWords(by_name)
        self._prefix = NearWords([PREFIX])

    def nearest(self, key: str) -> str | None:
        """The annotation that this key misspells, in its name or in its prefix, to which a domain may be appended; None: none."""
        prefix, _, name = key.partition("/")
        is_like_prefix = prefix == PREFIX or self._prefix.nearest(prefix.partition(".")[0]) is not None
        meant = self._names.nearest(name) if is_like_prefix else None
        return None if meant is None else self._by_name[meant]


def _plain(text: str) -> str:
    return text.lower().translate(_SEPARATORS)


def _remainders(text: str) -> Iterator[str]:
    """What remains once one letter is deleted."""
    return (text[:at] + text[at + 1 :] for at in range(len(text)))
