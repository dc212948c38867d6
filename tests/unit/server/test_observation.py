"""What the metrics and the log have of reviews, as the API server sends them for a pod: one, or a second after a later injector."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.faulty_pods import injected_pod, without_shell
from tests.support.pods import ABLE_CLUSTER, load, review_of
from webhook.core import UNKNOWN_CLUSTER, Cluster, Enforcement, Reason, Treatment, admit, default_policy, parse_review, to_json
from webhook.server.metrics import PREFIX, Metrics
from webhook.server.observation import Observation
from webhook.server.pod_counter import MAX_NAMESPACES

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Policy

EXECUTOR: Final = "airflow-3.3.2-provider-10.25.0/ke_minimal_template.json"
ENFORCING: Final = default_policy()
AUDITING: Final = replace(ENFORCING, enforcement=Enforcement.AUDIT)
LEFT: Final = [reason for reason in Reason if reason.treatment is Treatment.LEFT]


class ObservingReplicas:
    """ObservingReplicas of the service, as far as they observe reviews; an API server may call any of them."""

    def __init__(self, count: int = 1) -> None:
        self.metrics = [Metrics() for _ in range(count)]
        self.lines: list[dict[str, Any]] = []
        self._observations = [Observation(metrics, lambda _logger, _event, fields: self.lines.append(fields)) for metrics in self.metrics]

    def review(self, pod: JSONObject, cluster: Cluster = UNKNOWN_CLUSTER, replica: int = 0, **request: object) -> JSONObject:
        """The pod after its review by a replica."""
        return self._review(pod, ENFORCING, cluster, replica, request)

    def audit(self, pod: JSONObject, cluster: Cluster = UNKNOWN_CLUSTER, replica: int = 0, **request: object) -> JSONObject:
        """The pod after its review by a replica that only audits."""
        return self._review(pod, AUDITING, cluster, replica, request)

    def _review(self, pod: JSONObject, policy: Policy, cluster: Cluster, replica: int, request: dict[str, Any]) -> JSONObject:
        question = parse_review(review_of(pod, **request))
        outcome = admit(question, policy, cluster)
        self._observations[replica].reviewed(question, outcome, 0.001)
        after: JSONObject = json.loads(to_json(outcome.patched(pod)))
        return after

    def pods(self, kind: str = "") -> dict[tuple[str, str, str], float]:
        """How many pods there were, by namespace, treatment and reason: as the alerts and the dashboard compute it."""
        counts: dict[tuple[str, str, str], float] = {}
        for name, sign in ((f"{kind}pods", 1), (f"reclassified_{kind}pods", -1)):
            for labels, value in self.samples(name):
                key = labels["namespace"], labels["treatment"], labels["reason"]
                counts[key] = counts.get(key, 0) + sign * value
        return {key: count for key, count in counts.items() if count}

    def observation(self) -> Observation:
        """What the first replica observes with."""
        return self._observations[0]

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Every sample of a counter, of every replica."""
        families = [family for metrics in self.metrics for family in metrics.registry.collect() if family.name == f"{PREFIX}_{name}"]
        return [(sample.labels, sample.value) for family in families for sample in family.samples]


def test_a_pod_that_gets_its_sidecar_after_the_first_review_counts_once_for_its_final_treatment_whichever_replica_has_the_second() -> None:
    for second in (0, 1):
        replicas = ObservingReplicas(2)
        treated = replicas.review(load(EXECUTOR), ABLE_CLUSTER)
        replicas.review(inject_istio(treated), ABLE_CLUSTER, replica=second)

        assert replicas.pods() == {("airflow", "native", "sidecars-native"): 1}


def test_a_second_review_that_finds_the_same_reason_counts_no_further_pod() -> None:
    replicas = ObservingReplicas(2)
    treated = replicas.review(injected_pod())
    replicas.review(treated, replica=1)

    assert replicas.pods() == {("airflow", "wrapped", "sidecars-quit"): 1}
    assert sum(value for _labels, value in replicas.samples("reviews")) == 2, "the calls are counted beside it"


def test_a_dry_run_is_no_pod() -> None:
    replicas = ObservingReplicas()
    replicas.review(injected_pod(), dryRun=True)

    assert replicas.pods() == {}
    assert [labels["dry_run"] for labels, _value in replicas.samples("reviews")] == ["true"]


def test_a_skipped_pod_is_a_review_alone() -> None:
    replicas = ObservingReplicas()
    pod = injected_pod()
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/mode"] = "off"
    replicas.review(pod)

    assert replicas.pods() == {}
    assert [labels["reason"] for labels, _value in replicas.samples("reviews")] == ["switched-off"]


@pytest.mark.parametrize("status", ["{}", "no JSON", '{"reason": "made-up"}', '{"reason": 7}', f'{{"reason": "{"x" * 40_000}"}}'])
def test_a_status_that_the_webhook_did_not_write_takes_nothing_away(status: str) -> None:
    replicas = ObservingReplicas()
    pod = injected_pod()
    pod["metadata"]["annotations"]["airflow-sidecar-webhook/status"] = status
    replicas.review(pod)

    assert replicas.pods() == {("airflow", "wrapped", "sidecars-quit"): 1}


def test_from_the_start_there_is_a_series_for_each_reason_for_which_a_pod_is_left() -> None:
    for name in ("pods", "reclassified_pods"):
        samples = ObservingReplicas().samples(name)
        assert {labels["reason"]: value for labels, value in samples} == dict.fromkeys(LEFT, 0)
        assert {(labels["namespace"], labels["treatment"]) for labels, _value in samples} == {("other", "left")}


def test_what_can_be_subtracted_is_there_as_soon_as_a_pod_was_counted() -> None:
    replicas = ObservingReplicas()
    replicas.review(injected_pod())
    counted = [labels for labels, _value in replicas.samples("pods")]

    assert [labels for labels, _value in replicas.samples("reclassified_pods")] == counted


def test_namespaces_beyond_the_first_hundred_share_a_series() -> None:
    replicas = ObservingReplicas()
    for number in range(MAX_NAMESPACES + 3):
        replicas.review(injected_pod(), namespace=f"team-{number}")
    replicas.review(injected_pod(), namespace="team-0")
    pods = replicas.pods()

    assert len(pods) == MAX_NAMESPACES + 1
    assert pods["team-0", "wrapped", "sidecars-quit"] == 2
    assert pods["other", "wrapped", "sidecars-quit"] == 3


@pytest.mark.parametrize("namespace", ["", "Team", "a b", "-a", "a-", "x" * 64, "a\n", 'a"'])
def test_what_cannot_be_a_namespace_is_no_label(namespace: str) -> None:
    replicas = ObservingReplicas()
    replicas.review(injected_pod(), namespace=namespace)

    assert replicas.pods() == {("other", "wrapped", "sidecars-quit"): 1}


def test_a_pod_that_is_left_is_a_warning_that_names_dag_task_and_sidecars(caplog: pytest.LogCaptureFixture) -> None:
    replicas = ObservingReplicas()
    pod = without_shell()
    pod["metadata"]["annotations"] |= {"dag_id": "sales", "task_id": "load"}
    treated = replicas.review(pod)

    (record,) = caplog.records
    fields = record.fields  # type: ignore[attr-defined]
    assert (record.levelname, record.message) == ("WARNING", "review")
    assert (fields["namespace"], fields["reason"]) == ("airflow", "shell-unknown")
    assert (fields["dag"], fields["task"], fields["sidecars"]) == ("sales", "load", ["istio-proxy: keeps-running"])
    replicas.review(treated)
    replicas.review(pod, dryRun=True)
    assert len(caplog.records) == 1, "a second review of the same pod says nothing new, and a dry run makes no pod"


def test_an_invalid_annotation_is_a_warning_without_its_value(caplog: pytest.LogCaptureFixture) -> None:
    replicas = ObservingReplicas()
    pod = injected_pod()
    pod["metadata"]["annotations"] |= {"airflow-sidecar-webhook/mode": "hunter2", "dag_id": "sales", "task_id": "load"}
    treated = replicas.review(pod)

    (record,) = caplog.records
    fields = record.fields  # type: ignore[attr-defined]
    assert fields["invalid_annotations"] == ["airflow-sidecar-webhook/mode"]
    assert (fields["dag"], fields["task"], fields["sidecars"]) == ("sales", "load", ["istio-proxy: quit"])
    assert "hunter2" not in str(fields)
    replicas.review(treated)
    assert len(caplog.records) == 1


def test_any_other_review_is_a_line_of_level_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "webhook.review")
    replicas = ObservingReplicas()
    replicas.review(injected_pod())

    assert caplog.records == []
    assert [line["result"] for line in replicas.lines] == ["wrapped"]


def test_an_audited_pod_counts_for_the_treatment_that_it_would_get_and_not_among_the_pods_that_were_treated() -> None:
    replicas = ObservingReplicas()
    replicas.audit(injected_pod())
    replicas.audit(injected_pod(), ABLE_CLUSTER)

    assert replicas.pods() == {}
    assert replicas.pods("audited_") == {("airflow", "wrapped", "sidecars-quit"): 1, ("airflow", "native", "sidecars-native"): 1}
    assert {labels["result"] for labels, _value in replicas.samples("reviews")} == {"audited"}


def test_an_audited_pod_that_gets_its_sidecar_after_the_first_review_counts_once_too() -> None:
    for second in (0, 1):
        replicas = ObservingReplicas(2)
        audited = replicas.audit(load(EXECUTOR), ABLE_CLUSTER)
        again = replicas.audit(inject_istio(audited), ABLE_CLUSTER, replica=second)
        replicas.audit(again, ABLE_CLUSTER)

        assert replicas.pods("audited_") == {("airflow", "native", "sidecars-native"): 1}


def test_a_pod_whose_second_review_comes_after_the_change_from_audit_to_enforce_counts_once_as_treated() -> None:
    replicas = ObservingReplicas(2)
    audited = replicas.audit(injected_pod(), ABLE_CLUSTER)
    replicas.review(audited, ABLE_CLUSTER, replica=1)

    assert replicas.pods("audited_") == {}
    assert replicas.pods() == {("airflow", "native", "sidecars-native"): 1}


def test_the_line_of_an_audited_pod_says_what_it_would_be_and_whose_it_is_and_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "webhook.review")
    replicas = ObservingReplicas()
    pod = without_shell()
    pod["metadata"]["annotations"] |= {"dag_id": "sales", "task_id": "load"}
    replicas.audit(pod)
    replicas.review(injected_pod())

    assert caplog.records == []
    assert [(line["result"], line["reason"], line.get("would_be")) for line in replicas.lines] == [
        ("audited", "shell-unknown", "left"),
        ("wrapped", "sidecars-quit", None),
    ]
    audited, treated = replicas.lines
    assert (audited["dag"], audited["task"], audited["sidecars"]) == ("sales", "load", ["istio-proxy: keeps-running"])
    assert "dag" not in treated


def test_an_entrypoint_that_would_be_guessed_is_not_counted_as_guessed() -> None:
    replicas = ObservingReplicas()
    pod = injected_pod()
    pod["spec"]["containers"][0]["image"] = "registry.example.com/team/own:1"
    question = parse_review(review_of(pod))
    counts = []
    for policy in (AUDITING, ENFORCING):
        outcome = admit(question, replace(policy, guesses_entrypoint=True), UNKNOWN_CLUSTER)
        assert outcome.status is not None
        assert outcome.status.entrypoint == "guessed"
        replicas.observation().reviewed(question, outcome, 0.001)
        counts.append(sum(value for _labels, value in replicas.samples("guessed_entrypoints")))

    assert counts == [0, 1]
