"""Further webhooks on a node, which make sidecars native; a namespace selects one by a label."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import httpx

from testbed.manifest import watch_rules
from testbed.wait import until
from testbed.webhook import Webhook
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import is_patched_in, registered
from tests.e2e.rights import user_who_may
from webhook.core.cluster import NativeSupport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testbed.levels import NodeLevel
    from testbed.recorder import Moment
    from tests.support.json_object import JSONObject


USER: Final = "airflow-sidecar-webhook"
READ_SECONDS: Final = 60

CHECK_SECONDS: Final = "1"
"""Between two reads of the installed injectors; short, so that a test that adds one does not wait for a minute."""


@contextmanager
def watching(
    node: NodeLevel, name: str, settings: Mapping[str, str] | None = None, found: NativeSupport = NativeSupport.READY
) -> Iterator[NodeLevel]:
    """The node with another webhook, which watches it with the rights that the manifest grants and no others.

    Args:
        node: The node.
        name: The webhook's.
        settings: Settings of the webhook.
        found: The support for native sidecars to wait for. TimeoutError: it finds another.

    """
    with user_who_may(node.server, f"{USER}-{name}", *watch_rules()) as user:
        kubeconfig = node.server.credentials.kubeconfig(node.server.server, user)
        webhook = Webhook(node.place, name, {"CLUSTER_POLL_SECONDS": CHECK_SECONDS, **(settings or {})}, kubeconfig)
        try:
            # A webhook whose first read failed is ready, too.
            until(lambda: supports(webhook)[-1:] == [found], f"{name} finds {found}", READ_SECONDS)
            until(lambda: httpx.get(webhook.ready_url).is_success, f"{name} is ready", READ_SECONDS)
            yield replace(node, webhook=webhook)
        finally:
            webhook.end()


@contextmanager
def selecting(level: NodeLevel, configuration: str, **fields: object) -> Iterator[dict[str, str]]:
    """The labels of namespaces for whose pods this level's webhook alone is called; ``fields`` as in `Webhook.configuration`."""
    labels = {**NOT_OPTED_IN, "selected-webhook": configuration}
    selector = {"namespaceSelector": {"matchLabels": labels}}
    with (
        new_namespace(level.api, "probe", **labels) as probe,
        registered(level.api, level.webhook.configuration(configuration, **selector, **fields), lambda api: is_patched_in(probe, api)),
    ):
        yield labels


def supports(webhook: Webhook) -> list[str]:
    """The support for native sidecars that a webhook has found, oldest first."""
    return [line["support"] for line in webhook.log if line["event"] == "native sidecars"]


def native_status(moment: Moment, container: str) -> JSONObject:
    """The status of a native sidecar at a moment: ``restartCount``, ``state`` and ``lastState``; empty ones before it has any."""
    statuses: list[JSONObject] = moment.pod["status"].get("initContainerStatuses", [])
    return next((status for status in statuses if status["name"] == container), {"restartCount": 0, "state": {}, "lastState": {}})


def native(pod: JSONObject) -> list[str]:
    """The names of a pod's native sidecars, in their order."""
    return [one["name"] for one in pod["spec"].get("initContainers", ()) if one.get("restartPolicy") == "Always"]
