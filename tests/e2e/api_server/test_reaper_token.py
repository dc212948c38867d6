"""What somebody can do who has the reaper's token: each right of the chart is tried on a real API server, and SECURITY.md has a line for it."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from manifests.generate import POLICY_KUBERNETES
from manifests.rendering import render
from testbed import binaries
from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.ended_pods import FAILED, RUNNING, ended_pod
from tests.e2e.api_server.fake_kubelet import RecordingKubelet, node_of
from tests.e2e.api_server.test_reaper import MERGE, REFUSED, SECONDS, kubeconfig_of
from tests.e2e.levels import require
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.objects import created
from tests.e2e.reaping import connect
from tests.e2e.registration import task_pod
from webhook.kube.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.levels import Level
    from tests.support.json_object import JSONObject
    from webhook.kube.client import KubernetesClient

PAGE: Final = Path(__file__).parents[3] / "SECURITY.md"
RELEASE: Final = "a-stolen"
APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
OK: Final = 200
CREATED: Final = 201
FORBIDDEN: Final = 403
KINDS: Final = ("Deployment", "CronJob")
PASSWORD: Final = "an unguarded password"  # noqa: S105  it opens nothing


def rendered(tasks: str = "airflow", own: str = "own", **reaper: object) -> list[JSONObject]:
    """The objects of a reaper with all methods, as the chart renders them."""
    require(binaries.HELM)
    everything = {"enabled": True, "mode": "act", "methods": ["quit", "exec", "deadline"], "namespaces": [tasks], **reaper}
    name = f"{RELEASE}-everywhere" if reaper.get("allNamespaces") else RELEASE
    text = render({"fullnameOverride": name, "reaper": everything}, POLICY_KUBERNETES, own, "reaper.yaml")
    return [one for one in yaml.safe_load_all(text) if one]


def rights_of(objects: list[JSONObject], namespace: str | None = None) -> set[str]:
    """The rights that the roles among these objects give (in this namespace), each as in "get pods"."""
    return {
        f"{verb} {resource}"
        for role in objects
        if role["kind"] in {"Role", "ClusterRole"} and namespace in {None, role["metadata"].get("namespace")}
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def every_right() -> set[str]:
    """The rights of the chart, whatever its values."""
    here = [rights_of(rendered(kind=kind)) for kind in KINDS]
    everywhere = [rights_of(rendered(kind=kind, namespaces=[], allNamespaces=True)) for kind in KINDS]
    return set[str]().union(*here, *everywhere)


def rights_of_the_page() -> set[str]:
    """The rights that the table of SECURITY.md has a line for."""
    cells = re.findall(r"^\| (`.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {f"{verb} {cell.rpartition(' ')[2]}" for cell in cells for verb in re.findall(r"`([a-z]+)`", cell)}


@dataclass(frozen=True, slots=True)
class StolenToken:
    """The token, and what is there to be attacked.

    Args:
        client: With the token's rights.
        everywhere: With those of the token where `allNamespaces` was chosen.
        level: The cluster.
        tasks: The namespace of the task pods.
        own: The reaper's own namespace.
        elsewhere: A namespace that it has nothing to do with.
        kubelet: Of the node on which all pods are.

    """

    client: KubernetesClient
    everywhere: KubernetesClient
    level: Level
    tasks: str
    own: str
    elsewhere: str
    kubelet: RecordingKubelet

    def request(self, method: str, path: str, body: object = None, media_type: str = "application/json") -> tuple[int, str]:
        """The status of the response, and its body."""
        response = self.client.request(method, path, body, media_type)
        return response.status, response.body.decode()

    @property
    def pods(self) -> str:
        """The path of the task pods."""
        return f"/api/v1/namespaces/{self.tasks}/pods"

    @property
    def leases(self) -> str:
        """The path of the Leases in the reaper's own namespace."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.own}/leases"


@pytest.fixture(scope="module")
def token(api_server: Level) -> Iterator[StolenToken]:
    """A thief with exactly the rights of the chart, and a pod of somebody else's among the task pods."""
    with (
        new_namespace(api_server.api, "stolen-tasks", **NOT_OPTED_IN) as tasks,
        new_namespace(api_server.api, "stolen-own", **NOT_OPTED_IN) as own,
        new_namespace(api_server.api, "stolen-elsewhere", **NOT_OPTED_IN) as elsewhere,
        node_of(RecordingKubelet(api_server.server.credentials), api_server) as kubelet,
    ):
        objects = rendered(tasks, own, kind="Deployment")
        everywhere = rendered(own=own, kind="Deployment", namespaces=[], allNamespaces=True)
        with ExitStack() as ends:
            for one in [*objects, *everywhere]:
                if one["kind"] in APPLIED:
                    ends.enter_context(created(api_server.api, one))
            user = f"system:serviceaccount:{own}:{RELEASE}-reaper"
            client, everywhere_client = [client_of(api_server, one) for one in (user, user.replace(RELEASE, f"{RELEASE}-everywhere"))]
            for namespace in (tasks, elsewhere):
                ended_pod(api_server, namespace, "web", RUNNING, is_airflows=False, nodeName=kubelet.node, containers=[WEB])
            pod = ended_pod(api_server, tasks, "failed", FAILED, nodeName=kubelet.node)
            found = StolenToken(client, everywhere_client, api_server, tasks, own, elsewhere, kubelet)
            labels = {"metadata": {"labels": {"a": "b"}}}
            until(
                lambda: found.request("PATCH", f"{path_of(pod)}?dryRun=All", labels, MERGE)[0] == REFUSED, "the policy is in force", SECONDS
            )
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": f"{RELEASE}-reaper", "namespace": own}}
            api_server.api.create({**lease, "spec": {"holderIdentity": "a-replica", "leaseDurationSeconds": 15}})
            until(lambda: found.request("GET", f"{found.leases}/{RELEASE}-reaper")[0] == OK, "the Lease may be read", SECONDS)
            until(lambda: everywhere_client.request("GET", "/api/v1/namespaces").status == OK, "namespaces may be listed", SECONDS)
            yield found


APPLIED: Final = (
    *("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)
"""Kinds of the objects that say what somebody may do."""


def client_of(level: Level, user: str) -> KubernetesClient:
    level.server.credentials.client(user)
    return connect(kubeconfig_of(level, user))


WEB: Final[JSONObject] = {"name": "base", "image": "web", "env": [{"name": "PASSWORD", "value": PASSWORD}]}


def test_security_md_has_a_line_for_each_right_of_the_chart_and_for_no_other() -> None:
    assert rights_of_the_page() == every_right()


def test_by_default_and_while_it_observes_the_rights_are_fewer() -> None:
    assert "create pods/exec" not in rights_of(rendered(kind="Deployment", methods=["quit", "deadline"]))
    observing = rights_of(rendered(kind="Deployment", mode="observe"))
    assert not [right for right in observing if right.split()[1].startswith("pods/") or right == "patch pods"]


def get_pod(token: StolenToken) -> None:
    status, body = token.request("GET", f"{token.pods}/web")
    assert (status, PASSWORD in body) == (OK, True)
    assert token.request("GET", f"/api/v1/namespaces/{token.elsewhere}/pods/web")[0] == FORBIDDEN


def list_pods(token: StolenToken) -> None:
    status, body = token.request("GET", token.pods)
    assert (status, PASSWORD in body) == (OK, True)
    assert token.request("GET", "/api/v1/pods")[0] == FORBIDDEN


def watch_pods(token: StolenToken) -> None:
    events = token.client.lines(token.pods, 60.0, watch="true", timeoutSeconds="30")
    assert any(PASSWORD.encode() in line for line in events)
    with pytest.raises(ClusterError, match="403"):
        list(token.client.lines("/api/v1/pods", 30.0, watch="true", timeoutSeconds="1"))


def patch_pod(token: StolenToken) -> None:
    change = {"spec": {"activeDeadlineSeconds": 1}}
    assert token.request("PATCH", f"{token.pods}/failed", change, MERGE)[0] == OK
    assert token.request("PATCH", f"{token.pods}/web", change, MERGE)[0] == REFUSED


def reached(token: StolenToken, subresource: str, pod: str, *parameters: tuple[str, str]) -> str:
    """The request that reaches the kubelet: it is all that this kubelet does with it."""
    before = len(token.kubelet.requests)
    with suppress(ClusterError), token.client.connect_to_pod(f"{token.pods}/{pod}/{subresource}", *parameters) as channels:
        list(channels.messages())
    until(lambda: len(token.kubelet.requests) > before, "the kubelet is connected to", SECONDS)
    return token.kubelet.requests[before]


def get_port_forward(token: StolenToken) -> None:
    assert reached(token, "portforward", "web", ("ports", "22")).startswith(f"GET /portForward/{token.tasks}/web?")
    assert token.request("GET", f"/api/v1/namespaces/{token.elsewhere}/pods/web/portforward?ports=22")[0] == FORBIDDEN


def create_port_forward(token: StolenToken) -> None:
    # Without the headers of an upgrade it goes no further, and it is not forbidden.
    assert token.request("POST", f"{token.pods}/web/portforward?ports=22")[0] != FORBIDDEN
    assert token.request("POST", f"/api/v1/namespaces/{token.elsewhere}/pods/web/portforward?ports=22")[0] == FORBIDDEN


def get_exec(token: StolenToken) -> None:
    requested = reached(token, "exec", "web", ("container", "base"), ("command", "id"), ("stdout", "true"))
    assert requested.startswith(f"GET /exec/{token.tasks}/web/base?command=id")
    assert token.request("GET", f"/api/v1/namespaces/{token.elsewhere}/pods/web/exec?command=id&stdout=true")[0] == FORBIDDEN


def create_exec(token: StolenToken) -> None:
    assert token.request("POST", f"{token.pods}/web/exec?command=id&stdout=true")[0] != FORBIDDEN
    assert token.request("POST", f"/api/v1/namespaces/{token.elsewhere}/pods/web/exec?command=id&stdout=true")[0] == FORBIDDEN


def event(namespace: str, name: str) -> JSONObject:
    """An Event as a kubelet writes it."""
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": "web"}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": about, "reason": "OOMKilling", "message": "true"}


def create_event(token: StolenToken) -> None:
    assert token.request("POST", f"/api/v1/namespaces/{token.tasks}/events", event(token.tasks, "false"))[0] == CREATED
    assert token.request("POST", f"/api/v1/namespaces/{token.elsewhere}/events", event(token.elsewhere, "false"))[0] == FORBIDDEN


def patch_event(token: StolenToken) -> None:
    made = token.level.api.create(event(token.tasks, "somebodys"))
    status, body = token.request("PATCH", path_of(made), {"message": "false"}, MERGE)
    assert (status, json.loads(body)["message"]) == (OK, "false")
    assert token.request("PATCH", f"/api/v1/namespaces/{token.elsewhere}/events/any", {"message": "false"}, MERGE)[0] == FORBIDDEN


def lease(token: StolenToken, name: str, **spec: object) -> JSONObject:
    metadata = {"name": name, "namespace": token.own}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def create_lease(token: StolenToken) -> None:
    other = lease(token, "of-another-controller", holderIdentity="a-thief", leaseDurationSeconds=86400)
    assert token.request("POST", token.leases, other)[0] == CREATED
    assert token.request("GET", f"{token.leases}/of-another-controller")[0] == FORBIDDEN
    assert token.request("PUT", f"{token.leases}/of-another-controller", other)[0] == FORBIDDEN
    assert token.request("POST", token.leases.replace(token.own, token.tasks), other)[0] == FORBIDDEN


def get_lease(token: StolenToken) -> None:
    status, body = token.request("GET", f"{token.leases}/{RELEASE}-reaper")
    assert (status, "a-replica" in body or "a-thief" in body) == (OK, True)
    assert token.request("GET", token.leases)[0] == FORBIDDEN


def update_lease(token: StolenToken) -> None:
    found = json.loads(token.request("GET", f"{token.leases}/{RELEASE}-reaper")[1])
    taken = found | {"spec": {"holderIdentity": "a-thief", "leaseDurationSeconds": 86400}}
    assert token.request("PUT", f"{token.leases}/{RELEASE}-reaper", taken)[0] == OK
    assert token.request("PATCH", f"{token.leases}/{RELEASE}-reaper", taken, MERGE)[0] == FORBIDDEN
    assert token.request("DELETE", f"{token.leases}/{RELEASE}-reaper")[0] == FORBIDDEN


def list_namespaces(token: StolenToken) -> None:
    assert token.elsewhere.encode() in token.everywhere.request("GET", "/api/v1/namespaces").body
    assert token.everywhere.request("GET", f"/api/v1/namespaces/{token.elsewhere}").status == FORBIDDEN
    assert token.request("GET", "/api/v1/namespaces")[0] == FORBIDDEN


def watch_namespaces(token: StolenToken) -> None:
    lines = token.everywhere.lines("/api/v1/namespaces", 60.0, watch="true", timeoutSeconds="30")
    assert any(token.elsewhere.encode() in line for line in lines)


ATTACKS: Final[dict[str, Callable[[StolenToken], None]]] = {
    "list namespaces": list_namespaces,
    "watch namespaces": watch_namespaces,
    "get pods": get_pod,
    "list pods": list_pods,
    "watch pods": watch_pods,
    "patch pods": patch_pod,
    "get pods/portforward": get_port_forward,
    "create pods/portforward": create_port_forward,
    "get pods/exec": get_exec,
    "create pods/exec": create_exec,
    "create events": create_event,
    "patch events": patch_event,
    "create leases": create_lease,
    "get leases": get_lease,
    "update leases": update_lease,
}


def test_each_right_of_the_chart_is_tried() -> None:
    assert set(ATTACKS) == every_right()


@pytest.mark.parametrize("right", ATTACKS)
def test_a_right_gives_what_security_md_says_and_nothing_in_another_namespace(right: str, token: StolenToken) -> None:
    ATTACKS[right](token)


def test_the_token_has_no_right_beside_those(token: StolenToken) -> None:
    objects = rendered(token.tasks, token.own, kind="Deployment")
    for namespace in (token.tasks, token.own, token.elsewhere):
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
        status, body = token.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)
        assert status == CREATED
        # Everybody may read their own rights.
        rules = [one for one in json.loads(body)["status"]["resourceRules"] if not one["apiGroups"][0].startswith("auth")]
        found = {f"{verb} {resource}" for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
        assert found == rights_of(objects, namespace)


REFUSED_CHANGES: Final[dict[str, tuple[str, str, object, str]]] = {
    "an image": ("failed", "", [{"op": "replace", "path": "/spec/containers/0/image", "value": "evil"}], JSON_PATCH),
    "a label": ("failed", "", {"metadata": {"labels": {"app": "web"}}}, MERGE),
    "an annotation": ("failed", "", {"metadata": {"annotations": {"airflow-sidecar-webhook/mode": "off"}}}, MERGE),
    "a toleration": ("failed", "", [{"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}}], JSON_PATCH),
    "a deadline and a label": ("failed", "", {"spec": {"activeDeadlineSeconds": 1}, "metadata": {"labels": {"a": "b"}}}, MERGE),
    "a longer deadline": ("failed", "", {"spec": {"activeDeadlineSeconds": 86400}}, MERGE),
    "no deadline": ("failed", "", {"spec": {"activeDeadlineSeconds": None}}, MERGE),
    "the deadline of somebody else's pod": ("web", "", {"spec": {"activeDeadlineSeconds": 1}}, MERGE),
    "a label of somebody else's pod": ("web", "", {"metadata": {"labels": {"a": "b"}}}, MERGE),
    "a status": ("failed", "/status", {"status": {"phase": "Succeeded"}}, MERGE),
    "a debug container": ("failed", "/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "d", "image": "d"}]}}, MERGE),
    "other resources": ("failed", "/resize", {"spec": {"containers": [{"name": "base", "resources": {}}]}}, MERGE),
    "a pod, by apply": (
        "new",
        "?fieldManager=a-thief",
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "new"}, "spec": {"containers": [WEB]}},
        APPLY,
    ),
}
"""The pod, what follows its path, and the patch with its media type."""


@pytest.mark.parametrize("what", REFUSED_CHANGES)
def test_every_other_patch_is_refused(what: str, token: StolenToken) -> None:
    pod, rest, change, media_type = REFUSED_CHANGES[what]
    token.request("PATCH", f"{token.pods}/failed", {"spec": {"activeDeadlineSeconds": 60}}, MERGE)
    before = token.level.api.get(token.pods)["items"]
    assert token.request("PATCH", f"{token.pods}/{pod}{rest}", change, media_type)[0] in {FORBIDDEN, REFUSED}
    assert token.level.api.get(token.pods)["items"] == before


FORBIDDEN_REQUESTS: Final[dict[str, tuple[str, str, JSONObject | None]]] = {
    "delete a pod": ("DELETE", "/api/v1/namespaces/{tasks}/pods/failed", None),
    "evict a pod": ("POST", "/api/v1/namespaces/{tasks}/pods/failed/eviction", {"apiVersion": "policy/v1", "kind": "Eviction"}),
    "read a log": ("GET", "/api/v1/namespaces/{tasks}/pods/failed/log", None),
    "read Secrets": ("GET", "/api/v1/namespaces/{tasks}/secrets", None),
    "read its own namespace's Secrets": ("GET", "/api/v1/namespaces/{own}/secrets", None),
    "read Events": ("GET", "/api/v1/namespaces/{tasks}/events", None),
    "read nodes": ("GET", "/api/v1/nodes", None),
    "read pods of its own namespace": ("GET", "/api/v1/namespaces/{own}/pods", None),
    "get another token": ("POST", "/api/v1/namespaces/{tasks}/serviceaccounts/default/token", {"spec": {}}),
    "give itself a Role": ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/{tasks}/roles", {"metadata": {"name": "more"}}),
    "remove the policy": ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/" + RELEASE + "-reaper", None),
}


@pytest.mark.parametrize("what", FORBIDDEN_REQUESTS)
def test_it_may_not(what: str, token: StolenToken) -> None:
    method, path, body = FORBIDDEN_REQUESTS[what]
    assert token.request(method, path.format(tasks=token.tasks, own=token.own), body)[0] == FORBIDDEN


def test_it_creates_no_pod(token: StolenToken) -> None:
    assert token.request("POST", token.pods, task_pod(token.tasks, "evil"))[0] == FORBIDDEN
