"""The ServiceAccounts of the chart, by Helm alone: who gets the rights, and whom the admission policies limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from manifests.generate import POLICY_KUBERNETES
from manifests.rendering import NAME
from tests.e2e.api_server.chart import OPTIONS, objects, pods

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject


def subjects(of: list[JSONObject]) -> set[tuple[str, str]]:
    """Who gets rights: the names of ServiceAccounts, with their namespaces."""
    return {(one["name"], one["namespace"]) for binding in of for one in binding.get("subjects", ())}


def limited(of: list[JSONObject]) -> set[str]:
    """The identities that the admission policies limit."""
    expressions = [
        condition["expression"]
        for one in of
        if one["kind"] == "ValidatingAdmissionPolicy"
        for condition in one["spec"].get("matchConditions", ())
    ]
    return {expression.partition("request.userInfo.username == 'system:serviceaccount:")[2].rstrip("'") for expression in expressions}


@pytest.mark.parametrize(
    ("option", "service", "reaper"),
    [
        ("reaper-everywhere", NAME, f"{NAME}-reaper"),
        ("service-account", "a-rendered-mine", "a-rendered-too"),
        ("service-account-of-others", "theirs", "theirs-too"),
    ],
)
def test_the_pods_run_as_the_accounts_that_get_the_rights_and_are_limited(option: str, service: str, reaper: str) -> None:
    rendered = objects(OPTIONS[option], POLICY_KUBERNETES)

    assert {name: pod["spec"]["serviceAccountName"] for name, pod in pods(rendered).items()} == {"webhook": service, "reaper": reaper}
    assert subjects(rendered) == {(service, NAME), (reaper, NAME)}
    assert limited(rendered) == {f"{NAME}:{service}", f"{NAME}:{reaper}"}


def test_accounts_of_the_charts_carry_the_annotations_and_no_token() -> None:
    accounts = [one for one in objects(OPTIONS["service-account"]) if one["kind"] == "ServiceAccount"]

    assert {one["metadata"]["name"]: one["metadata"].get("annotations") for one in accounts} == {
        "a-rendered-mine": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/none"},
        "a-rendered-too": {"a": "b"},
    }
    assert {one["automountServiceAccountToken"] for one in accounts} == {False}


def test_accounts_of_others_are_not_made() -> None:
    assert [one for one in objects(OPTIONS["service-account-of-others"]) if one["kind"] == "ServiceAccount"] == []
