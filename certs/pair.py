"""A certificate and its key for a TLS server, in memory alone."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Pair:
    """What a server serves.

    Args:
        certificates: The chain as PEM, the leaf first.
        key: The leaf's key as PEM, without a passphrase; never shown.

    """

    certificates: bytes
    key: bytes = field(repr=False)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have a context serve it; one that serves already must not be given another (webhook/server/certificate.py).

        Python's ssl reads files alone. This one has no name and no disk below it, and is gone when this returns (memfd_create(2)).
        """
        descriptor = os.memfd_create("pair")
        with os.fdopen(descriptor, "wb") as file:
            file.write(self.key + self.certificates)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
