"""The real webhook as a process on the loopback, with a throwaway certificate."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from certs.authority import make_authority, sign_leaf

if TYPE_CHECKING:
    from types import TracebackType

PREFIX = "AIRFLOW_SIDECAR_WEBHOOK__"
ENTRYPOINTS = Path(__file__).parent / "entrypoints.yaml"


class DemoWebhook:
    """``airflow-sidecar-webhook serve`` as a process that lives as long as the ``with`` block."""

    def __enter__(self) -> Self:
        """Make the certificate, start the process and wait until it listens."""
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        now = datetime.now(UTC)
        authority = make_authority(now, "throwaway")
        leaf = sign_leaf(authority, ["127.0.0.1"], now)
        (folder / "tls.crt").write_bytes(leaf.certificate_pem)
        (folder / "tls.key").write_bytes(leaf.key_pem)
        self.trust = ssl.create_default_context(cadata=authority.certificate_pem.decode())
        settings = {"HOST": "127.0.0.1", "PORT": "0", "HEALTH_PORT": "0", "DRAIN_SECONDS": "0"}
        settings |= {"ENTRYPOINTS_FILE": str(ENTRYPOINTS)}
        settings |= {"CERTIFICATE_FILE": str(folder / "tls.crt"), "PRIVATE_KEY_FILE": str(folder / "tls.key")}
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {PREFIX + name: value for name, value in settings.items()}
        self._process = subprocess.Popen([sys.executable, "-m", "webhook", "serve"], env=environment, stdout=subprocess.PIPE, text=True)
        self.port = self._listening_port()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the process with TERM, as the kubelet does, and wait for it."""
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()

    def review(self, body: bytes) -> dict[str, Any]:
        """Send one AdmissionReview over verified TLS, and return the answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.trust, timeout=60)
        connection.request("POST", "/mutate?timeout=10s", body, {"Content-Type": "application/json"})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def log_line(self, event: str) -> dict[str, Any]:
        """The next log line with this event. RuntimeError: the process ended first."""
        for line in self._process.stdout or ():
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == event:
                return entry
        message = f"the webhook ended before it logged {event}"
        raise RuntimeError(message)

    def _listening_port(self) -> int:
        ports = {entry["tls"]: entry["port"] for entry in (self.log_line("listening"), self.log_line("listening"))}
        return int(ports[True])
