"""An event loop in which no time passes but while it waits: a pause of a minute takes none, and what comes when is exact."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class _SimulatedSelector(selectors.DefaultSelector):
    """Where the loop would wait, its time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "the scenario waits for what never comes"
        self.now += timeout
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a simulated clock. It is not uvloop, and whatever comes from outside comes at no simulated time."""

    def __init__(self) -> None:
        """Begin at 0 seconds."""
        self._clock = _SimulatedSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._clock.now


def run_simulated(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a scenario in such a loop."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(scenario())
