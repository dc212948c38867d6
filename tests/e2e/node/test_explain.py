"""The lines by which ``explain`` ends a stuck pod, run as they are printed on pods of a real kubelet."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from testbed import binaries
from tests.e2e.node.left_pods import COLLECTOR, LEFT_PODS, READY
from tests.e2e.node.namespace import SECONDS
from webhook.command.explainer import Explainer
from webhook.core import default_policy
from webhook.course.pod_course import PodState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.node.namespace import PodNamespace

LATER: Final = timedelta(hours=1)
"""By which the clock of ``explain`` is ahead here, so that the pod has had its three minutes to end."""

CASES: Final = {"succeeds": "Succeeded", "fails": "Failed", "collector": "Succeeded"}
"""Pods with a quit request, and one that ends by a signal, with the phase in which each ends."""


@pytest.mark.parametrize(("name", "phase"), CASES.items(), ids=CASES)
def test_the_printed_line_ends_a_stuck_pod_with_the_result_of_its_task(
    namespace: PodNamespace, task_image: str, agent_image: str, tmp_path: Path, name: str, phase: str
) -> None:
    namespace.level.node.ctr("images", "tag", "--force", task_image, COLLECTOR)
    pod = LEFT_PODS[name].make(namespace.name, name, task_image, agent_image)
    sidecar = pod["spec"]["containers"][1]["name"]
    namespace.create(pod)
    namespace.wait_for_log(name, READY, sidecar)
    namespace.base_end(name)
    course = Explainer(default_policy(), now=datetime.now(UTC) + LATER).of_cluster(namespace.pod(name)).course

    assert course is not None
    assert (course.state, [one.name for one in course.running]) == (PodState.STUCK, [sidecar])
    run_line(namespace, tmp_path, course.now[0].line)
    end = namespace.end(name)
    ended = end.terminated(sidecar)
    assert ended is not None
    assert (end.phase, ended["exitCode"]) == (phase, 0)


def run_line(namespace: PodNamespace, home: Path, line: str) -> None:
    """Run a line with the real kubectl. Its exit code says nothing: it is that of ``kill``, or of a command whose container has ended."""
    program = binaries.find(binaries.KUBECTL)
    kubeconfig = str(namespace.level.server.kubeconfig)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "KUBECONFIG": kubeconfig, "HOME": str(home)}
    subprocess.run(["/bin/sh", "-c", line], env=environment, capture_output=True, check=False, timeout=SECONDS)
