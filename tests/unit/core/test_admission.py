"""One pod from the request to the outcome: what is skipped and why, and everything that the outcome holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from demo.simulated_injectors import inject_istio
from tests.support.pods import load, review_of
from tests.support.task_pods import EXECUTOR, annotated, istio_pod
from webhook.core.admission import Outcome, admit, treat
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.decision import Skip
from webhook.core.names import PREFIX, STATUS_ANNOTATION
from webhook.core.patch import MAX_ANNOTATION_BYTES
from webhook.core.pod import MAX_COMMAS
from webhook.core.reasons import SkipReason
from webhook.core.review import parse_review

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

UNKNOWN_OPTION: Final = {f"{PREFIX}/colour": "blue"}

NOT_HANDLED: Final[dict[str, tuple[dict[str, Any], SkipReason]]] = {
    "another kind": ({"kind": {"group": "", "version": "v1", "kind": "Service"}}, SkipReason.NOT_A_POD),
    "a Pod of another group": ({"kind": {"group": "metrics.k8s.io", "version": "v1", "kind": "Pod"}}, SkipReason.NOT_A_POD),
    "an update": ({"operation": "UPDATE"}, SkipReason.NOT_A_CREATE),
    "a subresource": ({"subResource": "ephemeralcontainers"}, SkipReason.SUBRESOURCE),
}


def answered(pod: object, policy: Policy, **request: Any) -> Outcome:
    """What the webhook decides about a request."""
    return admit(parse_review(review_of(pod, **request)), policy, UNKNOWN_CLUSTER)


def large_pod() -> JSONObject:
    """A pod with more items than the rules read."""
    pod = load(EXECUTOR)
    pod["spec"]["containers"][0]["args"] = ["x"] * (MAX_COMMAS + 1)
    return pod


@pytest.mark.parametrize(("request_fields", "reason"), NOT_HANDLED.values(), ids=NOT_HANDLED)
def test_a_request_that_creates_no_pod_is_skipped_with_the_reason_and_nothing_else(
    request_fields: dict[str, Any], reason: SkipReason, policy: Policy
) -> None:
    assert answered(inject_istio(load(EXECUTOR)), policy, **request_fields) == Outcome(Skip(reason))


def test_a_pod_that_is_too_large_is_skipped_with_the_reason_and_nothing_else(policy: Policy) -> None:
    assert answered(large_pod(), policy) == Outcome(Skip(SkipReason.TOO_LARGE))
    assert treat(large_pod(), policy, UNKNOWN_CLUSTER) == Outcome(Skip(SkipReason.TOO_LARGE))


def test_a_malformed_pod_is_skipped_with_a_warning_that_names_the_field(policy: Policy) -> None:
    pod = load(EXECUTOR)
    pod["spec"]["containers"][0]["args"] = "airflow"
    warning = "airflow-sidecar-webhook leaves the pod unchanged: Expected `array | null`, got `str` - at `$.{}spec.containers[0].args`"

    assert answered(pod, policy) == Outcome(Skip(SkipReason.MALFORMED_POD), warnings=(warning.format("request.object."),))
    assert treat(pod, policy, UNKNOWN_CLUSTER) == Outcome(Skip(SkipReason.MALFORMED_POD), warnings=(warning.format(""),))


def test_a_pod_is_decided_alike_as_a_mapping_as_json_and_in_a_request(policy: Policy) -> None:
    pod = inject_istio(load(EXECUTOR))
    outcome = treat(pod, policy, UNKNOWN_CLUSTER)

    assert outcome.result == "wrapped"
    assert treat(msgspec.json.encode(pod), policy, UNKNOWN_CLUSTER) == outcome
    assert answered(pod, policy) == outcome


def test_a_pod_that_is_not_airflows_has_the_remedy_for_one_that_is(policy: Policy) -> None:
    pod = inject_istio(load(EXECUTOR))
    pod["metadata"]["labels"] = {}

    assert [remedy.line for remedy in treat(pod, policy, UNKNOWN_CLUSTER).remedies] == ["\"kubernetes_pod_operator\": 'True'"]


def test_a_pod_that_is_switched_off_has_its_remedy_and_the_annotations_that_are_ignored(policy: Policy) -> None:
    pod = annotated(inject_istio(load(EXECUTOR)), {f"{PREFIX}/mode": "off"} | UNKNOWN_OPTION)
    outcome = treat(pod, policy, UNKNOWN_CLUSTER)

    assert outcome.reason is SkipReason.SWITCHED_OFF
    assert [one.key for one in outcome.invalid_annotations.named] == list(UNKNOWN_OPTION)
    assert list(outcome.warnings) == outcome.invalid_annotations.warnings
    assert [remedy.reason for remedy in outcome.remedies] == [SkipReason.SWITCHED_OFF]


@pytest.mark.parametrize(("mode", "result"), [("off", "skipped"), ("auto", "wrapped")])
def test_the_outcome_has_what_an_earlier_review_of_the_pod_recorded(mode: str, result: str, policy: Policy) -> None:
    pod = annotated(inject_istio(load(EXECUTOR)), {f"{PREFIX}/mode": mode, STATUS_ANNOTATION: '{"reason":"no-sidecar"}'})
    outcome = treat(pod, policy, UNKNOWN_CLUSTER)

    assert (outcome.result, outcome.before.reason) == (result, "no-sidecar")


@pytest.mark.parametrize("fields", [{}, {"restartPolicy": "Always"}], ids=["plain", "native"])
def test_a_pod_with_an_init_container_of_the_sidecars_name_has_the_remedy_that_names_it(fields: dict[str, str], policy: Policy) -> None:
    pod = istio_pod(inits=({"name": "istio-proxy", "image": "busybox", **fields},))
    outcome = treat(pod, policy, UNKNOWN_CLUSTER)

    assert outcome.reason is SkipReason.DUPLICATE_NAMES
    assert [remedy.text for remedy in outcome.remedies] == ["Rename one of those that are called istio-proxy."]


def test_a_pod_without_room_for_the_webhooks_annotations_is_skipped_with_the_remedy(policy: Policy) -> None:
    pod = annotated(inject_istio(load(EXECUTOR)), UNKNOWN_OPTION)
    annotations = pod["metadata"]["annotations"]
    annotations["filler"] = "x" * (MAX_ANNOTATION_BYTES - sum(len(key) + len(value) for key, value in annotations.items()) - 10)
    outcome = treat(pod, policy, UNKNOWN_CLUSTER)

    assert (outcome.decision, outcome.operations, outcome.status) == (Skip(SkipReason.ANNOTATIONS_FULL), (), None)
    assert [one.key for one in outcome.invalid_annotations.named] == list(UNKNOWN_OPTION)
    assert [remedy.reason for remedy in outcome.remedies] == [SkipReason.ANNOTATIONS_FULL]


def test_a_treated_pod_has_status_remedies_and_the_annotations_that_are_ignored(policy: Policy) -> None:
    pod = annotated(inject_istio(load(EXECUTOR)), UNKNOWN_OPTION)
    pod["spec"]["containers"].append({"name": "uploader", "image": "registry.example.com/uploader:1"})
    outcome = treat(pod, policy, UNKNOWN_CLUSTER)

    assert outcome.status is not None
    assert outcome.status.may_keep_running == ("uploader",)
    assert [one.key for one in outcome.invalid_annotations.named] == list(UNKNOWN_OPTION)
    assert outcome.invalid_annotations.warnings[0] in outcome.warnings
    assert outcome.remedies != ()
