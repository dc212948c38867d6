"""The serving certificate of one replica: when it has a new one signed, and by whom. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from certs.authority import holds, renewal

if TYPE_CHECKING:
    from cryptography import x509

    from certs.keyring import Authority, Keyring
    from certs.rotation import Observation

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Served:
    """What a replica serves.

    Args:
        certificate: The leaf.
        issuer: The authority that signed it.

    """

    certificate: x509.Certificate
    issuer: x509.Certificate


def next_signer(served: Served | None, seen: Observation) -> Authority | None:
    """Who is to sign a new leaf; None: the one that is served stays.

    A leaf that works is only ever replaced by one of an authority that every API server trusts. Where nothing works, any may sign.
    """
    keyring = seen.keyring.lasting(seen.now)
    signer = keyring.signer(seen.now)
    if served is None or not _can_work(served, seen):
        return signer or _best(keyring)
    if signer is not None and signer.certificate != served.issuer:
        return signer
    if renewal(served.certificate) > seen.now:
        return None
    issuer = keyring.find(served.issuer)
    return issuer if issuer is not None and issuer.key is not None else signer


def is_trusted(served: Served, seen: Observation) -> bool:
    """Whether every API server takes it: a look at the caBundle alone does not tell, since each takes it up in its own time.

    It does where no other of ours was trusted before: whoever does not trust this one yet trusts none. Times are in whole seconds, so
    of two that are equal the older authority was first. Without a configuration nobody calls, and the same holds for when one comes.
    """
    issuer = seen.keyring.find(served.issuer)
    if issuer is None or (seen.bundles and not seen.trusts(served.issuer)):
        return False
    return seen.keyring.has_settled(issuer, seen.now) or issuer == min(seen.keyring.authorities, key=_since)


def _can_work(served: Served, seen: Observation) -> bool:
    is_known = seen.keyring.find(served.issuer) is not None or seen.trusts(served.issuer)
    return is_known and holds(served.certificate, seen.now)


def _best(keyring: Keyring) -> Authority | None:
    """Who was trusted first, of those whose key is here."""
    return min(keyring.able, key=_since, default=None)


def _since(authority: Authority) -> datetime:
    return authority.trusted_since or _NEVER
