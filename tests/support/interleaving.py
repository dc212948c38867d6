"""Runs the real keepers of several replicas on a fake cluster, one request at a time, in an order that the test decides."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs.api import JSON
from certs.authority import holds, is_authority_of, service_names
from certs.errors import ApiUnreachableError, CertificatesError
from certs.keeper import Figures, Keeper
from tests.support.fake_cluster import NAMES, FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from certs.api import ApiResponse
    from certs.pair import Pair
    from certs.rotation import Step
    from tests.support.json_object import JSONObject


SERVED_NAMES: Final = service_names("airflow-sidecar-webhook", "infra")
DEADLINE_SECONDS: Final = 5


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
    """Keeps what it is told."""

    pairs: list[Pair] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)
    rests: int = 0

    def serve(self, pair: Pair) -> None:
        self.pairs.append(pair)

    def stepped(self, step: Step) -> None:
        self.steps.append(step)

    def looked(self, figures: Figures) -> None:
        self.figures = figures

    def rested(self) -> None:
        self.rests += 1

    def failed(self, problem: Exception) -> None:
        self.problems.append(problem)

    @property
    def leaf(self) -> x509.Certificate | None:
        """What is served now."""
        return x509.load_pem_x509_certificate(self.pairs[-1].certificates) if self.pairs else None


class Replica:
    """A keeper in a thread of its own that stands still before each of its requests."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self.listener = RecordingListener()
        self.keeper = Keeper(lambda: self, NAMES, SERVED_NAMES, self.listener)
        self.is_looking = False
        self._fault = Fault.NONE
        self._is_killed = False
        self._bug: Exception | None = None
        self._turn, self._stood_still = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def advance(self, fault: Fault = Fault.NONE) -> None:
        """Begin a look where none is under way; else have one request carried out, and what follows until the next."""
        self._fault = fault
        self._turn.release()
        assert self._stood_still.acquire(timeout=DEADLINE_SECONDS)
        if self._bug is not None:
            raise self._bug

    def finish(self) -> None:
        """End the look that is under way."""
        while self.is_looking:
            self.advance()

    def look(self) -> None:
        """A whole look, after the one that is under way."""
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
        """`certs.api.KubernetesApi`, for the keeper."""
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
                self.is_looking = True
                self._look()
                self.is_looking = False
                self._stand_still()
        except KilledError:
            return

    def _look(self) -> None:
        try:
            self.keeper.look()
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


def verifies(leaf: x509.Certificate, bundle: tuple[x509.Certificate, ...], now: datetime) -> bool:
    """Whether an API server with this caBundle and this clock takes the certificate."""
    if not bundle:
        return False
    verifier = PolicyBuilder().store(Store(list(bundle))).time(now).build_server_verifier(x509.DNSName(SERVED_NAMES[0]))
    try:
        verifier.verify(leaf, [])
    except VerificationError:
        return False
    return True


def trusts_any_of_ours(bundle: Iterable[x509.Certificate], now: datetime) -> bool:
    """Whether an API server with this caBundle could take a certificate of ours at all."""
    return any(is_authority_of(one) and holds(one, now) for one in bundle)
