"""How far property tests search: `make test` tries the same examples for the same commit, `make explore` many random ones."""

from __future__ import annotations

from typing import Final

from hypothesis import Phase, settings

TEST: Final = "test"
EXPLORE: Final = "explore"
MUTANTS: Final = "mutants"
"""Names of the profiles, for pytest's option ``--hypothesis-profile``; without the option it is `TEST`."""

EXAMPLES: Final = 100
"""Of a test that says no other number, under `make test`."""

TIMES_AS_MANY: Final = 10
"""Under `make explore`."""

settings.register_profile(TEST, derandomize=True, database=None, deadline=None, max_examples=EXAMPLES, print_blob=True)
settings.register_profile(EXPLORE, settings.get_profile(TEST), derandomize=False, max_examples=EXAMPLES * TIMES_AS_MANY)
# The first failure of a mutant needs no smaller example.
settings.register_profile(MUTANTS, settings.get_profile(TEST), phases=(Phase.explicit, Phase.generate))


def examples(number: int) -> int:
    """The ``max_examples`` of a test that tries this number under `make test`: `TIMES_AS_MANY` under `make explore`."""
    return number * settings().max_examples // EXAMPLES
