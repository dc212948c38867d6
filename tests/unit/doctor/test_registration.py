"""Selectors, rules and order of registered webhooks, as the doctor evaluates them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.manifest import OPTED_IN, installed
from webhook.doctor.probe import LABELS
from webhook.doctor.registration import OURS, PODS, Configuration, Registered, Resource, Rule, in_order
from webhook.doctor.selector import LabelSelector, Requirement

SELECTORS: list[tuple[dict[str, Any], dict[str, str], bool]] = [
    ({}, {}, True),
    ({}, {"a": "1"}, True),
    ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
    ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
    ({"matchLabels": {"a": "1"}}, {}, False),
    ({"matchLabels": {"a": ""}}, {}, False),
    ({"matchLabels": {"a": ""}}, {"a": ""}, True),
    ({"matchLabels": {"a": "1", "b": "2"}}, {"a": "1"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, True),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "3"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {}, False),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1", "2"]}]}, {"a": "2"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1", "2"]}]}, {"a": "3"}, True),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1", "2"]}]}, {}, True),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"b": ""}, False),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, True),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, {"a": "1"}, True),
    ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, {"a": "1", "b": ""}, False),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]}, {"a": "1"}, False),
]
"""Selector, labels, whether they fit: by the API's documentation of LabelSelector."""

KEYS = st.sampled_from("abc")
VALUES = st.sampled_from(["", "1", "2"])


@pytest.mark.parametrize(("selector", "labels", "fits"), SELECTORS, ids=str)
def test_a_selector_fits_as_the_api_has_it(selector: dict[str, Any], labels: dict[str, str], fits: bool) -> None:
    assert msgspec.convert(selector, LabelSelector).fits(labels) is fits


@pytest.mark.parametrize(("selector", "labels", "fits"), SELECTORS, ids=str)
def test_what_is_unmet_is_said_exactly_where_it_does_not_fit(selector: dict[str, Any], labels: dict[str, str], fits: bool) -> None:
    assert (msgspec.convert(selector, LabelSelector).unmet(labels) == "") is fits


@pytest.mark.parametrize(("selector", "labels", "fits"), SELECTORS, ids=str)
def test_what_is_lacking_is_a_label_of_match_labels_and_makes_it_fit(selector: dict[str, Any], labels: dict[str, str], fits: bool) -> None:
    read = msgspec.convert(selector, LabelSelector)
    lacking = read.lacking(labels)

    assert (lacking == {}) is fits
    if lacking is None:
        assert not read.fits({**labels, **selector.get("matchLabels", {})})
    else:
        assert lacking.items() <= selector.get("matchLabels", {}).items()
        assert read.fits({**labels, **lacking})


@given(key=KEYS, values=st.frozensets(VALUES, min_size=1), labels=st.dictionaries(KEYS, VALUES))
def test_an_operator_and_its_opposite_never_agree(key: str, values: frozenset[str], labels: dict[str, str]) -> None:
    listed = tuple(values)

    assert Requirement(key, "In", listed).fits(labels) is not Requirement(key, "NotIn", listed).fits(labels)
    assert Requirement(key, "Exists").fits(labels) is not Requirement(key, "DoesNotExist").fits(labels)


def test_what_is_unmet_is_said_as_kubectl_takes_it() -> None:
    selector = LabelSelector(
        {"a": "1"},
        (
            Requirement("b", "In", ("x", "y")),
            Requirement("c", "Exists"),
            Requirement("d", "DoesNotExist"),
            Requirement("e", "NotIn", ("z",)),
        ),
    )

    assert selector.unmet({"d": "", "e": "z"}) == "a=1, b in (x, y), c, !d, e notin (z)"


RULES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"operations": ["*"]}, True),
    ({"operations": ["UPDATE", "CREATE"]}, True),
    ({"operations": ["UPDATE"]}, False),
    ({"apiGroups": ["*"]}, True),
    ({"apiGroups": ["apps"]}, False),
    ({"resources": ["*"]}, True),
    ({"resources": ["*/*"]}, True),
    ({"resources": ["pods/*"]}, True),
    ({"resources": ["pods/binding"]}, False),
    ({"resources": ["*/binding"]}, False),
    ({"resources": ["services", "pods"]}, True),
    ({"scope": "Namespaced"}, True),
    ({"scope": "*"}, True),
    ({"scope": "Cluster"}, False),
]


@pytest.mark.parametrize(("fields", "covers"), RULES, ids=str)
def test_a_rule_covers_the_creation_of_a_pod_as_the_api_server_has_it(fields: dict[str, Any], covers: bool) -> None:
    rule = msgspec.convert({"operations": ["CREATE"], "apiGroups": [""], "resources": ["pods"], **fields}, Rule)

    assert rule.covers_creation_of(PODS) is covers


def test_a_rule_on_pods_does_not_cover_their_templates() -> None:
    assert not Rule(("CREATE",), ("",), ("pods",)).covers_creation_of(Resource("", "podtemplates"))


def test_webhooks_are_called_by_the_name_of_their_configuration_then_as_they_are_listed() -> None:
    listed = [
        {"metadata": {"name": "b"}, "webhooks": [{"name": "z"}, {"name": "a"}]},
        {"metadata": {"name": "a-b"}, "webhooks": [{"name": "y"}]},
        {"metadata": {"name": "a"}, "webhooks": [{"name": "x"}]},
        {"metadata": {"name": "0"}},
    ]

    assert [str(one) for one in in_order(msgspec.convert(listed, list[Configuration]))] == ["a/x", "a-b/y", "b/z", "b/a"]


def test_a_webhook_without_selectors_and_policies_has_the_defaults_of_the_api() -> None:
    webhook = Registered("a", (Rule(("CREATE",), ("",), ("pods",)),))

    assert webhook.is_called(PODS, {}, {})
    assert (webhook.failurePolicy, webhook.timeoutSeconds, webhook.is_reinvoked) == ("Fail", 10, False)


def test_our_own_configuration_is_known_as_ours_and_called_for_the_probe_where_a_namespace_opted_in() -> None:
    (ours,) = in_order([msgspec.convert(installed("MutatingWebhookConfiguration"), Configuration)])

    assert ours.is_ours
    assert ours.name == OURS
    assert ours.is_called(PODS, OPTED_IN, LABELS)
    assert not ours.is_called(PODS, {}, LABELS)
