"""The four jobs of Airflow's chart, in the mesh."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from testbed.airflow.installation import NAMESPACE as CLEANED
from testbed.api import path_of
from testbed.images import catalogue
from testbed.wait import until
from tests.e2e.airflow.release import AirflowRelease
from tests.e2e.mesh.namespace import mesh_namespace
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.namespace import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.airflow.installation import Airflow
    from testbed.api import ApiClient
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace

JOB_SECONDS = 180
OBSERVED_SECONDS = 10

# The labels of an executor's finished pod, by which `airflow kubernetes cleanup-pods` finds it.
TASK_LABELS = {"dag_id": "done", "task_id": "done", "try_number": "1", "airflow_version": "3.3.2"}


@pytest.fixture
def release(node: NodeLevel, airflow: Airflow) -> Iterator[AirflowRelease]:
    """A release in the mesh whose database is empty."""
    del airflow
    with mesh_namespace(node) as namespace:
        yield installed(namespace)


@pytest.fixture
def release_without_webhook(node: NodeLevel, airflow: Airflow) -> Iterator[AirflowRelease]:
    """The same in a namespace that did not opt in."""
    del airflow
    with mesh_namespace(node, **NOT_OPTED_IN) as namespace:
        yield installed(namespace)


def installed(namespace: PodNamespace) -> AirflowRelease:
    """A release with everything but its jobs."""
    release = AirflowRelease(namespace, namespace.level.node.load(catalogue.airflow()))
    release.install()
    return release


def test_they_complete_and_do_their_work(node: NodeLevel, release: AirflowRelease) -> None:
    leave_old_pod(node.api)
    assert_completes(release, release.start("job-prod-run-airflow-migrations"))
    rest = ("job-prod-create-user", "cronjob-prod-cleanup", "cronjob-prod-database-cleanup")
    for job in [release.start(file) for file in rest]:
        assert_completes(release, job)
    assert users(release.database) == ["admin"]
    node.recorder.first(CLEANED, "done", lambda moment: moment.gone, "is cleaned up", SECONDS)


def test_without_the_webhook_the_first_of_them_never_completes(release_without_webhook: AirflowRelease) -> None:
    job = release_without_webhook.start("job-prod-run-airflow-migrations")
    namespace = release_without_webhook.namespace
    pod = until(lambda: next(iter(release_without_webhook.pods(job)), None), f"{job} has a pod", SECONDS)
    done = namespace.when(pod, lambda moment: moment.terminated("run-airflow-migrations") is not None, "migrates")
    assert (done.terminated("run-airflow-migrations") or {})["exitCode"] == 0
    with pytest.raises(TimeoutError):
        release_without_webhook.completed(job, OBSERVED_SECONDS)
    assert namespace.pod(pod)["status"]["phase"] == "Running"
    release_without_webhook.remove(job)


def assert_completes(release: AirflowRelease, job: str) -> None:
    """Assert that a job completes with its first pod, which ended together with its proxy."""
    status = release.completed(job, JOB_SECONDS)["status"]
    assert (status.get("succeeded"), status.get("failed")) == (1, None)
    [pod] = release.pods(job)
    end = release.namespace.end(pod)
    assert end.phase == "Succeeded"
    proxy = end.terminated("istio-proxy")
    assert proxy
    assert proxy["exitCode"] == 0


def leave_old_pod(api: ApiClient) -> None:
    """Create a finished pod of the executor that is an hour old, since the job leaves younger ones. No node runs it: its status is written."""
    metadata = {"name": "done", "namespace": CLEANED, "labels": TASK_LABELS}
    spec = {"schedulerName": "nobody", "restartPolicy": "Never", "containers": [{"name": "base", "image": "done"}]}
    pod = api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    ended = {"terminated": {"exitCode": 0, "finishedAt": (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}}
    base = {"name": "base", "image": "done", "imageID": "", "ready": False, "restartCount": 0, "state": ended}
    api.patch(f"{path_of(pod)}/status", {"status": {"phase": "Succeeded", "containerStatuses": [base]}})


def users(database: Path) -> list[str]:
    """The users in Airflow's database."""
    with closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("select username from ab_user")]
