"""Users of a cluster with given rights and no others, by RBAC."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from testbed.wait import until
from tests.e2e.objects import created

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from testbed.api import ApiClient
    from testbed.api_server import ApiServer
    from tests.support.json_object import JSONObject

GROUP: Final = "rbac.authorization.k8s.io"
IN_FORCE_SECONDS: Final = 60
"""The API server's authorizer learns of a role and its binding by a watch of its own."""


def rule(verbs: str, resources: str, group: str = "") -> JSONObject:
    """A rule of RBAC; ``verbs`` and ``resources`` are words between blanks."""
    return {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}


@contextmanager
def user_who_may(server: ApiServer, name: str, *rules: JSONObject) -> Iterator[str]:
    """A user with these rights in force in the whole cluster; ``server.credentials`` has the user's certificate."""
    server.credentials.client(name)
    role = {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}
    binding = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": name}],
    }
    with created(server.api, role), created(server.api, binding):
        wait_until_in_force(server.api, name, rules)
        yield name


def wait_until_in_force(api: ApiClient, user: str, rules: Iterable[JSONObject], namespace: str = "") -> None:
    """Wait until the API server allows a user all of these rules, in a namespace or in the whole cluster. TimeoutError."""
    needed = [one for rule in rules for one in _attributes(rule, namespace)]
    until(lambda: all(is_allowed(api, user, one) for one in needed), f"the rights of {user} are in force", IN_FORCE_SECONDS)


def _attributes(rule: JSONObject, namespace: str) -> Iterator[JSONObject]:
    for resource in rule["resources"]:
        for verb in rule["verbs"]:
            name = rule.get("resourceNames", [""])[0]
            yield {"verb": verb, "group": rule["apiGroups"][0], "resource": resource, "name": name, "namespace": namespace}


def is_allowed(api: ApiClient, user: str, attributes: JSONObject, *groups: str) -> bool:
    """Whether the API server would let a user of these groups do it."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    }
    return bool(api.create(review)["status"]["allowed"])
