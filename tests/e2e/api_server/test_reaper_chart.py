"""The reaper in the chart, by Helm alone: what reaches its pods and what they reach, and what keeps one of them running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.api_server.chart import OPTIONS, deployments, objects, pods

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

OF_REAPER = [option for option in OPTIONS if option.startswith("reaper-")]


def of_reaper(kind: str, option: str) -> list[JSONObject]:
    """The objects of a kind that are the reaper's."""
    return [one for one in objects(OPTIONS[option]) if one["kind"] == kind and one["metadata"]["name"].endswith("-reaper")]


def ports(rules: list[JSONObject]) -> list[int | str]:
    return [port["port"] for rule in rules for port in rule["ports"]]


def test_by_default_there_is_no_reaper() -> None:
    assert [one["metadata"]["name"] for one in objects({}) if "reaper" in one["metadata"]["name"]] == []


@pytest.mark.parametrize("option", OF_REAPER)
def test_its_pods_reach_the_api_server_and_nothing_else(option: str) -> None:
    (policy,) = of_reaper("NetworkPolicy", option)
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pods(objects(OPTIONS[option]))["reaper"]["metadata"]["labels"].items()
    assert ports(policy["spec"]["egress"]) == [443, 6443, 8443, 16443]
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}


def test_nobody_reaches_its_pods_unless_something_scrapes_the_controller() -> None:
    ingress = {option: ports(policy["spec"]["ingress"]) for option in OF_REAPER for policy in of_reaper("NetworkPolicy", option)}
    assert ingress == {
        "reaper-observing": [],
        "reaper-watching": ["health"],
        "reaper-watching-only": ["health"],
        "reaper-everywhere": [],
        "reaper-acting": [],
    }


@pytest.mark.parametrize("option", OF_REAPER)
def test_a_drained_node_takes_one_replica_of_the_controller_at_a_time(option: str) -> None:
    rendered = objects(OPTIONS[option])
    budgets = of_reaper("PodDisruptionBudget", option)
    assert len(budgets) == ("reaper" in deployments(rendered))
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"] == deployments(rendered)["reaper"]["spec"]["selector"]


@pytest.mark.parametrize("option", OF_REAPER)
def test_the_services_own_policies_and_budget_do_not_select_its_pods(option: str) -> None:
    rendered = objects(OPTIONS[option])
    selected = deployments(rendered)["webhook"]["spec"]["selector"]["matchLabels"]
    assert not selected.items() <= pods(rendered)["reaper"]["metadata"]["labels"].items()
