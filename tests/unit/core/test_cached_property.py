"""A property that is computed once."""

from __future__ import annotations

from webhook.core.cached_property import CachedProperty


class Counted:
    """It counts how often its property is computed."""

    def __init__(self) -> None:
        self.count = 0

    @CachedProperty
    def value(self) -> int:
        """How often it was computed."""
        self.count += 1
        return self.count


def test_it_is_computed_at_the_first_read_of_each_instance() -> None:
    first, second = Counted(), Counted()

    assert first.count == 0
    assert (first.value, first.value, first.count) == (1, 1, 1)
    assert (second.value, second.count) == (1, 1)


def test_what_help_says_of_it_is_its_methods_docstring() -> None:
    assert vars(Counted)["value"].__doc__ == "How often it was computed."
