"""A real Prometheus on this machine, for some seconds."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from testbed import wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SECONDS: Final = 60
"""Longer than a busy machine takes; only a failing test reaches it."""

READY: Final = "Server is ready to receive web requests"
LISTENS: Final = re.compile(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')


@dataclass
class PrometheusServer:
    """The server, and its log."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Read the log to its end."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(line)

    @property
    def port(self) -> int:
        """The port, as soon as it answers there."""
        wait.until(lambda: any(READY in line for line in self.lines), "Prometheus is ready", SECONDS)
        found = LISTENS.search("".join(self.lines))
        assert found
        return int(found[1])

    def has_data(self, expression: str) -> bool:
        """Whether a query returns a number, now."""
        results = self.get("query", query=expression)["result"]
        return any(not math.isnan(float(result["value"][1])) for result in results)

    def get(self, path: str, **parameters: str) -> Any:
        """What the API answers, which must be a success."""
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(parameters)}", timeout=SECONDS) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]


@contextmanager
def prometheus_server(targets: Mapping[str, Sequence[int]], rules: Path, directory: Path) -> Iterator[PrometheusServer]:
    """A server that reads these ports of 127.0.0.1 every second, by job; without Prometheus the test is skipped, with the remedy."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("there is no prometheus: on Debian and Ubuntu apt-get install prometheus, elsewhere it is a program to download")
    jobs = [
        {"job_name": job, "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        for job, ports in targets.items()
    ]
    document = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(rules)], "scrape_configs": jobs}
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(document))
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}", "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        server = PrometheusServer(process)
        reading = threading.Thread(target=server.read, daemon=True)
        reading.start()
        try:
            yield server
        finally:
            process.kill()
            process.wait()
            reading.join(SECONDS)
