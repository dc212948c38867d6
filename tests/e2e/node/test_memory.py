"""A task that is out of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace

LIMIT = {"limits": {"memory": "32Mi"}}


def test_a_task_that_is_out_of_memory_ends_with_137_as_without_the_webhook_and_its_sidecar_gets_a_quit_request(
    namespace: PodNamespace, bystander: PodNamespace, task_image: str, agent_image: str
) -> None:
    """Where the kernel ends the process that is too big and not its container (singleProcessOOMKill; always with cgroup v1)."""
    base = shell(task_image, "exec tail /dev/zero", resources=LIMIT)
    namespace.create(operator_pod(namespace.name, "too-big", base, stand_in_proxy(agent_image)))
    bystander.create(operator_pod(bystander.name, "too-big", base))

    wrapped, alone = namespace.end("too-big"), bystander.end("too-big")
    for end in (wrapped, alone):
        ended = end.terminated("base")
        assert ended
        # Not the reason: the kernel's event and the exit reach containerd on two ways, and on a busy machine the exit may come first.
        assert (end.phase, ended["exitCode"]) == ("Failed", 137)
    proxy = wrapped.terminated("istio-proxy")
    assert proxy
    assert proxy["exitCode"] == 0
