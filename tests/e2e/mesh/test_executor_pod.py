"""Pods of the KubernetesExecutor: args alone, and an entry point in the image.

Image and Airflow are stand-ins (`testbed.images.catalogue.airflow_like`): the entry point's path, the user and what it runs are
Airflow's, the task is a line of shell.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import pytest

from testbed.images import catalogue
from tests.e2e.api_server.submission import submission
from tests.e2e.mesh.task import ended, is_from_envoy, regular, request, status_of
from tests.support.pods import container, load

if TYPE_CHECKING:
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


PATHS = ["airflow-3.3.2-provider-10.25.0/ke_minimal_template.json", "airflow-2.10.5-provider-10.1.0/ke_minimal_template.json"]


@pytest.fixture(scope="module")
def airflow_image(node: NodeLevel) -> str:
    """Airflow's entry point and user, with a stand-in for Airflow."""
    return node.node.load(catalogue.airflow_like())


@pytest.fixture(scope="module")
def pods(namespace: PodNamespace, airflow_image: str, web: str) -> dict[str, JSONObject]:
    """The pods of the fixtures, all at once, as they were created."""
    created = {}
    for number, path in enumerate(PATHS):
        pod = copy.deepcopy(submission(load(path), namespace.name))
        pod["metadata"]["name"] += f"-{number}"
        container(pod, "base").update(image=airflow_image)
        container(pod, "base")["env"].append({"name": "STAND_IN_COMMAND", "value": f"{request(web)}; exit 3"})
        created[path] = namespace.level.api.create(pod)
    return created


@pytest.mark.parametrize("path", PATHS)
def test_it_runs_its_args_by_the_images_entry_point_and_ends_with_its_tasks_code(
    namespace: PodNamespace, pods: dict[str, JSONObject], path: str
) -> None:
    pod = pods[path]
    assert regular(pod) == ["base", "istio-proxy"]
    assert status_of(pod)["entrypoint"] == "table"

    end = namespace.end(pod["metadata"]["name"])
    base = ended(end, "base")
    assert is_from_envoy(base["message"])
    assert base["exitCode"] == 3
    assert ended(end, "istio-proxy")["exitCode"] == 0
    ran = json.loads(namespace.log(pod["metadata"]["name"]).splitlines()[0])["stand_in_airflow"]
    assert ran == load(path)["spec"]["containers"][0]["args"][-len(ran) :]
    assert ran
