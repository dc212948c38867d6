"""The pauses between attempts that fail one after another."""

from __future__ import annotations

from typing import Final

from webhook.kube.backoff import Backoff

FIRST_PAUSE_SECONDS: Final = 1.5
LONGEST_PAUSE_SECONDS: Final = 45.0


def test_pauses_double_up_to_a_bound_and_start_again() -> None:
    backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
    pauses = [backoff.pause() for _ in range(2000)]

    assert all(2**number / 2 <= pause / FIRST_PAUSE_SECONDS <= 2**number for number, pause in enumerate(pauses[:5]))
    assert all(LONGEST_PAUSE_SECONDS / 2 <= pause <= LONGEST_PAUSE_SECONDS for pause in pauses[5:])
    assert len(set(pauses[5:])) > 100, "replicas do not come back all at once"
    backoff.reset()
    assert backoff.pause() <= FIRST_PAUSE_SECONDS
