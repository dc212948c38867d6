"""`kubectl logs` and `kubectl exec` work in a wrapped pod as in an unpatched one."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.node.namespace import SECONDS
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.node.namespace import PodNamespace

LOUD = "echo one; echo two >&2; printf 'no line break'"
WAITING = """
echo up
until [ -s /tmp/go ]; do sleep 0.1; done
while [ -e /proc/$(cat /tmp/go) ]; do sleep 0.1; done
echo gone on
exit 3
"""
"""It waits until a process is executed in the container and has ended: a container's end kills all its processes."""


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, bystander: PodNamespace, task_image: str, agent_image: str) -> Iterator[None]:
    """Both pods; the waiting one is deleted in the end, in case no test let it continue."""
    for name, script in (("loud", LOUD), ("waiting", WAITING)):
        namespace.create(operator_pod(namespace.name, name, shell(task_image, script), stand_in_proxy(agent_image)))
    bystander.create(operator_pod(bystander.name, "loud", shell(task_image, LOUD)))
    yield
    namespace.delete("waiting", 1)


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=SECONDS)


def test_kubectl_logs_gives_what_the_task_wrote_and_nothing_else(namespace: PodNamespace, bystander: PodNamespace) -> None:
    namespace.end("loud")
    bystander.end("loud")
    logs = run(namespace.kubectl("logs", "loud", "--container=base"))
    alone = run(bystander.kubectl("logs", "loud"))
    # Between two streams there is no order: one may come behind what the other wrote without a line break.
    assert (logs.returncode, sorted(logs.stdout)) == (0, sorted("one\nno line breaktwo\n"))
    assert sorted(logs.stdout) == sorted(alone.stdout)


def test_each_stream_holds_what_the_task_wrote_into_it(namespace: PodNamespace, bystander: PodNamespace) -> None:
    namespace.end("loud")
    bystander.end("loud")
    assert namespace.outputs("loud") == {"stdout": "one\nno line break", "stderr": "two\n"}
    assert namespace.outputs("loud") == bystander.outputs("loud")


def test_kubectl_exec_reaches_the_task_and_kubectl_logs_follows_it_to_its_end(namespace: PodNamespace) -> None:
    namespace.wait_for_log("waiting", "up")
    with subprocess.Popen(
        namespace.kubectl("logs", "waiting", "--container=base", "--follow"), stdout=subprocess.PIPE, text=True
    ) as following:
        try:
            script = "echo said inside; echo $$ > /tmp/go; exit 5"
            inside = run(namespace.kubectl("exec", "waiting", "--container=base", "--", "sh", "-c", script))
            followed, _ = following.communicate(timeout=SECONDS)
        finally:
            following.kill()
    assert (inside.returncode, inside.stdout) == (5, "said inside\n")
    assert (following.returncode, followed) == (0, "up\ngone on\n")
    ended = namespace.end("waiting").terminated("base")
    assert ended
    assert ended["exitCode"] == 3
