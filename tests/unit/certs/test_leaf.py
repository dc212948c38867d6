"""When a replica has a new certificate signed, and by whom; and when an API server may be sent to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from certs.authority import Issued, make_authority, renewal, service_names, sign_leaf
from certs.keyring import Authority, Keyring
from certs.leaf import Served, is_trusted, next_signer
from certs.lifetimes import USUAL
from certs.rotation import Observation

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = make_authority(NOW), make_authority(NOW)
FIRST: Final = Authority(ONE.certificate, ONE.key, NOW - USUAL.settle)
SECOND: Final = Authority(TWO.certificate, TWO.key, NOW)
NEW: Final = Authority(TWO.certificate, TWO.key)
LOST: Final = Authority(ONE.certificate, None, NOW)


def served(by: Issued, made: datetime = NOW) -> Served:
    """A leaf of this authority."""
    return Served(sign_leaf(by, service_names("service", "namespace"), made).certificate, by.certificate)


def seen(now: datetime, *authorities: Authority, trusted: tuple[Issued, ...] = (ONE, TWO)) -> Observation:
    """What is observed."""
    return Observation(now, Keyring(authorities), (tuple(issued.certificate for issued in trusted),))


LEAF: Final = served(ONE)
DUE: Final = renewal(LEAF.certificate)
TICK: Final = timedelta(seconds=1)


def test_the_first_leaf_is_signed_by_whoever_every_api_server_trusts() -> None:
    assert next_signer(None, seen(NOW, FIRST, SECOND)) == FIRST


def test_a_first_leaf_does_not_wait_for_trust() -> None:
    assert next_signer(None, seen(NOW, NEW, trusted=())) == NEW
    assert next_signer(None, seen(NOW, LOST, NEW, trusted=(ONE,))) == NEW


def test_nobody_signs_without_an_authority() -> None:
    assert next_signer(None, seen(NOW)) is None


def test_a_leaf_is_renewed_when_it_is_due_and_not_before() -> None:
    assert next_signer(LEAF, seen(DUE - TICK, FIRST)) is None
    assert next_signer(LEAF, seen(DUE, FIRST)) == FIRST


def test_a_leaf_that_is_due_is_renewed_also_where_nothing_has_settled() -> None:
    unsettled = Authority(ONE.certificate, ONE.key)

    assert next_signer(LEAF, seen(DUE, unsettled, trusted=())) == unsettled


def test_the_second_authority_signs_as_soon_as_it_has_settled_and_not_before() -> None:
    assert next_signer(LEAF, seen(NOW + USUAL.settle - TICK, FIRST, SECOND)) is None
    assert next_signer(LEAF, seen(NOW + USUAL.settle, FIRST, SECOND)) == SECOND


def test_a_leaf_whose_authority_lost_its_key_is_kept_until_the_next_one_is_trusted() -> None:
    assert next_signer(LEAF, seen(DUE, LOST, NEW)) is None
    assert next_signer(LEAF, seen(NOW + USUAL.settle, LOST, SECOND)) == SECOND


def test_a_leaf_that_expired_is_replaced_by_any() -> None:
    after = LEAF.certificate.not_valid_after_utc + TICK

    assert next_signer(LEAF, seen(after, LOST, NEW)) == NEW


def test_a_leaf_of_which_nothing_in_the_cluster_knows_is_replaced_at_once() -> None:
    assert next_signer(LEAF, seen(NOW, NEW, trusted=())) == NEW


def test_a_leaf_outlives_an_empty_bundle() -> None:
    assert next_signer(LEAF, seen(NOW, FIRST, trusted=())) is None


def test_an_authority_that_expired_signs_nothing() -> None:
    assert next_signer(None, seen(ONE.certificate.not_valid_after_utc + TICK, FIRST)) is None


def test_a_replica_is_ready_when_its_authority_is_alone_in_the_bundle() -> None:
    assert is_trusted(LEAF, seen(NOW, Authority(ONE.certificate, ONE.key), trusted=(ONE,)))
    assert not is_trusted(LEAF, seen(NOW, FIRST, trusted=()))


def test_a_replica_is_not_ready_while_an_api_server_may_trust_another_authority_alone() -> None:
    assert not is_trusted(served(TWO), seen(NOW, LOST, NEW))
    assert not is_trusted(served(TWO), seen(NOW, LOST, SECOND))
    assert not is_trusted(served(TWO), seen(NOW + USUAL.settle - TICK, FIRST, SECOND))
    assert is_trusted(served(TWO), seen(NOW + USUAL.settle, FIRST, SECOND))


def test_without_a_configuration_a_replica_is_ready_unless_another_authority_may_be_trusted_when_it_comes() -> None:
    def without_configuration(*authorities: Authority) -> Observation:
        return Observation(NOW, Keyring(authorities), ())

    assert is_trusted(LEAF, without_configuration(Authority(ONE.certificate, ONE.key)))
    assert not is_trusted(served(TWO), without_configuration(LOST, NEW))
