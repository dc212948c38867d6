"""The watch over the certificate's files as this service runs it, and what it tells in logs and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from webhook.server.certificate import CertificateFiles, Reload

if TYPE_CHECKING:
    import ssl

    from webhook.server.metrics import Metrics
    from webhook.settings import Settings

LOG: Final = logging.getLogger("webhook.serve")


class CertificateWatch:
    """A certificate that somebody else writes."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Load it. CertificateError."""
        self._files = CertificateFiles(settings.certificate_file, settings.private_key_file)
        self._check_seconds, self._metrics = settings.certificate_check_seconds, metrics
        self._task: asyncio.Task[None] | None = None
        metrics.not_after.set(self._files.not_after)

    def start(self) -> None:
        """Begin to look, in the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    def context(self) -> ssl.SSLContext:
        """The context for the listener."""
        return self._files.context()

    @property
    def unready(self) -> str:
        """Why no API server should be sent here; "" when all is well."""
        return "the certificate has expired" if self._files.not_after <= time.time() else ""

    async def _watch(self) -> None:
        """Look at the files again and again: a watch on a mounted Secret misses updates, a look costs two reads."""
        while True:
            await asyncio.sleep(self._check_seconds)
            result = self._files.reload()
            if result is not Reload.UNCHANGED:
                self._tell(result)

    def _tell(self, result: Reload) -> None:
        self._metrics.reloads.labels(result).inc()
        self._metrics.not_after.set(self._files.not_after)
        fields = {"result": result, "problem": self._files.problem, "not_after": self._files.not_after}
        LOG.log(logging.INFO if result is Reload.LOADED else logging.ERROR, "certificate", extra={"fields": fields})
