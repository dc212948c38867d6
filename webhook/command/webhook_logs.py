"""The last log lines of the webhook's own pods, and of its reaper's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from webhook.command.errors import UnusableError
from webhook.core import PREFIX
from webhook.kube.client import connect_by_context
from webhook.kube.errors import ClusterError, KubeconfigError
from webhook.kube.reading import decode, pages
from webhook.reaper.task_pods import pods_path

if TYPE_CHECKING:
    from collections.abc import Iterator

SELECTOR: Final = f"app.kubernetes.io/name in ({PREFIX}, {PREFIX}-reaper)"
"""The labels of the chart (templates/_helpers.tpl)."""

LINES: Final = 5000
BYTES: Final = 4 * 1024 * 1024
"""Of the end of each log."""


class _OwnMetadata(msgspec.Struct):
    name: str


class _OwnPod(msgspec.Struct):
    metadata: _OwnMetadata


def read_logs(context: str | None, namespace: str) -> Iterator[str]:
    """The end of the log of each pod. UnusableError."""
    try:
        client, _ = connect_by_context(context)
        path = pods_path(namespace)
        names = [decode(item, _OwnPod).metadata.name for page in pages(client, path, labelSelector=SELECTOR) for item in page.items or ()]
        for name in names:
            data = client.get(f"{path}/{quote(name, safe='')}/log", tailLines=str(LINES), limitBytes=str(BYTES))
            yield data.decode("utf-8", "replace")
    except (KubeconfigError, ClusterError) as error:
        message = f"the logs of the webhook in the namespace {namespace} cannot be read: {error}"
        raise UnusableError(message) from error
