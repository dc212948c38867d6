"""The clock of a running component can be put ahead, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from testbed import levels
from testbed.clock import Clock
from tests.e2e.levels import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import Level

YEARS = timedelta(days=730)
A_WHILE = timedelta(seconds=5)


@pytest.fixture
def level() -> Iterator[Level]:
    require(*levels.OF_API_SERVER)
    with levels.api_server() as alone:
        yield alone


def time_of(level: Level) -> datetime:
    """The time of the API server's clock."""
    return parsedate_to_datetime(level.api.request("GET", "/version").headers["Date"])


def test_it_is_put_ahead_for_that_component_alone_and_back_while_it_serves(level: Level) -> None:
    clock = Clock(level.server.pid)
    assert abs(time_of(level) - datetime.now(UTC)) < A_WHILE

    clock.put_ahead(YEARS)
    made = level.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late"}})
    assert abs(time_of(level) - datetime.now(UTC) - YEARS) < A_WHILE
    assert abs(datetime.fromisoformat(made["metadata"]["creationTimestamp"]) - datetime.now(UTC) - YEARS) < A_WHILE

    clock.put_ahead(timedelta())
    assert abs(time_of(level) - datetime.now(UTC)) < A_WHILE
