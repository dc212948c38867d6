"""How far a pod has come, as the API server returns it: what keeps it Running once its task has ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from webhook.core import (
    Catalogue,
    ContainerKind,
    Endpoint,
    MalformedPodError,
    Mode,
    PodOrigin,
    default_policy,
    may_stay_running,
    parse_sidecars,
    read_progress,
)
from webhook.core.progress import MAX_LIVE_CONTAINERS

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Progress

CATALOGUE = default_policy().catalogue
ENDED = {"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": "2026-01-01T10:00:00Z"}}
RUNNING = {"running": {"startedAt": "2026-01-01T09:00:00Z"}}
ISTIO = {"name": "istio-proxy", "image": "istio/proxyv2:1.20.0", "args": ["proxy", "sidecar"]}
XCOM = {"name": "airflow-xcom-sidecar", "image": "alpine"}
UNKNOWN = {"name": "uploader", "image": "acme/uploader:1"}


def pod(states: JSONObject, *beside: JSONObject, **spec: Any) -> JSONObject:
    """A pod of the executor with these containers beside `base`, and these states by container."""
    return {
        "metadata": {
            "namespace": "airflow",
            "name": "task",
            "uid": "one",
            "labels": {"kubernetes_executor": "True"},
            "annotations": {"sidecar.istio.io/status": "{}"},
        },
        "spec": {"restartPolicy": "Never", "containers": [{"name": "base", "image": "apache/airflow:3.0.6"}, *beside], **spec},
        "status": {"phase": "Running", "containerStatuses": [{"name": name, "state": state} for name, state in states.items()]},
    }


def read(document: JSONObject) -> Progress:
    """The progress of this pod."""
    progress = read_progress(document, CATALOGUE)
    assert progress is not None
    return progress


def test_a_pod_that_its_sidecar_keeps_running_says_since_when_and_by_which_request_it_would_end() -> None:
    progress = read(pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO))

    (sidecar,) = progress.unfinished
    assert progress.task_end is not None
    assert (progress.task_end.exit_code, progress.task_end.reason) == (3, "Error")
    assert progress.task_end.finished_at == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert (sidecar.name, sidecar.kind, sidecar.started_at) == ("istio-proxy", ContainerKind.SIDECAR, datetime(2026, 1, 1, 9, tzinfo=UTC))
    assert sidecar.sidecar is not None
    assert sidecar.sidecar.quit == Endpoint(15020, "/quitquitquit", "POST")
    assert (progress.namespace, progress.name, progress.uid, progress.main) == ("airflow", "task", "one", "base")


def test_a_mapping_and_its_json_are_read_alike() -> None:
    document = pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO)
    assert read_progress(msgspec.json.encode(document), CATALOGUE) == read_progress(document, CATALOGUE)


def test_each_container_that_holds_the_pod_is_of_its_kind() -> None:
    states = {"base": ENDED, "istio-proxy": RUNNING, "airflow-xcom-sidecar": RUNNING, "uploader": RUNNING}
    assert {one.name: str(one.kind) for one in read(pod(states, ISTIO, XCOM, UNKNOWN)).unfinished} == {
        "istio-proxy": "sidecar",
        "airflow-xcom-sidecar": "xcom",
        "uploader": "unknown",
    }


def test_a_container_of_which_the_user_says_that_it_outlives_the_task_is_of_that_kind() -> None:
    document = pod({"base": ENDED, "uploader": RUNNING}, UNKNOWN)
    document["metadata"]["annotations"]["airflow-sidecar-webhook/outlives-task"] = "uploader"
    assert [one.kind for one in read(document).unfinished] == [ContainerKind.OUTLIVES_TASK]


NOT_STUCK = {
    "its task runs": pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO),
    "its task has no state yet": pod({"istio-proxy": RUNNING}, ISTIO),
    "its sidecar has ended, too": pod({"base": ENDED, "istio-proxy": ENDED}, ISTIO),
    "it has no status": {key: value for key, value in pod({}, ISTIO).items() if key != "status"},
    "its task is started again": pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO, restartPolicy="OnFailure"),
    "it has ended": pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO) | {"status": {"phase": "Failed"}},
}


@pytest.mark.parametrize("document", NOT_STUCK.values(), ids=NOT_STUCK)
def test_nothing_keeps_a_pod_running_when(document: JSONObject) -> None:
    assert read(document).unfinished == ()


def test_a_task_that_succeeded_is_not_started_again() -> None:
    succeeded = {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T10:00:00Z"}}
    progress = read(pod({"base": succeeded, "istio-proxy": RUNNING}, ISTIO, restartPolicy="OnFailure"))
    assert [one.name for one in progress.unfinished] == ["istio-proxy"]


def several(states: JSONObject) -> JSONObject:
    """A pod whose task is in one of two unknown containers."""
    document = pod(states, UNKNOWN, ISTIO)
    document["spec"]["containers"][0]["name"] = "worker"
    return document


def test_where_two_containers_may_be_the_tasks_it_has_ended_once_both_have() -> None:
    earlier = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-01T09:30:00Z"}}
    progress = read(several({"worker": ENDED, "uploader": earlier, "istio-proxy": RUNNING}))

    assert (progress.main, [one.name for one in progress.unfinished]) == (None, ["istio-proxy"])
    assert progress.task_end is not None
    assert (progress.task_end.exit_code, progress.task_end.finished_at) == (3, datetime(2026, 1, 1, 10, tzinfo=UTC))
    assert read(several({"worker": ENDED, "uploader": RUNNING, "istio-proxy": RUNNING})).task_end is None
    assert read(several({"istio-proxy": RUNNING})).task_end is None


def test_when_it_has_ended_is_unknown_where_the_kubelet_does_not_say_it_of_one_of_them() -> None:
    progress = read(several({"worker": ENDED, "uploader": {"terminated": {"exitCode": 0}}, "istio-proxy": RUNNING}))

    assert progress.task_end is not None
    assert (progress.task_end.exit_code, progress.task_end.finished_at) == (3, None)


def test_a_pod_that_somebody_has_deleted_is_not_stuck() -> None:
    document = pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO)
    document["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z"
    assert (read(document).is_being_deleted, read(document).unfinished) == (True, ())


@pytest.mark.parametrize("field", ["works_after_task", "must_outlive_task"])
def test_a_container_whose_row_says_that_it_outlives_the_task_is_of_that_kind(field: str) -> None:
    row = {"id": "uploader", "title": "Uploader", "match": {"markers": [{"image": "acme/uploader"}]}, "sources": ["here"], field: True}
    progress = read_progress(pod({"base": ENDED, "uploader": RUNNING}, UNKNOWN), Catalogue(parse_sidecars([row])))
    assert progress is not None
    assert [one.kind for one in progress.unfinished] == [ContainerKind.OUTLIVES_TASK]


def test_a_task_that_runs_is_none_of_the_containers_beside_it() -> None:
    progress = read(pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO))
    assert [one.name for one in progress.running] == ["istio-proxy"]


def test_what_identifies_a_pod_is_read() -> None:
    document = pod({"base": ENDED})
    document["metadata"]["resourceVersion"] = "7"
    progress = read(document)
    assert (progress.resource_version, progress.origin, progress.phase) == ("7", PodOrigin.KUBERNETES_EXECUTOR, "Running")


def test_the_status_of_the_webhook_marks_a_pod() -> None:
    document = pod({"base": ENDED})
    assert not read(document).is_marked
    document["metadata"]["annotations"]["airflow-sidecar-webhook/status"] = "{}"
    assert read(document).is_marked


def test_what_the_webhook_recorded_on_a_pod_and_the_image_of_its_task_are_read() -> None:
    document = pod({"base": ENDED})
    document["metadata"]["annotations"]["airflow-sidecar-webhook/status"] = '{"reason":"sidecars-quit","entrypoint":"guessed","x":1}'

    progress = read(document)
    assert (progress.recorded.reason, progress.recorded.entrypoint, progress.recorded.version) == ("sidecars-quit", "guessed", "")
    assert progress.main_image == "apache/airflow:3.0.6"


def test_a_pod_that_the_webhook_only_audited_is_told_from_one_that_it_treated() -> None:
    document = pod({"base": ENDED})
    found = []
    for treatment in ("audited", "native"):
        status = f'{{"treatment":"{treatment}","reason":"sidecars-native"}}'
        document["metadata"]["annotations"]["airflow-sidecar-webhook/status"] = status
        found.append(read(document).recorded.is_audited)

    assert found == [True, False]


def test_a_pod_that_is_not_airflows_or_is_not_meant_to_end_has_no_progress() -> None:
    foreign = pod({"base": ENDED})
    foreign["metadata"]["labels"] = {}
    assert read_progress(foreign, CATALOGUE) is None
    assert read_progress(pod({"base": ENDED}, restartPolicy="Always"), CATALOGUE) is None


@pytest.mark.parametrize("document", [{}, {"spec": {}}, pod({}) | {"status": []}, pod({}) | {"metadata": 1}])
def test_what_is_no_pod_is_refused_without_a_value_of_it(document: JSONObject) -> None:
    with pytest.raises(MalformedPodError):
        read_progress(document, CATALOGUE)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"spec":' * 100_000])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedPodError, match="not JSON, or is nested deeper"):
        read_progress(data, CATALOGUE)


def test_a_task_that_the_kubelet_starts_again_has_not_ended() -> None:
    progress = read(pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO, restartPolicy="OnFailure"))
    assert (progress.task_end, progress.is_task_restarted) == (None, True)
    assert not read(pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO)).is_task_restarted
    assert not read(pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO)).is_task_restarted


def test_the_work_of_a_pod_has_ended_once_every_container_but_its_sidecars_has() -> None:
    later = {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T10:05:00Z"}}
    states = {"base": ENDED, "istio-proxy": RUNNING, "airflow-xcom-sidecar": later}

    assert read(pod(states, ISTIO, XCOM)).work_ended_at == datetime(2026, 1, 1, 10, 5, tzinfo=UTC)
    assert read(pod(states | {"airflow-xcom-sidecar": RUNNING}, ISTIO, XCOM)).work_ended_at is None
    assert read(pod(states, ISTIO, XCOM, UNKNOWN)).work_ended_at is None
    assert read(pod(states | {"uploader": {"terminated": {"exitCode": 0}}}, ISTIO, XCOM, UNKNOWN)).work_ended_at is None


def test_containers_that_wait_and_those_without_a_state_are_named() -> None:
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    progress = read(pod({"base": ENDED, "istio-proxy": waiting}, ISTIO, UNKNOWN))
    assert (progress.waiting, progress.without_status) == (("istio-proxy",), ("uploader",))


def test_a_container_that_failed_and_is_started_again_waits_for_that() -> None:
    succeeded = {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T10:00:00Z"}}
    states = {"base": succeeded, "istio-proxy": ENDED, "uploader": ENDED}
    assert read(pod(states, ISTIO, UNKNOWN, restartPolicy="OnFailure")).waiting == ("istio-proxy", "uploader")
    assert read(pod(states, ISTIO, UNKNOWN)).waiting == ()


def test_an_ephemeral_container_counts_until_it_has_ended() -> None:
    document = pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO, ephemeralContainers=[{"name": "debugger", "image": "busybox"}])
    assert read(document).debug_containers == ("debugger",)
    document["status"]["ephemeralContainerStatuses"] = [{"name": "debugger", "state": RUNNING}]
    assert read(document).debug_containers == ("debugger",)
    document["status"]["ephemeralContainerStatuses"] = [{"name": "debugger", "state": ENDED}]
    assert read(document).debug_containers == ()


def test_what_runs_has_its_id_its_signal_and_whether_it_is_started_again() -> None:
    document = pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO | {"restartPolicy": "Always"})
    document["status"]["containerStatuses"][1]["containerID"] = "containerd://7"
    (proxy,) = read(document).unfinished

    assert (proxy.id, proxy.is_started_again) == ("containerd://7", True)
    assert proxy.stop_signal is not None
    assert (proxy.stop_signal.name, proxy.stop_signal.exit_code, proxy.stop_signal.drain_seconds) == ("SIGTERM", 0, 5)
    for policy in ("Never", "OnFailure"):
        assert not read(pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO, restartPolicy=policy)).running[0].is_started_again


def test_the_last_report_of_the_kubelet_is_that_of_the_status_and_of_no_other_manager() -> None:
    document = pod({"base": ENDED})
    assert read(document).reported_at is None
    document["metadata"]["managedFields"] = [
        {"manager": "kubelet", "subresource": "status", "time": "2026-01-01T10:00:00Z"},
        {"manager": "kubelet", "subresource": "status", "time": "2026-01-01T10:01:00Z"},
        {"manager": "kubelet", "subresource": "status"},
        {"manager": "kubelet", "time": "2026-01-01T10:02:00Z"},
        {"manager": "airflow", "subresource": "status", "time": "2026-01-01T10:03:00Z"},
    ]
    assert read(document).reported_at == datetime(2026, 1, 1, 10, 1, tzinfo=UTC)


def test_what_decides_how_a_pod_may_be_ended_is_read() -> None:
    document = pod({"base": ENDED}, hostNetwork=True, shareProcessNamespace=True, activeDeadlineSeconds=60)
    document["status"]["startTime"] = "2026-01-01T09:00:00Z"
    document["metadata"]["annotations"]["airflow-sidecar-webhook/mode"] = "off"
    progress = read(document)

    assert (progress.uses_host_network, progress.shares_processes, progress.active_deadline_seconds) == (True, True, 60)
    assert (progress.started_at, progress.restart_policy, progress.mode) == (datetime(2026, 1, 1, 9, tzinfo=UTC), "Never", Mode.OFF)
    assert read(pod({"base": ENDED}, hostPID=True)).shares_processes
    plain = read(pod({"base": ENDED}))
    assert (plain.uses_host_network, plain.shares_processes, plain.active_deadline_seconds) == (False, False, None)
    assert (plain.started_at, plain.mode) == (None, None)


def test_dag_and_task_are_those_that_airflow_wrote_in_full_where_it_did() -> None:
    document = pod({"base": ENDED})
    document["metadata"]["labels"] |= {"dag_id": "sales.daily_1", "task_id": "load"}
    document["metadata"]["annotations"]["dag_id"] = "sales.daily"
    assert (read(document).dag, read(document).task) == ("sales.daily", "load")
    del document["metadata"]["labels"]["task_id"]
    assert read(document).task == ""


def test_what_is_read_of_a_pod_is_small_whatever_its_user_or_its_status_says() -> None:
    huge = "\N{GRINNING FACE}" + "x" * 200_000
    beside = [{"name": f"c-{number}", "image": "acme/other:1"} for number in range(MAX_LIVE_CONTAINERS - 2)]
    document = pod({"base": ENDED | {"terminated": {"exitCode": 1, "reason": huge}}, "istio-proxy": RUNNING}, ISTIO, *beside)
    document["status"]["containerStatuses"][1]["containerID"] = huge
    document["spec"]["containers"][0]["image"] = huge
    document["spec"]["ephemeralContainers"] = [{"name": f"debugger-{number}"} for number in range(500)]
    sidecars = {str(number): "" for number in range(1000)}
    status = {"reason": huge[:5000], "entrypoint": huge[:5000], "version": huge[:5000], "main": huge[:500], "sidecars": sidecars}
    document["metadata"]["annotations"] |= {
        "dag_id": huge,
        "task_id": huge,
        "airflow-sidecar-webhook/status": json.dumps(status, ensure_ascii=False),
    }

    progress = read(document)
    assert progress.recorded.reason is not None
    assert huge.startswith(progress.recorded.reason)
    assert (progress.dag, progress.task) == (huge[:250], huge[:250])
    assert len(msgspec.json.encode(progress)) < 16 * 1024


@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_a_pod_with_more_containers_than_injectors_add_is_not_read(field: str) -> None:
    """Reading one of a thousand takes as long as a patch that makes the API server send it again."""
    document = pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO)
    more = [{"name": f"c-{number}", "image": "acme/other:1"} for number in range(MAX_LIVE_CONTAINERS - 1)]
    document["spec"][field] = [*document["spec"].get(field, ()), *more[1:]]

    assert read_progress(document, CATALOGUE) is not None
    document["spec"][field].append(more[0])
    assert read_progress(document, CATALOGUE) is None


def test_an_unusual_id_of_a_container_has_one_of_usual_size_in_its_place() -> None:
    def id_of(written: str) -> str:
        document = pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO)
        document["status"]["containerStatuses"][1]["containerID"] = written
        return read(document).unfinished[0].id

    usual = f"containerd://{'0123456789abcdef' * 4}"
    assert id_of(usual) == usual
    unusual = [usual * 1000, usual * 1001, "\N{GRINNING FACE}", '"' * 64]
    assert len({id_of(one) for one in unusual}) == len(unusual)
    assert all(len(id_of(one)) == 64 and id_of(one).isalnum() for one in unusual)


def test_a_pod_without_a_namespace_or_an_image_of_its_task_is_read_with_empty_ones() -> None:
    document = pod({"base": ENDED})
    del document["metadata"]["namespace"], document["spec"]["containers"][0]["image"]
    assert (read(document).namespace, read(document).main_image) == ("", "")


@pytest.mark.parametrize("is_json", [False, True])
def test_a_pod_of_anybodys_may_stay_running_while_it_has_not_ended_and_has_a_known_sidecar(*, is_json: bool) -> None:
    def is_listed(document: JSONObject) -> bool:
        return may_stay_running(msgspec.json.encode(document) if is_json else document, CATALOGUE)

    foreign = pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO)
    foreign["metadata"]["labels"] = {}
    assert is_listed(foreign)
    assert not is_listed(pod({"base": RUNNING}, UNKNOWN))
    for phase in ("Succeeded", "Failed"):
        assert not is_listed(foreign | {"status": {"phase": phase}})


def test_a_status_that_is_none_is_refused_with_its_place() -> None:
    document = pod({}, ISTIO) | {"status": []}
    for read_pod in (read_progress, may_stay_running):
        with pytest.raises(MalformedPodError, match=r"^Expected `object`, got `array` - at `\$\.status`$"):
            read_pod(document, CATALOGUE)


@pytest.mark.parametrize("time", ["2026-01-01T10:00:00", "2026-01-01 10:00:00", "2026-01-01"])
def test_a_time_without_a_zone_is_refused_since_no_clock_can_be_compared_with_it(time: str) -> None:
    document = pod({"base": {"terminated": {"exitCode": 0, "finishedAt": time}}}, ISTIO)
    with pytest.raises(MalformedPodError, match=r"finishedAt`$"):
        read_progress(document, CATALOGUE)


def test_the_end_of_several_possible_tasks_is_that_of_the_failed_one_whatever_its_exit_code() -> None:
    def ended(code: int) -> JSONObject:
        return {"terminated": {"exitCode": code, "finishedAt": "2026-01-01T10:00:00Z"}}

    first, second = {"name": "first", "image": "acme/first:1"}, {"name": "second", "image": "acme/second:1"}
    for code in (1, 2):
        document = pod({"first": ended(0), "second": ended(code)})
        document["spec"]["containers"] = [first, second]
        end = read(document).task_end
        assert end is not None
        assert end.exit_code == code


def test_a_pod_has_ended_when_its_last_regular_container_has() -> None:
    later = {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T11:00:00Z"}}
    whole = pod({"base": ENDED, "istio-proxy": later}, ISTIO)
    running = read(whole)
    whole["status"]["phase"] = "Failed"
    unreported = pod({"base": ENDED, "istio-proxy": RUNNING}, ISTIO)
    unreported["status"]["phase"] = "Failed"

    assert running.ended_at is None, "its phase decides"
    assert read(whole).ended_at == datetime(2026, 1, 1, 11, tzinfo=UTC)
    assert read(unreported).ended_at is None, "the kubelet does not say of each when it ended"
