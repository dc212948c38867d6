"""A task starts once its sidecar is ready, and the pod says what was done to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo.stand_in_istio_agent import Behaviour
from tests.e2e.node.pods import operator_pod, stand_in_proxy
from webhook import __version__
from webhook.core.names import STATUS_ANNOTATION, WAIT_SECONDS_ANNOTATION

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


SLOW_SECONDS = 2.0
PRINT_TIME = "import time; print(time.monotonic(), flush=True)"
# The wrapper gives up a quit request that it sends before the agent listens.
PRINT_TIME_AND_WAIT_FOR_AGENT = f"""{PRINT_TIME}
import socket
while socket.socket().connect_ex(('127.0.0.1', 15020)): time.sleep(0.1)
"""


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, bystander: PodNamespace, bash_image: str, agent_image: str) -> None:
    base = python(bash_image, PRINT_TIME)
    namespace.create(operator_pod(namespace.name, "waits", base, stand_in_proxy(agent_image, ready_after_seconds=SLOW_SECONDS)))
    never = stand_in_proxy(agent_image, Behaviour.NEVER_READY)
    command = python(bash_image, PRINT_TIME_AND_WAIT_FOR_AGENT)
    namespace.create(operator_pod(namespace.name, "does-not-wait", command, never, annotations={WAIT_SECONDS_ANNOTATION: "0"}))
    namespace.create(operator_pod(namespace.name, "alone", base))
    bystander.create(operator_pod(bystander.name, "alone", base))


def python(image: str, program: str) -> JSONObject:
    """A container that runs a program in the image's Python, by way of its shell."""
    return {"image": image, "command": ["/bin/sh", "-c", 'exec python3 -c "$0"', program]}


def ready_at(namespace: PodNamespace, pod: str) -> float:
    """When the stand-in got ready, on the clock of the machine (CLOCK_MONOTONIC)."""
    return next(float(event["at"]) for event in namespace.agent_events(pod) if event["event"] == "ready")


def test_a_task_does_not_start_before_its_sidecar_is_ready(namespace: PodNamespace) -> None:
    assert namespace.end("waits").phase == "Succeeded"
    assert float(namespace.log("waits")) > ready_at(namespace, "waits")


def test_a_task_that_shall_not_wait_runs_beside_a_sidecar_that_never_gets_ready(namespace: PodNamespace) -> None:
    assert namespace.end("does-not-wait").phase == "Succeeded"
    requests = [event["path"] for event in namespace.agent_events("does-not-wait") if event["event"] == "request"]
    assert "/healthz/ready" not in requests


def test_the_pod_itself_says_that_it_was_wrapped_and_why(namespace: PodNamespace) -> None:
    assert json.loads(namespace.pod("waits")["metadata"]["annotations"][STATUS_ANNOTATION]) == {
        "treatment": "wrapped",
        "reason": "sidecars-quit",
        "main": "base",
        "entrypoint": "command",
        "shell": "image",
        "sidecars": {"istio-proxy": "quit"},
        "no_native": "unknown",
        "version": __version__,
    }


def test_a_pod_without_a_sidecar_is_labelled_only_and_one_elsewhere_is_left_alone(namespace: PodNamespace, bystander: PodNamespace) -> None:
    assert namespace.end("alone").phase == bystander.end("alone").phase == "Succeeded"
    labelled, other = namespace.pod("alone"), bystander.pod("alone")
    assert json.loads(labelled["metadata"]["annotations"][STATUS_ANNOTATION]) == {
        "treatment": "labelled",
        "reason": "no-sidecar",
        "main": "base",
        "version": __version__,
    }
    assert labelled["spec"]["containers"][0]["command"] == other["spec"]["containers"][0]["command"]
    assert "annotations" not in other["metadata"]
