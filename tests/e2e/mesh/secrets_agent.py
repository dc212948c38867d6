"""A secrets server, and its agent beside a task: both the real programs of OpenBao, the open fork of Vault.

SIMULATED are the injectors alone: HashiCorp's, and OpenBao's fork of it. What they leave is written here by hand after vault-k8s 1.7.6
(agent-inject/agent: agent.go, container_sidecar.go, container_init_sidecar.go, config.go), for a pod with ``agent-init-first``: where it
is not set, the init container comes after istio-init and reaches nobody.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final, NamedTuple

from testbed.api_server import FIRST_SERVICE
from tests.e2e.node.pods import operator_pod

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

PORT: Final = 8200
VALUE: Final = "correct-horse"
FILE: Final = "/vault/secrets/database"
"""Where the agent writes the value for the task."""

BRIEF: Final = "brief"
"""A role whose tokens have to be renewed after some seconds."""


class Product(NamedTuple):
    """What an injector calls the agent's containers, the prefix of its annotations, and what the pod's author says of the quit request."""

    agent: str
    prefix: str
    enable_quit: str = "true"

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations of a pod with the agent."""
        return {
            f"{self.prefix}/agent-inject": "true",
            f"{self.prefix}/agent-inject-status": "injected",
            f"{self.prefix}/agent-enable-quit": self.enable_quit,
        }


VAULT: Final = Product("vault-agent", "vault.hashicorp.com")
OPENBAO: Final = Product("openbao-agent", "openbao.org")
OPENBAO_WITHOUT_QUIT: Final = OPENBAO._replace(enable_quit="false")

CONTENT: Final = {
    "sys/auth/kubernetes": {"type": "kubernetes"},
    "auth/kubernetes/config": {"kubernetes_host": f"https://{FIRST_SERVICE}"},
    "sys/policies/acl/task": {"policy": 'path "secret/*" { capabilities = ["read"] }'},
    "auth/kubernetes/role/task": {
        "bound_service_account_names": "default",
        "bound_service_account_namespaces": "*",
        "token_policies": "task",
    },
    f"auth/kubernetes/role/{BRIEF}": {
        "bound_service_account_names": "default",
        "bound_service_account_namespaces": "*",
        "token_policies": "task",
        "token_ttl": "6s",
    },
    "secret/data/database": {"data": {"password": VALUE}},
}
"""What the server is configured with after its start, by path: who may read with a service account's token, and the one value."""

TOKEN_REVIEWS: Final = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "secrets-server"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}],
}
"""The server has the API server review the tokens that it receives."""


def server(image: str) -> JSONObject:
    """The container of a server in memory, ready when it holds its content."""
    post = f'wget -q -O /dev/null --header "X-Vault-Token: root" --post-data "$2" "http://127.0.0.1:{PORT}/v1/$1"'
    script = [
        f"bao server -dev -dev-root-token-id=root -dev-listen-address=0.0.0.0:{PORT} &",
        f"put() {{ {post}; }}",
        *(f"until put {path} '{json.dumps(body)}'; do sleep 0.1; done" for path, body in CONTENT.items()),
        "touch /tmp/ready",
        "wait",
    ]
    return {
        "image": image,
        "command": ["/bin/sh", "-c", "\n".join(script)],
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108  of the container
        "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1},  # noqa: S108  of the container
    }


def injected_pod(namespace: str, name: str, base: JSONObject, image: str, url: str, product: Product = VAULT) -> JSONObject:
    """A task's pod after the product's injector and before Istio's. ``url``: the server's."""
    mounts = [{"name": "vault-secrets", "mountPath": "/vault/secrets"}]
    before = _agent(f"{product.agent}-init", "home-init", image, _configuration(url, product, stays=False))
    beside = _agent(product.agent, "home-sidecar", image, _configuration(url, product, stays=True))
    volumes = [{"name": volume, "emptyDir": {"medium": "Memory"}} for volume in ("home-init", "home-sidecar", "vault-secrets")]
    task = {**base, "volumeMounts": mounts}
    return operator_pod(namespace, name, task, beside, annotations=product.annotations, initContainers=[before], volumes=volumes)


def _configuration(url: str, product: Product, *, stays: bool) -> JSONObject:
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105  a path
    method = {"type": "kubernetes", "mount_path": "auth/kubernetes", "config": {"role": "task", "token_path": token}}
    quits = product.enable_quit == "true"
    template = '{{ with secret "secret/data/database" }}{{ .Data.data.password }}{{ end }}'
    return {
        "auto_auth": {"method": method, "sink": [{"type": "file", "config": {"path": "/home/vault/.vault-token"}}]},
        "exit_after_auth": not stays,
        "pid_file": "/home/vault/.pid",
        "vault": {"address": url},
        "template": [{"destination": FILE, "contents": template, "left_delimiter": "{{", "right_delimiter": "}}"}],
        "template_config": {"exit_on_retry_failure": True},
        # What agent-enable-quit sets, in both containers.
        "listener": [{"type": "tcp", "address": f"127.0.0.1:{PORT}", "tls_disable": True, "agent_api": {"enable_quit": quits}}],
        "cache": {},
    }


def _agent(name: str, home: str, image: str, configuration: JSONObject) -> JSONObject:
    """The container as the injector writes it; the program is called bao instead of vault."""
    encoded = base64.b64encode(json.dumps(configuration).encode()).decode()
    run = "echo ${VAULT_CONFIG?} | base64 -d > /home/vault/config.json && bao agent -config=/home/vault/config.json"
    return {
        "name": name,
        "image": image,
        "command": ["/bin/sh", "-ec"],
        "args": [run],
        "env": [{"name": "VAULT_CONFIG", "value": encoded}, {"name": "HOME", "value": "/home/vault"}],
        "securityContext": {
            "runAsUser": 100,
            "runAsGroup": 1000,
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": home, "mountPath": "/home/vault"}, {"name": "vault-secrets", "mountPath": "/vault/secrets"}],
    }
