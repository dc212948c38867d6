"""The installed MutatingWebhookConfiguration says the same as the webhook's own rules."""

from __future__ import annotations

import re
from typing import Any

import pytest

from testbed.manifest import installed
from webhook.core.decision import MIRROR_POD
from webhook.core.origin import CHART_JOB_COMPONENTS, COMMUNITY_CHART, COMMUNITY_JOB_COMPONENTS, OLD_COMMUNITY_JOBS, ORIGIN_LABELS

WEBHOOK: dict[str, Any] = installed("MutatingWebhookConfiguration")["webhooks"][0]


def words(text: str) -> list[str]:
    """The texts in quotes."""
    return re.findall(r"'([^']*)'", text)


@pytest.fixture
def conditions() -> dict[str, str]:
    """The CEL expressions by their names."""
    return {condition["name"]: condition["expression"] for condition in WEBHOOK["matchConditions"]}


def test_the_conditions_name_the_labels_of_every_origin_and_every_job_of_the_charts_and_no_others(conditions: dict[str, str]) -> None:
    lists = re.findall(r"(?<!labels)\[([^\]]*')\]", conditions["airflow-task-pods"])
    labels, components, of_community = ([*words(one)] for one in lists)

    assert labels == list(ORIGIN_LABELS)
    assert sorted(components) == sorted(CHART_JOB_COMPONENTS)
    assert sorted(of_community) == sorted(COMMUNITY_JOB_COMPONENTS)
    others = {"True", "tier", "airflow", "component", "app", "release", "chart", OLD_COMMUNITY_JOBS, COMMUNITY_CHART}
    assert set(words(conditions["airflow-task-pods"])) == {*labels, *components, *of_community, *others}


def test_the_conditions_name_the_annotation_of_a_mirror_pod(conditions: dict[str, str]) -> None:
    assert words(conditions["not-a-mirror-pod"]) == [MIRROR_POD]


def test_there_are_no_other_conditions(conditions: dict[str, str]) -> None:
    assert set(conditions) == {"airflow-task-pods", "not-a-mirror-pod"}


def test_only_the_creation_of_pods_is_reviewed() -> None:
    assert WEBHOOK["rules"] == [
        {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "Namespaced"}
    ]


def test_a_webhook_that_is_down_stops_no_pod_and_a_dry_run_changes_nothing() -> None:
    assert WEBHOOK["failurePolicy"] == "Ignore"
    assert WEBHOOK["sideEffects"] == "None"


def test_a_namespace_has_to_opt_in() -> None:
    assert WEBHOOK["namespaceSelector"]["matchLabels"] == {"airflow-sidecar-webhook": "enabled"}
