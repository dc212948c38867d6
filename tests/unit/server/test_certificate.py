"""`ReloadableCertificate` where a running service cannot be brought: files that change in the very moment they are read."""

from __future__ import annotations

import base64
import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.service.running_service import Certificates, replace_file
from webhook.server.certificate import CertificateError, ReloadableCertificate, ReloadResult

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeMountedFile(type(Path())):  # type: ignore[misc]
    """A fake file that is replaced right after a given read. It cannot show what happens during a read."""

    replaced: dict[int, Callable[[], None]]
    reads: int

    def read_bytes(self) -> bytes:
        data: bytes = super().read_bytes()
        self.reads += 1
        self.replaced.pop(self.reads, lambda: None)()
        return data


def _mounted(path: Path) -> Any:
    file = FakeMountedFile(path)
    file.replaced, file.reads = {}, 0
    return file


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


class FakeForbiddenFile(type(Path())):  # type: ignore[misc]
    """A fake file that cannot be read while it is forbidden. Root, as whom these tests may run, can read every real file."""

    is_forbidden = False

    def read_bytes(self) -> bytes:
        if self.is_forbidden:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        data: bytes = super().read_bytes()
        return data


def _files(certificates: Certificates) -> ReloadableCertificate:
    return ReloadableCertificate(certificates.certificate_file, certificates.private_key_file)


@pytest.mark.parametrize("read", [1, 2, 3])
def test_a_pair_that_is_completed_while_it_is_read_is_served_in_the_end(certificates: Certificates, read: int) -> None:
    key_file = _mounted(certificates.private_key_file)
    files = ReloadableCertificate(certificates.certificate_file, key_file)
    leaf = certificates.new_leaf()
    expiry = leaf.certificate.not_valid_after_utc.timestamp()
    # The certificate is new; its key comes right after that read of the old one.
    replace_file(certificates.certificate_file, leaf.certificate_pem)
    key_file.replaced[key_file.reads + read] = lambda: replace_file(certificates.private_key_file, leaf.key_pem)
    results = [files.reload() for _ in range(4)]
    assert results.count(ReloadResult.LOADED) == 1
    assert (results[-1], files.problem, files.not_after) == (ReloadResult.UNCHANGED, "", expiry)


def test_a_sound_pair_that_changes_into_another_while_it_is_read_is_not_served_half(certificates: Certificates) -> None:
    key_file = _mounted(certificates.private_key_file)
    files = ReloadableCertificate(certificates.certificate_file, key_file)
    served, (first, second) = files.not_after, (certificates.new_leaf(), certificates.new_leaf())
    certificates.replace(first)
    key_file.replaced[key_file.reads + 2] = lambda: certificates.replace(second)
    assert files.reload() is ReloadResult.REFUSED
    assert files.problem.endswith("changed while they were being read")
    assert files.not_after == served
    assert files.reload() is ReloadResult.LOADED


def test_the_first_pair_must_hold_still_too(certificates: Certificates) -> None:
    key_file = _mounted(certificates.private_key_file)
    key_file.replaced[1] = lambda: certificates.replace(certificates.new_leaf())
    with pytest.raises(CertificateError, match="changed while they were being read"):
        ReloadableCertificate(certificates.certificate_file, key_file)


def test_files_that_are_written_anew_with_the_same_bytes_have_not_changed(certificates: Certificates) -> None:
    files = _files(certificates)
    replace_file(certificates.certificate_file, certificates.certificate_file.read_bytes())
    assert files.reload() is ReloadResult.UNCHANGED


def test_a_refused_pair_is_loaded_when_its_other_half_comes(certificates: Certificates) -> None:
    files = _files(certificates)
    leaf = certificates.new_leaf()
    replace_file(certificates.private_key_file, leaf.key_pem)
    assert [files.reload(), files.reload()] == [ReloadResult.REFUSED, ReloadResult.UNCHANGED]
    assert str(certificates.private_key_file) in files.problem
    replace_file(certificates.certificate_file, leaf.certificate_pem)
    assert [files.reload(), files.reload()] == [ReloadResult.LOADED, ReloadResult.UNCHANGED]
    assert files.problem == ""


@pytest.mark.parametrize("is_renewed", [False, True], ids=["the same pair", "a new pair"])
def test_a_key_that_may_not_be_read_leaves_the_old_pair_and_is_reported_until_it_may(certificates: Certificates, is_renewed: bool) -> None:
    key_file = FakeForbiddenFile(certificates.private_key_file)
    files = ReloadableCertificate(certificates.certificate_file, key_file)
    served, context, leaf = files.not_after, files.context(), certificates.new_leaf(life=timedelta(days=1))
    key_file.is_forbidden = True
    if is_renewed:
        certificates.replace(leaf)
    assert [files.reload(), files.reload()] == [ReloadResult.REFUSED, ReloadResult.UNCHANGED]
    assert files.problem == f"{key_file}: cannot be read: Permission denied (settings certificate_file and private_key_file)"
    assert (files.not_after, files.context()) == (served, context)
    key_file.is_forbidden = False
    assert [files.reload(), files.reload()] == [ReloadResult.LOADED, ReloadResult.UNCHANGED]
    assert (files.problem, files.not_after) == ("", leaf.certificate.not_valid_after_utc.timestamp() if is_renewed else served)


def test_a_first_key_that_may_not_be_read_is_a_problem_that_names_the_file(certificates: Certificates) -> None:
    key_file = FakeForbiddenFile(certificates.private_key_file)
    key_file.is_forbidden = True
    with pytest.raises(CertificateError, match=f"{key_file}: cannot be read: Permission denied"):
        ReloadableCertificate(certificates.certificate_file, key_file)


def test_the_leaf_of_a_chain_has_the_expiry(certificates: Certificates) -> None:
    leaf = certificates.new_leaf()
    certificates.private_key_file.write_bytes(leaf.key_pem)
    certificates.certificate_file.write_bytes(leaf.certificate_pem + certificates.authority.certificate_pem)
    assert _files(certificates).not_after == leaf.certificate.not_valid_after_utc.timestamp()


def test_a_chain_in_the_wrong_order_is_refused(certificates: Certificates) -> None:
    leaf = certificates.new_leaf()
    certificates.private_key_file.write_bytes(leaf.key_pem)
    certificates.certificate_file.write_bytes(certificates.authority.certificate_pem + leaf.certificate_pem)
    with pytest.raises(CertificateError, match=r"is not the private key of|does not contain a PEM certificate"):
        _files(certificates)


@pytest.mark.parametrize("name", ["certificate_file", "private_key_file"])
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_pem_is_a_problem_that_names_the_file(certificates: Certificates, name: str, data: bytes) -> None:
    getattr(certificates, name).write_bytes(data)
    with pytest.raises(CertificateError) as problem:
        _files(certificates)
    assert str(getattr(certificates, name)) in str(problem.value)
    assert "\n" not in str(problem.value)


def test_der_is_not_pem(certificates: Certificates) -> None:
    certificates.certificate_file.write_bytes(certificates.new_leaf().certificate.public_bytes(Encoding.DER))
    with pytest.raises(CertificateError):
        _files(certificates)


def test_a_certificate_of_an_unknown_version_is_refused_and_the_sound_one_after_it_is_loaded(certificates: Certificates) -> None:
    loaded, leaf = _files(certificates), certificates.new_leaf()
    der = leaf.certificate.public_bytes(Encoding.DER)
    # The version of X.509 follows this tag (RFC 5280, 4.1.2.1): 2 stands for version 3.
    odd = der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020105"), 1)
    encoded = base64.encodebytes(odd).decode()

    certificates.certificate_file.write_text(f"-----BEGIN CERTIFICATE-----\n{encoded}-----END CERTIFICATE-----\n", "utf-8")
    assert loaded.reload() is ReloadResult.REFUSED
    certificates.certificate_file.write_bytes(leaf.certificate_pem)
    certificates.private_key_file.write_bytes(leaf.key_pem)
    assert loaded.reload() is ReloadResult.LOADED
