"""Registers a webhook for the time of a test; waits until the API server calls it, and at the end until it no longer does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from testbed.api import ApiError, path_of
from testbed.manifest import OPTED_IN
from testbed.wait import until
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.api import ApiClient
    from tests.support.json_object import JSONObject


NAMESPACE: Final = "registration"
CONFLICT: Final = 409
NOTICE_SECONDS: Final = 60
"""An API server uses a new configuration after a second or so, without a sign of it (Kubernetes docs, dynamic admission control)."""


@contextmanager
def registered(api: ApiClient, configuration: JSONObject, called: Callable[[ApiClient], bool]) -> Iterator[None]:
    """Register a configuration; within this block it is in effect, after it it is not. ``called``: whether the API server calls the webhook."""
    _make_namespace(api)
    api.create(configuration)
    try:
        until(lambda: called(api), f"the API server calls {configuration['metadata']['name']}", NOTICE_SECONDS)
        yield
    finally:
        api.delete(path_of(configuration))
        until(lambda: not called(api), f"the API server forgets {configuration['metadata']['name']}", NOTICE_SECONDS)


def is_patched(api: ApiClient) -> bool:
    """Whether the webhook patches a task's pod in a namespace that opted in."""
    return is_patched_in(NAMESPACE, api)


def is_patched_in(namespace: str, api: ApiClient) -> bool:
    """Whether the webhook patches a task's pod in this namespace: the pod then has its status."""
    pod = api.create(task_pod(namespace), dryRun="All")
    return STATUS_ANNOTATION in (pod["metadata"].get("annotations") or {})


def task_pod(namespace: str, name: str = "task", **spec: object) -> JSONObject:
    """A small pod with the label and the container of the KubernetesExecutor."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes_executor": "True"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "base", "image": "apache/airflow:3.3.2", "args": ["version"]}], **spec},
    }


def _make_namespace(api: ApiClient) -> None:
    try:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": OPTED_IN}})
    except ApiError as error:
        if error.code != CONFLICT:
            raise
