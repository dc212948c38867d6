"""What to do next, from what is observed: the Secret, the caBundle and the clock. Pure.

No step depends on an earlier one having been taken by the same replica: any replica goes on from whatever it finds, and a replica that
ends between two steps leaves nothing to be cleaned up. One rotation, as it follows from the rules below:

| found | step |
|---|---|
| the youngest authority is at two thirds of its life | `Add` a second one to the Secret |
| the caBundle lacks it | `Publish` both |
| the caBundle has it, and the Secret does not say since when | `Remember` the time |
| that was the settle time ago | none: the replicas have the second one sign (`certs.leaf`) |
| the last certificate of the first one has expired | `Publish` the second one alone |
| the caBundle no longer has the first one | `Remember` the second one alone |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from certs.authority import holds, is_authority_of, renewal
from certs.keyring import Authority

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from certs.bundle import Bundle
    from certs.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Observation:
    """What a replica sees.

    Args:
        now: What the API server's clock says: it is the one that verifies.
        keyring: The Secret's; an empty one where there is no Secret or none that can be read.
        bundles: The caBundle of each of the configuration's webhooks; none: there is no configuration.

    """

    now: datetime
    keyring: Keyring
    bundles: tuple[Bundle, ...]

    def trusts(self, certificate: x509.Certificate) -> bool:
        """Whether every webhook's caBundle has it."""
        return bool(self.bundles) and all(certificate in bundle for bundle in self.bundles)


@dataclass(frozen=True, slots=True)
class Add:
    """Write the keyring with a new authority in it.

    Args:
        to: The keyring without it.

    """

    to: Keyring


@dataclass(frozen=True, slots=True)
class Remember:
    """Write the keyring.

    Args:
        keyring: As it is to be.

    """

    keyring: Keyring


@dataclass(frozen=True, slots=True)
class Publish:
    """Write the caBundle.

    Args:
        bundle: As it is to be; never empty.

    """

    bundle: Bundle


@dataclass(frozen=True, slots=True)
class Rest:
    """All is as it should be."""


Step: TypeAlias = Add | Remember | Publish | Rest


def next_step(seen: Observation) -> Step:
    """The one thing to do now; whoever does it looks again before it does another."""
    keyring = observed_keyring(seen)
    if _needs_new(keyring, seen.now):
        return Add(keyring)
    # Before the caBundle is touched, the Secret knows of every authority in it: no replica then takes away what another relies on.
    if keyring != seen.keyring:
        return Remember(keyring)
    if is_in_sync(seen):
        return Rest()
    return Publish(keyring.needed(seen.now))


def is_in_sync(seen: Observation) -> bool:
    """Whether every caBundle is what the Secret asks for, which is never an empty one; also where there is no configuration."""
    needed = seen.keyring.needed(seen.now)
    return all(needed and bundle == needed for bundle in seen.bundles)


def observed_keyring(seen: Observation) -> Keyring:
    """The keyring as what is observed makes it: the lost ones taken up again, the times right, those without use gone."""
    keyring = seen.keyring.lasting(seen.now)
    if not _trusted_of_ours(seen):
        # Nothing of ours is trusted, so there is no trust to be careful of: what was settled is, as soon as it is published again.
        return keyring
    keyring = replace(keyring, authorities=tuple(_timed(authority, seen) for authority in keyring.authorities))
    adopted = replace(keyring, authorities=(*_unknown(keyring, seen), *keyring.authorities))
    used = (one for one in adopted.authorities if _is_of_use(one, adopted, keyring, seen))
    return replace(adopted, authorities=tuple(used))


def _needs_new(keyring: Keyring, now: datetime) -> bool:
    return not keyring.able or renewal(keyring.able[-1].certificate) <= now


def _timed(authority: Authority, seen: Observation) -> Authority:
    if not seen.trusts(authority.certificate):
        return replace(authority, trusted_since=None)
    return replace(authority, trusted_since=authority.trusted_since or seen.now)


def _unknown(keyring: Keyring, seen: Observation) -> tuple[Authority, ...]:
    """What the caBundle has of ours and the Secret does not know: it was deleted, or put back from a backup.

    Since when nobody can tell: for as long as any that is known, and it comes before that.
    """
    since = min([seen.now, *(one.trusted_since for one in keyring.authorities if one.trusted_since is not None)])
    return tuple(Authority(one, None, since) for one in _trusted_of_ours(seen) if keyring.find(one) is None)


def _trusted_of_ours(seen: Observation) -> Bundle:
    first = seen.bundles[0] if seen.bundles else ()
    ours = (one for one in dict.fromkeys(first) if is_authority_of(one) and holds(one, seen.now))
    return tuple(one for one in ours if seen.trusts(one))


def _is_of_use(authority: Authority, adopted: Keyring, known: Keyring, seen: Observation) -> bool:
    """Needed, or known and still in a caBundle: it is forgotten last, lest it be taken for one that was lost."""
    is_known = known.find(authority.certificate) is not None
    return adopted.is_needed(authority, seen.now) or (is_known and any(authority.certificate in bundle for bundle in seen.bundles))
