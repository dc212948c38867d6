"""The credentials of a cluster: one authority, a certificate for each component, the key that signs service account tokens."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import BACKDATED, Issued, make_authority, sign_leaf

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ADMIN = "admin"
MASTERS = "system:masters"
"""The group that may do everything."""

LIFE: Final = timedelta(days=3650)
"""The lifetime of every certificate: longer than tests put any clock ahead (`testbed.clock`)."""


class Credentials:
    """The files of one cluster's authority."""

    def __init__(self, folder: Path) -> None:
        """Make the authority, the admin and the key that signs service account tokens."""
        folder.mkdir()
        self.folder = folder
        self._authority = make_authority(datetime.now(UTC), "cluster", LIFE)
        self.authority_file = self._write("ca.crt", self._authority.certificate_pem)
        self.authority_key_file = self._write("ca.key", self._authority.key_pem)
        self.service_account_key_file = self._write("service-accounts.key", _signing_key())
        self.client(ADMIN, MASTERS)

    def client(self, user: str, *groups: str) -> None:
        """A certificate by which the API server knows a user and its groups (common name and organizations)."""
        self._write_pair(user, _sign_client(self._authority, user, groups))

    def server(self, name: str, names: Sequence[str]) -> None:
        """A serving certificate for these DNS names and addresses."""
        self._write_pair(name, sign_leaf(self._authority, names, datetime.now(UTC), LIFE))

    def certificate_file(self, name: str) -> Path:
        """The certificate file of a user or a server."""
        return self.folder / f"{name}.crt"

    def key_file(self, name: str) -> Path:
        """The key file of a user or a server."""
        return self.folder / f"{name}.key"

    def tls(self) -> ssl.SSLContext:
        """TLS as an admin: trusts the authority and presents the admin's certificate."""
        context = ssl.create_default_context(cafile=str(self.authority_file))
        context.load_cert_chain(self.certificate_file(ADMIN), self.key_file(ADMIN))
        return context

    def kubeconfig(self, server: str, user: str = ADMIN) -> Path:
        """A kubeconfig with a user's certificate. It is JSON, which YAML contains."""
        cluster = {"server": server, "certificate-authority": str(self.authority_file)}
        identity = {"client-certificate": str(self.certificate_file(user)), "client-key": str(self.key_file(user))}
        content: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": user, "user": identity}],
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": user}}],
            "current-context": "cluster",
        }
        return self._write(f"{user}.kubeconfig", json.dumps(content, indent=1).encode())

    def _write_pair(self, name: str, issued: Issued) -> None:
        self._write(f"{name}.crt", issued.certificate_pem)
        self._write(f"{name}.key", issued.key_pem)

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.touch(0o600)
        path.write_bytes(content)
        return path


def _signing_key() -> bytes:
    """In the older of the two PEM forms, the only one that Kubernetes reads here (client-go util/keyutil)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _sign_client(authority: Issued, user: str, groups: Sequence[str]) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFE)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)
