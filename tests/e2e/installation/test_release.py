"""A dry run of a release: its files are verified, installed, upgraded from the release before, rolled back and removed, as the page says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from testbed.wait import until
from tests.e2e.installation.creations import without_a_gap
from tests.e2e.installation.installation import SECONDS
from tests.e2e.installation.newcomer import Newcomer, blocks, programs
from tests.e2e.installation.releases import EARLIER_COMMIT, commit_before, release_before
from tests.e2e.installation.task import EXIT_CODE, end_of_task, start_task, tasks
from tests.e2e.registration import task_pod
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.installation.installation import Installation
    from tests.e2e.installation.releases import ReleaseFiles

PAGE = "docs/releases.md"


@pytest.fixture(scope="module")
def before(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> ReleaseFiles:
    """The release before."""
    return release_before(installation.level.node, tmp_path_factory.mktemp("before") / "dist")


@pytest.fixture
def newcomer(installation: Installation, tmp_path: Path) -> Iterator[Newcomer]:
    """Whoever has downloaded both, and has a namespace that opted in; afterwards, what a failed test left installed is removed."""
    with tasks(installation) as here:
        yield Newcomer(installation, here, programs(installation, tmp_path))
    installation.kubectl("delete", "--ignore-not-found", "--filename=-", given=installation.manifest())


def version_in_use(newcomer: Newcomer) -> str:
    """The version of the replica that treats a new pod; empty: none does."""
    pod = newcomer.installation.level.api.create(task_pod(newcomer.tasks.name), dryRun="All")
    status = (pod["metadata"].get("annotations") or {}).get(STATUS_ANNOTATION)
    return str(json.loads(status)["version"]) if status else ""


def images(installation: Installation) -> set[str]:
    """The images that its pods name."""
    return {container["image"] for pod in installation.pods() for container in pod["spec"]["containers"]}


def test_a_release_takes_over_from_the_one_before_and_gives_back_without_missing_a_pod_and_nothing_of_it_stays(
    newcomer: Newcomer, before: ReleaseFiles, release: ReleaseFiles, task_image: str, agent_image: str, measured: list[str]
) -> None:
    installation, here, api = newcomer.installation, newcomer.tasks, newcomer.installation.level.api
    install, _ = blocks(PAGE, "Install it")
    upgrade, rollback = blocks(PAGE, "Upgrade and roll back")
    *_, uninstall = blocks("docs/install.md", "Upgrade, roll back, uninstall")
    at_first = installation.objects()

    said = newcomer.type_in(install, before.folder, before.version)
    assert f"airflow-sidecar-webhook-{before.version}.tgz: OK" in said
    until(lambda: version_in_use(newcomer) == before.version, "pods are patched", SECONDS)
    assert images(installation) == {before.image}
    start_task(here, "before", task_image, agent_image)
    authority = installation.bundle()

    with without_a_gap(api, here.name) as pods:
        newcomer.type_in(upgrade, release.folder, release.version)
        until(lambda: images(installation) == {release.image}, "no other pod is left", SECONDS)
        assert version_in_use(newcomer) == release.version
        pods.create_at_once()
        start_task(here, "after", task_image, agent_image)

        newcomer.type_in(rollback)
        until(lambda: images(installation) == {before.image}, "no other pod is left", SECONDS)
        assert version_in_use(newcomer) == before.version
        pods.create_at_once()

    assert [end_of_task(here, name)["exitCode"] for name in ("before", "after")] == [EXIT_CODE, EXIT_CODE]
    assert installation.bundle() == authority
    assert {leaf.issuer for leaf in installation.served()} == {authority[0].subject}

    newcomer.type_in(uninstall)
    for name in ("before", "after"):
        here.delete(name, 0)
    installation.wait_until_only(at_first)
    here.create(task_pod(here.name, "without", containers=[{"name": "base", "image": task_image, "command": ["true"]}]))
    until(lambda: here.pod("without")["status"]["phase"] == "Succeeded", "a pod ends without the webhook", SECONDS)
    assert "annotations" not in here.pod("without")["metadata"]

    without_history = "" if commit_before() == EARLIER_COMMIT else ": this checkout has no history"
    measured.append(f"the release before was built from {commit_before()}{without_history}")
