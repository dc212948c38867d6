"""Pods whose names are longer than a label's value may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.api_server.submission import submission
from tests.e2e.mesh.task import MESSAGE, ended
from tests.e2e.node.pods import shell
from tests.support.pods import admitted, pods_in
from webhook.core.names import CANONICAL_NAME, MODE_ANNOTATION

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


MAX_LABEL_CHARACTERS: Final = 63
AIRFLOW: Final = ("airflow-3.3.2-provider-10.25.0", "airflow-2.10.5-provider-10.1.0")
LONG: Final = {
    path: pod
    for folder in AIRFLOW
    for path, pod in pods_in(folder)
    if pod["kind"] == "Pod" and len(pod["metadata"].get("name", "")) > MAX_LABEL_CHARACTERS
}

NAME_AT_THE_PROXY: Final = f"""
import json, urllib.request
info = json.load(urllib.request.urlopen("http://127.0.0.1:15000/server_info"))
open("{MESSAGE}", "w").write(info["node"]["metadata"]["LABELS"]["{CANONICAL_NAME}"])
"""


def name_at_istio(namespace: PodNamespace, pod: JSONObject) -> str:
    """The workload's name in the mesh; Istio gives one to every pod that it injects."""
    created = namespace.level.api.create(submission(pod, namespace.name), dryRun="All")
    name: str = created["metadata"]["labels"][CANONICAL_NAME]
    return name


def test_there_are_such_pods() -> None:
    assert LONG


@pytest.mark.parametrize("path", LONG)
def test_istio_takes_the_short_name_instead_of_a_cut_one(namespace: PodNamespace, policy: Policy, path: str) -> None:
    pod = LONG[path]
    left_alone = {**pod, "metadata": {**pod["metadata"], "annotations": {MODE_ANNOTATION: "off"}}}
    assert name_at_istio(namespace, left_alone) == pod["metadata"]["name"][:MAX_LABEL_CHARACTERS].rstrip("-_.")

    assert name_at_istio(namespace, pod) == admitted(pod, policy)[1]["metadata"]["labels"][CANONICAL_NAME]


def test_the_proxy_itself_knows_the_pod_by_its_short_name(namespace: PodNamespace, task_image: str) -> None:
    pod = submission(LONG[f"{AIRFLOW[0]}/kpo_long_name_no_suffix.json"], namespace.name)
    pod["spec"]["containers"][0] |= shell(task_image, f"exec python3 -c '{NAME_AT_THE_PROXY}'")
    namespace.create(pod)

    base = ended(namespace.end(pod["metadata"]["name"]), "base")
    assert base["exitCode"] == 0, base
    assert base["message"] == name_at_istio(namespace, {**pod, "metadata": {**pod["metadata"], "name": "another-try"}})
