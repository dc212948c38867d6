"""The next action for every state: a whole rotation, and every way in which the state can be broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from certs.authority import BACKDATED, Issued, make_authority, renewal_time
from certs.keyring import MAX_AUTHORITIES, Authority, Keyring
from certs.lifetimes import DEFAULT_LIFETIMES
from certs.rotation import AddAuthority, AuthorityState, Done, PublishBundle, SaveKeyring, is_in_sync, next_action, updated_keyring

if TYPE_CHECKING:
    from cryptography import x509

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE: Final = make_authority(NOW)
DUE: Final = renewal_time(ONE.certificate)
TWO: Final = make_authority(DUE)
STRANGER: Final = make_authority(NOW, "stranger")
SECOND: Final = timedelta(seconds=1)
LONGEST: Final = make_authority(NOW, life=DEFAULT_LIFETIMES.authority + BACKDATED)
TOO_LONG: Final = make_authority(NOW, life=DEFAULT_LIFETIMES.authority + BACKDATED + SECOND)


def authority(issued: Issued, trusted_since: datetime | None = None) -> Authority:
    """With its key."""
    return Authority(issued.certificate, issued.key, trusted_since)


def state(now: datetime, authorities: tuple[Authority, ...], *bundles: tuple[Issued, ...]) -> AuthorityState:
    """A state with these authorities in the Secret, and these caBundles."""
    return AuthorityState(now, Keyring(authorities), tuple(tuple(issued.certificate for issued in bundle) for bundle in bundles))


def certificates(*issued: Issued) -> tuple[x509.Certificate, ...]:
    """Theirs."""
    return tuple(one.certificate for one in issued)


LONG_TRUSTED: Final = NOW
TWO_TRUSTED: Final = DUE + SECOND
TWO_SIGNS: Final = TWO_TRUSTED + DEFAULT_LIFETIMES.propagation
ONE_UNUSED: Final = TWO_SIGNS + DEFAULT_LIFETIMES.leaf + DEFAULT_LIFETIMES.grace
ROTATION: Final = [
    pytest.param(state(NOW, (), ()), AddAuthority(Keyring()), id="nothing is there"),
    pytest.param(state(NOW, (authority(ONE),), ()), PublishBundle(certificates(ONE)), id="the first authority is not trusted yet"),
    pytest.param(state(NOW, (authority(ONE),), (ONE,)), SaveKeyring(Keyring((authority(ONE, NOW),))), id="the first authority is trusted"),
    pytest.param(state(DUE - SECOND, (authority(ONE, LONG_TRUSTED),), (ONE,)), Done(), id="nothing to do"),
    pytest.param(
        state(DUE, (authority(ONE, LONG_TRUSTED),), (ONE,)),
        AddAuthority(Keyring((authority(ONE, LONG_TRUSTED),))),
        id="the first is due for renewal",
    ),
    pytest.param(
        state(NOW, (authority(TOO_LONG, LONG_TRUSTED),), (TOO_LONG,)),
        AddAuthority(Keyring((authority(TOO_LONG, LONG_TRUSTED),))),
        id="the first lives longer than one that a clock an hour ahead makes",
    ),
    pytest.param(state(NOW, (authority(LONGEST, LONG_TRUSTED),), (LONGEST,)), Done(), id="the first was made by a clock an hour ahead"),
    pytest.param(
        state(DUE, (authority(ONE, LONG_TRUSTED), authority(TWO)), (ONE,)),
        PublishBundle(certificates(ONE, TWO)),
        id="the second is not trusted",
    ),
    pytest.param(
        state(TWO_TRUSTED, (authority(ONE, LONG_TRUSTED), authority(TWO)), (ONE, TWO)),
        SaveKeyring(Keyring((authority(ONE, LONG_TRUSTED), authority(TWO, TWO_TRUSTED)))),
        id="the second is trusted from now on",
    ),
    pytest.param(state(TWO_SIGNS, (authority(ONE, LONG_TRUSTED), authority(TWO, TWO_TRUSTED)), (ONE, TWO)), Done(), id="the second signs"),
    pytest.param(
        state(ONE_UNUSED - SECOND, (authority(ONE, LONG_TRUSTED), authority(TWO, TWO_TRUSTED)), (ONE, TWO)),
        Done(),
        id="a leaf of the first may still be valid",
    ),
    pytest.param(
        state(ONE_UNUSED, (authority(ONE, LONG_TRUSTED), authority(TWO, TWO_TRUSTED)), (ONE, TWO)),
        PublishBundle(certificates(TWO)),
        id="the last leaf of the first has expired",
    ),
    pytest.param(
        state(ONE_UNUSED, (authority(ONE, LONG_TRUSTED), authority(TWO, TWO_TRUSTED)), (TWO,)),
        SaveKeyring(Keyring((authority(TWO, TWO_TRUSTED),))),
        id="the first is trusted no more",
    ),
    pytest.param(state(ONE_UNUSED, (authority(TWO, TWO_TRUSTED),), (TWO,)), Done(), id="the rotation is over"),
]


@pytest.mark.parametrize(("found_state", "action"), ROTATION)
def test_a_rotation_continues_from_every_state(found_state: AuthorityState, action: object) -> None:
    assert next_action(found_state) == action


LATER: Final = NOW + timedelta(days=1)
LOST: Final = Authority(ONE.certificate, None, LATER)
EXPIRED: Final = ONE.certificate.not_valid_after_utc + SECOND
TWO_YEARS: Final = timedelta(days=730)
KNOWN: Final = (authority(ONE, LONG_TRUSTED),)
BROKEN: Final = [
    pytest.param(
        state(LATER, (), (ONE,)), AddAuthority(Keyring((LOST,))), id="the Secret was deleted: the trusted authority is added again"
    ),
    pytest.param(state(LATER, (), (STRANGER,)), AddAuthority(Keyring()), id="no Secret, and only a stranger is trusted: it is not added"),
    pytest.param(state(LATER, (LOST,), (ONE,)), AddAuthority(Keyring((LOST,))), id="the key is not the certificate's"),
    pytest.param(state(LATER, KNOWN, ()), PublishBundle(certificates(ONE)), id="the configuration came back empty"),
    pytest.param(state(LATER, KNOWN, (STRANGER,)), PublishBundle(certificates(ONE)), id="a stranger took the caBundle"),
    pytest.param(state(LATER, KNOWN, (STRANGER, ONE)), PublishBundle(certificates(ONE)), id="a stranger joined in"),
    pytest.param(state(LATER, KNOWN, (ONE,), ()), PublishBundle(certificates(ONE)), id="one of two webhooks is new"),
    pytest.param(state(LATER, KNOWN), Done(), id="there is no configuration"),
    pytest.param(state(EXPIRED, KNOWN, (ONE,)), AddAuthority(Keyring()), id="all has expired"),
    pytest.param(state(NOW + TWO_YEARS, KNOWN, (ONE,)), AddAuthority(Keyring()), id="two years have passed"),
    pytest.param(state(NOW - TWO_YEARS, KNOWN, (ONE,)), AddAuthority(Keyring()), id="the clock was two years ahead when all was made"),
    pytest.param(
        state(DUE, (authority(TWO, DUE),), (ONE,)),
        SaveKeyring(Keyring((Authority(ONE.certificate, None, DUE), authority(TWO)))),
        id="another Secret was put in the place of this one",
    ),
    pytest.param(
        state(ONE_UNUSED, (authority(TWO, TWO_TRUSTED),), (ONE, TWO)),
        PublishBundle(certificates(TWO)),
        id="an authority that was dropped is not added again",
    ),
]


@pytest.mark.parametrize(("found_state", "action"), BROKEN)
def test_a_broken_state_is_repaired_from_what_is_left(found_state: AuthorityState, action: object) -> None:
    assert next_action(found_state) == action


def test_an_authority_that_left_the_bundle_has_to_propagate_again() -> None:
    found_state = state(TWO_SIGNS, (authority(ONE, LONG_TRUSTED), authority(TWO, TWO_TRUSTED)), (ONE,))

    assert next_action(found_state) == SaveKeyring(Keyring((authority(ONE, LONG_TRUSTED), authority(TWO))))
    assert replace(found_state.keyring, authorities=(authority(ONE, LONG_TRUSTED), authority(TWO))).signer(TWO_SIGNS) == authority(
        ONE, LONG_TRUSTED
    )


def test_the_propagation_time_has_to_pass_to_its_end() -> None:
    keyring = Keyring((authority(ONE, LONG_TRUSTED), authority(TWO, TWO_TRUSTED)))

    assert keyring.signer(TWO_SIGNS - SECOND) == authority(ONE, LONG_TRUSTED)
    assert keyring.signer(TWO_SIGNS) == authority(TWO, TWO_TRUSTED)


def test_a_missing_configuration_is_in_sync() -> None:
    assert is_in_sync(state(NOW, KNOWN))
    assert not is_in_sync(state(NOW, KNOWN, (ONE,), ()))


@pytest.mark.parametrize("since", [NOW + SECOND, datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize("bundles", [(), ((),), ((ONE,),)])
def test_an_authority_that_is_trusted_since_a_later_time_is_trusted_since_now(
    since: datetime, bundles: tuple[tuple[Issued, ...], ...]
) -> None:
    assert next_action(state(NOW, (authority(ONE, since),), *bundles)) == SaveKeyring(Keyring((authority(ONE, NOW),)))


def test_a_bundle_that_holds_anything_else_is_written_again() -> None:
    with_junk = replace(state(NOW, (authority(ONE, LONG_TRUSTED),), (ONE,)), has_other_content=True)

    assert not is_in_sync(with_junk)
    assert next_action(with_junk) == PublishBundle(certificates(ONE))


def test_of_too_many_authorities_in_the_bundle_the_youngest_stay() -> None:
    many = tuple(make_authority(NOW) for _ in range(MAX_AUTHORITIES))

    assert updated_keyring(state(NOW, (authority(ONE, NOW),), (*many, ONE))).bundle == certificates(*many[1:], ONE)
