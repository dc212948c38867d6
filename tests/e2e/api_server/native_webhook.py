"""A webhook process that watches its cluster, so that it uses native sidecars, and namespaces for whose pods it alone is called."""

from __future__ import annotations

import itertools
import json
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import httpx

from testbed.wait import until
from testbed.webhook import Webhook
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import is_patched_in, registered
from webhook.core.cluster import NativeSwitch
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject


LABEL: Final = "native-webhook"
"""The label by which a namespace selects one of these webhooks."""

READ_SECONDS: Final = 60
"""Longer than such a webhook takes to read its cluster's state once."""

UNWATCHED: Final = {"NATIVE_SIDECARS": NativeSwitch.ON.value}
"""Settings that force native sidecars, without a watch over the cluster."""

_numbers = itertools.count()


@contextmanager
def native_webhook(level: Level, settings: Mapping[str, str] | None = None) -> Iterator[Webhook]:
    """A webhook that has read its cluster's state; it is not registered yet."""
    webhook = Webhook(level.place, f"{LABEL}-{next(_numbers)}", settings, level.server.kubeconfig)
    try:
        until(lambda: httpx.get(webhook.ready_url, trust_env=False).is_success, "the webhook has read the cluster's state", READ_SECONDS)
        assert [line["problem"] for line in webhook.log if line["event"] == "cannot read the cluster's state"] == []
        yield webhook
    finally:
        webhook.end()


@contextmanager
def unwatching_webhook(level: Level) -> Iterator[Webhook]:
    """A webhook that is forced to use native sidecars and reads no cluster; it is not registered yet."""
    webhook = Webhook(level.place, f"{LABEL}-{next(_numbers)}", UNWATCHED)
    try:
        yield webhook
    finally:
        webhook.end()


@contextmanager
def treated_by(webhook: Webhook, api: ApiClient, **labels: str) -> Iterator[str]:
    """A namespace with these labels, for whose pods this webhook alone is called."""
    name = f"{LABEL}-{next(_numbers)}"
    labels = {**NOT_OPTED_IN, LABEL: name, **labels}
    selected: JSONObject = {"namespaceSelector": {"matchLabels": {LABEL: name}}}
    with (
        new_namespace(api, LABEL, **labels) as namespace,
        registered(api, webhook.configuration(name, **selected), partial(is_patched_in, namespace)),
    ):
        yield namespace


def supports(webhook: Webhook) -> list[str]:
    """The support for native sidecars that it has found, oldest first."""
    return [line["support"] for line in webhook.log if line["event"] == "native sidecars"]


def status_of(pod: JSONObject) -> JSONObject:
    """The webhook's status on a pod; empty where it was skipped."""
    text = (pod["metadata"].get("annotations") or {}).get(STATUS_ANNOTATION)
    status: JSONObject = json.loads(text) if text else {}
    return status


def names(containers: list[JSONObject] | None) -> list[str]:
    """The names of these containers, in their order."""
    return [container["name"] for container in containers or ()]
