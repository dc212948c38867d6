"""Installed by Helm and by kubectl alone: a patched pod ends, and an uninstall leaves nothing behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from manifests.rendering import NAME, RenderingError
from testbed.namespace import SERVICE_ACCOUNT, wait_until_ready
from testbed.wait import until
from tests.e2e.installation.installation import DEPLOYMENT, SECONDS, Installation
from tests.e2e.installation.task import EXIT_CODE, end_of_task, start_task, tasks
from tests.e2e.registration import is_patched_in

if TYPE_CHECKING:
    from tests.e2e.installation.releases import ReleaseFiles

TEST: Final = f"{NAME}-helm-test"
METRICS_PORT: Final = 8080
PREFIX: Final = "airflow_sidecar_webhook_"


@pytest.fixture(params=["helm", "kubectl"])
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def manifest(release: ReleaseFiles) -> str:
    """install.yaml of a release."""
    return (release.folder / "install.yaml").read_text("utf-8")


def install(installation: Installation, way: str, manifest: str) -> None:
    """What an operator types to install it."""
    if way == "kubectl":
        installation.kubectl("apply", "--filename=-", given=manifest)
        return
    installation.make_namespace()
    installation.helm("install")


def uninstall(installation: Installation, way: str, manifest: str) -> None:
    """What an operator types to uninstall it."""
    if way == "kubectl":
        installation.kubectl("delete", "--ignore-not-found", "--filename=-", given=manifest)
        return
    installation.helm("uninstall")
    installation.kubectl("delete", "namespace", NAME)


def metrics(installation: Installation) -> list[dict[str, float]]:
    """The metrics of each replica: the samples without labels."""
    urls = [f"http://{pod['status']['podIP']}:{METRICS_PORT}/metrics" for pod in installation.pods()]
    texts = [installation.level.node.machine.run("curl", "--silent", "--fail", url) for url in urls]
    return [
        {sample.name.removeprefix(PREFIX): sample.value for family in families for sample in family.samples if not sample.labels}
        for families in map(text_string_to_metric_families, texts)
    ]


def test_a_pod_is_patched_by_what_was_installed_and_ends_and_nothing_stays(
    installation: Installation, way: str, manifest: str, task_image: str, agent_image: str, measured: list[str]
) -> None:
    with tasks(installation) as here:
        before = installation.objects()
        assert not is_patched_in(here.name, here.level.api)
        began = time.monotonic()
        install(installation, way, manifest)
        applied = time.monotonic()
        until(lambda: is_patched_in(here.name, here.level.api), "the first pod is patched", SECONDS)
        measured.append(f"{time.monotonic() - applied:7.1f} s to the first patched pod after {way}, which took {applied - began:.1f} s")
        installation.wait_until_ready()

        made = start_task(here, "task", task_image, agent_image)

        assert made["metadata"]["annotations"]["airflow-sidecar-webhook/status"]
        assert end_of_task(here, "task")["exitCode"] == EXIT_CODE
        assert {line["level"] for line in installation.logs()} == {"info"}
        for sample in metrics(installation):
            assert (sample["ca_bundle_in_sync"], sample["certificate_errors_total"]) == (1, 0)
            assert sample["certificate_not_after_timestamp_seconds"] > time.time()
            assert sample["authority_not_after_timestamp_seconds"] > sample["certificate_not_after_timestamp_seconds"]
            assert time.time() - sample["certificate_last_read_timestamp_seconds"] < SECONDS
        here.delete("task", 0)

        uninstall(installation, way, manifest)

        installation.wait_until_only(before)


def test_helm_uninstall_leaves_only_what_a_namespace_has_by_itself(installation: Installation) -> None:
    installation.make_namespace()
    wait_until_ready(installation.level.api, NAME, SERVICE_ACCOUNT, "configmaps/kube-root-ca.crt")
    before = installation.objects()
    try:
        installation.helm("install")
        installation.wait_until_ready()
        installation.helm("uninstall")
        installation.wait_until_only(before)
    finally:
        installation.kubectl("delete", "namespace", NAME)


def test_helm_test_passes_while_pods_are_patched_and_fails_with_the_reason_while_none_is(installation: Installation) -> None:
    with tasks(installation) as here, installation.installed(test={"namespace": here.name}):
        before = namespaces(installation)

        assert "Phase:          Succeeded" in installation.helm("test")
        assert namespaces(installation) == before

        installation.level.api.patch(DEPLOYMENT, {"spec": {"replicas": 0}})
        until(lambda: not installation.pods(), "no replica is left", SECONDS)
        with pytest.raises(RenderingError, match="failed"):
            installation.helm("test")
        said = installation.kubectl("--namespace", NAME, "logs", TEST)

        reason = f"the API server created the pod without a call to the webhook; doctor --namespace {here.name} says why"
        assert said == f"a task pod in {here.name}: {reason}\n"
        installation.kubectl("--namespace", NAME, "delete", "pod,serviceaccount", TEST, "--ignore-not-found")
        installation.kubectl("--namespace", here.name, "delete", "role,rolebinding", TEST, "--ignore-not-found")
        assert namespaces(installation) == before
        installation.level.api.patch(DEPLOYMENT, {"spec": {"replicas": 2}})


def namespaces(installation: Installation) -> dict[str, str]:
    """The uids of all namespaces that are not being deleted, by their names."""
    found = [one["metadata"] for one in installation.level.api.get("/api/v1/namespaces")["items"]]
    return {metadata["name"]: metadata["uid"] for metadata in found if "deletionTimestamp" not in metadata}


def test_helm_refuses_what_was_installed_without_it(installation: Installation, manifest: str) -> None:
    install(installation, "kubectl", manifest)
    try:
        with pytest.raises(Exception, match="invalid ownership metadata"):
            installation.helm("install")
    finally:
        uninstall(installation, "kubectl", manifest)
