"""A sidecar that nothing can end in a pod is left out of it by the line of its remedy, which the real injector obeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.mesh.task import ended, regular, status_of
from tests.e2e.node.pods import operator_pod, shell
from tests.support.paste import pasted
from webhook.core import UNKNOWN_CLUSTER, ContainerReason, default_policy, treat

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


def spark_driver(namespace: PodNamespace, image: str) -> JSONObject:
    """A driver of Spark, which is never wrapped, in a mesh whose proxy cannot be native here."""
    pod = operator_pod(namespace.name, "driver", shell(image, "exit 3"))
    pod["metadata"]["labels"] = {"spark_kubernetes_operator": "True", "spark-role": "driver"}
    return pod


def test_the_injector_adds_nothing_to_a_pod_with_the_line_of_the_remedy(namespace: PodNamespace, task_image: str) -> None:
    driver = spark_driver(namespace, task_image)
    injected = namespace.level.api.create(driver, dryRun="All")
    (remedy,) = [
        one
        for one in treat(injected, default_policy(), UNKNOWN_CLUSTER).remedies
        if one.reason == ContainerReason.CANNOT_BE_ENDED and one.containers == ("istio-proxy",)
    ]
    assert (status_of(injected)["reason"], regular(injected)) == ("spark", ["base", "istio-proxy"])

    created = namespace.level.api.create(pasted(driver, remedy))
    end = namespace.end("driver")
    assert regular(created) == ["base"]
    assert ended(end, "base")["exitCode"] == 3
