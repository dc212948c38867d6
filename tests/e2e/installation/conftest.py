"""A node without the webhook, on which the tests install it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.images import catalogue
from testbed.images.webhook_image import webhook_image
from tests.e2e.installation.clean_node import clean_node_level
from tests.e2e.installation.installation import Installation
from tests.e2e.installation.releases import this_release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from tests.e2e.installation.releases import ReleaseFiles


@pytest.fixture(scope="package")
def clean_node() -> Iterator[NodeLevel]:
    """One for all that leave nothing behind."""
    with clean_node_level("node, clean") as level:
        yield level


@pytest.fixture(scope="package")
def installation(clean_node: NodeLevel) -> Installation:
    """Nothing yet."""
    return Installation(clean_node, clean_node.node.load(webhook_image()))


@pytest.fixture(scope="package")
def release(clean_node: NodeLevel, tmp_path_factory: pytest.TempPathFactory) -> ReleaseFiles:
    """The release that this checkout makes."""
    return this_release(clean_node.node, tmp_path_factory.mktemp("release") / "dist")


@pytest.fixture(scope="package")
def task_image(clean_node: NodeLevel) -> str:
    """A shell."""
    return clean_node.node.load(catalogue.task())


@pytest.fixture(scope="package")
def agent_image(clean_node: NodeLevel) -> str:
    """The stand-in for Istio's agent."""
    return clean_node.node.load(catalogue.stand_in_istio_agent())
