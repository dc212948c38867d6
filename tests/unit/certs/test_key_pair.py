"""A certificate and its key in memory, loaded into a TLS context."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from certs.authority import make_authority, service_names, sign_leaf
from certs.key_pair import KeyPair

AUTHORITY: Final = make_authority(datetime.now(UTC))


LEAF: Final = sign_leaf(AUTHORITY, service_names("service", "namespace"), datetime.now(UTC))


PAIR: Final = KeyPair(LEAF.certificate_pem, LEAF.key_pem)


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_pair_is_loaded_without_a_file_and_leaves_no_descriptor() -> None:
    before = descriptors()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    PAIR.load_into(context)

    assert descriptors() == before


def test_a_pair_is_loaded_where_no_disk_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    monkeypatch.setenv("TMPDIR", str(absent))
    PAIR.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    assert not absent.exists()


def test_the_file_of_a_pair_is_in_memory_and_openssl_never_asks_for_a_passphrase() -> None:
    """With a passphrase, even an empty one, OpenSSL does not ask for one at the terminal where a key needs it."""

    class RecordingContext(ssl.SSLContext):
        def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
            loaded.append((Path(certfile).readlink(), keyfile, password))

    loaded: list[object] = []
    PAIR.load_into(RecordingContext(ssl.PROTOCOL_TLS_SERVER))

    assert loaded == [(Path("/memfd:pair (deleted)"), None, "")]


def test_a_pair_whose_key_belongs_to_another_certificate_is_refused() -> None:
    with pytest.raises(ssl.SSLError):
        KeyPair(LEAF.certificate_pem, AUTHORITY.key_pem).load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
