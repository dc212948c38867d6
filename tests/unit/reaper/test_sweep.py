"""How a pass goes on after an act: what it waits for, repeats and gives up, on a clock that the test sets. `tests/unit/command` has the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.fake_pod_api import FakePodApi
from tests.support.fake_task_cluster import end_of
from tests.support.live_pods import GCSFUSE, ISTIO, RUNNING, ended, live_pod
from webhook.core import default_policy
from webhook.kube.errors import RefusedError, UnreachableError, UnreadableError
from webhook.reaper.act import ActOutcome, Method
from webhook.reaper.decision import ReaperPolicy
from webhook.reaper.reason import ReaperReason
from webhook.reaper.sweep import Sweep
from webhook.reaper.sweep_report import PodReport, SweepProblem, SweepReport

if TYPE_CHECKING:
    from tests.support.fake_task_cluster import Change
    from tests.support.json_object import JSONObject

CATALOGUE: Final = default_policy().catalogue
ISTIO_ENDS: Final = end_of("istio-proxy")
UNREACHABLE: Final = UnreachableError("connection refused")
EXPIRED: Final = RefusedError(410, "the continue parameter is too old")
QUIT_ONLY: Final = ReaperPolicy(methods=frozenset({Method.QUIT}))


def stuck(code: int = 0) -> JSONObject:
    return live_pod({"base": ended(code), "istio-proxy": RUNNING}, ISTIO)


def swept(api: FakePodApi, policy: ReaperPolicy = QUIT_ONLY) -> SweepReport:
    return Sweep(api, CATALOGUE, policy, now=api.clock).run(["airflow"])


def pod_of(report: SweepReport) -> PodReport:
    (pod,) = report.pods
    return pod


def outcomes(report: SweepReport) -> list[tuple[Method, ActOutcome]]:
    return [(act.method, act.outcome) for act in pod_of(report).acts]


def test_a_sidecar_that_drains_is_waited_for_and_gets_no_second_request() -> None:
    api = FakePodApi(stuck(), later=(timedelta(seconds=4), ISTIO_ENDS))
    began = api.now
    report = swept(api)

    assert (pod_of(report).pod.phase, len(api.sent)) == ("Succeeded", 1)
    assert api.now - began == timedelta(seconds=4)


def test_a_sidecar_that_hangs_is_given_its_drain_and_then_the_next_method() -> None:
    api = FakePodApi(stuck(1))
    began = api.now
    report = swept(api, ReaperPolicy())

    assert outcomes(report) == [(Method.QUIT, ActOutcome.ACCEPTED), (Method.DEADLINE, ActOutcome.ACCEPTED)]
    assert api.now - began == timedelta(seconds=10)
    assert pod_of(report).pod.phase == "Failed"


def test_a_connection_that_fails_is_tried_again_after_a_pause() -> None:
    api = FakePodApi(stuck(), [UNREACHABLE, UNREACHABLE, 200], ISTIO_ENDS)
    began = api.now
    report = swept(api)

    assert [at - began for at in api.sent] == [timedelta(0), timedelta(seconds=10), timedelta(seconds=30)]
    assert [outcome for _, outcome in outcomes(report)] == [ActOutcome.FAILED, ActOutcome.FAILED, ActOutcome.ACCEPTED]
    assert pod_of(report).pod.phase == "Succeeded"


def test_a_connection_that_always_fails_is_given_up_after_three_attempts() -> None:
    report = swept(FakePodApi(stuck(), [UNREACHABLE]))

    assert [outcome for _, outcome in outcomes(report)] == [ActOutcome.FAILED] * 3
    assert pod_of(report).decision.reason is ReaperReason.METHODS_SPENT
    assert pod_of(report).acts[0].detail == "connection refused"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_patch_that_an_api_server_in_trouble_refuses_is_tried_again(status: int) -> None:
    api = FakePodApi(stuck(1), patches=[status])
    report = swept(api, ReaperPolicy(methods=frozenset({Method.DEADLINE})))

    assert [outcome for _, outcome in outcomes(report)] == [ActOutcome.FAILED, ActOutcome.ACCEPTED]
    assert pod_of(report).pod.phase == "Failed"


def test_a_patch_that_a_policy_refuses_is_not_tried_again() -> None:
    report = swept(FakePodApi(stuck(1), patches=[422]), ReaperPolicy(methods=frozenset({Method.DEADLINE})))

    assert [(act.outcome, act.detail) for act in pod_of(report).acts] == [(ActOutcome.REFUSED, "422 no")]
    assert pod_of(report).decision.reason is ReaperReason.METHODS_SPENT


def test_a_pod_that_disappears_meanwhile_is_gone() -> None:
    api = FakePodApi(stuck())

    def disappear(_: JSONObject) -> None:
        api.pod = None

    api.change = disappear
    assert pod_of(swept(api)).is_gone


@pytest.mark.parametrize("error", [UNREACHABLE, EXPIRED], ids=["broken off", "too old"])
def test_a_watch_that_breaks_off_is_followed_by_a_read(error: Exception) -> None:
    api = FakePodApi(stuck(), later=(timedelta(seconds=4), ISTIO_ENDS), watches=[error])
    assert pod_of(swept(api)).pod.phase == "Succeeded"


def test_a_list_whose_page_has_expired_is_read_again() -> None:
    report = swept(FakePodApi(stuck(), change=ISTIO_ENDS, lists=[EXPIRED]))
    assert (pod_of(report).pod.phase, report.problems) == ("Succeeded", ())


def test_a_list_that_fails_ends_the_pass() -> None:
    with pytest.raises(UnreachableError):
        swept(FakePodApi(stuck(), lists=[UNREACHABLE]))


LATER: Final = {
    "no response": (UNREACHABLE, "connection refused"),
    "no JSON": (UnreadableError("the response cannot be decoded"), "the response cannot be decoded"),
    "unauthorized": (RefusedError(401, "Unauthorized"), "401 Unauthorized"),
    "overloaded": (RefusedError(429, "too many requests"), "429 too many requests"),
}


@pytest.mark.parametrize("problem", LATER)
def test_a_later_list_that_fails_is_reported_with_what_was_done_before(problem: str) -> None:
    error, message = LATER[problem]
    api = FakePodApi(stuck(), change=ISTIO_ENDS, lists=[None, error])
    report = Sweep(api, CATALOGUE, QUIT_ONLY, now=api.clock).run(["airflow", "data"])
    assert (pod_of(report).pod.phase, report.problems) == ("Succeeded", (SweepProblem("data", "list the pods", message),))


def test_the_first_list_that_is_refused_keeps_no_other_namespace_from_its_pass() -> None:
    api = FakePodApi(stuck(), change=ISTIO_ENDS, lists=[RefusedError(429, "too many requests")])
    report = Sweep(api, CATALOGUE, QUIT_ONLY, now=api.clock).run(["data", "airflow"])
    assert [problem.namespace for problem in report.problems] == ["data"]
    assert [pod.pod.phase for pod in report.pods] == ["Succeeded"]


def test_the_last_sidecar_that_ends_by_itself_is_waited_for_a_minute() -> None:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING, "gke-gcsfuse-sidecar": RUNNING}, ISTIO, GCSFUSE)
    api = FakePodApi(pod, change=ISTIO_ENDS)
    began = api.now
    report = swept(api)

    assert pod_of(report).decision.reason is ReaperReason.ENDS_BY_ITSELF
    assert api.now - began == timedelta(seconds=60)


def test_a_pod_with_a_time_at_the_end_of_time_keeps_no_other_from_its_end() -> None:
    @dataclass
    class TwoPods(FakePodApi):
        """The same, whose list shows before its pod one with such a time."""

        def get(self, path: str, **parameters: str) -> bytes:
            found = json.loads(super().get(path, **parameters))
            if "items" in found:
                odd = live_pod({"base": ended(at=datetime.max.replace(tzinfo=UTC)), "istio-proxy": RUNNING}, ISTIO)
                odd["metadata"] |= {"name": "odd", "uid": "uid-of-odd"}
                found["items"].insert(0, odd)
            return json.dumps(found).encode()

    report = swept(TwoPods(stuck(), change=ISTIO_ENDS))
    assert {one.pod.name: (one.pod.phase, one.decision.reason) for one in report.pods} == {
        "odd": ("Running", ReaperReason.GRACE),
        "sales": ("Succeeded", ReaperReason.NOT_RUNNING),
    }


def test_a_dry_run_connects_to_no_pod() -> None:
    api = FakePodApi(stuck())
    report = replace(Sweep(api, CATALOGUE, QUIT_ONLY, now=api.clock), is_dry=True).run(["airflow"])

    assert (api.sent, pod_of(report).decision.reason, report.counts) == ([], ReaperReason.QUIT_SENT, {ReaperReason.QUIT_SENT: 1})


def test_a_pod_that_takes_too_long_is_left_to_the_next_pass_and_the_report_says_so() -> None:
    names = [f"slow-{number:02}" for number in range(16)]
    described = [{"name": name, "quit": {"port": 15020, "path": "/quit"}} for name in names]
    pod = live_pod({"base": ended(), **dict.fromkeys(names, RUNNING)}, *[{"name": name, "image": "slow"} for name in names])
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/sidecars"] = json.dumps(described)
    api = FakePodApi(pod, [UNREACHABLE, UNREACHABLE, 200] * len(names), end_first_of(names))
    began = api.now
    report = swept(api)

    assert api.now - began < timedelta(minutes=6), "it would take eight"
    assert [problem.what for problem in report.problems] == ["end the pod sales"]
    assert pod_of(report).pod.phase == "Running"


def end_first_of(names: list[str]) -> Change:
    """The first sidecar that still runs ends."""
    return lambda pod: end_of(
        next(one["name"] for one in pod["status"]["containerStatuses"] if one["name"] in names and "running" in one["state"])
    )(pod)
