"""Keeps the certificate of one replica: looks at the cluster again and again, does what is next, and hands out what is to be served.

There is no leader: any number of replicas do this at once, and whoever is second sees so in the answer and looks again.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, assert_never

from certs.authority import make_authority, sign_leaf
from certs.errors import ConflictError
from certs.leaf import Served, is_trusted, next_signer
from certs.lifetimes import USUAL, Lifetimes
from certs.pair import Pair
from certs.rotation import Add, Publish, Remember, Rest, is_in_sync, next_step
from certs.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from certs.api import KubernetesApi
    from certs.rotation import Observation, Step
    from certs.site import Names, Sight

LOOK_SECONDS: Final = 10.0
"""Between two looks, two small GETs each: so long, at the most, a caBundle that somebody emptied stays so."""

FIRST_PAUSE_SECONDS: Final = 0.5
"""After a first look that failed; each further pause is twice as long, up to the time between two looks."""

MAX_STEPS: Final = 20
"""Of one look. A first start takes four; a replica that loses every race this often looks again later."""

THREAD_NAME: Final = "certificates"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was true at the last look that succeeded.

    Args:
        leaf_not_after: When the served certificate expires; None: there is none.
        authority_not_after: When the youngest authority that can sign expires; None: there is none.
        is_configured: Whether there is a configuration: without one nobody calls.
        is_in_sync: Whether every caBundle is as the Secret asks for; True also where there is no configuration.
        authorities: How many are in the Secret: 2 in a rotation.
        is_ready: Whether an API server may be sent here. Once true it stays so: where trust is lost later, being away would not help.

    """

    leaf_not_after: datetime | None = None
    authority_not_after: datetime | None = None
    is_configured: bool = False
    is_in_sync: bool = False
    authorities: int = 0
    is_ready: bool = False


class Listener(Protocol):
    """Who serves the certificate and tells of it. Called in the keeper's thread, one call at a time."""

    def serve(self, pair: Pair) -> None:
        """From now on this is to be served. It has been kept when this returns."""

    def stepped(self, step: Step) -> None:
        """This replica did this, successfully. `Rest` is not told."""

    def looked(self, figures: Figures) -> None:
        """What a look found. One that takes a step looks again, and tells of that, too."""

    def rested(self) -> None:
        """A look has come to its end: nothing is to be done."""

    def failed(self, problem: Exception) -> None:
        """A look failed: what is served stays. What is no CertificatesError is a bug."""


class Keeper:
    """The certificate of one replica."""

    def __init__(
        self,
        connect: Callable[[], KubernetesApi],
        names: Names,
        served_names: Sequence[str],
        listener: Listener,
        lifetimes: Lifetimes = USUAL,
    ) -> None:
        """Ask nothing yet. ``connect`` may raise CertificatesError; ``served_names``: see `certs.authority.service_names`."""
        self._connect, self._names, self._served_names = connect, names, served_names
        self._listener, self._lifetimes = listener, lifetimes
        self._site: Site | None = None
        self._served: Served | None = None
        self.figures = Figures()

    def look(self) -> None:
        """Look, and do what is next, until nothing is. CertificatesError."""
        if self._site is None:
            self._site = Site(self._connect(), self._names, self._lifetimes)
        for _ in range(MAX_STEPS):
            sight = self._site.look()
            self._serve(sight.seen)
            step = next_step(sight.seen)
            self._note(sight.seen)
            if isinstance(step, Rest):
                self._listener.rested()
                return
            try:
                self._take(step, sight, self._site)
            except ConflictError:
                continue
            self._listener.stepped(step)

    def _serve(self, seen: Observation) -> None:
        """Have a certificate signed where that is due, by an authority as it was read, never by one that is yet to be written."""
        authority = next_signer(self._served, seen)
        if authority is None or authority.issued is None:
            return
        leaf = sign_leaf(authority.issued, self._served_names, seen.now, self._lifetimes.leaf)
        self._listener.serve(Pair(leaf.certificate_pem, leaf.key_pem))
        self._served = Served(leaf.certificate, authority.certificate)

    def _take(self, step: Add | Remember | Publish, sight: Sight, site: Site) -> None:
        match step:
            case Add(keyring):
                site.write(sight, keyring.with_new(make_authority(sight.seen.now, life=self._lifetimes.authority)))
            case Remember(keyring):
                site.write(sight, keyring)
            case Publish(bundle):
                site.publish(sight, bundle)
            case _:
                assert_never(step)

    def _note(self, seen: Observation) -> None:
        able, served = seen.keyring.able, self._served
        self.figures = Figures(
            leaf_not_after=None if served is None else served.certificate.not_valid_after_utc,
            authority_not_after=able[-1].certificate.not_valid_after_utc if able else None,
            is_configured=bool(seen.bundles),
            is_in_sync=is_in_sync(seen),
            authorities=len(seen.keyring.authorities),
            is_ready=self.figures.is_ready or (served is not None and is_trusted(served, seen)),
        )
        self._listener.looked(self.figures)


class KeeperThread:
    """A keeper that looks by itself."""

    def __init__(self, keeper: Keeper, listener: Listener, look_seconds: float = LOOK_SECONDS) -> None:
        """Do not begin yet."""
        self._keeper, self._listener, self._look_seconds = keeper, listener, look_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Do not look again. A look that hangs is not waited for."""
        self._ended.set()

    def _run(self) -> None:
        failures = 0
        while not self._ended.is_set():
            failures = 0 if self._look() else failures + 1
            self._ended.wait(_pause(failures, self._look_seconds))

    def _look(self) -> bool:
        try:
            self._keeper.look()
        except Exception as problem:  # noqa: BLE001  a keeper that ends would let the certificate expire
            self._listener.failed(problem)
            return False
        return True


def _pause(failures: int, look_seconds: float) -> float:
    """Seconds until the next look, shortened at random by up to a fifth: replicas that began together do not stay so."""
    # The exponent is bounded: an outage may last.
    seconds = look_seconds if not failures else min(look_seconds, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    return seconds * random.uniform(0.8, 1.0)  # noqa: S311  spreads replicas, hides nothing
