"""The service as it is installed: a process of its own, with a certificate of a throwaway authority, spoken to over TLS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families

from certs.authority import Issued, make_authority, service_names, sign_leaf
from tests.support.oracles.admission import verify_no_worse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.support.json_object import JSONObject


T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parents[2]
PREFIX: Final = "AIRFLOW_SIDECAR_WEBHOOK__"
NAMES: Final = service_names("airflow-sidecar-webhook", "airflow-sidecar-webhook")
DEADLINE_SECONDS: Final = 60
"""Longer than a busy machine takes for anything that should come soon; only a failing test reaches it."""

READ_SECONDS: Final = 3.0
"""Instead of the default 5 s: a slow client is let go sooner, and on a busy machine the largest body arrives in time."""


LONGEST_READ_SECONDS: Final = 30
"""The most that the setting takes, where a test is not about it."""


def eventually(holds: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> bool:
    """Whether a condition becomes true in time; it is checked every 10 ms, since nothing signals it."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply.

    Args:
        status: The HTTP status.
        headers: Its headers.
        body: Its body.

    """

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def response(self) -> JSONObject:
        """The response within an AdmissionReview."""
        review: JSONObject = json.loads(self.body)
        response: JSONObject = review["response"]
        return response


def read_reply(stream: socket.socket) -> Reply:
    """The next reply on a connection; `http.client.HTTPException` or OSError where none comes."""
    with HTTPResponse(stream) as response:
        response.begin()
        return Reply(response.status, response.headers, response.read())


def read_to_end(stream: socket.socket) -> bytes:
    """Everything until the other side closes; a reset is a close, too. TimeoutError: it stays open."""
    received = b""
    try:
        while chunk := stream.recv(65536):
            received += chunk
    except (ConnectionError, ssl.SSLError):
        return received
    return received


def send_all(stream: socket.socket, data: bytes) -> None:
    """Send, whether or not the other side listens to the end: its reply counts."""
    try:
        stream.sendall(data)
    except (ConnectionError, ssl.SSLError):
        return


def request_bytes(body: bytes, *headers: str, line: str = "POST /mutate HTTP/1.1", content_type: str = "application/json") -> bytes:
    """A request as it stands on the wire."""
    lines = (line, f"Host: {NAMES[0]}", f"Content-Type: {content_type}", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


class Certificates:
    """An authority and the pair of files that the service reads."""

    def __init__(self, directory: Path) -> None:
        """Write the first pair."""
        self.directory = directory
        self.certificate_file = directory / "tls.crt"
        self.private_key_file = directory / "tls.key"
        self.authority = make_authority(datetime.now(UTC))
        self.replace(self.new_leaf())

    def new_leaf(self, life: timedelta = timedelta(days=7), age: timedelta = timedelta(0)) -> Issued:
        """A leaf that was signed ``age`` ago."""
        return sign_leaf(self.authority, (*NAMES, "127.0.0.1"), datetime.now(UTC) - age, life)

    def replace(self, leaf: Issued) -> None:
        """Both files by an atomic rename each, the key first."""
        replace_file(self.private_key_file, leaf.key_pem)
        replace_file(self.certificate_file, leaf.certificate_pem)

    def client_context(self) -> ssl.SSLContext:
        """A client that trusts this authority alone, and checks the name."""
        return ssl.create_default_context(cadata=self.authority.certificate_pem.decode())


class MountedSecret(Certificates):
    """The same as the kubelet mounts a Secret: two links through ``..data``, which one rename turns to a new directory.

    Source: kubernetes pkg/volume/util/atomic_writer.go.
    """

    def replace(self, leaf: Issued) -> None:
        """Both files at once."""
        version = self.directory / f"..{leaf.certificate.serial_number:x}"
        version.mkdir()
        for path, pem in ((self.certificate_file, leaf.certificate_pem), (self.private_key_file, leaf.key_pem)):
            (version / path.name).write_bytes(pem)
            if not path.is_symlink():
                path.symlink_to(f"..data/{path.name}")
        data, new = self.directory / "..data", self.directory / "..data_tmp"
        old = data.resolve()
        new.symlink_to(version.name)
        new.replace(data)
        if old != data:
            shutil.rmtree(old)


def replace_file(path: Path, data: bytes) -> None:
    """Put a whole file in the place of another at once."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    new.replace(path)


class RunningService:
    """The process, its two ports, its log and its metrics."""

    def __init__(
        self,
        certificates: Certificates,
        settings: Mapping[str, object],
        kubeconfig: Path | None = None,
        descriptors: int = 0,
        checkout: Path = ROOT,
    ) -> None:
        """Start it, that of this checkout, with at most this many descriptors unless 0; `listening` waits for it."""
        self.certificates = certificates
        self.context = certificates.client_context()
        self.process = start({**settings_for(certificates), **settings}, kubeconfig=kubeconfig, descriptors=descriptors, checkout=checkout)
        self._reads = threading.Event()
        self._reads.set()
        self._lines: list[str] = []
        self._parsed: list[JSONObject] = []
        self._errors: list[str] = []
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self._errors), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            self._reads.wait()
            with self._changed:
                lines.append(line)
                self._changed.notify_all()

    def stop_reading(self) -> None:
        """Read no more of what it writes, as a container runtime that hangs."""
        self._reads.clear()

    def resume_reading(self) -> None:
        """Read on."""
        self._reads.set()

    @property
    def text(self) -> str:
        """The whole of stdout."""
        with self._changed:
            return "".join(self._lines)

    @property
    def stderr(self) -> str:
        """The whole of stderr."""
        with self._changed:
            return "".join(self._errors)

    @property
    def logs(self) -> list[JSONObject]:
        """Every line of stdout; a line that is no JSON object is an error."""
        with self._changed:
            return list(self._records())

    def log(self, **fields: object) -> JSONObject:
        """The first line with these fields, which may still have to come."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._find(fields), DEADLINE_SECONDS)
        assert found, f"no log line with {fields}; {self.stderr}"
        return found

    def _find(self, fields: Mapping[str, object]) -> JSONObject | None:
        return next((line for line in self._records() if fields.items() <= line.items()), None)

    def _records(self) -> list[JSONObject]:
        """Every line of stdout as an object; each is parsed once."""
        self._parsed += [json.loads(line) for line in self._lines[len(self._parsed) :]]
        return self._parsed

    def listening(self) -> None:
        """Wait for both ports."""
        self.port = int(self.log(event="listening", tls=True)["port"])
        self.health_port = int(self.log(event="listening", tls=False)["port"])

    def tcp(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection without TLS to the webhook's port, from this loopback address."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS, source_address=(source, 0))
        # As Go does: else head and body, sent one after the other, wait 40 ms for each other.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def plain(self) -> socket.socket:
        """A connection to the health port."""
        return socket.create_connection(("127.0.0.1", self.health_port), timeout=DEADLINE_SECONDS)

    def tls(self, context: ssl.SSLContext | None = None, name: str = NAMES[0], source: str = "127.0.0.1") -> ssl.SSLSocket:
        """A connection whose certificate was verified for this name."""
        return (context or self.context).wrap_socket(self.tcp(source), server_hostname=name)

    def connect(self) -> HTTPConnection:
        """A client on a connection that it keeps, and never opens again by itself."""
        client = HTTPConnection(NAMES[0])
        client.auto_open = 0
        client.sock = self.tls()
        return client

    def post(self, body: bytes, headers: Mapping[str, str] | None = None, path: str = "/mutate?timeout=10s", method: str = "POST") -> Reply:
        """One request on a connection of its own."""
        return unless_too_slow(lambda: self._post(body, headers, path, method))

    def _post(self, body: bytes, headers: Mapping[str, str] | None, path: str, method: str) -> Reply:
        client = self.connect()
        try:
            return send(client, body, headers, path, method)
        finally:
            client.close()

    def health(self, path: str, method: str = "GET") -> Reply:
        """One request to the plain port."""
        return unless_too_slow(lambda: self._health(path, method))

    def _health(self, path: str, method: str) -> Reply:
        client = HTTPConnection("127.0.0.1", self.health_port, timeout=DEADLINE_SECONDS)
        try:
            return send(client, b"", None, path, method)
        finally:
            client.close()

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample, by name and labels; the product's own without its prefix."""
        families = text_string_to_metric_families(self.health("/metrics").body.decode())
        return {
            (sample.name.removeprefix("airflow_sidecar_webhook_"), frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """One sample; 0 for one that has never been counted."""
        return self.metrics().get((name, frozenset(labels.items())), 0.0)

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return self._memory("VmRSS")

    def forget_peak(self) -> None:
        """Let the peak start again from now (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_rss_bytes(self) -> int:
        """The highest resident memory since the start or `forget_peak`."""
        return self._memory("VmHWM")

    def _memory(self, field: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))

    def serial(self) -> int:
        """The serial number of the certificate that a new handshake shows."""

        def shown() -> int:
            with self.tls() as connection:
                return serial_on(connection)

        return unless_too_slow(shown)

    def end(self) -> int:
        """SIGTERM, if it still runs, and the exit code; a process that does not end in time is killed, with code -9."""
        self.resume_reading()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join(DEADLINE_SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()
        return self.process.returncode


def unless_too_slow(request: Callable[[], T]) -> T:
    """A request, again where the service has closed the connection since this busy machine took too long to send it."""
    until = time.monotonic() + DEADLINE_SECONDS
    while True:
        began = time.monotonic()
        try:
            return request()
        except TimeoutError:
            raise
        except OSError:
            if time.monotonic() - began < READ_SECONDS or time.monotonic() > until:
                raise


def send(
    client: HTTPConnection, body: bytes, headers: Mapping[str, str] | None = None, path: str = "/mutate", method: str = "POST"
) -> Reply:
    """One request on a connection that stays open. If it is a review, its answer is one that the API server accepts."""
    client.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
    response = client.getresponse()
    reply = Reply(response.status, response.headers, response.read())
    if method == "POST" and response.status == HTTPStatus.OK:
        _verify(body, reply)
    return reply


def _verify(body: bytes, reply: Reply) -> None:
    try:
        review = json.loads(body)
    except (ValueError, RecursionError):
        # Not UTF-8, too deep or with endless digits: no API server sends it.
        return
    verify_no_worse(review, reply.body)


def serial_on(connection: ssl.SSLSocket) -> int:
    """The serial number of the certificate that this connection was opened with."""
    return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"").serial_number


def settings_for(certificates: Certificates) -> dict[str, object]:
    """Free ports, the throwaway pair, and times that fit a test."""
    return {
        "host": "127.0.0.1",
        "port": 0,
        "health_port": 0,
        "certificate_file": certificates.certificate_file,
        "private_key_file": certificates.private_key_file,
        "certificate_check_seconds": 0.1,
        "drain_seconds": 0,
        "read_seconds": READ_SECONDS,
    }


def start(
    settings: Mapping[str, object], *arguments: str, kubeconfig: Path | None = None, descriptors: int = 0, checkout: Path = ROOT
) -> subprocess.Popen[str]:
    """``python -m webhook serve`` with these settings in its environment, and none of the caller's; nor does it find the caller's cluster.

    Another checkout has its own environment, as ``make .venv/ready`` makes it there.
    """
    python = sys.executable if checkout == ROOT else str(checkout / ".venv/bin/python")
    limit = ["prlimit", f"--nofile={descriptors}:{descriptors}"] if descriptors else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {f"{PREFIX}{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {"KUBERNETES_SERVICE_HOST": "", "KUBECONFIG": str(kubeconfig or os.devnull)}
    return subprocess.Popen(
        [*limit, python, "-m", "webhook", "serve", *arguments],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_service(
    directory: Path,
    kind: type[Certificates] = Certificates,
    kubeconfig: Path | None = None,
    descriptors: int = 0,
    checkout: Path = ROOT,
    **settings: object,
) -> Iterator[RunningService]:
    """The service, up; it is ended, and whatever stood in the directory is gone afterwards."""
    service = RunningService(kind(directory), settings, kubeconfig, descriptors, checkout)
    try:
        service.listening()
        yield service
    finally:
        service.end()
        shutil.rmtree(directory)
