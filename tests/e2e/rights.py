"""Users of a cluster with given rights and no others, by RBAC."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.e2e.objects import created

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api_server import ApiServer
    from tests.support.json_object import JSONObject

GROUP: Final = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str, group: str = "") -> JSONObject:
    """A rule of RBAC; ``verbs`` and ``resources`` are words between blanks."""
    return {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}


@contextmanager
def user_who_may(server: ApiServer, name: str, *rules: JSONObject) -> Iterator[str]:
    """A user with these rights in the whole cluster; ``server.credentials`` has the user's certificate."""
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
        yield name
