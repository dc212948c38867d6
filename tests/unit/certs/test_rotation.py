"""The next step, for everything that can be found. A rotation in one piece, and every way in which things can be found broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from certs.authority import Issued, make_authority, renewal
from certs.keyring import Authority, Keyring
from certs.lifetimes import USUAL
from certs.rotation import Add, Observation, Publish, Remember, Rest, is_in_sync, next_step

if TYPE_CHECKING:
    from cryptography import x509

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE: Final = make_authority(NOW)
DUE: Final = renewal(ONE.certificate)
TWO: Final = make_authority(DUE)
STRANGER: Final = make_authority(NOW, "stranger")
SECOND: Final = timedelta(seconds=1)


def authority(issued: Issued, trusted_since: datetime | None = None) -> Authority:
    """With its key."""
    return Authority(issued.certificate, issued.key, trusted_since)


def seen(now: datetime, authorities: tuple[Authority, ...], *bundles: tuple[Issued, ...]) -> Observation:
    """What is observed."""
    return Observation(now, Keyring(authorities), tuple(tuple(issued.certificate for issued in bundle) for bundle in bundles))


def certificates(*issued: Issued) -> tuple[x509.Certificate, ...]:
    """Theirs."""
    return tuple(one.certificate for one in issued)


SETTLED: Final = NOW
TWO_TRUSTED: Final = DUE + SECOND
TWO_SIGNS: Final = TWO_TRUSTED + USUAL.settle
ONE_UNUSED: Final = TWO_SIGNS + USUAL.leaf + USUAL.spare
ROTATION: Final = [
    pytest.param(seen(NOW, (), ()), Add(Keyring()), id="nothing is there"),
    pytest.param(seen(NOW, (authority(ONE),), ()), Publish(certificates(ONE)), id="the first authority is not trusted yet"),
    pytest.param(seen(NOW, (authority(ONE),), (ONE,)), Remember(Keyring((authority(ONE, NOW),))), id="the first authority is trusted"),
    pytest.param(seen(DUE - SECOND, (authority(ONE, SETTLED),), (ONE,)), Rest(), id="all is well"),
    pytest.param(seen(DUE, (authority(ONE, SETTLED),), (ONE,)), Add(Keyring((authority(ONE, SETTLED),))), id="it is due"),
    pytest.param(
        seen(DUE, (authority(ONE, SETTLED), authority(TWO)), (ONE,)), Publish(certificates(ONE, TWO)), id="the second is not trusted"
    ),
    pytest.param(
        seen(TWO_TRUSTED, (authority(ONE, SETTLED), authority(TWO)), (ONE, TWO)),
        Remember(Keyring((authority(ONE, SETTLED), authority(TWO, TWO_TRUSTED)))),
        id="the second is trusted from now on",
    ),
    pytest.param(seen(TWO_SIGNS, (authority(ONE, SETTLED), authority(TWO, TWO_TRUSTED)), (ONE, TWO)), Rest(), id="the second signs"),
    pytest.param(
        seen(ONE_UNUSED - SECOND, (authority(ONE, SETTLED), authority(TWO, TWO_TRUSTED)), (ONE, TWO)),
        Rest(),
        id="a leaf of the first may live",
    ),
    pytest.param(
        seen(ONE_UNUSED, (authority(ONE, SETTLED), authority(TWO, TWO_TRUSTED)), (ONE, TWO)),
        Publish(certificates(TWO)),
        id="none lives any more",
    ),
    pytest.param(
        seen(ONE_UNUSED, (authority(ONE, SETTLED), authority(TWO, TWO_TRUSTED)), (TWO,)),
        Remember(Keyring((authority(TWO, TWO_TRUSTED),))),
        id="the first is trusted no more",
    ),
    pytest.param(seen(ONE_UNUSED, (authority(TWO, TWO_TRUSTED),), (TWO,)), Rest(), id="the rotation is over"),
]


@pytest.mark.parametrize(("found", "step"), ROTATION)
def test_a_rotation_goes_on_from_wherever_it_is_found(found: Observation, step: object) -> None:
    assert next_step(found) == step


LATER: Final = NOW + timedelta(days=1)
LOST: Final = Authority(ONE.certificate, None, LATER)
EXPIRED: Final = ONE.certificate.not_valid_after_utc + SECOND
TWO_YEARS: Final = timedelta(days=730)
KNOWN: Final = (authority(ONE, SETTLED),)
BROKEN: Final = [
    pytest.param(seen(LATER, (), (ONE,)), Add(Keyring((LOST,))), id="the Secret was deleted: what is trusted is taken up"),
    pytest.param(seen(LATER, (), (STRANGER,)), Add(Keyring()), id="no Secret, and only a stranger is trusted: it is not taken up"),
    pytest.param(seen(LATER, (LOST,), (ONE,)), Add(Keyring((LOST,))), id="the key is not the certificate's"),
    pytest.param(seen(LATER, KNOWN, ()), Publish(certificates(ONE)), id="the configuration came back empty"),
    pytest.param(seen(LATER, KNOWN, (STRANGER,)), Publish(certificates(ONE)), id="a stranger took the caBundle"),
    pytest.param(seen(LATER, KNOWN, (STRANGER, ONE)), Publish(certificates(ONE)), id="a stranger joined in"),
    pytest.param(seen(LATER, KNOWN, (ONE,), ()), Publish(certificates(ONE)), id="one of two webhooks is new"),
    pytest.param(seen(LATER, KNOWN), Rest(), id="there is no configuration"),
    pytest.param(seen(EXPIRED, KNOWN, (ONE,)), Add(Keyring()), id="all has expired"),
    pytest.param(seen(NOW + TWO_YEARS, KNOWN, (ONE,)), Add(Keyring()), id="two years have passed"),
    pytest.param(seen(NOW - TWO_YEARS, KNOWN, (ONE,)), Add(Keyring()), id="the clock was two years ahead when all was made"),
    pytest.param(
        seen(DUE, (authority(TWO, DUE),), (ONE,)),
        Remember(Keyring((Authority(ONE.certificate, None, DUE), authority(TWO)))),
        id="another Secret was put in the place of this one",
    ),
    pytest.param(
        seen(ONE_UNUSED, (authority(TWO, TWO_TRUSTED),), (ONE, TWO)),
        Publish(certificates(TWO)),
        id="what was dropped is not taken up again",
    ),
]


@pytest.mark.parametrize(("found", "step"), BROKEN)
def test_whatever_is_broken_is_mended_from_what_is_left(found: Observation, step: object) -> None:
    assert next_step(found) == step


def test_an_authority_that_left_the_bundle_has_to_settle_again() -> None:
    found = seen(TWO_SIGNS, (authority(ONE, SETTLED), authority(TWO, TWO_TRUSTED)), (ONE,))

    assert next_step(found) == Remember(Keyring((authority(ONE, SETTLED), authority(TWO))))
    assert replace(found.keyring, authorities=(authority(ONE, SETTLED), authority(TWO))).signer(TWO_SIGNS) == authority(ONE, SETTLED)


def test_the_settle_time_has_to_pass_to_its_end() -> None:
    keyring = Keyring((authority(ONE, SETTLED), authority(TWO, TWO_TRUSTED)))

    assert keyring.signer(TWO_SIGNS - SECOND) == authority(ONE, SETTLED)
    assert keyring.signer(TWO_SIGNS) == authority(TWO, TWO_TRUSTED)


def test_a_missing_configuration_is_in_sync() -> None:
    assert is_in_sync(seen(NOW, KNOWN))
    assert not is_in_sync(seen(NOW, KNOWN, (ONE,), ()))
