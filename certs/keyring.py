"""The authorities of a webhook, as its Secret stores them: which one signs, which ones are trusted, and since when. Pure.

An authority may sign once it has been in the caBundle for the propagation time. If several may, the youngest one signs. So no "current
authority" is stored and no action switches to another one: the moment of the switch follows from `Authority.trusted_since`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from certs.authority import Issued, is_valid_at
from certs.lifetimes import DEFAULT_LIFETIMES, Lifetimes

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from certs.bundle import Bundle

MAX_AUTHORITIES: Final = 64
"""A keyring has the youngest ones. A rotation needs two, and each loss of the Secret adds one for a week."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority.

    Args:
        certificate: Its certificate.
        key: Its private key; None where it is lost: such an authority is trusted and can no longer sign. Left out of the repr.
        trusted_since: Since when it has been seen in the caBundle; None where it was not seen there.

    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False, compare=False)
    trusted_since: datetime | None = None

    @property
    def issued(self) -> Issued | None:
        """The certificate with its key; None where the key is lost."""
        return None if self.key is None else Issued(self.certificate, self.key)

    def seen_by(self, now: datetime) -> Authority:
        """The authority, trusted since ``now`` at the latest if it is trusted."""
        return self if self.trusted_since is None else replace(self, trusted_since=min(self.trusted_since, now))


@dataclass(frozen=True, slots=True)
class Keyring:
    """The authorities, in the order in which they sign.

    Args:
        authorities: The oldest first.
        lifetimes: The durations that apply to them.

    """

    authorities: tuple[Authority, ...] = ()
    lifetimes: Lifetimes = DEFAULT_LIFETIMES

    @property
    def bundle(self) -> Bundle:
        """The certificates of all authorities."""
        return tuple(authority.certificate for authority in self.authorities)

    @property
    def with_key(self) -> tuple[Authority, ...]:
        """The authorities whose key is not lost."""
        return tuple(authority for authority in self.authorities if authority.key is not None)

    def find(self, certificate: x509.Certificate) -> Authority | None:
        """The authority with this certificate; None where there is none."""
        return next((authority for authority in self.authorities if authority.certificate == certificate), None)

    def has_propagated(self, authority: Authority, now: datetime) -> bool:
        """Whether every API server trusts the authority by now."""
        return authority.trusted_since is not None and now - authority.trusted_since >= self.lifetimes.propagation

    def signer(self, now: datetime) -> Authority | None:
        """The authority that signs: the youngest one with a key that every API server trusts; None where there is none yet."""
        return next((authority for authority in reversed(self.with_key) if self.has_propagated(authority, now)), None)

    def is_needed(self, authority: Authority, now: datetime) -> bool:
        """Whether a certificate that the authority signed may still be served. It was signed before the next authority could sign."""
        signer = self.signer(now)
        if signer is None or signer.trusted_since is None or self._place(authority) >= self._place(signer):
            return True
        return now - signer.trusted_since < self.lifetimes.propagation + self.lifetimes.leaf + self.lifetimes.grace

    def needed_bundle(self, now: datetime) -> Bundle:
        """What the caBundle should be."""
        return tuple(authority.certificate for authority in self.authorities if self.is_needed(authority, now))

    def valid_at(self, now: datetime) -> Keyring:
        """The keyring without the authorities that are expired or not yet valid."""
        return replace(self, authorities=tuple(authority for authority in self.authorities if is_valid_at(authority.certificate, now)))

    def seen_by(self, now: datetime) -> Keyring:
        """The keyring without times after ``now``: an authority that is trusted since a later time is trusted since ``now``."""
        return replace(self, authorities=tuple(authority.seen_by(now) for authority in self.authorities))

    def with_added(self, issued: Issued) -> Keyring:
        """The keyring with one more authority, the youngest."""
        return replace(self, authorities=(*self.authorities, Authority(issued.certificate, issued.key)))

    def _place(self, authority: Authority) -> int:
        return self.bundle.index(authority.certificate)
