"""A certificate and its private key for a TLS server, in memory alone."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class KeyPair:
    """What a TLS server serves.

    Args:
        certificates: The chain as PEM, the leaf first.
        key: The leaf's private key as PEM, without a passphrase; left out of the repr.

    """

    certificates: bytes
    key: bytes = field(repr=False)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Load the pair into a new context. Never load it into one that already serves (webhook/server/certificate.py says why).

        Python's ssl reads files only. This file has no name, is not on a disk, and is gone when this returns (memfd_create(2)).
        """
        descriptor = os.memfd_create("pair")
        with os.fdopen(descriptor, "wb") as file:
            file.write(self.key + self.certificates)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
