"""The files of a serving certificate for 127.0.0.1, made by the project's own authority."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certs.authority import make_authority, sign_leaf

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class CertificateFiles:
    """PEM files that a server and its client read."""

    authority: Path
    certificate: Path
    private_key: Path


def write_certificates(directory: Path) -> CertificateFiles:
    """Write `ca.crt`, `tls.crt` and `tls.key` into a directory, return their paths.

    The names are those of a Secret of type kubernetes.io/tls.
    """
    now = datetime.now(UTC)
    authority = make_authority(now, "benchmark")
    leaf = sign_leaf(authority, ["127.0.0.1"], now)
    files = CertificateFiles(directory / "ca.crt", directory / "tls.crt", directory / "tls.key")
    files.authority.write_bytes(authority.certificate_pem)
    files.certificate.write_bytes(leaf.certificate_pem)
    files.private_key.write_bytes(leaf.key_pem)
    return files
