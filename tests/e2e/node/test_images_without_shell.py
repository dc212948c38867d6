"""An image without a shell, in a namespace with every restriction: the helper image brings the shell that the wrapper needs."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from testbed.images import catalogue
from testbed.wait import until
from testbed.webhook import Webhook
from tests.e2e.node.namespace import SECONDS, namespace_on
from tests.e2e.node.pods import operator_pod, stand_in_proxy
from tests.e2e.registration import is_patched_in, registered
from webhook.core.names import ENTRYPOINT_ANNOTATION, HELPER_CONTAINER, STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


OPTED_IN = {"airflow-sidecar-webhook": "with-helper"}
"""The label of namespaces for a second webhook, which has a helper image."""

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
POD_CONTEXT = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTEXT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
ANYBODY = {**CONTEXT, "runAsUser": 12345, "readOnlyRootFilesystem": True}

LIMITS = {
    "type": "Container",
    "min": {"cpu": "50m", "memory": "24Mi"},
    "max": {"cpu": "400m", "memory": "256Mi"},
    "defaultRequest": {"cpu": "100m", "memory": "64Mi"},
    "default": {"cpu": "200m", "memory": "128Mi"},
    "maxLimitRequestRatio": {"cpu": "2", "memory": "2"},
}
AMOUNTS = {"requests": {"cpu": "200m", "memory": "128Mi"}, "limits": {"cpu": "400m", "memory": "256Mi"}}
QUOTA = {"requests.cpu": "700m", "requests.memory": "448Mi", "limits.cpu": "1400m", "limits.memory": "896Mi"}
"""Exactly the resources of the tasks and their proxies: no helper would fit in addition."""

TASKS: dict[str, tuple[JSONObject, dict[str, str], int]] = {
    "command": ({"command": ["/program", "exit", "3"], "resources": AMOUNTS, "securityContext": CONTEXT}, {}, 3),
    "args": ({"args": ["show", "two words"], "securityContext": CONTEXT}, {ENTRYPOINT_ANNOTATION: '["/program"]'}, 0),
    "anybody": ({"command": ["/program", "write", "/file"], "securityContext": ANYBODY}, {}, 1),
}
"""Containers, annotations of their pods, and exit codes."""


@pytest.fixture(scope="module")
def namespace(node: NodeLevel) -> Iterator[PodNamespace]:
    """Of the restricted Pod Security Standard, with limits and a quota, with a webhook of its own."""
    webhook = Webhook(node.place, "webhook-with-helper", {"HELPER_IMAGE": node.node.load(catalogue.helper())})
    configuration = webhook.configuration("airflow-sidecar-webhook-with-helper", namespaceSelector={"matchLabels": OPTED_IN})
    with (
        namespace_on(node, "probe", **OPTED_IN) as probe,
        registered(node.api, configuration, partial(is_patched_in, probe.name)),
        namespace_on(node, "restricted", **OPTED_IN, **RESTRICTED) as restricted,
    ):
        restrain(restricted)
        yield restricted
    webhook.end()


def restrain(namespace: PodNamespace) -> None:
    """Set limits and a quota, and wait until the quota counts."""
    metadata = {"name": "demands", "namespace": namespace.name}
    namespace.create({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [LIMITS]}})
    namespace.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": QUOTA}})
    path = f"/api/v1/namespaces/{namespace.name}/resourcequotas/demands"
    until(lambda: namespace.level.api.get(path).get("status", {}).get("hard"), "the quota counts", SECONDS)


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, shell_less_image: str, agent_image: str) -> None:
    proxy = stand_in_proxy(agent_image, securityContext=ANYBODY)
    for name, (base, options, _) in TASKS.items():
        task = {"image": shell_less_image, **base}
        namespace.create(operator_pod(namespace.name, name, task, proxy, annotations=options, securityContext=POD_CONTEXT))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_in_an_image_without_a_shell_is_wrapped_and_its_pod_ends(namespace: PodNamespace, name: str) -> None:
    end = namespace.end(name)
    codes = {one: (end.terminated(one) or {}).get("exitCode") for one in ("base", "istio-proxy")}
    assert codes == {"base": TASKS[name][2], "istio-proxy": 0}
    assert json.loads(namespace.pod(name)["metadata"]["annotations"][STATUS_ANNOTATION])["shell"] == "helper"


def test_the_task_gets_its_arguments(namespace: PodNamespace) -> None:
    namespace.end("args")
    assert namespace.log("args").splitlines()[:3] == ["argv[0]=/program", "argv[1]=show", "argv[2]=two words"]


def test_a_root_that_is_read_only_for_the_task_is_so_beneath_the_wrapper(namespace: PodNamespace) -> None:
    namespace.end("anybody")
    assert namespace.outputs("anybody") == {"stdout": "", "stderr": "/file: Read-only file system\n"}


@pytest.mark.parametrize("name", TASKS)
def test_the_helper_requests_what_the_task_requests_and_ended_before_it(namespace: PodNamespace, name: str) -> None:
    pod = namespace.end(name).pod
    (helper,) = pod["spec"]["initContainers"]
    assert (helper["name"], helper["resources"]) == (HELPER_CONTAINER, pod["spec"]["containers"][0]["resources"])
    (status,) = pod["status"]["initContainerStatuses"]
    assert (status["state"]["terminated"]["exitCode"], status["restartCount"]) == (0, 0)
