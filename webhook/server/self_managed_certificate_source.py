"""The serving certificate that `certs.manager` has signed and renews, in memory alone, with its log lines and metrics."""

from __future__ import annotations

import logging
import os
from time import time
from typing import TYPE_CHECKING, Final

from certs.authority import service_names
from certs.errors import ApiUnreachableError, CertificatesError
from certs.manager import RECONCILE_SECONDS, CertificateManager
from certs.store import ObjectNames, immutable_problem
from webhook.kube.credentials import NO_CREDENTIALS, find_client
from webhook.kube.errors import ClusterError
from webhook.server.certificate import CertificateError, server_context
from webhook.server.certificates_api import CertificatesApi
from webhook.server.reconcile_thread import ReconcileThread

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from certs.key_pair import KeyPair
    from certs.manager import CertificateStatus
    from certs.rotation import Action
    from webhook.kube.client import KubernetesClient
    from webhook.server.metrics import Metrics
    from webhook.settings import Settings

LOG: Final = logging.getLogger("webhook.certificates")


class SelfManagedCertificateSource:
    """A `webhook.server.certificate_source.CertificateSource` that reconciles in a thread of its own.

    It is also the manager's `certs.manager.CertificateListener`, called in that thread.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Find the credentials. Nothing is requested before `start`.

        Raises:
            CertificateError: There are no credentials for an API server.

        """
        connect = find_client(os.environ)
        if connect is None:
            message = f"certificates: self-managed needs a cluster: {NO_CREDENTIALS}"
            raise CertificateError(message)
        names = ObjectNames(settings.service_namespace, settings.ca_secret, settings.configuration)
        served_names = service_names(settings.service_name, settings.service_namespace)
        self._metrics = metrics
        self._newest = server_context()
        self._problem = ""
        self._is_immutable = False
        self._immutable_problem = immutable_problem(names)
        metrics.certificate_last_read.set(time())
        self._manager = CertificateManager(lambda: _connect(connect), names, served_names, self)
        self._thread = ReconcileThread("certificates", self._manager.reconcile, self.failed, RECONCILE_SECONDS)

    def start(self) -> None:
        """Start reconciling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reconciling."""
        self._thread.stop()

    def context(self) -> ssl.SSLContext:
        """The context for the next handshake. It fails as long as there is no certificate."""
        return self._newest

    @property
    def unready_reason(self) -> str:
        """Why no API server should call this replica; "" where its certificate is fine."""
        return "" if self._manager.status.is_ready else "not every API server trusts the certificate yet"

    def serve(self, pair: KeyPair) -> None:
        """Serve this pair to new connections."""
        context = server_context()
        pair.load_into(context)
        self._newest = context
        self._metrics.reloads.labels("loaded").inc()

    def acted(self, action: Action) -> None:
        """Log the action."""
        LOG.info("certificate authority changed", extra={"fields": {"action": action.word}})

    def observed(self, status: CertificateStatus) -> None:
        """Set the metrics."""
        self._metrics.certificate_last_read.set(time())
        if status.leaf_not_after is not None:
            self._metrics.not_after.set(status.leaf_not_after.timestamp())
        if status.authority_not_after is not None:
            self._metrics.authority_not_after.set(status.authority_not_after.timestamp())
        self._metrics.bundle_in_sync.set(status.is_configured and status.is_in_sync)
        self._metrics.secret_immutable.set(status.is_immutable)
        if status.is_immutable and not self._is_immutable:
            LOG.warning("certificate authority cannot be renewed", extra={"fields": {"problem": self._immutable_problem}})
        self._is_immutable = status.is_immutable

    def reconciled(self) -> None:
        """Log the first success after a failure."""
        if self._problem:
            self._problem = ""
            LOG.info("certificates reconciled again")

    def failed(self, problem: BaseException) -> None:
        """Count the failure, and log it unless the previous one had the same text. What is not a CertificatesError is a bug."""
        self._metrics.certificate_errors.inc()
        is_bug = not isinstance(problem, CertificatesError)
        text = type(problem).__name__ if is_bug else str(problem)
        if text != self._problem:
            self._problem = text
            LOG.warning("cannot reconcile certificates", exc_info=problem if is_bug else None, extra={"fields": {"problem": text}})


def _connect(connect: Callable[[], KubernetesClient]) -> CertificatesApi:
    try:
        return CertificatesApi(connect())
    except ClusterError as error:
        raise ApiUnreachableError(str(error)) from error
