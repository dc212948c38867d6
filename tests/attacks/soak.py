"""An hour of honest and hostile load through a real API server: ``python -m tests.attacks.soak [MINUTES [FOLDER]]``.

Two clients create task pods at a steady pace, and delete them. Beside them one attack after the other runs for twenty seconds, with ten
seconds between two, and a user dry-runs pods that are slow to review. Every ten seconds a sample is taken; all are written to ``soak.csv``,
which ``make docs`` draws. Needs the API server of docs/testbed.md.
"""

from __future__ import annotations

import base64
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

from testbed import levels
from tests.attacks.attackers import attacked_by
from tests.attacks.catalogue import ATTACKS
from tests.attacks.samples import Sample, write
from tests.attacks.submitters import HonestSubmitter, HostileSubmitter, Submitter
from tests.attacks.target import Target
from tests.e2e.namespaces import namespace_named
from tests.e2e.registration import is_patched, registered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.levels import Level
    from testbed.webhook import Webhook

ATTACK_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 10.0
SAMPLE_SECONDS: Final = 10.0
CLIENTS: Final = ("soak-0", "soak-1")
"""The namespaces of the honest clients."""

MEBIBYTE: Final = 1024 * 1024
PAGE_BYTES: Final = 4096
FOLDER: Final = Path(__file__).parents[2] / "docs" / "figures"


def main(minutes: float, folder: Path) -> int:
    """Run, write the file, and print what counts; 1 where a pod was missed or refused, or the webhook failed or ended."""
    with ExitStack() as ends:
        level = ends.enter_context(levels.api_server())
        ends.enter_context(registered(level.api, level.webhook.configuration(), is_patched))
        for name in CLIENTS:
            ends.enter_context(namespace_named(level.api, name))
        samples = _run(level, minutes * 60, folder / "soak.csv")
        return _report(samples, level.webhook)


def _run(level: Level, seconds: float, file: Path) -> list[Sample]:
    honest = [HonestSubmitter(level.server, name) for name in CLIENTS]
    hostile = HostileSubmitter(level.server, CLIENTS[0])
    attacks = Attacks(_target(level.webhook))
    threads: list[Submitter | Attacks] = [*honest, hostile, attacks]
    for thread in threads:
        thread.start()
    observer = Observer(level.webhook.pid, honest, hostile, attacks)
    try:
        while observer.seconds < seconds and observer.is_running():
            time.sleep(SAMPLE_SECONDS)
            observer.sample()
            write(observer.samples, file)
    finally:
        for thread in threads:
            thread.stop()
    return observer.samples


def _target(webhook: Webhook) -> Target:
    review, health = urlsplit(webhook.url), urlsplit(webhook.metrics_url)
    authority = base64.b64decode(webhook.client_config["caBundle"]).decode()
    return Target(review.port or 0, health.port or 0, authority, review.hostname or "")


class Attacks(threading.Thread):
    """Runs one attack after the other, with a pause between two."""

    def __init__(self, target: Target) -> None:
        """Attack this service."""
        super().__init__(daemon=True)
        self.running = ""
        self._target = target
        self._stopped = threading.Event()

    def run(self) -> None:
        """Attack until it is stopped."""
        for name in cycle(ATTACKS):
            if self._stopped.wait(PAUSE_SECONDS):
                return
            with attacked_by(self._target, [name]):
                self.running = name
                self._stopped.wait(ATTACK_SECONDS)
            self.running = ""

    def stop(self) -> None:
        """End the attack that runs, and begin no other."""
        self._stopped.set()
        self.join()


class Observer:
    """Takes samples of the webhook's process and of what its clients see."""

    def __init__(self, pid: int, honest: Sequence[HonestSubmitter], hostile: HostileSubmitter, attacks: Attacks) -> None:
        """Start the clock."""
        self.samples: list[Sample] = []
        self._process = Path(f"/proc/{pid}")
        self._honest, self._hostile, self._attacks = honest, hostile, attacks
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def is_running(self) -> bool:
        """Whether the webhook's process has not ended; nothing starts it again."""
        return (self._process / "stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"

    def sample(self) -> None:
        """Take one."""
        taken = sorted(seconds for client in self._honest for seconds in client.take_seconds()) or [0.0]
        created = sum(client.created for client in self._honest)
        self.samples.append(
            Sample(
                seconds=round(self.seconds),
                attack=self._attacks.running,
                created=created,
                missed=created - sum(client.patched for client in self._honest),
                refused=sum(client.refused for client in self._honest),
                hostile=self._hostile.submitted,
                p50_ms=round(statistics.median(taken) * 1000, 1),
                p99_ms=round(taken[int(len(taken) * 0.99)] * 1000, 1),
                rss_mib=round(int((self._process / "statm").read_text("ascii").split()[1]) * PAGE_BYTES / MEBIBYTE, 1),
                descriptors=sum(1 for _ in (self._process / "fd").iterdir()),
            )
        )


def _report(samples: Sequence[Sample], webhook: Webhook) -> int:
    last = samples[-1]
    families = text_string_to_metric_families(httpx.get(webhook.metrics_url, trust_env=False).text)
    metrics = {sample.name: sample.value for family in families for sample in family.samples}
    faults = metrics["airflow_sidecar_webhook_faults_total"]
    quarter = len(samples) // 4 or 1
    beginning, end = (statistics.median(sample.rss_mib for sample in part) for part in (samples[:quarter], samples[-quarter:]))
    print(
        f"{last.seconds / 60:.0f} minutes: {last.created} pods created, {last.missed} missed, {last.refused} refused, {faults:.0f} faults"
    )
    print(f"{last.hostile} hostile pods reviewed; {len({sample.attack for sample in samples} - {''})} attacks")
    print(
        f"resident memory, MiB: {beginning:.0f} in the first quarter, {end:.0f} in the last, {max(one.rss_mib for one in samples):.0f} at most"
    )
    print(f"file descriptors: {last.descriptors} at the end, {max(sample.descriptors for sample in samples)} at most")
    return 1 if last.missed or last.refused or faults else 0


if __name__ == "__main__":
    minutes, folder = [*sys.argv[1:], *("60", str(FOLDER))[len(sys.argv) - 1 :]]
    sys.exit(main(float(minutes), Path(folder)))
