"""Runs the reaper's command line against a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from webhook.settings import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.json_object import JSONObject

SECONDS: Final = 300
"""Longer than a pass over some pods takes, each with its drain and its pauses."""


def reap(kubeconfig: Path, *arguments: str) -> JSONObject:
    """One pass with this kubeconfig: its report, with the exit code as ``code``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    command = [sys.executable, "-m", "webhook", "reaper", "--once", "-o", "json", *arguments]
    environment = {**clean, "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment)
    assert done.stderr == "", done.stderr
    report: JSONObject = json.loads(done.stdout)
    return report | {"code": done.returncode}


def pods_of(report: JSONObject) -> dict[str, JSONObject]:
    """The pods of a report, by name."""
    return {pod["name"]: pod for pod in report["pods"]}
