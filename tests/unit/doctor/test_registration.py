"""Rules, defaults and order of registered webhooks, as the API server evaluates them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from testbed.manifest import OPTED_IN, installed
from webhook.doctor.dry_run import LABELS
from webhook.doctor.registration import OWN_WEBHOOK, PODS, RegisteredWebhook, Resource, Rule, WebhookConfiguration, in_call_order

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

    assert [str(one) for one in in_call_order(msgspec.convert(listed, list[WebhookConfiguration]))] == ["a/x", "a-b/y", "b/z", "b/a"]


def test_a_webhook_without_selectors_and_policies_has_the_defaults_of_the_api() -> None:
    webhook = RegisteredWebhook("a", (Rule(("CREATE",), ("",), ("pods",)),))

    assert webhook.is_called(PODS, {}, {})
    assert (webhook.failurePolicy, webhook.timeoutSeconds, webhook.is_reinvoked) == ("Fail", 10, False)


def test_the_shipped_webhook_is_known_as_this_products_and_called_for_the_dry_run_where_a_namespace_opted_in() -> None:
    (own,) = in_call_order([msgspec.convert(installed("MutatingWebhookConfiguration"), WebhookConfiguration)])

    assert own.is_own
    assert own.name == OWN_WEBHOOK
    assert own.is_called(PODS, OPTED_IN, LABELS)
    assert not own.is_called(PODS, {}, LABELS)
