"""In which namespaces the webhook is called for task pods, for whoever explains a pod that it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.doctor.collector import read_namespace
from webhook.doctor.snapshot import ReadFailure
from webhook.doctor.webhook_checks import why_not_called
from webhook.kube.errors import ClusterError

if TYPE_CHECKING:
    from webhook.doctor.finding import Finding
    from webhook.doctor.registration import RegisteredWebhook
    from webhook.kube.reading import ApiReader


class CalledNamespaces:
    """Reads each namespace once, when it is first needed."""

    def __init__(self, api: ApiReader, webhooks: tuple[RegisteredWebhook, ...] | ReadFailure) -> None:
        """Read nothing yet; ``webhooks``: every mutating webhook of the cluster."""
        self._api, self._webhooks = api, webhooks
        self._found: dict[str, Finding | None] = {}

    def why_not(self, namespace: str) -> Finding | None:
        """Why it is not called there, with what to do; None: it is, or that cannot be read."""
        if namespace not in self._found:
            try:
                self._found[namespace] = self._read(namespace)
            except ClusterError:
                self._found[namespace] = None
        return self._found[namespace]

    def _read(self, namespace: str) -> Finding | None:
        if isinstance(self._webhooks, ReadFailure):
            return None
        metadata = read_namespace(self._api, namespace)
        return None if metadata is None else next(why_not_called(namespace, metadata.labels or {}, self._webhooks), None)
