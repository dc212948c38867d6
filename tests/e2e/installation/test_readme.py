"""The commands of the README and of docs/install.md, typed by a newcomer who has a cluster, Helm and kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from manifests.rendering import NAME
from testbed.manifest import OPTED_IN
from testbed.namespace import SERVICE_ACCOUNT, wait_until_ready
from testbed.wait import until
from tests.e2e.installation.installation import SECONDS
from tests.e2e.installation.newcomer import Newcomer, blocks, programs
from tests.e2e.node.namespace import namespace_on
from tests.e2e.registration import task_pod

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.installation.installation import Installation
    from tests.e2e.node.namespace import PodNamespace


@pytest.fixture(scope="module")
def tasks(installation: Installation) -> Iterator[PodNamespace]:
    """A namespace of Airflow's without the label."""
    with namespace_on(installation.level, "newcomer") as here:
        installation.level.api.patch(f"/api/v1/namespaces/{here.name}", {"metadata": {"labels": dict.fromkeys(OPTED_IN)}})
        wait_until_ready(installation.level.api, here.name, SERVICE_ACCOUNT, "configmaps/kube-root-ca.crt")
        yield here


@pytest.fixture
def newcomer(installation: Installation, tasks: PodNamespace, tmp_path: Path) -> Iterator[Newcomer]:
    """The newcomer; afterwards, what a failed test left installed is removed."""
    yield Newcomer(installation, tasks, programs(installation, tmp_path))
    installation.kubectl("delete", "--ignore-not-found", "--filename=-", given=installation.manifest())


def test_from_zero_to_a_patched_pod_through_an_upgrade_and_back_to_nothing(newcomer: Newcomer, task_image: str) -> None:
    installation, tasks = newcomer.installation, newcomer.tasks
    install, label, inspect = blocks("README.md", "Install it")
    upgrade, rollback, uninstall = blocks("docs/install.md", "Upgrade, roll back, uninstall")
    (leaked,) = blocks("docs/certificates.md", "When the key has leaked")
    before = installation.objects()

    newcomer.type_in(install)
    assert newcomer.doctor() == ["not-opted-in"]
    newcomer.type_in(label)
    assert newcomer.doctor() == []
    tasks.create(task_pod(tasks.name, "first", containers=[{"name": "base", "image": task_image, "command": ["true"]}]))
    assert '"reason":"no-sidecar"' in newcomer.type_in(inspect)

    newcomer.type_in(upgrade)
    installation.wait_until_ready()
    newcomer.type_in(rollback)
    installation.wait_until_ready()
    authority = installation.bundle()
    newcomer.type_in(leaked)
    until(lambda: installation.bundle() not in {(), authority}, "another authority is trusted, alone", SECONDS)
    until(lambda: installation.patches(tasks.name), "pods are patched", SECONDS)
    assert set(authority).isdisjoint(installation.bundle())

    tasks.delete("first", 0)
    newcomer.type_in(uninstall)
    installation.wait_until_only(before)
    assert not installation.patches(tasks.name)
    assert NAME not in tasks.level.api.get(f"/api/v1/namespaces/{tasks.name}")["metadata"]["labels"]
