"""The certificate manager of one replica: it reconciles the authority and hands out the certificate that the replica is to serve.

There is no leader. Any number of replicas reconcile at once; of two that write the same object, the second one gets a conflict and reads
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, assert_never

from certs.authority import make_authority, sign_leaf
from certs.errors import ConflictError
from certs.key_pair import KeyPair
from certs.leaf import ServedLeaf, is_trusted, next_signer
from certs.lifetimes import DEFAULT_LIFETIMES, Lifetimes
from certs.rotation import AddAuthority, Done, PublishBundle, SaveKeyring, is_in_sync, next_action
from certs.store import AuthorityStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from certs.api import KubernetesApi
    from certs.rotation import Action, AuthorityState
    from certs.store import ObjectNames, Snapshot

RECONCILE_SECONDS: Final = 10.0
"""Between two reconciles, of two small GETs each: a caBundle that somebody emptied is filled again within this time."""

MAX_ACTIONS: Final = 20
"""In one reconcile. A first start takes three; a replica that loses the race for a write this often tries again in the next reconcile."""


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """What the last successful read found.

    Args:
        leaf_not_after: When the served certificate expires; None where there is none.
        authority_not_after: When the youngest authority with a key expires; None where there is none.
        is_configured: Whether there is a configuration; without one no API server calls.
        is_in_sync: Whether every caBundle is what the Secret calls for; True where there is no configuration.
        authorities: How many are in the Secret: 2 during a rotation.
        is_immutable: Whether the Secret is immutable, so that the authority cannot be renewed.
        is_ready: Whether every API server accepts the certificate. It stays True once it was: a replica that left the Service when trust is
            lost later would come back after the caBundle does.

    """

    leaf_not_after: datetime | None = None
    authority_not_after: datetime | None = None
    is_configured: bool = False
    is_in_sync: bool = False
    authorities: int = 0
    is_immutable: bool = False
    is_ready: bool = False


class CertificateListener(Protocol):
    """Serves the certificate and reports on it. Called in the thread that reconciles, one call at a time."""

    def serve(self, pair: KeyPair) -> None:
        """Serve this pair from now on. An error leaves the previous one in place, and the next reconcile makes another."""

    def acted(self, action: Action) -> None:
        """This replica took this action, with success."""

    def observed(self, status: CertificateStatus) -> None:
        """The state was read. After an action it is read again, and this is called again."""

    def reconciled(self) -> None:
        """A reconcile ended with nothing left to do."""


class CertificateManager:
    """The certificate of one replica, and its part in the reconciliation of the authority."""

    def __init__(
        self,
        connect: Callable[[], KubernetesApi],
        names: ObjectNames,
        served_names: Sequence[str],
        listener: CertificateListener,
        lifetimes: Lifetimes = DEFAULT_LIFETIMES,
    ) -> None:
        """Nothing is requested yet.

        Args:
            connect: Makes a client; may raise CertificatesError, and is then called again by the next reconcile.
            names: The names of the objects.
            served_names: The DNS names or IP addresses of the certificate: `certs.authority.service_names`.
            listener: Serves the certificate.
            lifetimes: The durations of the rotation.

        """
        self._connect, self._names, self._served_names = connect, names, served_names
        self._listener, self._lifetimes = listener, lifetimes
        self._store: AuthorityStore | None = None
        self._served: ServedLeaf | None = None
        self.status = CertificateStatus()

    def reconcile(self) -> None:
        """Read the state and take the next action, until nothing is left to do. CertificatesError."""
        if self._store is None:
            self._store = AuthorityStore(self._connect(), self._names, self._lifetimes)
        for _ in range(MAX_ACTIONS):
            snapshot = self._store.read()
            self._serve(snapshot.state)
            action = next_action(snapshot.state)
            self._observe(snapshot)
            if isinstance(action, Done):
                self._listener.reconciled()
                return
            try:
                self._take(action, snapshot, self._store)
            except ConflictError:
                continue
            self._listener.acted(action)

    def _serve(self, state: AuthorityState) -> None:
        """Have a new certificate signed where it is due, by an authority that is in the Secret, never by one that is yet to be written."""
        authority = next_signer(self._served, state)
        if authority is None or authority.issued is None:
            return
        leaf = sign_leaf(authority.issued, self._served_names, state.now, self._lifetimes.leaf)
        self._listener.serve(KeyPair(leaf.certificate_pem, leaf.key_pem))
        self._served = ServedLeaf(leaf.certificate, authority.certificate)

    def _take(self, action: Action, snapshot: Snapshot, store: AuthorityStore) -> None:
        match action:
            case AddAuthority(keyring):
                authority = make_authority(snapshot.state.now, life=self._lifetimes.authority)
                store.save_keyring(snapshot, keyring.with_added(authority))
            case SaveKeyring(keyring):
                store.save_keyring(snapshot, keyring)
            case PublishBundle(bundle):
                store.publish_bundle(snapshot, bundle)
            case _:
                assert_never(action)

    def _observe(self, snapshot: Snapshot) -> None:
        state = snapshot.state
        with_key, served = state.keyring.with_key, self._served
        self.status = CertificateStatus(
            leaf_not_after=None if served is None else served.certificate.not_valid_after_utc,
            authority_not_after=with_key[-1].certificate.not_valid_after_utc if with_key else None,
            is_configured=bool(state.bundles),
            is_in_sync=is_in_sync(state),
            authorities=len(state.keyring.authorities),
            is_immutable=snapshot.is_immutable,
            is_ready=self.status.is_ready or (served is not None and is_trusted(served, state)),
        )
        self._listener.observed(self.status)
