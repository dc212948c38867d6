"""What the findings on the webhooks advise."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec
import pytest
import yaml

from manifests.rendering import CHART
from testbed.manifest import installed
from tests.support.cluster_snapshots import HEALTHY, findings, own_with
from webhook.doctor.registration import OWN_WEBHOOK, RegisteredWebhook, WebhookConfiguration, in_call_order
from webhook.doctor.selector import LabelSelector, Requirement
from webhook.doctor.snapshot import NamespaceMetadata
from webhook.doctor.webhook_checks import LEAST_SECONDS, MOST_SECONDS
from webhook.settings import Settings


@pytest.mark.parametrize("seconds", [LEAST_SECONDS - 1, MOST_SECONDS + 1])
def test_the_timeout_that_is_advised_is_the_default_of_the_chart(seconds: int) -> None:
    remedy = findings(replace(HEALTHY, webhooks=own_with(timeoutSeconds=seconds)))["webhook-timeout"].remedy
    default = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["webhook"]["timeoutSeconds"]

    assert remedy.startswith(f"Set timeoutSeconds to {default} (webhook.timeoutSeconds of the chart, ")
    # templates/webhook_configuration.yaml refuses any that is not longer than a request may take to arrive.
    assert Settings().read_seconds < default <= MOST_SECONDS


SHIPPED: Final = in_call_order([msgspec.convert(installed("MutatingWebhookConfiguration"), WebhookConfiguration)])
OPT_INS: Final[dict[str, tuple[tuple[RegisteredWebhook, ...], dict[str, str] | None, str]]] = {
    "as shipped": (SHIPPED, None, "kubectl label namespace airflow airflow-sidecar-webhook=enabled"),
    "other labels": (SHIPPED, {"a": "b"}, "kubectl label namespace airflow airflow-sidecar-webhook=enabled"),
    "another value": (
        SHIPPED,
        {"airflow-sidecar-webhook": "disabled"},
        "kubectl label namespace airflow airflow-sidecar-webhook=enabled --overwrite",
    ),
    "two labels of three": (
        own_with(namespaceSelector=LabelSelector({"a": "1", "b": "2", "c": ""})),
        {"b": "2"},
        "kubectl label namespace airflow a=1 c=",
    ),
    "a system namespace": (
        SHIPPED,
        {"kubernetes.io/metadata.name": "kube-system"},
        "change the labels of airflow to meet this, or run them in a namespace that does.",
    ),
    "an expression alone": (
        own_with(namespaceSelector=LabelSelector(None, (Requirement("a", "In", ("1", "2")),))),
        None,
        "change the labels of airflow to meet this, or run them in a namespace that does.",
    ),
    "an objectSelector": (
        own_with(objectSelector=LabelSelector({"a": "b"})),
        {"opted": "in"},
        f"compare the rules and the objectSelector of b-own/{OWN_WEBHOOK} with those of the chart.",
    ),
}
"""The registered webhooks, the labels of the namespace, and what to do."""


@pytest.mark.parametrize(("webhooks", "labels", "how"), OPT_INS.values(), ids=OPT_INS)
def test_a_namespace_that_has_not_opted_in_gets_the_command_where_labels_are_all_that_is_missing(
    webhooks: tuple[RegisteredWebhook, ...], labels: dict[str, str] | None, how: str
) -> None:
    found = findings(replace(HEALTHY, webhooks=webhooks, metadata=NamespaceMetadata(labels)))

    assert found["not-opted-in"].remedy == f"If tasks run here: {how}"


def test_a_namespace_that_has_not_opted_in_learns_what_the_selector_requires() -> None:
    sentence = findings(replace(HEALTHY, webhooks=SHIPPED))["not-opted-in"].sentence

    assert sentence == (
        f"airflow-sidecar-webhook/{OWN_WEBHOOK} is not called for pods in airflow: "
        "its namespaceSelector requires airflow-sidecar-webhook=enabled."
    )


def test_where_the_namespace_matches_but_the_pods_do_not_the_sentence_names_rules_and_object_selector() -> None:
    found = findings(replace(HEALTHY, webhooks=own_with(objectSelector=LabelSelector({"a": "b"}))))

    assert found["not-opted-in"].sentence.endswith(" in airflow: its rules or its objectSelector exclude them.")
