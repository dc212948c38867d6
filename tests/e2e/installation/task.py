"""A namespace of Airflow's tasks, and the end of a task in it whose sidecar never ends by itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from testbed.namespace import SERVICE_ACCOUNT, wait_until_ready
from testbed.wait import until
from tests.e2e.installation.installation import SECONDS
from tests.e2e.node.namespace import ENDED, namespace_on
from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.installation.installation import Installation
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

EXIT_CODE: Final = 3
"""Of the task."""


@contextmanager
def tasks(installation: Installation) -> Iterator[PodNamespace]:
    """A namespace that opted in before anything was installed."""
    with namespace_on(installation.level, "installed") as opted_in:
        wait_until_ready(installation.level.api, opted_in.name, SERVICE_ACCOUNT, "configmaps/kube-root-ca.crt")
        yield opted_in


def start_task(here: PodNamespace, name: str, task_image: str, agent_image: str) -> JSONObject:
    """Create an Airflow pod with a sidecar; the stored pod."""
    proxy = stand_in_proxy(agent_image)
    # The kubelet probes it, since it becomes native: it has to listen at the pod's address, as Istio's does.
    proxy["command"] += ["--host", "0.0.0.0"]  # noqa: S104  in a pod
    return here.level.api.create(operator_pod(here.name, name, shell(task_image, f"exit {EXIT_CODE}"), proxy))


def end_of_task(here: PodNamespace, name: str) -> JSONObject:
    """How the task of such a pod ended, once the pod has. TimeoutError."""
    # Not by the recorder: its watch ends when another file's tests restart the API server.
    until(lambda: here.pod(name)["status"]["phase"] in ENDED, f"the pod {name} ends", SECONDS)
    statuses = here.pod(name)["status"]["containerStatuses"]
    ended: JSONObject = next(status["state"]["terminated"] for status in statuses if status["name"] == "base")
    return ended
