"""The record of a background cluster is valid as long as the cluster is alive. No cluster is started here."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from testbed import slot, standing

if TYPE_CHECKING:
    from pathlib import Path

KILLED = """
import os, signal
from testbed import slot, standing
taken = slot.take()
standing.write(taken.folder, standing.StandingCluster(taken.number, os.getpid(), "kubeconfig", "first-pod", "stuck-pod"))
assert standing.standing()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The record of a cluster whose process was killed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=60)
    assert ended.returncode == -9


def test_a_cluster_that_was_killed_is_not_up_and_stop_removes_its_record() -> None:
    assert standing.standing() is None
    assert standing.stop()
    assert not standing.stop()
    assert not any(folder.exists() for folder in slot.folders())


def test_a_cluster_of_another_checkout_can_be_stopped() -> None:
    (record,) = [path for folder in slot.folders() if (path := folder / standing.FILE).exists()]
    fields = json.loads(record.read_text())
    record.write_text(json.dumps({name: fields[name] for name in ("number", "process", "kubeconfig", "first_pod")} | {"new": 1}))

    assert standing.stop()
    assert not record.exists()


def test_another_run_in_its_slot_is_not_mistaken_for_it() -> None:
    another = slot.take()
    assert standing.standing() is None
    assert not standing.stop()
    another.release()
