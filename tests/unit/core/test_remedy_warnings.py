"""How a remedy is divided into warnings, each as long as one may be."""

from __future__ import annotations

from typing import Final

from webhook.core import LinePlace, Remedy
from webhook.core.names import PREFIX
from webhook.core.review import MAX_WARNING_CHARACTERS

HEAD: Final = f"{PREFIX}: one (word):"
ROOM: Final = MAX_WARNING_CHARACTERS - len(HEAD) - 2


def about_one(sentence: str, text: str, line: str = "") -> list[str]:
    """The warnings of a remedy about one container."""
    place, where = (LinePlace.SPEC, "spec of the pod") if line else (None, "")
    return list(Remedy("word", ("one",), sentence, text, is_pressing=False, place=place, where=where, line=line).warnings)


def test_sentence_and_text_are_one_warning_where_they_fit_into_one() -> None:
    assert about_one("Holds.", "Do.") == [f"{HEAD} Holds. Do."]
    assert about_one("s" * (ROOM - 3), "Do.") == [f"{HEAD} {'s' * (ROOM - 3)} Do."]
    assert about_one("s" * (ROOM - 2), "Do.") == [f"{HEAD} {'s' * (ROOM - 2)}", f"{PREFIX}: Do."]


def test_a_sentence_that_is_too_long_for_a_warning_is_in_two_that_say_who_speaks() -> None:
    warnings = about_one("Holds.", "well-understood " * 20)

    assert [len(one) <= MAX_WARNING_CHARACTERS for one in warnings] == [True] * 3
    assert warnings[0] == f"{HEAD} Holds."
    assert all(one.startswith(f"{PREFIX}: well-understood ") and one.endswith(" well-understood") for one in warnings[1:])


def test_a_line_that_is_too_long_for_a_warning_is_left_to_the_command() -> None:
    room = MAX_WARNING_CHARACTERS - len(f"{PREFIX}: add to spec of the pod: ")

    assert about_one("Holds.", "Do.", "x" * room)[1:] == [f"{PREFIX}: add to spec of the pod: {'x' * room}"]
    assert about_one("Holds.", "Do.", "x" * (room + 1))[1:] == [f"{PREFIX}: the command explain prints what to add to spec of the pod"]
