"""What the service reports: one log line a review, metrics and health, and never a value of a pod."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.service.reviews import PATHS, all_secrets, injected_pod, injected_review, new_uid, patch_of, texts_of
from tests.service.running_service import RunningService, eventually, running_service, send
from tests.support.pods import FIXTURES, pods_in, review_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.json_object import JSONObject

REVIEW_FIELDS = {
    "time",
    "level",
    "logger",
    "event",
    "uid",
    "namespace",
    "name",
    "operation",
    "dry_run",
    "result",
    "reason",
    "operations",
    "invalid_annotations",
    "duration_seconds",
}


FIELDS_FOR_A_PERSON = {"dag", "task", "sidecars"}


def _damaged(review: bytes) -> Iterator[bytes]:
    """The same review, made malformed at places where a value stands near."""
    for part in (3, 5, 7):
        yield review[: len(review) * part // 8]
    yield review + b"}"
    for place in (b'"args":[', b'"command":[', b'"env":[', b'"labels":{"a":'):
        yield review.replace(place, place + b"7,")
    yield review.replace(b'"value":"', b'"value":7,"x":"')
    yield review.replace(b'"args":["', b'"args":"')
    yield review.replace(b'"uid":"', b'"uid":7,"x":"', 1)
    yield review.replace(b'"args":["', b'"args":["\xff')


def test_no_arg_and_no_value_of_an_environment_variable_is_ever_logged(tmp_path_factory: pytest.TempPathFactory) -> None:
    secrets = all_secrets()
    assert any(secret.startswith("eyJ") for secret in _words(secrets)), "the token of Airflow's task is among them"
    with running_service(tmp_path_factory.mktemp("quiet"), log_level="debug") as service:
        names: set[str] = set()
        patched: set[str] = set()
        client = service.connect()
        for _path, pod in pods_in(str(FIXTURES)):
            names.add(pod["metadata"].get("name") or pod["metadata"]["generateName"])
            injected = review_of(_with_proxy(pod), uid=new_uid())
            for review in (review_of(pod, uid=new_uid()), injected):
                patched |= set(texts_of([operation.get("value") for operation in patch_of(send(client, review))]))
            for body in _damaged(injected):
                send(client, body)
        send(client, injected_review(uid=(fence := new_uid())))
        client.close()
        service.log(uid=fence)
        log = service.text + service.stderr
    unlogged = secrets | {text for text in patched if len(text) > 12}
    # A short name is the beginning of the pod's own name, which a log line is about.
    assert sorted(text for text in unlogged if text in log and not any(text in name for name in names)) == []


def _words(secrets: set[str]) -> set[str]:
    return {word.strip('"{},') for secret in secrets for word in secret.replace(":", " ").split()}


def _with_proxy(pod: dict[str, object]) -> dict[str, object]:
    spec = pod["spec"]
    assert isinstance(spec, dict)
    return {**pod, "spec": {**spec, "containers": [*spec["containers"], injected_pod()["spec"]["containers"][-1]]}}


def test_every_review_is_one_line_that_names_the_pod(service: RunningService) -> None:
    uids = []
    for path in PATHS:
        document = json.loads(path.read_bytes())
        document["request"]["uid"] = new_uid()
        uids.append(document["request"]["uid"])
        service.post(json.dumps(document).encode())
        request = document["request"]
        line = service.log(uid=request["uid"])
        is_left = line["result"] == "left"
        assert line.keys() == REVIEW_FIELDS | (FIELDS_FOR_A_PERSON if is_left else set())
        assert (line["event"], line["level"], line["logger"]) == ("review", "warning" if is_left else "info", "webhook.review")
        metadata = request["object"]["metadata"]
        assert line["name"] == (request.get("name") or metadata.get("name") or metadata["generateName"])
        assert (line["namespace"], line["operation"], line["dry_run"]) == ("airflow", "CREATE", False)
    assert [line["uid"] for line in service.logs if line.get("uid") in set(uids)] == uids


def test_name_and_namespace_of_the_request_come_first_and_the_dry_run_is_reported(service: RunningService) -> None:
    uid = new_uid()
    service.post(injected_review(uid=uid, name="from-the-request", namespace="team-a", dryRun=True))
    line = service.log(uid=uid)
    assert (line["name"], line["namespace"], line["dry_run"]) == ("from-the-request", "team-a", True)


def test_the_line_says_what_was_done_and_why(service: RunningService) -> None:
    uid = new_uid()
    pod = injected_pod()
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/wait-seconds"] = "soon"
    began = time.monotonic()
    reply = service.post(review_of(pod, uid=uid))
    seconds = time.monotonic() - began
    line = service.log(uid=uid)
    assert (line["result"], line["reason"], line["operations"]) == ("wrapped", "sidecars-quit", len(patch_of(reply)))
    assert line["invalid_annotations"] == ["airflow-sidecar-webhook/wait-seconds"]
    assert 0 < line["duration_seconds"] < seconds


def test_a_refused_request_is_one_warning_without_any_of_its_bytes(service: RunningService) -> None:
    service.post(b'{"password": "correct horse battery staple"}')
    line = service.log(event="refused", status=400)
    assert line["level"] == "warning"
    assert "correct horse" not in service.text


def test_a_pod_that_is_left_is_logged_as_a_warning_and_counted_by_its_namespace(service: RunningService) -> None:
    pod = injected_pod()
    pod["spec"]["hostNetwork"] = True
    labels = {"namespace": "team-left", "treatment": "left", "reason": "host-network"}
    service.post(review_of(pod, uid=(uid := new_uid()), namespace="team-left"))

    line = service.log(uid=uid)
    assert (line["level"], line["result"], line["sidecars"]) == ("warning", "left", ["istio-proxy: keeps-running"])
    assert (line["dag"], line["task"]) == (pod["metadata"]["annotations"]["dag_id"], pod["metadata"]["annotations"]["task_id"])
    assert service.metric("pods_total", **labels) == 1


def test_the_metrics_say_that_the_replica_is_ready(service: RunningService) -> None:
    assert service.health("/readyz").status == 200
    assert service.metric("ready") == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_review_is_counted_by_result_reason_and_dry_run(service: RunningService, dry_run: bool) -> None:
    labels = {"result": "wrapped", "reason": "sidecars-quit", "dry_run": str(dry_run).lower()}
    before, timed = service.metric("reviews_total", **labels), service.metric("review_duration_seconds_count")
    service.post(injected_review(dryRun=dry_run))
    assert service.metric("reviews_total", **labels) == before + 1
    assert service.metric("review_duration_seconds_count") == timed + 1


def test_a_malformed_pod_is_a_review_and_not_a_refusal(service: RunningService) -> None:
    labels = {"result": "skipped", "reason": "malformed-pod", "dry_run": "false"}
    before, refused = service.metric("reviews_total", **labels), service.metric("refused_requests_total", status="400")
    service.post(injected_review(object={"spec": 7}))
    assert service.metric("reviews_total", **labels) == before + 1
    assert service.metric("refused_requests_total", status="400") == refused


def test_a_bad_annotation_is_counted_by_its_name(service: RunningService) -> None:
    labels = {"annotation": "airflow-sidecar-webhook/mode"}
    before = service.metric("invalid_annotations_total", **labels)
    pod = injected_pod()
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/mode"] = "maybe"
    service.post(review_of(pod, uid=new_uid()))
    assert service.metric("invalid_annotations_total", **labels) == before + 1


MOST_BYTES_OF_A_LINE = 16 * 1024
"""Where containerd cuts a line of a container (max_container_log_line_size)."""

UNKNOWN_KEYS = [f"airflow-sidecar-webhook/{number:04d}{character * 300}" for number in range(500) for character in '"\\é']


def _with_unknown_annotations(count: int = len(UNKNOWN_KEYS)) -> JSONObject:
    pod = injected_pod()
    pod["metadata"]["annotations"] |= dict.fromkeys(UNKNOWN_KEYS[:count], "x")
    return pod


def test_of_many_unknown_annotations_the_first_are_named_and_the_rest_are_counted(service: RunningService) -> None:
    before = service.metric("invalid_annotations_total", annotation="other")
    reply = service.post(review_of(_with_unknown_annotations(), uid=(uid := new_uid())))
    warnings, logged = reply.response["warnings"], service.log(uid=uid)["invalid_annotations"]

    assert len(warnings) == len(logged) == 17
    assert warnings[-1] == "1484 more annotations that start with airflow-sidecar-webhook/ are ignored: there are no such annotations"
    assert logged[-1] == "1484 more"
    assert service.metric("invalid_annotations_total", annotation="other") == before + 1500
    assert len(reply.body) < 32 * 1024


@pytest.mark.parametrize("character", ["a", '"', "\x00", "é", "\U0001f600"])
def test_no_line_of_the_log_is_longer_than_a_container_runtime_takes(service: RunningService, character: str) -> None:
    long = character * 20_000
    pod = _with_unknown_annotations(60)
    marks = {"name": long, "namespace": long, "uid": f"{(start := new_uid())}{long}"}
    service.post(review_of(pod, **marks))
    service.post(review_of(pod, **marks, operation=long))
    service.post(json.dumps({long: long}).encode())
    service.post(injected_review(uid=(fence := new_uid())))
    service.log(uid=fence)

    lines = service.text.splitlines()
    assert len([line for line in lines if start in line]) == 2
    assert max(len(line.encode()) for line in lines) <= MOST_BYTES_OF_A_LINE


def test_a_guessed_entrypoint_is_counted(tmp_path: Path) -> None:
    pod = injected_pod()
    pod["spec"]["containers"][0] |= {"image": "team/airflow:1", "command": None, "args": ["airflow", "version"]}
    with running_service(tmp_path, entrypoint_guess="allow") as service:
        service.post(review_of(pod, uid=new_uid()))
        assert service.metric("guessed_entrypoints_total") == 1
        service.post(injected_review(uid=new_uid()))
        assert service.metric("guessed_entrypoints_total") == 1


def test_no_label_of_a_metric_comes_from_a_request_but_a_name_that_a_namespace_can_have(service: RunningService) -> None:
    pod = injected_pod()
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/unheard-of"] = "x"
    before = service.metrics().keys()
    for _ in range(3):
        marks = {"uid": new_uid(), "name": new_uid(), "namespace": new_uid(), "operation": new_uid()}
        service.post(injected_review(**marks))
        service.post(injected_review(uid=new_uid(), name=new_uid(), namespace=f"{new_uid()}!"))
        service.post(review_of(pod, **{**marks, "operation": "CREATE", "subResource": new_uid()}))
        service.post(b"", path=f"/{new_uid()}", method=new_uid().upper()[:8])
    new = service.metrics().keys() - before
    assert {name for name, _labels in new} <= {"reviews_total", "refused_requests_total", "pods_total", "reclassified_pods_total"}
    assert {dict(labels).get("namespace", "other") for _name, labels in new} <= {"other"}, "another test may have made this series"
    assert len(new) <= 7


def test_the_metrics_know_version_certificate_and_process(service: RunningService) -> None:
    metrics = service.metrics()
    names = {name for name, _labels in metrics}
    assert {"build_info", "certificate_not_after_timestamp_seconds", "process_resident_memory_bytes", "requests_in_flight"} <= names
    assert not [name for name in names if name.endswith("_created")]
    assert {dict(labels)["result"] for name, labels in metrics if name == "certificate_reloads_total"} == {"loaded", "refused"}
    assert service.metric("faults_total") == 0


def test_what_only_self_managed_certificates_have_is_absent_where_they_come_from_files(service: RunningService) -> None:
    self_managed = {
        "authority_secret_immutable",
        "authority_not_after_timestamp_seconds",
        "ca_bundle_in_sync",
        "certificate_last_read_timestamp_seconds",
        "certificate_errors_total",
    }
    assert not self_managed & {name for name, _labels in service.metrics()}


def test_a_request_counts_as_in_flight_until_its_client_is_gone(service: RunningService) -> None:
    assert eventually(lambda: service.metric("requests_in_flight") == 0), "those of earlier tests are over"
    with service.tls() as stream:
        stream.sendall(b"POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        assert eventually(lambda: service.metric("requests_in_flight") == 1)
    assert eventually(lambda: service.metric("requests_in_flight") == 0)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_service_that_is_well_says_so(service: RunningService, path: str) -> None:
    reply = service.health(path)
    assert (reply.status, reply.body) == (200, b"ok\n")


def test_no_reply_names_the_software_that_sent_it(service: RunningService) -> None:
    replies = (service.post(injected_review()), service.post(b""), service.health("/healthz"), service.health("/nothing"))
    assert not [reply for reply in replies if "server" in reply.headers]
