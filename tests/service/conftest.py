"""One service for all tests that need no settings of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.reviews import is_answered
from tests.service.running_service import RunningService, running_service

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_GROWTH_BYTES = 150 * 1024 * 1024
"""The chart's limit of 256 MiB without what an idle service takes, and with 40 MiB to spare."""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The default settings, but for the ports and the time a request may take."""
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service
        assert service.end() == 0
        assert not service.stderr, "a process that logs in JSON has nothing to say on stderr"


@pytest.fixture
def attacked(service: RunningService) -> Iterator[RunningService]:
    """The same service; whatever the test does to it, it goes on, does not grow out of bounds, and raises nothing it does not catch."""
    is_answered(service)
    before, lines = service.rss_bytes(), len(service.logs)
    service.forget_peak()
    yield service
    is_answered(service)
    assert service.peak_rss_bytes() - before < MAX_GROWTH_BYTES
    assert not [line for line in service.logs[lines:] if "traceback" in line]
