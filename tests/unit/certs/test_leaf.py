"""When a replica has a new certificate signed, and by which authority; and when it is ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from certs.authority import Issued, make_authority, renewal_time, service_names, sign_leaf
from certs.keyring import Authority, Keyring
from certs.leaf import ServedLeaf, is_trusted, next_signer
from certs.lifetimes import DEFAULT_LIFETIMES
from certs.rotation import AuthorityState

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO = make_authority(NOW), make_authority(NOW)
FIRST: Final = Authority(ONE.certificate, ONE.key, NOW - DEFAULT_LIFETIMES.propagation)
SECOND: Final = Authority(TWO.certificate, TWO.key, NOW)
NEW: Final = Authority(TWO.certificate, TWO.key)
LOST: Final = Authority(ONE.certificate, None, NOW)


def served(by: Issued, made: datetime = NOW) -> ServedLeaf:
    """A leaf of this authority."""
    return ServedLeaf(sign_leaf(by, service_names("service", "namespace"), made).certificate, by.certificate)


def state(now: datetime, *authorities: Authority, trusted: tuple[Issued, ...] = (ONE, TWO)) -> AuthorityState:
    """A state with these authorities in the Secret, and the trusted ones in the caBundle."""
    return AuthorityState(now, Keyring(authorities), (tuple(issued.certificate for issued in trusted),))


LEAF: Final = served(ONE)
DUE: Final = renewal_time(LEAF.certificate)
TICK: Final = timedelta(seconds=1)


def test_the_first_leaf_is_signed_by_the_authority_that_every_api_server_trusts() -> None:
    assert next_signer(None, state(NOW, FIRST, SECOND)) == FIRST


def test_a_first_leaf_does_not_wait_for_trust() -> None:
    assert next_signer(None, state(NOW, NEW, trusted=())) == NEW
    assert next_signer(None, state(NOW, LOST, NEW, trusted=(ONE,))) == NEW


def test_where_no_authority_has_propagated_the_one_that_was_trusted_first_signs_a_first_leaf() -> None:
    earlier = Authority(ONE.certificate, ONE.key, NOW - TICK)

    assert next_signer(None, state(NOW, SECOND, earlier)) == earlier
    assert next_signer(None, state(NOW, NEW, earlier)) == earlier


def test_without_an_authority_nothing_is_signed() -> None:
    assert next_signer(None, state(NOW)) is None


def test_a_leaf_is_renewed_when_it_is_due_and_not_before() -> None:
    assert next_signer(LEAF, state(DUE - TICK, FIRST)) is None
    assert next_signer(LEAF, state(DUE, FIRST)) == FIRST


def test_a_leaf_that_is_due_is_renewed_also_where_no_authority_has_propagated() -> None:
    new = Authority(ONE.certificate, ONE.key)

    assert next_signer(LEAF, state(DUE, new, trusted=())) == new


def test_the_second_authority_signs_as_soon_as_it_has_propagated_and_not_before() -> None:
    assert next_signer(LEAF, state(NOW + DEFAULT_LIFETIMES.propagation - TICK, FIRST, SECOND)) is None
    assert next_signer(LEAF, state(NOW + DEFAULT_LIFETIMES.propagation, FIRST, SECOND)) == SECOND


def test_a_leaf_whose_authority_lost_its_key_stays_until_the_next_authority_is_trusted() -> None:
    assert next_signer(LEAF, state(DUE, LOST, NEW)) is None
    assert next_signer(LEAF, state(NOW + DEFAULT_LIFETIMES.propagation, LOST, SECOND)) == SECOND


def test_a_leaf_that_expired_is_replaced_by_one_of_any_authority() -> None:
    after = LEAF.certificate.not_valid_after_utc + TICK

    assert next_signer(LEAF, state(after, LOST, NEW)) == replace(NEW, trusted_since=after)


def test_an_authority_of_a_restored_secret_signs_nothing_before_the_bundle_has_had_it_for_the_propagation_time() -> None:
    restored = replace(SECOND, trusted_since=NOW - DEFAULT_LIFETIMES.authority / 2)

    assert next_signer(LEAF, state(NOW, restored, trusted=(ONE,))) is None


def test_a_leaf_whose_authority_is_neither_in_the_secret_nor_in_the_bundle_is_replaced_at_once() -> None:
    assert next_signer(LEAF, state(NOW, NEW, trusted=())) == NEW


def test_a_leaf_outlives_an_empty_bundle() -> None:
    assert next_signer(LEAF, state(NOW, FIRST, trusted=())) is None


def test_an_authority_that_expired_signs_nothing() -> None:
    assert next_signer(None, state(ONE.certificate.not_valid_after_utc + TICK, FIRST)) is None


def test_a_replica_is_ready_when_its_authority_is_alone_in_the_bundle() -> None:
    assert is_trusted(LEAF, state(NOW, Authority(ONE.certificate, ONE.key), trusted=(ONE,)))
    assert not is_trusted(LEAF, state(NOW, FIRST, trusted=()))


def test_a_replica_is_not_ready_while_an_api_server_may_trust_another_authority_alone() -> None:
    assert not is_trusted(served(TWO), state(NOW, LOST, NEW))
    assert not is_trusted(served(TWO), state(NOW, LOST, SECOND))
    assert not is_trusted(served(TWO), state(NOW + DEFAULT_LIFETIMES.propagation - TICK, FIRST, SECOND))
    assert is_trusted(served(TWO), state(NOW + DEFAULT_LIFETIMES.propagation, FIRST, SECOND))


def test_without_a_configuration_a_replica_is_ready_unless_another_authority_may_be_trusted_when_it_comes() -> None:
    def without_configuration(*authorities: Authority) -> AuthorityState:
        return AuthorityState(NOW, Keyring(authorities), ())

    assert is_trusted(LEAF, without_configuration(Authority(ONE.certificate, ONE.key)))
    assert not is_trusted(served(TWO), without_configuration(LOST, NEW))
