"""Scripts for tasks of the mesh, and what tests read from their pods."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.node.namespace import ENDED
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from testbed.recorder import Moment
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


MESSAGE: Final = "/dev/termination-log"
"""A container's message in the pod's status is the content of this file (terminationMessagePath's default)."""

REQUEST_FAILED: Final = 99
EXEC_SECONDS: Final = 60
KILLED: Final = 128 + 9
RUNS_ON_SECONDS: Final = 4
"""A pod that still runs so long after its task counts as one that does not end: those that end do so within two seconds."""


def request(url: str) -> str:
    """A shell line: one request, no retry. The head of the response, or the error, becomes the container's message."""
    return f"curl -sS -f --max-time 5 -o /dev/null -D {MESSAGE} {url} 2>>{MESSAGE} || exit {REQUEST_FAILED}"


def is_from_envoy(message: str) -> bool:
    """Whether the head of a response has Envoy's headers (router filter: server, x-envoy-upstream-service-time)."""
    return "200 OK" in message and "server: envoy" in message and "x-envoy-upstream-service-time" in message


def ended(moment: Moment, container: str) -> JSONObject:
    """How a container had ended at this moment. AssertionError: it ran."""
    found = moment.terminated(container)
    assert found, f"{container} runs: {moment.pod['status']}"
    return found


def assert_runs_on(namespace: PodNamespace, pod: str) -> None:
    """Assert that a pod whose task has ended stays Running; then delete it."""
    with pytest.raises(TimeoutError):
        namespace.level.recorder.first(namespace.name, pod, lambda moment: moment.phase in ENDED, "ends", RUNS_ON_SECONDS)
    namespace.delete(pod, grace_seconds=1)


def status_of(pod: JSONObject) -> JSONObject:
    """The status that the webhook wrote on a pod."""
    status: JSONObject = json.loads(pod["metadata"]["annotations"][STATUS_ANNOTATION])
    return status


def regular(pod: JSONObject) -> list[str]:
    """The names of the regular containers, in their order."""
    return [container["name"] for container in pod["spec"]["containers"]]


def in_container(namespace: PodNamespace, pod: str, container: str, script: str) -> str:
    """Run a shell line in a container, as Airflow does; its output. CalledProcessError, TimeoutExpired."""
    command = _in_container(namespace, pod, container, script)
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=EXEC_SECONDS).stdout


def end_from_within(namespace: PodNamespace, pod: str, container: str, script: str) -> None:
    """Run a shell line that makes its own container end. CalledProcessError, TimeoutExpired.

    The kernel kills all processes of a container with its first one, and so perhaps this shell.
    """
    command = _in_container(namespace, pod, container, script)
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=EXEC_SECONDS)
    if done.returncode != KILLED:
        done.check_returncode()


def _in_container(namespace: PodNamespace, pod: str, container: str, script: str) -> list[str]:
    return namespace.kubectl("exec", pod, f"--container={container}", "--", "/bin/sh", "-c", script)
