"""Who is compared: the webhook, an earlier commit of it, and the three peers that make the same change to the same pod."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.server import Contestant, free_port
from testbed.webhook import NO_CLUSTER
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from benchmarks.material import Material

WEBHOOK: Final = "webhook"
EARLIER: Final = "earlier commit"
CONSTANT: Final = "constant"
CONTROLLER_RUNTIME: Final = "controller-runtime"
NAIVE: Final = "naive"

GO_SOURCE: Final = Path(__file__).parent / "peers/controller_runtime"
GO_BUILD_SECONDS: Final = 900.0


class GoPeerError(Exception):
    """The Go peer cannot be built; the message says why and what to do."""


def webhook(material: Material) -> Contestant:
    """Return the product with its default settings, but for its ports, address and certificate."""
    port = free_port()
    command = [sys.executable, "-m", "webhook", "serve"]
    return Contestant(WEBHOOK, command, settings(material, port), port)


def earlier(material: Material, checkout: Path) -> Contestant:
    """Return the product of another checkout, with the environment that `make` gave that checkout."""
    port = free_port()
    command = [str(checkout / ".venv/bin/python"), "-m", "webhook", "serve"]
    return Contestant(EARLIER, command, settings(material, port), port, checkout)


def constant(material: Material) -> Contestant:
    """Return the product with a handler that reads the body and answers a constant."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.peers.constant"]
    environment = {"ANSWER_FILE": str(material.answer), **settings(material, port)}
    return Contestant(CONSTANT, command, environment, port)


def settings(material: Material, port: int) -> dict[str, str]:
    """Return the product's settings for a port, as environment."""
    given = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "HEALTH_PORT": str(free_port()),
        "DRAIN_SECONDS": "0",
        "CERTIFICATE_FILE": str(material.certificates.certificate),
        "PRIVATE_KEY_FILE": str(material.certificates.private_key),
    }
    return NO_CLUSTER | {f"{PREFIX}{name}": value for name, value in given.items()}


def naive(material: Material) -> Contestant:
    """Return the FastAPI peer that copies and diffs the pod, on uvicorn's fast loop and parser."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.peers.naive:app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    command += ["--loop", "uvloop", "--http", "httptools", "--timeout-keep-alive", "120"]
    command += ["--ssl-certfile", str(material.certificates.certificate)]
    command += ["--ssl-keyfile", str(material.certificates.private_key)]
    return Contestant(NAIVE, command, {"TREATMENT_FILE": str(material.treatment)}, port)


def controller_runtime(material: Material, binary: Path) -> Contestant:
    """Return the Go peer, limited to one core as the others are."""
    port = free_port()
    command = [str(binary), "--port", str(port), "--treatment-file", str(material.treatment)]
    command += ["--certificate-file", str(material.certificates.certificate)]
    command += ["--private-key-file", str(material.certificates.private_key)]
    return Contestant(CONTROLLER_RUNTIME, command, {"GOMAXPROCS": "1"}, port)


def build_go_peer(directory: Path) -> Path:
    """Build the Go peer into a directory and return the binary.

    The first build takes minutes, later ones a second.

    Raises:
        GoPeerError: There is no Go, or the build failed, as it does without its modules.

    """
    if shutil.which("go") is None:
        message = "go is missing: install it (https://go.dev/dl/) to have this peer"
        raise GoPeerError(message)
    binary = directory / "controller_runtime"
    command = ["go", "build", "-p=2", "-buildvcs=false", "-o", str(binary), "."]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    built = subprocess.run(
        command,
        cwd=GO_SOURCE,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=GO_BUILD_SECONDS,
    )
    if built.returncode:
        message = f"go build failed, check that the Go module proxy can be reached:\n{built.stderr}"
        raise GoPeerError(message)
    return binary
