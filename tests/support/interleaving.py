"""Runs the real certificate managers of several replicas on a fake cluster, one request at a time, in an order that the test decides."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs.api import JSON
from certs.authority import is_own_authority, is_valid_at, service_names
from certs.errors import ApiUnreachableError, CertificatesError
from certs.manager import CertificateManager, CertificateStatus
from tests.support.fake_cluster import NAMES, FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from certs.api import ApiResponse
    from certs.key_pair import KeyPair
    from certs.rotation import Action
    from tests.support.json_object import JSONObject


SERVED_NAMES: Final = service_names("airflow-sidecar-webhook", "infra")
DEADLINE_SECONDS: Final = 60
"""Longer than a busy machine takes; only a failing test reaches it."""


class Fault(Enum):
    """What happens to a request."""

    NONE = auto()
    LOST = auto()
    """It never arrives."""
    UNANSWERED = auto()
    """It is carried out, and the answer is lost."""


class KilledError(BaseException):
    """The replica's process is gone."""


@dataclass
class RecordingListener:
    """Records its calls."""

    pairs: list[KeyPair] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)
    status: CertificateStatus = field(default_factory=CertificateStatus)
    reconciled_count: int = 0

    def serve(self, pair: KeyPair) -> None:
        self.pairs.append(pair)

    def acted(self, action: Action) -> None:
        self.actions.append(action)

    def observed(self, status: CertificateStatus) -> None:
        self.status = status

    def reconciled(self) -> None:
        self.reconciled_count += 1

    def failed(self, problem: Exception) -> None:
        self.problems.append(problem)

    @property
    def leaf(self) -> x509.Certificate | None:
        """What is served now."""
        return _certificate(self.pairs[-1].certificates) if self.pairs else None


_certificate: Final = lru_cache(x509.load_pem_x509_certificate)


class Replica:
    """A certificate manager in a thread of its own that stops before each of its requests."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self.listener = RecordingListener()
        self.manager = CertificateManager(lambda: self, NAMES, SERVED_NAMES, self.listener)
        self.is_reconciling = False
        self._fault = Fault.NONE
        self._is_killed = False
        self._bug: Exception | None = None
        self._turn, self._stood_still = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def advance(self, fault: Fault = Fault.NONE) -> None:
        """Start a reconcile where none is running; otherwise carry out its next request, up to the one after it."""
        self._fault = fault
        self._turn.release()
        assert self._stood_still.acquire(timeout=DEADLINE_SECONDS)
        if self._bug is not None:
            raise self._bug

    def finish(self) -> None:
        """Finish the reconcile that is running."""
        while self.is_reconciling:
            self.advance()

    def reconcile(self) -> None:
        """Finish the reconcile that is running, then run a whole one."""
        self.finish()
        self.advance()
        self.finish()

    def kill(self) -> None:
        """End it wherever it is."""
        self._is_killed = True
        self._turn.release()
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()

    def request(self, method: str, path: str, body: JSONObject | None = None, media_type: str = JSON, **parameters: str) -> ApiResponse:
        """`certs.api.KubernetesApi`, for the manager."""
        self._stand_still()
        if self._fault is Fault.LOST:
            raise ApiUnreachableError(path)
        answer = self._cluster.request(method, path, body, media_type, **parameters)
        if self._fault is Fault.UNANSWERED:
            raise ApiUnreachableError(path)
        return answer

    def _live(self) -> None:
        try:
            self._await_turn()
            while True:
                self.is_reconciling = True
                self._reconcile()
                self.is_reconciling = False
                self._stand_still()
        except KilledError:
            return

    def _reconcile(self) -> None:
        try:
            self.manager.reconcile()
        except CertificatesError as problem:
            self.listener.failed(problem)
        except Exception as bug:  # noqa: BLE001  it is raised again in the test's own thread
            self._bug = bug

    def _stand_still(self) -> None:
        self._stood_still.release()
        self._await_turn()

    def _await_turn(self) -> None:
        self._turn.acquire()
        if self._is_killed:
            raise KilledError


@lru_cache(maxsize=1024)
def verifies(leaf: x509.Certificate, bundle: tuple[x509.Certificate, ...], now: datetime) -> bool:
    """Whether an API server with this caBundle and this clock accepts the certificate."""
    if not bundle:
        return False
    verifier = PolicyBuilder().store(Store(list(bundle))).time(now).build_server_verifier(x509.DNSName(SERVED_NAMES[0]))
    try:
        verifier.verify(leaf, [])
    except VerificationError:
        return False
    return True


def trusts_any_own_authority(bundle: Iterable[x509.Certificate], now: datetime) -> bool:
    """Whether an API server with this caBundle could accept a certificate of this webhook at all."""
    return any(is_own_authority(one) and is_valid_at(one, now) for one in bundle)
