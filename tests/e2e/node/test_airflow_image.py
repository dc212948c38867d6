"""Pods of the KubernetesExecutor have args alone: the wrapper runs the image's entry point, which the entrypoint table says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.api_server.submission import submission
from tests.e2e.node.pods import executor_pod, stand_in_proxy
from tests.support.pods import container, load
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


AWKWARD = ["two words", 'it\'s "quoted"', "two\nlines", "", "*", "$HOME", "$$HOME", "-n", "--", "back\\slash", "\u00fc", " "]
REAL = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
FAILS = {"name": "STAND_IN_COMMAND", "value": "exit 3"}
"""Makes the stand-in for Airflow end with this code."""


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, bystander: PodNamespace, airflow_image: str, agent_image: str) -> None:
    base = {"image": airflow_image, "args": AWKWARD, "env": [FAILS]}
    namespace.create(executor_pod(namespace.name, "awkward", base, stand_in_proxy(agent_image)))
    bystander.create(executor_pod(bystander.name, "awkward", base))
    for place, sidecars in ((namespace, [stand_in_proxy(agent_image)]), (bystander, [])):
        place.create(*belongings(place.name), real_pod(place.name, airflow_image, sidecars))


def real_pod(namespace: str, image: str, sidecars: list[JSONObject]) -> JSONObject:
    """The pod as a real Airflow sent it, with a test's image."""
    pod = submission(REAL, namespace)
    base = container(pod, "base")
    base["image"] = image
    base["env"].append(FAILS)
    marked = executor_pod(namespace, "real", base, *sidecars)["metadata"]["annotations"]
    pod["metadata"] |= {"name": "real", "annotations": {**pod["metadata"]["annotations"], **marked}}
    pod["spec"]["containers"] += sidecars
    return pod


def belongings(namespace: str) -> list[JSONObject]:
    """The objects that the pod refers to, as the chart creates them."""

    def named(kind: str, name: str, **fields: object) -> JSONObject:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": f"release-name-{name}", "namespace": namespace}, **fields}

    return [
        named("Secret", "fernet-key", stringData={"fernet-key": "key"}),
        named("Secret", "airflow-metadata", stringData={"connection": "sqlite://"}),
        named("ConfigMap", "airflow-config", data={"airflow.cfg": ""}),
        named("ServiceAccount", "worker-serviceaccount"),
    ]


def arguments(namespace: PodNamespace, pod: str) -> list[str]:
    """The arguments that the stand-in for Airflow received."""
    received: list[str] = json.loads(namespace.outputs(pod)["stdout"])["stand_in_airflow"]
    return received


def test_every_argument_arrives_as_it_is(namespace: PodNamespace, bystander: PodNamespace) -> None:
    namespace.end("awkward")
    bystander.end("awkward")
    # The kubelet replaces $$ by $.
    assert arguments(namespace, "awkward") == [word.replace("$$", "$") for word in AWKWARD]
    assert arguments(bystander, "awkward") == arguments(namespace, "awkward")


def test_the_command_of_a_real_pod_arrives_as_airflow_sent_it(namespace: PodNamespace) -> None:
    namespace.end("real")
    sent = container(REAL, "base")["args"]
    assert sent[:3] == ["python", "-m", "airflow.sdk.execution_time.execute_workload"]
    assert arguments(namespace, "real") == sent[3:]


@pytest.mark.parametrize("name", ["awkward", "real"])
def test_the_pod_ends_with_the_tasks_code_and_says_that_the_table_has_the_entrypoint(
    namespace: PodNamespace, bystander: PodNamespace, name: str
) -> None:
    for place in (namespace, bystander):
        end = place.end(name)
        base = end.terminated("base")
        assert base
        assert (end.phase, base["exitCode"]) == ("Failed", 3)
    assert json.loads(namespace.pod(name)["metadata"]["annotations"][STATUS_ANNOTATION])["entrypoint"] == "table"
    assert namespace.outputs(name) == bystander.outputs(name)
