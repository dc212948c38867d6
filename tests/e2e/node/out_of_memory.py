"""A pod whose task is out of memory, where the kernel takes the whole container for it, with the wrapper in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.e2e.node.pods import executor_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

SCRIPT: Final = "echo the task ran; echo 1000 >/proc/1/oom_score_adj; exec tail /dev/zero"
"""The kernel ends process 1, the wrapper, and with it every other process: as with memory.oom.group, which cgroup version 1 lacks."""

SMALL: Final = {"limits": {"memory": "32Mi", "cpu": "200m"}}
LARGE: Final = {"limits": {"memory": "256Mi", "cpu": "200m"}}
"""With limits for each container (QoS class Guaranteed) the kernel prefers a process that says so of itself to one that is large."""


def out_of_memory_pod(namespace: str, name: str, task_image: str, agent_image: str) -> JSONObject:
    """The pod, beside Istio's stand-in."""
    proxy = {**stand_in_proxy(agent_image), "resources": LARGE}
    return executor_pod(namespace, name, shell(task_image, SCRIPT, resources=SMALL), proxy)
