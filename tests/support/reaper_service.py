"""``reaper`` without ``--once`` as a process of its own, on a fake API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.request import urlopen

from testbed import wait
from tests.support.kubeconfigs import kubeconfig_for
from webhook.command.exit_code import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fake_task_cluster import FakeTaskCluster
    from tests.support.json_object import JSONObject

SECONDS: Final = 120
"""Longer than a busy machine takes; only a failing test reaches it."""


@dataclass
class ReaperProcess:
    """The process, and its log."""

    process: subprocess.Popen[str]
    lines: list[JSONObject] = field(default_factory=list)

    def read(self) -> None:
        """Read the log to its end."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def events(self) -> list[str]:
        """The events of its log, so far."""
        return [line["event"] for line in self.lines]

    @property
    def health_port(self) -> int:
        """The port, as soon as it listens."""
        wait.until(lambda: "listening" in self.events(), "it listens", SECONDS)
        (port,) = [int(line["port"]) for line in self.lines if line["event"] == "listening"]
        return port

    def get(self, path: str) -> str:
        """What its health port answers."""
        with urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=SECONDS) as response:
            return str(response.read().decode())


@contextmanager
def reaper_service(cluster: FakeTaskCluster, folder: Path, *arguments: str) -> Iterator[ReaperProcess]:
    """The process on this cluster, which gets SIGTERM at the end of the block."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(kubeconfig_for(cluster.url, "here"), "utf-8")
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig), "AIRFLOW_SIDECAR_WEBHOOK__HEALTH_PORT": "0"}
    command = [sys.executable, "-m", "webhook", "reaper", "-n", "airflow", "--grace", "0", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        reaper = ReaperProcess(process)
        reading = threading.Thread(target=reaper.read, daemon=True)
        reading.start()
        try:
            yield reaper
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == ExitCode.DONE
        finally:
            process.kill()
            reading.join(SECONDS)
