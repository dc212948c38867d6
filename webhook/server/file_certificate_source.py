"""The serving certificate from two files that somebody else replaces, with its log lines and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from webhook.server.certificate import ReloadableCertificate, ReloadResult

if TYPE_CHECKING:
    import ssl

    from webhook.server.metrics import Metrics
    from webhook.settings import Settings

LOG: Final = logging.getLogger("webhook.serve")


class FileCertificateSource:
    """A `webhook.server.certificate_source.CertificateSource` that reads the settings' two files."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Load the certificate. CertificateError."""
        self._certificate = ReloadableCertificate(settings.certificate_file, settings.private_key_file)
        self._check_seconds, self._metrics = settings.certificate_check_seconds, metrics
        self._task: asyncio.Task[None] | None = None
        metrics.not_after.set(self._certificate.not_after)

    def start(self) -> None:
        """Start polling the files, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._poll())

    def stop(self) -> None:
        """Stop polling them."""
        if self._task is not None:
            self._task.cancel()

    def context(self) -> ssl.SSLContext:
        """The context for the next handshake."""
        return self._certificate.context()

    @property
    def unready_reason(self) -> str:
        """Why no API server should call this replica; "" where its certificate is fine."""
        return "the certificate has expired" if self._certificate.not_after <= time.time() else ""

    async def _poll(self) -> None:
        """Poll rather than watch: inotify misses updates of a mounted Secret, and a poll costs two reads."""
        while True:
            await asyncio.sleep(self._check_seconds)
            result = self._certificate.reload()
            if result is not ReloadResult.UNCHANGED:
                self._report(result)

    def _report(self, result: ReloadResult) -> None:
        self._metrics.reloads.labels(result).inc()
        self._metrics.not_after.set(self._certificate.not_after)
        fields = {"result": result, "problem": self._certificate.problem, "not_after": self._certificate.not_after}
        LOG.log(logging.INFO if result is ReloadResult.LOADED else logging.ERROR, "certificate reload", extra={"fields": fields})
