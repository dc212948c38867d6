"""A process of our webhook that watches the cluster it serves, so that it may use native sidecars, and the pods that come to it alone."""

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
from webhook.core.names import STATUS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject


LABEL: Final = "native-webhook"
"""The label of a namespace says which of these webhooks sees its pods."""

LOOK_SECONDS: Final = 30
"""More than such a webhook takes to look at its cluster once."""

UNWATCHED: Final = {"NATIVE_SIDECARS": NativeSwitch.ON.value}
"""The settings of one that has to use native sidecars without knowing its cluster."""

_numbers = itertools.count()


@contextmanager
def native_webhook(level: Level, settings: Mapping[str, str] | None = None) -> Iterator[Webhook]:
    """A webhook that has looked at the level's cluster. The API server has not been told of it yet."""
    webhook = Webhook(level.place, f"{LABEL}-{next(_numbers)}", settings, level.server.kubeconfig)
    try:
        until(lambda: httpx.get(webhook.ready_url, trust_env=False).is_success, "the webhook has looked at the cluster", LOOK_SECONDS)
        assert [line["problem"] for line in webhook.log if line["event"] == "cluster not looked at"] == []
        yield webhook
    finally:
        webhook.end()


@contextmanager
def unwatching_webhook(level: Level) -> Iterator[Webhook]:
    """A webhook that uses native sidecars and knows nothing of the cluster."""
    webhook = Webhook(level.place, f"{LABEL}-{next(_numbers)}", UNWATCHED)
    try:
        yield webhook
    finally:
        webhook.end()


@contextmanager
def treated_by(webhook: Webhook, api: ApiClient, **labels: str) -> Iterator[str]:
    """A namespace with these labels whose pods this webhook sees, and no other of ours."""
    name = f"{LABEL}-{next(_numbers)}"
    labels = {**NOT_OPTED_IN, LABEL: name, **labels}
    selected: JSONObject = {"namespaceSelector": {"matchLabels": {LABEL: name}}}
    with (
        new_namespace(api, LABEL, **labels) as namespace,
        registered(api, webhook.configuration(name, **selected), partial(is_patched_in, namespace)),
    ):
        yield namespace


def supports(webhook: Webhook) -> list[str]:
    """What it has found its cluster to support, one after the other."""
    return [line["support"] for line in webhook.log if line["event"] == "native sidecars"]


def status_of(pod: JSONObject) -> JSONObject:
    """Our status on a pod; a pod that was skipped carries none."""
    text = (pod["metadata"].get("annotations") or {}).get(STATUS)
    status: JSONObject = json.loads(text) if text else {}
    return status


def names(containers: list[JSONObject] | None) -> list[str]:
    """The names of these containers, in their order."""
    return [container["name"] for container in containers or ()]
