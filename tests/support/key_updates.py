"""A TLS 1.3 client that sends KeyUpdate messages, which Python's ssl has no call for."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

APPLICATION_DATA: Final = 23
HANDSHAKE: Final = 22
KEY_UPDATE: Final = b"\x18\x00\x00\x01\x01"
"""Type, length, update_requested (https://www.rfc-editor.org/rfc/rfc8446#section-4.6.3)."""

HASHES: Final = {"TLS_AES_256_GCM_SHA384": (hashes.SHA384(), 32), "TLS_AES_128_GCM_SHA256": (hashes.SHA256(), 16)}
"""Of a cipher suite: the hash, and the bytes of a key."""


class KeyUpdatingClient:
    """The client's side of a connection whose handshake Python's ssl has done."""

    def __init__(self, stream: ssl.SSLSocket, key_log: Path) -> None:
        """Take the connection over; ``key_log`` is the file that its context wrote the secrets to."""
        cipher = stream.cipher()
        assert cipher
        self._hash, self._key_bytes = HASHES[cipher[0]]
        lines = [line.split() for line in key_log.read_text("ascii").splitlines()]
        [secret] = [words[2] for words in lines if words and words[0] == "CLIENT_TRAFFIC_SECRET_0"]
        seconds = stream.gettimeout()
        self.socket = socket.socket(fileno=stream.detach())
        self.socket.settimeout(seconds)
        self._take_keys(bytes.fromhex(secret))

    def record(self, content: bytes, content_type: int = APPLICATION_DATA) -> bytes:
        """An encrypted record (section 5.2)."""
        inner = content + bytes([content_type])
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        nonce = (int.from_bytes(self._iv, "big") ^ self._records).to_bytes(12, "big")
        self._records += 1
        return header + self._aead.encrypt(nonce, inner, header)

    def key_update(self) -> bytes:
        """A record that announces the next keys, which this client uses from here on (section 7.2)."""
        record = self.record(KEY_UPDATE, HANDSHAKE)
        self._take_keys(self._expand(self._secret, b"traffic upd", self._hash.digest_size))
        return record

    def _take_keys(self, secret: bytes) -> None:
        self._secret = secret
        self._aead = AESGCM(self._expand(secret, b"key", self._key_bytes))
        self._iv = self._expand(secret, b"iv", 12)
        self._records = 0

    def _expand(self, secret: bytes, label: bytes, length: int) -> bytes:
        """HKDF-Expand-Label without a context (section 7.1)."""
        name = b"tls13 " + label
        info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\x00"
        return HKDFExpand(self._hash, length, info).derive(secret)
