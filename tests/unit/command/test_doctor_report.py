"""``doctor`` on a fake API server: what it says of stuck pods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import jsonpatch

from tests.support.live_pods import CLOUD_SQL, FLUENT_BIT, ISTIO, RUNNING, UPLOADER, annotated, ended, live_pod
from webhook.core import STATUS_ANNOTATION, Cluster, NativeSupport, default_policy, treat
from webhook.course.kubectl import FORWARD

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram
    from tests.support.scripted_api_server import ScriptedApiServer

PODS: Final = "/api/v1/namespaces/airflow/pods"


def admitted_on_an_old_cluster(pod: JSONObject) -> JSONObject:
    """The pod with the status that the webhook writes where there are no native sidecars."""
    del pod["metadata"]["annotations"][STATUS_ANNOTATION]
    patched: JSONObject = jsonpatch.apply_patch(pod, list(treat(pod, default_policy(), Cluster(NativeSupport.OLD_SERVER)).operations))
    return patched


def stuck_pods(program: InProcessProgram, cluster: ScriptedApiServer, *pods: JSONObject) -> list[JSONObject]:
    """The findings on stuck pods in a namespace with these pods."""
    cluster.objects[PODS] = {"metadata": {}, "items": list(pods)}
    done = program.run("doctor", "-n", "airflow", "-o", "json")
    found = [one for one in json.loads(done.stdout)["findings"] if one["id"] == "stuck-pod"]
    assert done.code == 3
    return found


def test_a_pod_that_the_webhook_left_is_reported_with_its_reason_and_the_remedy_of_that_and_no_word_of_new_pods_that_end(
    program: InProcessProgram, cluster: ScriptedApiServer
) -> None:
    pod = admitted_on_an_old_cluster(live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT))
    (finding,) = stuck_pods(program, cluster, pod)

    assert finding["severity"] == "problem"
    assert finding["sentence"].startswith("sales is stuck: its task (DAG sales, task load) ended at 2026-01-01 10:10:00 UTC, ")
    assert " Not ended: logs (sidecar). Webhook: seen at its creation by version " in finding["sentence"]
    assert ", left (no-quit): No sidecar of this pod has a quit request, so a wrapper could not end it." in finding["sentence"]
    steps = {step["text"]: step["line"] for step in finding["steps"]}
    (described,) = [text for text in steps if text.startswith("new pods: logs (no-quit-request): ")]
    assert steps[described].startswith('"airflow-sidecar-webhook/sidecars": ')
    assert "new pods: no-quit: See the remedy of each sidecar. Or use a cluster with native sidecars." in steps


def test_what_ends_a_stuck_pod_is_the_line_that_explain_prints(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    pod = live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL)
    cluster.objects[f"{PODS}/sales"] = pod
    (finding,) = stuck_pods(program, cluster, pod)
    (explained,) = json.loads(program.run("explain", "-n", "airflow", "-o", "json", "pod/sales").stdout)["pods"]

    assert [step["line"] for step in finding["steps"] if step["text"].startswith("now: ")] == [
        step["line"] for step in explained["course"]["now"]
    ]
    assert '"activeDeadlineSeconds":600' in finding["steps"][0]["line"]


def test_a_pod_that_the_webhook_has_not_seen_is_said_to_be_one(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    del pod["metadata"]["annotations"][STATUS_ANNOTATION]
    (finding,) = stuck_pods(program, cluster, pod)

    assert "Webhook: not seen (no-status): The pod does not carry the webhook's status: it was created before " in finding["sentence"]
    assert finding["steps"][0]["line"].startswith(f"{FORWARD} kubectl --namespace airflow port-forward pod/sales :15020 ")


def test_a_pod_that_was_switched_off_is_no_pod_from_before_the_webhook(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    pod = annotated(live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO), mode="off", status=None)
    (finding,) = stuck_pods(program, cluster, pod)

    assert "Webhook: not treated (switched-off): The mode is off for this pod. [" in f"{finding['sentence']} ["
    assert finding["steps"][0]["text"].startswith("now: Send istio-proxy its quit request")


def test_a_pod_that_an_unknown_container_keeps_running_is_reported_as_possibly_stuck(
    program: InProcessProgram, cluster: ScriptedApiServer
) -> None:
    (finding,) = stuck_pods(program, cluster, live_pod({"base": ended(), "uploader": RUNNING}, UPLOADER))

    assert finding["sentence"].startswith("sales is possibly-stuck: ")
    assert "Not ended: uploader (unknown). " in finding["sentence"]


def test_a_wrapped_pod_whose_wrapper_was_killed_says_so(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    (finding,) = stuck_pods(
        program,
        cluster,
        admitted_on_an_old_cluster(live_pod({"base": ended(137), "istio-proxy": RUNNING}, ISTIO, shareProcessNamespace=None)),
    )

    assert " wrapper-killed: The wrapper was killed together with the task " in finding["sentence"]


def test_the_pod_that_is_stuck_for_the_longest_time_is_the_first(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    late, early, unknown = (live_pod({"base": ended(at=None), "istio-proxy": RUNNING}, ISTIO) for _ in range(3))
    for name, pod, time in (("late", late, "2026-01-02T10:00:00Z"), ("early", early, "2026-01-01T10:00:00Z"), ("unknown", unknown, None)):
        pod["metadata"]["name"] = name
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = time
    found = stuck_pods(program, cluster, late, early, unknown)

    assert [one["values"]["pod"] for one in found] == ["unknown", "early", "late"]


def test_the_text_has_each_line_to_paste_on_a_line_of_its_own(program: InProcessProgram, cluster: ScriptedApiServer) -> None:
    cluster.objects[PODS] = {"metadata": {}, "items": [live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)]}
    text = program.run("doctor", "-n", "airflow").stdout

    assert (
        "\n        -> End this pod now, and change the template of new ones, where a step says how.\n           now: Send istio-proxy "
        in text
    )
    assert f"\n             {FORWARD} kubectl --namespace airflow port-forward pod/sales :15020 | " in text
    assert "\n        see: docs/findings.md#stuck-pod\n" in text
