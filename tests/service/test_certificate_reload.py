"""The serving certificate is replaced under a running service: no request fails, and no bad pair is ever served."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from certs.authority import make_authority
from tests.service.reviews import injected_review, is_answered
from tests.service.running_service import (
    Certificates,
    MountedSecret,
    RunningService,
    eventually,
    replace_file,
    running_service,
    send,
    serial_on,
)
from tests.support.oracles.admission import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from certs.authority import Issued

REPLACEMENTS = 5
CLIENTS = 4


@pytest.fixture
def own_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("reload")) as service:
        yield service


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """For tests that end with a pair that is served, and need no first line of the log and no count from 0."""
    with running_service(tmp_path_factory.mktemp("shared")) as service:
        yield service


class Clients:
    """Threads that post without a pause, half of them on keep-alive connections, until they are stopped."""

    def __init__(self, service: RunningService) -> None:
        self.service = service
        self.served = [0] * CLIENTS
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def _run(self, number: int) -> None:
        try:
            connection = self.service.connect()
            while not self._stop.is_set():
                review = injected_review()
                reply = send(connection, review) if number % 2 else self.service.post(review)
                verify(review, reply.body)
                self.served[number] += 1
            connection.close()
        except BaseException as failure:  # noqa: BLE001 - whatever it is, the test fails
            self.failures.append(failure)

    @contextmanager
    def posting(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def serve_more(self) -> bool:
        """Whether every one of them is served again, or one has failed."""
        before = list(self.served)
        return eventually(lambda: bool(self.failures) or all(now > then for now, then in zip(self.served, before, strict=True)))


def _reloads(service: RunningService, result: str) -> float:
    return service.metric("certificate_reloads_total", result=result)


def test_under_load_every_request_is_served_while_the_pair_is_replaced_again_and_again(own_service: RunningService) -> None:
    clients = Clients(own_service)
    with clients.posting():
        for _ in range(REPLACEMENTS):
            assert clients.serve_more()
            leaf = own_service.certificates.new_leaf()
            own_service.certificates.replace(leaf)
            assert eventually(lambda leaf=leaf: own_service.serial() == leaf.certificate.serial_number)  # type: ignore[misc]
        assert clients.serve_more()
    assert not clients.failures
    assert _reloads(own_service, "loaded") == REPLACEMENTS


def test_a_connection_lives_on_with_the_certificate_that_it_began_with(shared_service: RunningService) -> None:
    first = shared_service.serial()
    client = shared_service.connect()
    assert send(client, injected_review()).status == 200
    leaf = shared_service.certificates.new_leaf()
    shared_service.certificates.replace(leaf)
    assert eventually(lambda: shared_service.serial() == leaf.certificate.serial_number)
    assert isinstance(client.sock, ssl.SSLSocket)
    assert serial_on(client.sock) == first
    review = injected_review()
    verify(review, send(client, review).body)
    client.close()


def test_a_client_without_server_name_sees_the_new_certificate_too(shared_service: RunningService) -> None:
    leaf = shared_service.certificates.new_leaf()
    shared_service.certificates.replace(leaf)
    assert eventually(lambda: shared_service.serial() == leaf.certificate.serial_number)
    context = shared_service.certificates.client_context()
    context.check_hostname = False
    with context.wrap_socket(shared_service.tcp()) as stream:
        assert serial_on(stream) == leaf.certificate.serial_number


def test_a_mounted_secret_is_followed_under_load(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_service(tmp_path_factory.mktemp("mounted"), MountedSecret) as service:
        clients = Clients(service)
        with clients.posting():
            for _ in range(REPLACEMENTS):
                assert clients.serve_more()
                leaf = service.certificates.new_leaf()
                service.certificates.replace(leaf)
                assert eventually(lambda leaf=leaf: service.serial() == leaf.certificate.serial_number)  # type: ignore[misc]
        assert not clients.failures
        assert (_reloads(service, "loaded"), _reloads(service, "refused")) == (REPLACEMENTS, 0)


def _mismatch(certificates: Certificates) -> None:
    replace_file(certificates.certificate_file, certificates.new_leaf().certificate_pem)


def _garbage(certificates: Certificates) -> None:
    replace_file(certificates.certificate_file, b"\xff\x00 not PEM")


def _an_empty_key(certificates: Certificates) -> None:
    replace_file(certificates.private_key_file, b"")


def _half_written(certificates: Certificates) -> None:
    pem = certificates.new_leaf().certificate_pem
    replace_file(certificates.certificate_file, pem[: len(pem) // 2])


def _a_key_with_a_passphrase(certificates: Certificates) -> None:
    leaf = certificates.new_leaf()
    pem = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    replace_file(certificates.private_key_file, pem)
    replace_file(certificates.certificate_file, leaf.certificate_pem)


def _a_missing_key(certificates: Certificates) -> None:
    certificates.private_key_file.unlink()


def _a_directory(certificates: Certificates) -> None:
    certificates.certificate_file.unlink()
    certificates.certificate_file.mkdir()


def _a_dangling_link(certificates: Certificates) -> None:
    certificates.certificate_file.unlink()
    certificates.certificate_file.symlink_to("..data/tls.crt")


def _restore(certificates: Certificates, leaf: Issued) -> None:
    if certificates.certificate_file.is_dir():
        certificates.certificate_file.rmdir()
    certificates.replace(leaf)


BAD = (_mismatch, _garbage, _an_empty_key, _half_written, _a_key_with_a_passphrase, _a_missing_key, _a_directory, _a_dangling_link)


def test_what_cannot_be_served_is_refused_reported_and_counted_and_the_right_pair_is_taken_when_it_comes(
    shared_service: RunningService,
) -> None:
    certificates = shared_service.certificates
    for number, spoil in enumerate(BAD, _refusals(shared_service) + 1):
        serial = shared_service.serial()
        expiry = shared_service.metric("certificate_not_after_timestamp_seconds")
        spoil(certificates)
        name = spoil.__name__
        # A replacement of two files is two changes, each of which may be observed at.
        assert eventually(lambda number=number: _refusals(shared_service) >= number), name  # type: ignore[misc]
        assert shared_service.serial() == serial, name
        assert shared_service.metric("certificate_not_after_timestamp_seconds") == expiry, name
        is_answered(shared_service)
        leaf = certificates.new_leaf()
        _restore(certificates, leaf)
        assert eventually(lambda leaf=leaf: shared_service.serial() == leaf.certificate.serial_number), name  # type: ignore[misc]
    lines = [line for line in shared_service.logs if line.get("result") == "refused"]
    assert all(line["level"] == "error" and str(certificates.directory) in line["problem"] for line in lines)
    assert not [line for line in shared_service.logs if "PRIVATE KEY" in str(line)]


def _refusals(service: RunningService) -> int:
    """How often a bad pair was reported; the log and the metric agree."""
    counted = _reloads(service, "refused")
    assert len([line for line in service.logs if line.get("result") == "refused"]) >= counted - 1
    return int(counted)


@pytest.mark.parametrize("spoil", [_mismatch, _a_missing_key], ids=["a bad pair", "a missing file"])
def test_what_stays_bad_is_reported_once(own_service: RunningService, spoil: Callable[[Certificates], None]) -> None:
    spoil(own_service.certificates)
    own_service.log(event="certificate reload", result="refused")
    # Ten more reads of the files: the claim is about this time, so the test waits for it.
    assert not eventually(lambda: _reloads(own_service, "refused") > 1, 10 * 0.1)


def test_the_old_pair_come_back_is_reported_as_loaded(own_service: RunningService) -> None:
    certificates = own_service.certificates
    serial, key = own_service.serial(), certificates.private_key_file.read_bytes()
    _a_missing_key(certificates)
    own_service.log(event="certificate reload", result="refused")
    replace_file(certificates.private_key_file, key)
    assert own_service.log(event="certificate reload", result="loaded")["problem"] == ""
    assert own_service.serial() == serial


def test_the_metric_and_the_readiness_follow_the_expiry(shared_service: RunningService) -> None:
    certificates = shared_service.certificates
    soon = certificates.new_leaf(life=timedelta(hours=1))
    certificates.replace(soon)
    expiry = soon.certificate.not_valid_after_utc.timestamp()
    assert eventually(lambda: shared_service.metric("certificate_not_after_timestamp_seconds") == expiry)
    assert shared_service.health("/readyz").status == 200
    certificates.replace(certificates.new_leaf(life=timedelta(hours=1), age=timedelta(hours=2)))
    assert eventually(lambda: shared_service.health("/readyz").status == 503)
    assert shared_service.health("/readyz").body == b"the certificate has expired\n"
    assert shared_service.health("/healthz").status == 200, "a restart would not bring a new certificate"
    certificates.replace(certificates.new_leaf())
    assert eventually(lambda: shared_service.health("/readyz").status == 200)


def test_a_new_authority_is_followed_once_the_client_trusts_it(own_service: RunningService) -> None:
    certificates = own_service.certificates
    before = own_service.context
    certificates.authority = make_authority(datetime.now(UTC))
    certificates.replace(certificates.new_leaf())
    own_service.log(event="certificate reload", result="loaded")
    with pytest.raises(ssl.SSLCertVerificationError):
        own_service.tls(before)
    own_service.context = certificates.client_context()
    is_answered(own_service)
