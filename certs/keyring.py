"""The authorities of a webhook, as its Secret keeps them: who signs, who is trusted, and since when. Pure.

An authority signs once it has been in the caBundle for the settle time; of several that could, the youngest does. So there is no
"current authority" to be written down, and no step in which it changes: the moment follows from `Authority.trusted_since`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from certs.authority import Issued, holds
from certs.lifetimes import USUAL, Lifetimes

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from certs.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority.

    Args:
        certificate: Its certificate.
        key: Its key; None where it is lost: then it is trusted, and signs no more. Never shown.
        trusted_since: Since when it has been seen in the caBundle; None: it is not there, or was not looked for.

    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False, compare=False)
    trusted_since: datetime | None = None

    @property
    def issued(self) -> Issued | None:
        """With its key; None where that is lost."""
        return None if self.key is None else Issued(self.certificate, self.key)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The authorities in the order in which they came to sign.

    Args:
        authorities: The oldest first.
        lifetimes: The times that hold for them.

    """

    authorities: tuple[Authority, ...] = ()
    lifetimes: Lifetimes = USUAL

    @property
    def bundle(self) -> Bundle:
        """All their certificates."""
        return tuple(authority.certificate for authority in self.authorities)

    @property
    def able(self) -> tuple[Authority, ...]:
        """Those whose key is here."""
        return tuple(authority for authority in self.authorities if authority.key is not None)

    def find(self, certificate: x509.Certificate) -> Authority | None:
        """The authority with this certificate."""
        return next((authority for authority in self.authorities if authority.certificate == certificate), None)

    def has_settled(self, authority: Authority, now: datetime) -> bool:
        """Whether every API server trusts it by now."""
        return authority.trusted_since is not None and now >= authority.trusted_since + self.lifetimes.settle

    def signer(self, now: datetime) -> Authority | None:
        """Who signs; None: nobody yet of whom it is known that every API server trusts it."""
        return next((authority for authority in reversed(self.able) if self.has_settled(authority, now)), None)

    def is_needed(self, authority: Authority, now: datetime) -> bool:
        """Whether a certificate that it signed may still be served: such a one was signed before its successor could sign."""
        signer = self.signer(now)
        if signer is None or signer.trusted_since is None or self._place(authority) >= self._place(signer):
            return True
        return now < signer.trusted_since + self.lifetimes.settle + self.lifetimes.leaf + self.lifetimes.spare

    def needed(self, now: datetime) -> Bundle:
        """The caBundle that there should be."""
        return tuple(authority.certificate for authority in self.authorities if self.is_needed(authority, now))

    def lasting(self, now: datetime) -> Keyring:
        """Without those whose dates a verifier would not accept."""
        return replace(self, authorities=tuple(authority for authority in self.authorities if holds(authority.certificate, now)))

    def with_new(self, issued: Issued) -> Keyring:
        """With one more, the youngest."""
        return replace(self, authorities=(*self.authorities, Authority(issued.certificate, issued.key)))

    def _place(self, authority: Authority) -> int:
        return self.bundle.index(authority.certificate)
