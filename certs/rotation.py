"""The next action of a rotation, from the state of the Secret, the caBundle and the clock. Pure.

No action depends on an earlier one of the same replica: any replica continues from the state that it reads, and a replica that stops
between two actions leaves nothing to clean up. The rules below give this rotation:

| state | action |
|---|---|
| the youngest authority has reached two thirds of its life | `AddAuthority` to the Secret |
| the caBundle lacks the new authority | `PublishBundle` with both |
| the caBundle has it, and the Secret does not say since when | `SaveKeyring` with the time |
| the propagation time has passed since then | `Done`: the replicas have the new authority sign (`certs.leaf`) |
| the last certificate of the old authority has expired | `PublishBundle` with the new one alone |
| the caBundle no longer has the old authority | `SaveKeyring` with the new one alone |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from certs.authority import BACKDATED, is_own_authority, is_valid_at, renewal_time
from certs.keyring import MAX_AUTHORITIES, Authority

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from certs.bundle import Bundle
    from certs.keyring import Keyring


@dataclass(frozen=True, slots=True)
class AuthorityState:
    """The state that a replica has read.

    Args:
        now: The time on the API server's clock, since the API server verifies.
        keyring: What the Secret holds; empty where there is no Secret or none that can be read.
        bundles: The caBundle of each webhook in the configuration; empty where there is no configuration.
        has_other_content: Whether a caBundle holds anything besides these certificates as a replica writes them.

    """

    now: datetime
    keyring: Keyring
    bundles: tuple[Bundle, ...]
    has_other_content: bool = False

    def trusts(self, certificate: x509.Certificate) -> bool:
        """Whether every webhook's caBundle has the certificate."""
        return bool(self.bundles) and all(certificate in bundle for bundle in self.bundles)


@dataclass(frozen=True, slots=True)
class AddAuthority:
    """Write the keyring with a new authority added.

    Args:
        keyring: The keyring before that.

    """

    word: ClassVar[str] = "add-authority"
    keyring: Keyring


@dataclass(frozen=True, slots=True)
class SaveKeyring:
    """Write the keyring.

    Args:
        keyring: As it is to be.

    """

    word: ClassVar[str] = "save-keyring"
    keyring: Keyring


@dataclass(frozen=True, slots=True)
class PublishBundle:
    """Write the caBundle.

    Args:
        bundle: As it is to be; never empty.

    """

    word: ClassVar[str] = "publish-bundle"
    bundle: Bundle


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is to be written."""


Action: TypeAlias = AddAuthority | SaveKeyring | PublishBundle
"""What a replica writes; ``word`` names it in a log."""


def next_action(state: AuthorityState) -> Action | Done:
    """The one action to take now. After it, read the state again before the next one."""
    keyring = updated_keyring(state)
    if _needs_new(keyring, state.now):
        return AddAuthority(keyring)
    # Write the Secret before the caBundle, so that the Secret has every authority in it: then no replica removes one that another needs.
    if keyring != state.keyring:
        return SaveKeyring(keyring)
    if is_in_sync(state):
        return Done()
    return PublishBundle(keyring.needed_bundle(state.now))


def is_in_sync(state: AuthorityState) -> bool:
    """Whether every caBundle is what the Secret calls for, which is never an empty one; True where there is no configuration."""
    needed = state.keyring.needed_bundle(state.now)
    return not state.has_other_content and all(needed and bundle == needed for bundle in state.bundles)


def updated_keyring(state: AuthorityState) -> Keyring:
    """The keyring corrected by clock and caBundle: lost authorities added again, times set, authorities without use removed."""
    keyring = state.keyring.valid_at(state.now).seen_by(state.now)
    if not _trusted_own(state):
        # The caBundle has no authority of this webhook, so no trust can be broken: the times stay, and count once it is published again.
        return keyring
    keyring = replace(keyring, authorities=tuple(_timed(authority, state) for authority in keyring.authorities))
    completed = replace(keyring, authorities=(*_unknown(keyring, state), *keyring.authorities))
    used = tuple(one for one in completed.authorities if _is_of_use(one, completed, keyring, state))
    return replace(completed, authorities=used[-MAX_AUTHORITIES:])


def _needs_new(keyring: Keyring, now: datetime) -> bool:
    """Whether the youngest authority is due, or lives longer than the webhook makes one: somebody else made it, and may have its key."""
    if not keyring.with_key:
        return True
    youngest = keyring.with_key[-1].certificate
    return renewal_time(youngest) <= now or youngest.not_valid_after_utc - now > keyring.lifetimes.authority + BACKDATED


def _timed(authority: Authority, state: AuthorityState) -> Authority:
    if not state.trusts(authority.certificate):
        return replace(authority, trusted_since=None)
    return replace(authority, trusted_since=authority.trusted_since or state.now)


def _unknown(keyring: Keyring, state: AuthorityState) -> tuple[Authority, ...]:
    """This webhook's authorities that the caBundle has and the Secret lacks: it was deleted, or restored from a backup.

    Since when they are trusted is lost. They count as trusted as long as any known one, and come before the known ones.
    """
    since = min([state.now, *(one.trusted_since for one in keyring.authorities if one.trusted_since is not None)])
    return tuple(Authority(one, None, since) for one in _trusted_own(state) if keyring.find(one) is None)


def _trusted_own(state: AuthorityState) -> Bundle:
    first = state.bundles[0] if state.bundles else ()
    own = (one for one in dict.fromkeys(first) if is_own_authority(one) and is_valid_at(one, state.now))
    return tuple(one for one in own if state.trusts(one))


def _is_of_use(authority: Authority, completed: Keyring, known: Keyring, state: AuthorityState) -> bool:
    """Whether it is needed, or is known and still in a caBundle: removed from the Secret earlier, it would count as lost and come back."""
    is_known = known.find(authority.certificate) is not None
    return completed.is_needed(authority, state.now) or (is_known and any(authority.certificate in bundle for bundle in state.bundles))
