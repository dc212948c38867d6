"""Before Istio's configuration or after it: the pod comes out the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.api_server.submission import comparable
from tests.e2e.mesh.namespace import mesh_namespace
from tests.e2e.mesh.task import ended, is_from_envoy, request
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.pods import operator_pod, shell
from tests.e2e.registration import is_patched_in, registered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from testbed.mesh import Mesh
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


AFTER_ISTIO = {"webhook-order": "after-istio"}


@pytest.fixture(scope="module", params=["Never", "IfNeeded"])
def namespace_after_istio(request: pytest.FixtureRequest, node: NodeLevel, mesh: Mesh) -> Iterator[PodNamespace]:
    """A namespace for whose pods Istio's webhook is called first, then this one."""
    del mesh
    fields = {"namespaceSelector": {"matchLabels": AFTER_ISTIO}, "reinvocationPolicy": request.param}
    configuration = node.webhook.configuration("zzz-airflow-sidecar-webhook", **fields)
    with (
        mesh_namespace(node, **NOT_OPTED_IN, **AFTER_ISTIO) as namespace,
        registered(node.api, configuration, lambda api: is_patched_in(namespace.name, api)),
    ):
        yield namespace


def task_pod(namespace: PodNamespace, name: str, task_image: str, url: str) -> JSONObject:
    """A task that makes a request and ends with 3, in a pod without the volume of a random name."""
    base = shell(task_image, f"{request(url)}; exit 3")
    return operator_pod(namespace.name, name, base, automountServiceAccountToken=False)


def stored(namespace: PodNamespace, pod: JSONObject) -> JSONObject:
    """What the API server would store, without the namespace's name (Istio writes it into ISTIO_META_OWNER)."""
    found = comparable(namespace.level.api.create(pod, dryRun="All"))
    same: JSONObject = json.loads(json.dumps(found).replace(f"/{namespace.name}/", "/NAMESPACE/"))
    return same


def reasons(namespace: PodNamespace, pod: str) -> list[str]:
    """What our webhook decided about a pod, review for review."""
    return [line["reason"] for line in namespace.level.webhook.reviews if (line["namespace"], line["name"]) == (namespace.name, pod)]


def test_before_istio_it_is_called_again_when_the_sidecar_is_there(namespace: PodNamespace, task_image: str, web: str) -> None:
    stored(namespace, task_pod(namespace, "twice", task_image, web))

    assert reasons(namespace, "twice") == ["no-sidecar", "sidecars-quit"]


def test_after_istio_the_pod_becomes_the_same_as_before_it(
    namespace: PodNamespace, namespace_after_istio: PodNamespace, task_image: str, web: str
) -> None:
    before = stored(namespace, task_pod(namespace, "same", task_image, web))
    after = stored(namespace_after_istio, task_pod(namespace_after_istio, "same", task_image, web))

    assert after == before
    assert set(reasons(namespace_after_istio, "same")) == {"sidecars-quit"}


def test_after_istio_a_pod_ends_with_its_tasks_code(namespace_after_istio: PodNamespace, task_image: str, web: str) -> None:
    namespace_after_istio.create(task_pod(namespace_after_istio, "ends", task_image, web))

    base = ended(namespace_after_istio.end("ends"), "base")
    assert is_from_envoy(base["message"])
    assert base["exitCode"] == 3
