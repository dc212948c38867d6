"""A view of the cluster whose listener records its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fake_api_reader import RecordingClusterListener
from webhook.core.cluster import DEFAULT_MINIMUM_KUBELET, NativeSwitch
from webhook.kube.view import ClusterView

if TYPE_CHECKING:
    from webhook.core.catalogue import Catalogue
    from webhook.core.policy import Policy


@pytest.fixture
def catalogue(policy: Policy) -> Catalogue:
    return policy.catalogue


@pytest.fixture
def listener() -> RecordingClusterListener:
    return RecordingClusterListener()


@pytest.fixture
def view(catalogue: Catalogue, listener: RecordingClusterListener) -> ClusterView:
    return ClusterView(NativeSwitch.AUTO, DEFAULT_MINIMUM_KUBELET, catalogue, listener)
