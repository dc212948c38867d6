"""The running Deployment loses its authority, its registration, or all of its replicas: which pods miss the webhook, and what recovers."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from manifests.rendering import NAME
from testbed.api import ApiError
from testbed.wait import until
from tests.e2e.installation.creations import FAIL_OPEN, REJECTION, counted, creating, without_a_gap
from tests.e2e.installation.installation import CONFIGURATION, DEPLOYMENT, SECONDS, SECRET
from tests.e2e.node.namespace import namespace_on
from tests.e2e.registration import task_pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.installation.installation import Installation
    from tests.support.json_object import JSONObject


TIMEOUT_SECONDS: Final = 6
NOTICED_SECONDS: Final = 5
"""An API server uses a changed configuration after a second or so, without a sign of it (Kubernetes docs, dynamic admission control)."""

NOT_CALLED: Final = 500


@pytest.fixture
def installed(installation: Installation) -> Iterator[Installation]:
    with installation.installed(webhook={"timeoutSeconds": TIMEOUT_SECONDS}):
        yield installation


@contextmanager
def opted_in(installation: Installation) -> Iterator[str]:
    """A namespace whose pods are patched."""
    with namespace_on(installation.level, "robbed") as namespace:
        until(lambda: installation.patches(namespace.name), "pods are patched", SECONDS)
        yield namespace.name


def test_a_secret_that_is_deleted_is_made_anew_and_no_pod_is_missed(installed: Installation) -> None:
    api = installed.level.api
    before = installed.webhook()["clientConfig"]["caBundle"]
    with opted_in(installed) as tasks, without_a_gap(api, tasks):
        api.delete(SECRET)
        until(lambda: installed.webhook()["clientConfig"]["caBundle"] != before, "another authority is trusted as well", SECONDS)


def test_a_configuration_that_comes_back_without_its_bundle_misses_pods_until_a_replica_reconciles(
    installed: Installation, measured: list[str]
) -> None:
    """Without the configuration the webhook is not called; without the caBundle the API server does not trust it. No pod is refused."""
    api = installed.level.api
    with opted_in(installed) as tasks:
        failed_open = counted(api, FAIL_OPEN)
        again = without_bundle(api.get(CONFIGURATION))
        with creating(api, tasks) as creations:
            deleted = time.monotonic()
            api.delete(CONFIGURATION)
            creations.await_more()
            api.create(again)
            created = time.monotonic()
            until(installed.bundle, "there is a caBundle again", SECONDS)
            trusted = time.monotonic()
            until(lambda: installed.patches(tasks), "pods are patched again", SECONDS)
            noticed = time.monotonic()
        lost = creations.unpatched

        measured.append(f"{trusted - created:7.1f} s from a configuration without a caBundle to one with it")
        assert (creations.unanswered, creations.refused) == ([], [])
        assert lost
        assert all(deleted <= pod.ended and pod.began <= noticed + NOTICED_SECONDS for pod in lost)
        assert counted(api, FAIL_OPEN) > failed_open


def without_bundle(configuration: JSONObject) -> JSONObject:
    """The configuration as its installation creates it."""
    del configuration["webhooks"][0]["clientConfig"]["caBundle"]
    metadata = {field: configuration["metadata"][field] for field in ("name", "labels", "annotations")}
    return {**configuration, "metadata": metadata}


def test_without_any_replica_pods_start_as_they_are_and_are_counted(installed: Installation) -> None:
    api = installed.level.api
    with opted_in(installed) as tasks:
        before = counted(api, FAIL_OPEN)
        without_replicas(installed)

        made, took = create(installed, tasks)

        assert "annotations" not in made["metadata"]
        assert took < TIMEOUT_SECONDS
        assert counted(api, FAIL_OPEN) == before + 1


def test_with_every_replica_frozen_pods_start_as_they_are_after_the_timeout_and_are_counted(installed: Installation) -> None:
    api = installed.level.api
    with opted_in(installed) as tasks:
        before = counted(api, FAIL_OPEN)
        installed.signal_all(signal.SIGSTOP)
        try:
            made, took = create(installed, tasks)
        finally:
            installed.signal_all(signal.SIGCONT)

        assert "annotations" not in made["metadata"]
        assert TIMEOUT_SECONDS <= took < 2 * TIMEOUT_SECONDS, "it called once"
        assert counted(api, FAIL_OPEN) == before + 1


def test_under_fail_closed_pods_are_refused_without_any_replica_and_only_those_of_airflow(installed: Installation) -> None:
    api = installed.level.api
    with opted_in(installed) as tasks:
        installed.helm("upgrade", webhook={"timeoutSeconds": TIMEOUT_SECONDS, "failClosed": True})
        installed.wait_until_ready()
        until(lambda: installed.patches(tasks), "pods are patched", SECONDS)
        refused, open_before = counted(api, REJECTION), counted(api, FAIL_OPEN)
        without_replicas(installed)

        with pytest.raises(ApiError, match=r'failed calling webhook "pods\.airflow-sidecar-webhook\.io".*connection refused') as failed:
            api.create(task_pod(tasks), dryRun="All")

        assert failed.value.code == NOT_CALLED
        other = task_pod(tasks)
        del other["metadata"]["labels"]
        assert api.create(other, dryRun="All")
        assert (counted(api, REJECTION), counted(api, FAIL_OPEN)) == (refused + 1, open_before)

        # The API server calls it for Airflow's pods alone, so its new replicas can start.
        installed.kubectl("--namespace", NAME, "scale", "--replicas=2", "deployment", NAME)
        installed.wait_until_ready()
        assert installed.patches(tasks)


def without_replicas(installation: Installation) -> None:
    """Scale to zero, and wait until the Service has no address and no pod is left."""
    installation.level.api.patch(DEPLOYMENT, {"spec": {"replicas": 0}})
    until(lambda: not installation.pods() and not installation.ready_addresses(), "no replica is left", SECONDS)


def create(installation: Installation, namespace: str) -> tuple[JSONObject, float]:
    """Create a task's pod; the pod, and the seconds that it took."""
    began = time.monotonic()
    made = installation.level.api.create(task_pod(namespace), dryRun="All")
    return made, time.monotonic() - began
