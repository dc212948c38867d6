"""Laws that hold whatever comes in."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_istio_with_hold, inject_linkerd, inject_vault
from tests.oracles.admission import apply_reply
from tests.pods import ask, review_of
from tests.strategies import IDS, JSON, NEAR_JSON, airflow_pods
from webhook.core.admission import admit
from webhook.core.errors import MalformedReviewError
from webhook.core.names import CANONICAL_NAME, HELPER_CONTAINER, HELPER_VOLUME, PREFIX
from webhook.core.review import parse, render
from webhook.core.short_name import is_label_value, to_label_value
from webhook.core.wrapper import original_command
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from tests.oracles.pod_validation import JSONObject

WITHOUT_HELPER = build_policy(Settings())
WITH_HELPER = build_policy(Settings(helper_image="registry.example.com/airflow-sidecar-webhook:0.1.0", injectors=("linkerd",)))
POLICIES = st.sampled_from((WITHOUT_HELPER, WITH_HELPER))
INJECTORS = st.lists(
    st.sampled_from((inject_istio, inject_istio_with_hold, inject_istio_native, inject_linkerd, inject_vault)), max_size=3, unique=True
)

thorough = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def inject(pod: JSONObject, injectors: list[Any]) -> JSONObject:
    """Run the injectors one after the other."""
    for injector in injectors:
        pod = injector(pod)
    return pod


@thorough
@given(airflow_pods(), INJECTORS, POLICIES)
def test_applying_twice_changes_nothing(pod: JSONObject, injectors: list[Any], policy: Any) -> None:
    once = ask(inject(pod, injectors), policy)[1]
    outcome, twice = ask(once, policy)

    assert outcome.operations == ()
    assert twice == once


@thorough
@given(airflow_pods(), st.sampled_from((inject_istio, inject_istio_with_hold, inject_istio_native)), POLICIES)
def test_an_injector_before_or_after_us_gives_the_same_end_state(pod: JSONObject, injector: Any, policy: Any) -> None:
    after_it = ask(injector(pod), policy)[1]
    around_it = ask(injector(ask(pod, policy)[1]), policy)[1]

    assert around_it == after_it


@thorough
@given(airflow_pods(), INJECTORS, POLICIES)
def test_what_the_webhook_does_not_know_is_never_lost(pod: JSONObject, injectors: list[Any], policy: Any) -> None:
    before = inject(pod, injectors)
    after = ask(before, policy)[1]

    assert without_our_work(after) == without_our_work(before)


def without_our_work(pod: JSONObject) -> JSONObject:
    """The pod without all that the webhook may add: null and absent maps and lists count as empty ones."""
    pod = copy.deepcopy(pod)
    metadata, spec = pod["metadata"], pod["spec"]
    for field in ("labels", "annotations"):
        ours = (PREFIX, "vault.hashicorp.com/agent-enable-quit", "config.linkerd.io/proxy-admin-shutdown", CANONICAL_NAME)
        metadata[field] = {key: value for key, value in (metadata.get(field) or {}).items() if not key.startswith(ours)}
    spec["initContainers"] = [one for one in spec.get("initContainers") or () if one["name"] != HELPER_CONTAINER]
    spec["volumes"] = [one for one in spec.get("volumes") or () if one["name"] != HELPER_VOLUME]
    for container in spec["containers"]:
        container["command"] = original_command(container.get("command"))
        container["volumeMounts"] = [one for one in container.get("volumeMounts") or () if one["name"] != HELPER_VOLUME]
    return pod


@thorough
@given(JSON | NEAR_JSON | airflow_pods())
def test_any_json_whatever_as_a_pod_gets_a_valid_answer(pod: Any) -> None:
    question = review_of(pod)
    request = parse(question)
    outcome = admit(request, WITH_HELPER)
    answer = render(request.uid, outcome.operations, outcome.warnings)

    if pod is None or isinstance(pod, dict):
        apply_reply(question, answer)
    else:
        assert outcome.operations == ()


@thorough
@given(JSON | NEAR_JSON)
def test_any_json_whatever_that_is_no_review_is_refused_in_words(review: Any) -> None:
    with pytest.raises(MalformedReviewError, match=r"^the body is "):
        parse(msgspec.json.encode(review))


@thorough
@given(st.binary(max_size=200))
def test_any_bytes_whatever_are_refused_in_words(body: bytes) -> None:
    with pytest.raises(MalformedReviewError, match=r"^the body is "):
        parse(body)


@thorough
@given(IDS | st.text(st.characters(), max_size=300))
def test_a_name_of_any_length_and_alphabet_gives_a_valid_label(name: str) -> None:
    label = to_label_value(name)

    assert label
    assert is_label_value(label)
    assert to_label_value(label) == label


@thorough
@given(IDS, IDS)
def test_two_names_share_a_label_only_when_they_are_the_same(one: str, other: str) -> None:
    assert (to_label_value(one) == to_label_value(other)) == (one == other)
