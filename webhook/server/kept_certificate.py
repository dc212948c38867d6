"""The serving certificate of a service that keeps its own: signed and renewed by `certs.keeper`, in memory alone."""

from __future__ import annotations

import logging
import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from certs.authority import service_names
from certs.errors import ApiUnreachableError, CertificatesError
from certs.keeper import Keeper, KeeperThread
from certs.site import Names
from webhook.kube.credentials import NO_CREDENTIALS, find_client
from webhook.kube.errors import ClusterError
from webhook.server.certificate import CertificateError, server_context
from webhook.server.certificates_api import CertificatesApi

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from certs.keeper import Figures
    from certs.pair import Pair
    from certs.rotation import Step
    from webhook.kube.client import KubernetesClient
    from webhook.server.metrics import Metrics
    from webhook.settings import Settings

LOG: Final = logging.getLogger("webhook.certificates")


class KeptCertificate:
    """What the keeper hands out, served. It is the keeper's `certs.keeper.Listener`, called in its thread."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Find the credentials. Nothing is asked before `start`.

        Raises:
            CertificateError: There is no cluster to keep certificates in.

        """
        connect = find_client(os.environ)
        if connect is None:
            message = f"certificates: self-managed needs a cluster: {NO_CREDENTIALS}"
            raise CertificateError(message)
        names = Names(settings.service_namespace, settings.ca_secret, settings.configuration)
        served = service_names(settings.service_name, settings.service_namespace)
        self._metrics = metrics
        self._newest: ssl.SSLContext | None = None
        self._problem = ""
        self._seen_at = monotonic()
        metrics.certificate_look_age.set_function(lambda: monotonic() - self._seen_at)
        self._keeper = Keeper(lambda: _connect(connect), names, served, self)
        self._thread = KeeperThread(self._keeper, self)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._thread.stop()

    def context(self) -> ssl.SSLContext:
        """The context for the listener: handshakes go on in that of the newest pair, and fail before there is one."""

        def newest(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            if self._newest is not None:
                connection.context = self._newest

        context = server_context()
        context.sni_callback = newest
        return context

    @property
    def unready(self) -> str:
        """Why no API server should be sent here; "" when all is well."""
        return "" if self._keeper.figures.is_ready else "no certificate that the API server trusts yet"

    def serve(self, pair: Pair) -> None:
        """From now on this is served; connections that are open keep what they began with."""
        context = server_context()
        pair.load_into(context)
        self._newest = context
        self._metrics.reloads.labels("loaded").inc()

    def stepped(self, step: Step) -> None:
        """A line for each."""
        LOG.info("certificates", extra={"fields": {"step": type(step).__name__.lower()}})

    def looked(self, figures: Figures) -> None:
        """The metrics."""
        self._seen_at = monotonic()
        if figures.leaf_not_after is not None:
            self._metrics.not_after.set(figures.leaf_not_after.timestamp())
        if figures.authority_not_after is not None:
            self._metrics.authority_not_after.set(figures.authority_not_after.timestamp())
        self._metrics.bundle_in_sync.set(figures.is_configured and figures.is_in_sync)

    def rested(self) -> None:
        """A line where it was otherwise before."""
        if self._problem:
            self._problem = ""
            LOG.info("certificates looked at again")

    def failed(self, problem: Exception) -> None:
        """A count for each failure, a line for the first of a kind."""
        self._metrics.certificate_errors.inc()
        is_ours = not isinstance(problem, CertificatesError)
        text = type(problem).__name__ if is_ours else str(problem)
        if text != self._problem:
            self._problem = text
            LOG.warning("certificates not looked at", exc_info=problem if is_ours else None, extra={"fields": {"problem": text}})


def _connect(connect: Callable[[], KubernetesClient]) -> CertificatesApi:
    try:
        return CertificatesApi(connect())
    except ClusterError as error:
        raise ApiUnreachableError(str(error)) from error
