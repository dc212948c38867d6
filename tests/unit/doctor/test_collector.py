"""What the doctor reads, and what it makes of responses that it cannot use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from tests.support.cluster_snapshots import CATALOGUE, RUNNING, ended, task_pod
from webhook.doctor.collector import collect
from webhook.doctor.dry_run import DryRunResult
from webhook.doctor.snapshot import ReadFailure, SecretName
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError
from webhook.kube.reading import CONFIGURATIONS_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeDoctorApi:
    """A fake API server: answers by path, page by page; other paths are refused. It shows nothing about a real one."""

    def __init__(self, pages: dict[str, Any], status: int = 403) -> None:
        self._pages, self._status = pages, status

    def get(self, path: str, **parameters: str) -> bytes:
        if path not in self._pages:
            raise RefusedError(self._status, "refused")
        if path.startswith("/api/v1/namespaces/infra/secrets/"):
            return msgspec.json.encode(self._pages[path])
        pages, number = self._pages[path], int(parameters.get("continue", "0"))
        following = str(number + 1) if number + 1 < len(pages) else ""
        return msgspec.json.encode({"metadata": {"continue": following}, "items": pages[number]})

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        raise NotImplementedError((path, read_seconds, parameters))

    def create(self, path: str, body: object, **parameters: str) -> Response:
        del path, parameters
        return Response(201, msgspec.json.encode(body), None)


PODS: Final = "/api/v1/namespaces/airflow/pods"


def test_every_page_of_the_pods_is_read() -> None:
    pods = [task_pod(ended(), RUNNING, name) for name in ("a", "b", "c")]
    snapshot = collect(FakeDoctorApi({PODS: [pods[:2], pods[2:]]}), "airflow", CATALOGUE)

    assert not isinstance(snapshot.task_pods, ReadFailure)
    assert [pod.name for pod in snapshot.task_pods] == ["a", "b", "c"]
    assert snapshot.nodes == ReadFailure("403 refused")


def test_a_pod_that_is_not_airflows_or_not_meant_to_end_is_not_in_the_snapshot() -> None:
    stranger = task_pod(ended(), RUNNING)
    stranger["metadata"]["labels"] = {}
    snapshot = collect(FakeDoctorApi({PODS: [[stranger, task_pod(ended(), RUNNING, restartPolicy="Always")]]}), "airflow", CATALOGUE)

    assert snapshot.task_pods == ()


def test_a_response_of_another_shape_is_a_read_failure_and_stops_nothing() -> None:
    snapshot = collect(FakeDoctorApi({CONFIGURATIONS_PATH: [[{"metadata": {}}]], PODS: [[{"spec": 1}]]}), "airflow", CATALOGUE)

    assert isinstance(snapshot.webhooks, ReadFailure)
    assert isinstance(snapshot.task_pods, ReadFailure)
    assert snapshot.pod.result is DryRunResult.PASSED


def test_credentials_that_the_api_server_does_not_accept_stop_at_once() -> None:
    with pytest.raises(RefusedError, match="401"):
        collect(FakeDoctorApi({}, 401), "airflow", CATALOGUE)


AUTHORITY: Final = SecretName("infra", "authority")
SECRET: Final = "/api/v1/namespaces/infra/secrets/authority"  # noqa: S105  a path


@pytest.mark.parametrize(("secret", "found"), [({"immutable": True}, AUTHORITY), ({"immutable": False}, None), ({"data": 1}, None)])
def test_an_immutable_secret_is_named_in_the_snapshot(secret: dict[str, object], found: SecretName | None) -> None:
    assert collect(FakeDoctorApi({SECRET: secret}), "airflow", CATALOGUE, AUTHORITY).immutable_secret == found


def test_a_secret_that_may_not_be_read_is_left_out() -> None:
    assert collect(FakeDoctorApi({}), "airflow", CATALOGUE, AUTHORITY).immutable_secret is None
    assert collect(FakeDoctorApi({SECRET: {"immutable": True}}), "airflow", CATALOGUE).immutable_secret is None
