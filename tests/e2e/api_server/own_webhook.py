"""A webhook process for one test, which may change its settings and stop it; other tests share another process."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from testbed.webhook import Webhook
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import is_patched_in, registered, task_pod

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

    from testbed.api import ApiClient
    from testbed.levels import Level


LABEL: Final = "own-webhook"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class OwnWebhook:
    """The webhook process, and a namespace for whose pods it alone is called.

    Args:
        webhook: The process.
        api: An admin's client.
        namespace: The namespace's name.
        labels: The labels of a further namespace for whose pods it is called.

    """

    webhook: Webhook
    api: ApiClient
    namespace: str
    labels: Mapping[str, str]

    def create(self) -> httpx.Response:
        """Create a task's pod (as a dry run); the API server's response."""
        return self.api.request("POST", f"/api/v1/namespaces/{self.namespace}/pods", task_pod(self.namespace), dryRun="All")

    def is_patched(self) -> bool:
        """Whether a task's pod is created with the webhook's status."""
        return is_patched_in(self.namespace, self.api)


@contextmanager
def own_webhook(level: Level, settings: Mapping[str, str] | None = None, **fields: object) -> Iterator[OwnWebhook]:
    """A webhook with these settings; ``fields`` replace those of its registration."""
    name = f"{LABEL}-{next(_numbers)}"
    webhook = Webhook(level.place, name, settings)
    labels = {**NOT_OPTED_IN, LABEL: name}
    selected: dict[str, object] = {"namespaceSelector": {"matchLabels": labels}}
    try:
        with (
            new_namespace(level.api, LABEL, **labels) as namespace,
            registered(level.api, webhook.configuration(name, **selected, **fields), partial(is_patched_in, namespace)),
        ):
            yield OwnWebhook(webhook, level.api, namespace, labels)
    finally:
        webhook.end()
