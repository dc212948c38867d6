"""What of Airflow's created a pod, by its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio
from tests.support.pods import admitted, container
from webhook.core.names import PREFIX
from webhook.core.origin import COMMUNITY_JOB_COMPONENTS

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

CONTAINERS: Final = {
    "db-migrations": "db-migrations",
    "sync-connections": "sync-airflow-connections",
    "sync-dags": "sync-airflow-dags",
    "sync-pools": "sync-airflow-pools",
    "sync-roles": "sync-airflow-roles",
    "sync-users": "sync-airflow-users",
    "sync-variables": "sync-airflow-variables",
}
"""By component, as the community chart names them."""

OLD_CHART: Final[dict[str, str | None]] = {"chart": "airflow-8.3.2", "heritage": "Helm"}
"""What the pods of the chart's older jobs have besides."""


def community_job(component: str, labels: dict[str, str | None] | None = None) -> JSONObject:
    """A pod of a Job of the community chart: airflow-helm/charts, charts/airflow/templates; a label that is None is left out."""
    named = {"app": "airflow", "component": component, "release": "prod"} | (labels or {})
    main = {
        "name": CONTAINERS.get(component, "main"),
        "image": "apache/airflow:2.8.4-python3.9",
        "command": ["/usr/bin/dumb-init", "--"],
        "args": ["python", "-u", "/mnt/scripts/job.py"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"prod-{component}-", "labels": {key: value for key, value in named.items() if value is not None}},
        "spec": {"restartPolicy": "OnFailure", "containers": [main]},
    }


def test_the_containers_of_every_job_are_here() -> None:
    assert CONTAINERS.keys() == COMMUNITY_JOB_COMPONENTS


@pytest.mark.parametrize("component", sorted(COMMUNITY_JOB_COMPONENTS))
def test_a_job_of_the_community_chart_is_wrapped_with_the_command_that_the_chart_sets(component: str, policy: Policy) -> None:
    outcome, after = admitted(inject_istio(community_job(component)), policy)
    command = container(after, CONTAINERS[component])["command"]

    assert (outcome.result, outcome.reason) == ("wrapped", "sidecars-quit")
    assert command[command.index(PREFIX) :][-2:] == ["/usr/bin/dumb-init", "--"]
    assert command[command.index("--quit") + 1] == "after:0"


@pytest.mark.parametrize("labels", [{"app": "shop"}, {"app": None}, {"release": None}, {"component": "scheduler"}, {"component": None}])
def test_a_pod_with_other_labels_is_none_of_its_jobs(labels: dict[str, str | None], policy: Policy) -> None:
    outcome, _ = admitted(inject_istio(community_job("db-migrations", labels)), policy)

    assert (outcome.result, outcome.reason) == ("skipped", "not-airflow")


def test_a_job_of_an_older_community_chart_is_wrapped(policy: Policy) -> None:
    outcome, _ = admitted(inject_istio(community_job("jobs", OLD_CHART)), policy)

    assert (outcome.result, outcome.reason) == ("wrapped", "sidecars-quit")


@pytest.mark.parametrize("labels", [{"chart": None}, {"chart": "shop-1.0.0"}, {"app": "shop"}, {"release": None}])
def test_a_pod_of_another_chart_with_jobs_is_none_of_them_and_the_remedy_names_the_label(
    labels: dict[str, str | None], policy: Policy
) -> None:
    outcome, _ = admitted(inject_istio(community_job("jobs", OLD_CHART | labels)), policy)

    assert (outcome.result, outcome.reason) == ("skipped", "not-airflow")
    assert [remedy.line for remedy in outcome.remedies] == ["\"kubernetes_pod_operator\": 'True'"]


def test_a_component_of_the_chart_that_runs_on_is_none_of_its_jobs(policy: Policy) -> None:
    """Its pods have the label ``chart``, too."""
    outcome, _ = admitted(inject_istio(community_job("scheduler", OLD_CHART)), policy)

    assert (outcome.result, outcome.reason) == ("skipped", "not-airflow")


OFFICIAL: Final = {
    "both": ({"tier": "airflow", "component": "create-user-job"}, ("wrapped", "sidecars-quit")),
    "another component": ({"tier": "airflow", "component": "scheduler"}, ("skipped", "not-airflow")),
    "another tier": ({"tier": "shop", "component": "create-user-job"}, ("skipped", "not-airflow")),
}


@pytest.mark.parametrize(("labels", "expected"), OFFICIAL.values(), ids=OFFICIAL)
def test_tier_and_component_together_make_a_job_of_the_official_chart(
    labels: dict[str, str], expected: tuple[str, str], policy: Policy
) -> None:
    pod = inject_istio(community_job("db-migrations"))
    pod["metadata"]["labels"] = labels
    outcome, _ = admitted(pod, policy)

    assert (outcome.result, outcome.reason) == expected


def test_its_deployment_of_the_same_labels_runs_on(policy: Policy) -> None:
    pod = inject_istio(community_job("db-migrations"))
    pod["spec"]["restartPolicy"] = "Always"

    assert admitted(pod, policy)[0].reason == "long-running"
