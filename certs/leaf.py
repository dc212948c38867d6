"""The serving certificate of one replica: when a new one is signed, and by which authority. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from certs.authority import is_valid_at, renewal_time
from certs.rotation import updated_keyring

if TYPE_CHECKING:
    from cryptography import x509

    from certs.keyring import Authority, Keyring
    from certs.rotation import AuthorityState

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ServedLeaf:
    """What a replica serves.

    Args:
        certificate: The leaf.
        issuer: The authority that signed it.

    """

    certificate: x509.Certificate
    issuer: x509.Certificate


def next_signer(served: ServedLeaf | None, state: AuthorityState) -> Authority | None:
    """The authority that is to sign a new leaf now; None where the replica goes on with the leaf that it serves.

    A leaf that works is replaced only by a leaf of an authority that every API server trusts. Where no leaf works, any authority may sign.
    The caBundle counts, not the Secret alone: a restored Secret says that its authority is trusted, and the caBundle may no longer have it.
    """
    keyring = updated_keyring(state)
    signer = keyring.signer(state.now)
    if served is None or not _can_work(served, state):
        return signer or _first_trusted(keyring)
    if signer is not None and signer.certificate != served.issuer:
        return signer
    if renewal_time(served.certificate) > state.now:
        return None
    issuer = keyring.find(served.issuer)
    return issuer if issuer is not None and issuer.key is not None else signer


def is_trusted(served: ServedLeaf, state: AuthorityState) -> bool:
    """Whether every API server accepts the leaf.

    The caBundle alone does not say so, since each API server loads it at its own time. So the leaf's authority must have propagated, or be
    the first one of this webhook that was trusted: then an API server that does not trust it yet trusts no leaf of this webhook. Times are
    whole seconds; of two equal ones the older authority was first. Without a configuration no API server calls, and the same rule says
    whether they will accept the leaf when a configuration appears.
    """
    issuer = state.keyring.find(served.issuer)
    if issuer is None or (state.bundles and not state.trusts(served.issuer)):
        return False
    return state.keyring.has_propagated(issuer, state.now) or issuer == min(state.keyring.authorities, key=_since)


def _can_work(served: ServedLeaf, state: AuthorityState) -> bool:
    is_known = state.keyring.find(served.issuer) is not None or state.trusts(served.issuer)
    return is_known and is_valid_at(served.certificate, state.now)


def _first_trusted(keyring: Keyring) -> Authority | None:
    """The authority that was trusted first, of those with a key."""
    return min(keyring.with_key, key=_since, default=None)


def _since(authority: Authority) -> datetime:
    return authority.trusted_since or _NEVER
