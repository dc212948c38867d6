"""The termination message of a wrapped task is in its pod's status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.stand_in_istio_agent import Behaviour
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy
from webhook.core.names import WAIT_SECONDS_ANNOTATION

if TYPE_CHECKING:
    from testbed.recorder import Moment
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


FALLBACK = {"terminationMessagePolicy": "FallbackToLogsOnError"}
CASES: dict[str, tuple[str, JSONObject, str | None]] = {
    "written": ("echo last words >/dev/termination-log; exit 3", {}, "last words\n"),
    "written-elsewhere": ("echo last words >/tmp/last; exit 3", {"terminationMessagePath": "/tmp/last"}, "last words\n"),  # noqa: S108  in the pod
    "from-the-log": ("echo what went wrong >&2; exit 3", FALLBACK, "what went wrong\n"),
    "none-of-a-success": ("echo all is well", FALLBACK, None),
}
LATE = "not-ready"


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, bystander: PodNamespace, task_image: str, agent_image: str) -> None:
    for name, (script, fields, _) in CASES.items():
        base = shell(task_image, script, **fields)
        namespace.create(operator_pod(namespace.name, name, base, stand_in_proxy(agent_image)))
        bystander.create(operator_pod(bystander.name, name, base))
    never = stand_in_proxy(agent_image, Behaviour.NEVER_READY)
    late = operator_pod(namespace.name, LATE, shell(task_image, "exit 0", **FALLBACK), never, annotations={WAIT_SECONDS_ANNOTATION: "5"})
    namespace.create(late)


def message(end: Moment) -> str | None:
    base = end.terminated("base")
    assert base
    text: str | None = base.get("message")
    return text


@pytest.mark.parametrize("name", CASES)
def test_the_termination_message_is_the_tasks(namespace: PodNamespace, bystander: PodNamespace, name: str) -> None:
    expected = CASES[name][2]
    assert message(bystander.end(name)) == expected
    assert message(namespace.end(name)) == expected


def test_why_a_task_was_not_started_stands_in_the_status_of_a_pod_with_the_end_of_the_log(namespace: PodNamespace) -> None:
    why = "sidecar istio-proxy was not ready after 5 s: the task was not started. Read the log of container istio-proxy"
    assert message(namespace.end(LATE)) == f"airflow-sidecar-webhook: {why}\n"
