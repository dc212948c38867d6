"""API servers as fixtures, ended after the last test of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed import binaries
from testbed.api_server import OLD
from tests.e2e.api_server.chart_release import chart_release, webhook_namespace
from tests.e2e.api_server.stand_in_definitions import stand_in_definitions
from tests.e2e.levels import api_server_level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import Level
    from tests.e2e.api_server.chart_release import Release


@pytest.fixture(scope="package")
def api_server() -> Iterator[Level]:
    """The pinned Kubernetes."""
    with api_server_level("API server") as level:
        yield level


@pytest.fixture(scope="package")
def old_api_server() -> Iterator[Level]:
    """The same program, which emulates a cluster without native sidecars."""
    with api_server_level("API server, old by emulation", OLD) as level:
        yield level


@pytest.fixture(scope="package")
def newest_api_server() -> Iterator[Level]:
    """The newest minor version that is pinned."""
    with api_server_level("API server, newest minor", (), binaries.NEWEST_KUBE_APISERVER) as level:
        yield level


@pytest.fixture(scope="package")
def own_api_server() -> Iterator[Level]:
    """The pinned Kubernetes once more, for tests that end it and start it again."""
    with api_server_level("API server that tests end") as level:
        yield level


@pytest.fixture(scope="package", params=["api_server", "old_api_server", "newest_api_server"])
def any_api_server(request: pytest.FixtureRequest) -> Level:
    """Each of them in turn."""
    level: Level = request.getfixturevalue(request.param)
    return level


@pytest.fixture(scope="module")
def stand_in_kinds(api_server: Level) -> Iterator[None]:
    """The kinds that some objects of the chart have."""
    with stand_in_definitions(api_server.api):
        yield


@pytest.fixture
def release(api_server: Level) -> Iterator[Release]:
    """A release of the chart in a namespace of its own."""
    with chart_release(api_server, webhook_namespace(api_server.api)) as one:
        yield one
