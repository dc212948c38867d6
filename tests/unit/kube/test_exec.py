"""A command in a container that runs once it is released, over the channels of a fake API server. Real ones: tests/e2e/node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes.client import Configuration

from tests.support.fake_task_cluster import FakeTaskCluster, end_of, fake_task_cluster
from tests.support.live_pods import FLUENT_BIT, RUNNING, live_pod
from webhook.kube.client import KubernetesClient
from webhook.kube.errors import RefusedError, UnreachableError
from webhook.kube.exec import held_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject

PATH: Final = "/api/v1/namespaces/airflow/pods/sales"


@pytest.fixture
def cluster() -> Iterator[FakeTaskCluster]:
    with fake_task_cluster() as cluster:
        cluster.add(live_pod({"base": RUNNING, "logs": RUNNING}, FLUENT_BIT))
        cluster.shells["sales", "logs"] = end_of("logs")
        yield cluster


def client_to(cluster: FakeTaskCluster) -> KubernetesClient:
    return KubernetesClient(Configuration(host=cluster.url))


def logs_of(cluster: FakeTaskCluster) -> JSONObject:
    state: JSONObject = cluster.pods["airflow", "sales"]["status"]["containerStatuses"][1]["state"]
    return state


def test_the_command_runs_in_a_shell_of_the_container_once_it_is_released(cluster: FakeTaskCluster) -> None:
    with held_command(client_to(cluster), PATH, "logs", "kill -TERM 1") as command:
        assert "running" in logs_of(cluster)
        assert command.release() == ""
    query = parse_qs(urlsplit(cluster.requests[0].removeprefix("GET ")).query)

    assert "terminated" in logs_of(cluster)
    assert (query["container"], query["command"]) == (["logs"], ["/bin/sh", "-c", "read -r _ && kill -TERM 1"])


def test_a_command_that_is_not_released_does_not_run(cluster: FakeTaskCluster) -> None:
    with held_command(client_to(cluster), PATH, "logs", "kill -TERM 1"):
        pass
    assert "running" in logs_of(cluster)


KILLED: Final = b"""{"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with exit code 137",
"details": {"causes": [{"reason": "ExitCode", "message": "137"}]}}"""
"""Of a shell whose container ended under it."""


def test_a_command_that_ends_its_container_and_is_killed_with_it_has_no_result(cluster: FakeTaskCluster) -> None:
    cluster.result = KILLED
    with held_command(client_to(cluster), PATH, "logs", "kill -TERM 1") as command, pytest.raises(UnreachableError, match="was killed"):
        command.release()
    assert "terminated" in logs_of(cluster)


def test_a_command_that_fails_has_its_message(cluster: FakeTaskCluster) -> None:
    cluster.result = KILLED.replace(b"137", b"1")
    with held_command(client_to(cluster), PATH, "logs", "kill -TERM 1") as command:
        assert command.release() == "command terminated with exit code 1"


def test_an_image_without_a_shell_says_so(cluster: FakeTaskCluster) -> None:
    cluster.shells.clear()
    with held_command(client_to(cluster), PATH, "logs", "kill -TERM 1") as command:
        assert command.release() == "/bin/sh: no such file or directory"


def test_a_refusal_of_the_api_server_has_its_status_and_message(cluster: FakeTaskCluster) -> None:
    cluster.refusals["GET", "exec"] = (403, "pods sales is forbidden")
    with pytest.raises(RefusedError, match="403 pods sales is forbidden"), held_command(client_to(cluster), PATH, "logs", "true"):
        pass
