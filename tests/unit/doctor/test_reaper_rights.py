"""How the doctor finds out the rights of a service account."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from webhook.doctor.reaper_rights import REVIEWS_PATH, read_rights
from webhook.doctor.snapshot import ReaperAccount
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError, UnreadableError
from webhook.reaper.rights import EVERY_RIGHT, ReaperRight

ACCOUNT: Final = ReaperAccount("infra", "reaper")
LEASE_NAMES: Final = {"create": "", "get": "reaper", "update": "reaper"}
"""RBAC cannot limit create to a name."""


def test_the_api_server_says_which_rights_are_granted() -> None:
    reviewed: list[Any] = []

    def create(path: str, body: object) -> Response:
        assert path == REVIEWS_PATH
        reviewed.append(body)
        attributes = reviewed[-1]["spec"]["resourceAttributes"]
        is_granted = attributes["resource"] == "pods" and attributes["verb"] != "patch"
        return Response(201, json.dumps({"status": {"allowed": is_granted}}).encode(), None)

    rights = read_rights(create, ACCOUNT, "airflow")
    assert rights.user == "system:serviceaccount:infra:reaper"
    assert {str(right) for right in rights.granted} == {
        "get pods",
        "list pods",
        "watch pods",
        "get pods/portforward",
        "create pods/portforward",
        "get pods/exec",
        "create pods/exec",
    }
    assert len(reviewed) == len(EVERY_RIGHT)
    (exec_,) = [one for one in reviewed if one["spec"]["resourceAttributes"] == attributes_of(ReaperRight("pods/exec", "create"))]
    assert exec_ == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:serviceaccount:infra:reaper",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:infra", "system:authenticated"],
            "resourceAttributes": attributes_of(ReaperRight("pods/exec", "create")),
        },
    }


def attributes_of(right: ReaperRight) -> dict[str, str]:
    resource, _, subresource = right.resource.partition("/")
    return {"namespace": "airflow", "verb": right.verb, "group": "", "resource": resource, "subresource": subresource, "name": ""}


def test_the_lease_is_that_of_the_chart_and_namespaces_are_in_none() -> None:
    reviewed: list[Any] = []

    def create(_path: str, body: Any) -> Response:
        reviewed.append(body["spec"]["resourceAttributes"])
        return Response(201, b"{}", None)

    read_rights(create, ACCOUNT, "airflow")
    leases = {one["verb"]: one for one in reviewed if one["resource"] == "leases"}
    of_lease = {"namespace": "infra", "group": "coordination.k8s.io", "resource": "leases", "subresource": ""}
    assert leases == {verb: {**of_lease, "verb": verb, "name": name} for verb, name in LEASE_NAMES.items()}
    assert {(one["verb"], one["namespace"]) for one in reviewed if one["resource"] == "namespaces"} == {("list", ""), ("watch", "")}


def test_who_may_not_ask_gets_the_api_servers_answer() -> None:
    with pytest.raises(RefusedError, match="403 you may not"):
        read_rights(lambda _path, _body: Response(403, b'{"message": "you may not"}', None), ACCOUNT, "airflow")


def test_an_answer_without_a_verdict_grants_nothing_and_one_that_is_no_json_is_an_error() -> None:
    assert read_rights(lambda _path, _body: Response(201, b"{}", None), ACCOUNT, "airflow").granted == frozenset()
    with pytest.raises(UnreadableError):
        read_rights(lambda _path, _body: Response(201, b"<html>", None), ACCOUNT, "airflow")
