"""Pods that a guess would break: they run as without the webhook, and end where somebody says what nobody can see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from testbed.images import catalogue
from tests.e2e.node.pods import executor_pod, operator_pod, shell, stand_in_proxy
from webhook.core.names import ENTRYPOINT_ANNOTATION, MAIN_CONTAINER_ANNOTATION, OUTLIVES_TASK_ANNOTATION, STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

ENDS_WITH_SECRET = {"name": "STAND_IN_COMMAND", "value": '[ "$OWN_SECRET" = exported ] && exit 3; exit 9'}
"""The task ends with 3 where the image's own entry point has run, else with 9."""

USES_THE_PROXY = """
until curl -s -f -o /dev/null http://127.0.0.1:15021/healthz/ready; do sleep 0.1; done
for step in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.3
  curl -s -f -o /dev/null http://127.0.0.1:15021/healthz/ready || exit 7
done
exit 3
"""
"""Ends with 3 where the proxy is there to the end, and with 7 where it goes."""

HOOK = {"name": "_STACKABLE_POST_HOOK", "value": "touch /log/shutdown"}
LOG = {"volumeMounts": [{"name": "log", "mountPath": "/log"}]}
UNTIL_THE_HOOK = "until [ -e /log/shutdown ]; do sleep 0.2; done"
"""A log agent that ends once the image's entry point has run its hook."""

LEFT = ("own-entrypoint", "two-candidates", "uploader")
"""The pods that stay Running, as they would without the webhook."""


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, bash_image: str, agent_image: str) -> Iterator[None]:
    own = {"image": namespace.level.node.load(catalogue.airflow_own_entrypoint()), "args": ["airflow", "x"], "env": [ENDS_WITH_SECRET]}
    proxy = stand_in_proxy(agent_image)
    named = {MAIN_CONTAINER_ANNOTATION: "worker"}
    namespace.create(
        executor_pod(namespace.name, "own-entrypoint", own, proxy),
        executor_pod(namespace.name, "own-entrypoint-declared", own, proxy, annotations={ENTRYPOINT_ANNOTATION: '["/own_entrypoint"]'}),
        two_candidates(namespace.name, "two-candidates", bash_image, proxy),
        two_candidates(namespace.name, "two-candidates-named", bash_image, proxy, named),
        uploader(namespace.name, bash_image, proxy),
        vendor(namespace, bash_image, proxy),
    )
    yield
    for name in LEFT:
        namespace.delete(name, grace_seconds=1)


def two_candidates(namespace: str, name: str, image: str, proxy: JSONObject, annotations: dict[str, str] | None = None) -> JSONObject:
    """A short helper before a task that is not called ``base``."""
    pod = operator_pod(namespace, name, shell(image, "exit 0"), proxy, annotations=annotations)
    helper, injected = pod["spec"]["containers"]
    worker = {"name": "worker", **shell(image, USES_THE_PROXY)}
    pod["spec"]["containers"] = [helper | {"name": "warmup"}, worker, injected]
    return pod


def uploader(namespace: str, image: str, proxy: JSONObject) -> JSONObject:
    """A task that ends at once, beside a container that uses the proxy after it."""
    work = {"name": "uploader", **shell(image, USES_THE_PROXY)}
    return operator_pod(namespace, "uploader", shell(image, "exit 0"), work, proxy, annotations={OUTLIVES_TASK_ANNOTATION: "uploader"})


def vendor(namespace: PodNamespace, image: str, proxy: JSONObject) -> JSONObject:
    """A vendor's image, whose entry point ends the log agent after the task."""
    task = {"name": "STAND_IN_COMMAND", "value": "exit 3"}
    base = {"image": namespace.level.node.load(catalogue.airflow_vendor()), "args": ["airflow", "x"], "env": [task, HOOK], **LOG}
    agent = {"name": "vector", **shell(image, UNTIL_THE_HOOK), **LOG}
    volumes = [{"name": "log", "emptyDir": {}}]
    return executor_pod(namespace.name, "vendor", base, agent, proxy, volumes=volumes)


def status_of(namespace: PodNamespace, pod: str) -> JSONObject:
    """The status that the webhook wrote."""
    status: JSONObject = json.loads(namespace.pod(pod)["metadata"]["annotations"][STATUS_ANNOTATION])
    return status


@pytest.mark.parametrize(
    ("pod", "container", "reason"),
    [
        ("own-entrypoint", "base", "entrypoint-unknown"),
        ("two-candidates", "worker", "main-container-ambiguous"),
        ("uploader", "uploader", "outlives-task"),
    ],
)
def test_the_work_of_a_pod_that_is_left_is_done_as_without_the_webhook(
    namespace: PodNamespace, pod: str, container: str, reason: str
) -> None:
    end = namespace.when(pod, lambda moment: moment.terminated(container) is not None, f"has a {container} that ended")
    ended = end.terminated(container)
    assert ended
    assert ended["exitCode"] == 3
    assert (status_of(namespace, pod)["treatment"], status_of(namespace, pod)["reason"]) == ("left", reason)
    assert namespace.pod(pod)["status"]["phase"] == "Running"


@pytest.mark.parametrize(("pod", "container"), [("own-entrypoint-declared", "base"), ("two-candidates-named", "worker")])
def test_it_ends_where_the_user_says_what_nobody_can_see(namespace: PodNamespace, pod: str, container: str) -> None:
    end = namespace.end(pod)
    ended, proxy = end.terminated(container), end.terminated("istio-proxy")
    assert ended
    assert proxy
    assert (ended["exitCode"], proxy["exitCode"]) == (3, 0)
    assert status_of(namespace, pod)["treatment"] == "wrapped"


def test_a_vendors_entry_point_that_the_table_has_ends_the_log_agent_after_the_task(namespace: PodNamespace) -> None:
    end = namespace.end("vendor")
    codes = {name: (end.terminated(name) or {}).get("exitCode") for name in ("base", "vector", "istio-proxy")}
    assert codes == {"base": 3, "vector": 0, "istio-proxy": 0}
    assert status_of(namespace, "vendor")["entrypoint"] == "table"
