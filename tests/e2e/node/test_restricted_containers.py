"""A container that may do next to nothing is wrapped all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace

RESTRICTED = {
    "runAsUser": 12345,  # in no passwd
    "runAsGroup": 23456,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
SCRIPT = "id -u; id -g; umask; ulimit -a; pwd; env | sort; grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status; exit 3"
SHELLS = ["busybox", "bash"]


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, bystander: PodNamespace, task_image: str, bash_image: str, agent_image: str) -> None:
    for name, image in zip(SHELLS, (task_image, bash_image), strict=True):
        base = shell(image, SCRIPT, securityContext=RESTRICTED)
        namespace.create(operator_pod(namespace.name, name, base, stand_in_proxy(agent_image)))
        bystander.create(operator_pod(bystander.name, name, base))


@pytest.mark.parametrize("name", SHELLS)
def test_the_task_runs_with_the_same_rights_and_environment_as_without_the_webhook(
    namespace: PodNamespace, bystander: PodNamespace, name: str
) -> None:
    for place in (namespace, bystander):
        base = place.end(name).terminated("base")
        assert base
        assert base["exitCode"] == 3
    outputs = namespace.outputs(name)
    assert outputs["stdout"].startswith("12345\n23456\n")
    assert outputs == bystander.outputs(name)
