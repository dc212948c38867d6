"""What the doctor reads, and what it makes of responses that it cannot use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from tests.support.cluster_snapshots import RUNNING, ended, task_pod
from tests.support.pods import ABLE_CLUSTER
from webhook.core import DEFAULT_MINIMUM_KUBELET, NativeSwitch, default_policy, treat
from webhook.doctor.collector import CheckedWebhook, collect, read_cluster_wide
from webhook.doctor.dry_run import DryRunResult
from webhook.doctor.snapshot import ReadFailure, SecretName
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError
from webhook.kube.reading import CONFIGURATIONS_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject
    from webhook.doctor.snapshot import ClusterSnapshot


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


UNSET: Final = CheckedWebhook(default_policy(), NativeSwitch.AUTO, DEFAULT_MINIMUM_KUBELET, None)
"""One that sets nothing."""

PODS: Final = "/api/v1/namespaces/airflow/pods"


def collected(api: FakeDoctorApi, webhook: CheckedWebhook = UNSET) -> ClusterSnapshot:
    """The snapshot of a namespace."""
    return collect(api, "airflow", webhook, read_cluster_wide(api))


def snapshot_of(*pages: list[JSONObject]) -> ClusterSnapshot:
    """The snapshot of a namespace with these pods, of a cluster of which nothing else can be read."""
    return collected(FakeDoctorApi({PODS: list(pages)}))


def test_every_page_of_the_pods_is_read() -> None:
    pods = [task_pod(ended(), RUNNING, name) for name in ("a", "b", "c")]
    snapshot = snapshot_of(pods[:2], pods[2:])

    assert not isinstance(snapshot.task_pods, ReadFailure)
    assert [pod.name for pod in snapshot.task_pods] == ["a", "b", "c"]
    assert snapshot.nodes == ReadFailure("403 refused")


def test_a_pod_that_is_not_airflows_or_not_meant_to_end_is_not_in_the_snapshot() -> None:
    stranger = task_pod(ended(), RUNNING)
    stranger["metadata"]["labels"] = {}
    snapshot = snapshot_of([stranger, task_pod(ended(), RUNNING, restartPolicy="Always")])

    assert snapshot.task_pods == ()


UPLOADER: Final = {"name": "uploader", "image": "registry.example.com/uploader:1"}


def with_uploader(name: str, phase: str = "Running") -> JSONObject:
    """A task's pod with a container that nobody knows."""
    pod = task_pod(RUNNING, RUNNING, name)
    pod["spec"]["containers"].append(UPLOADER)
    pod["status"]["phase"] = phase
    return pod


def test_the_injectors_of_a_cluster_are_known_only_where_its_webhooks_could_be_listed() -> None:
    answered: dict[str, Any] = {CONFIGURATIONS_PATH: [[]]}
    wide = [read_cluster_wide(FakeDoctorApi(pages)) for pages in (answered, {})]
    known = [one.cluster(NativeSwitch.AUTO, DEFAULT_MINIMUM_KUBELET, UNSET.policy.catalogue).are_injectors_known for one in wide]

    assert known == [True, False]


def test_a_remedy_that_several_pods_need_is_in_the_snapshot_once() -> None:
    pods = [with_uploader(name) for name in "abcd"] + [task_pod(RUNNING, RUNNING, "fine"), with_uploader("over", "Succeeded")]
    shared = snapshot_of(pods).remedies[-1]

    assert (shared.pods, shared.count) == (("a", "b", "c"), 4)
    assert shared.remedy.line.startswith('"airflow-sidecar-webhook/sidecars": ')


def test_a_job_beside_a_sidecar_without_a_label_of_airflows_needs_one() -> None:
    job, without_sidecar, over, served = (task_pod(RUNNING, RUNNING, name) for name in ("job", "alone", "over", "served"))
    for pod in (job, without_sidecar, over, served):
        pod["metadata"]["labels"] = {"app": "reports"}
    without_sidecar["spec"]["containers"].pop()
    over["status"]["phase"] = "Succeeded"
    served["spec"]["restartPolicy"] = "Always"
    (shared,) = snapshot_of([job, without_sidecar, over, served]).remedies

    assert (shared.pods, shared.remedy.reason, shared.remedy.place) == (("job",), "not-airflow", "labels")


def test_a_spark_driver_of_a_spark_submit_needs_the_options_that_label_it() -> None:
    pod = task_pod(RUNNING, RUNNING, "driver")
    pod["metadata"]["labels"] = {"spark-role": "driver"}
    (shared,) = snapshot_of([pod]).remedies

    assert shared.remedy.line.startswith("--conf spark.kubernetes.driver.label.spark_kubernetes_operator=True ")


def test_a_pod_that_carries_a_status_needs_what_was_said_at_its_admission() -> None:
    pod = with_uploader("a")
    native = treat(pod, default_policy(), ABLE_CLUSTER).patched(pod)
    of_native, of_other = (snapshot_of([one]).remedies[-1].remedy.line for one in (native, pod))

    assert '"native": true' in of_native
    assert '"quit": ' in of_other


def test_a_pod_on_a_virtual_node_is_judged_as_the_webhook_judges_it_without_native_sidecars() -> None:
    pod = with_uploader("a")
    pod["spec"]["nodeName"] = "virtual"
    able = replace(UNSET, native_sidecars=NativeSwitch.ON)
    nodes = {"/api/v1/nodes": [[{"metadata": {"name": "virtual", "labels": {"type": "virtual-kubelet"}}}]]}

    real, virtual = (collected(FakeDoctorApi({PODS: [[pod]], **more}), able).remedies[-1].remedy.line for more in ({}, nodes))

    assert '"native": true' in real
    assert '"quit": ' in virtual


def test_a_response_of_another_shape_is_a_read_failure_and_stops_nothing() -> None:
    snapshot = collected(FakeDoctorApi({CONFIGURATIONS_PATH: [[{"metadata": {}}]], PODS: [[{"spec": 1}]]}))

    assert isinstance(snapshot.webhooks, ReadFailure)
    assert isinstance(snapshot.task_pods, ReadFailure)
    assert snapshot.pod.result is DryRunResult.PASSED


def test_credentials_that_the_api_server_does_not_accept_stop_at_once() -> None:
    with pytest.raises(RefusedError, match="401"):
        collected(FakeDoctorApi({}, 401))


AUTHORITY: Final = SecretName("infra", "authority")
SECRET: Final = "/api/v1/namespaces/infra/secrets/authority"  # noqa: S105  a path
SELF_MANAGED: Final = replace(UNSET, authority=AUTHORITY)


@pytest.mark.parametrize(("secret", "found"), [({"immutable": True}, AUTHORITY), ({"immutable": False}, None), ({"data": 1}, None)])
def test_an_immutable_secret_is_named_in_the_snapshot(secret: dict[str, object], found: SecretName | None) -> None:
    assert collected(FakeDoctorApi({SECRET: secret}), SELF_MANAGED).immutable_secret == found


def test_a_secret_that_may_not_be_read_is_left_out() -> None:
    assert collected(FakeDoctorApi({}), SELF_MANAGED).immutable_secret is None
    assert collected(FakeDoctorApi({SECRET: {"immutable": True}})).immutable_secret is None
