"""``make demo``, as a newcomer runs it."""

from __future__ import annotations

import re
import subprocess
import sys


def test_the_demo_tells_its_story_and_ends_well() -> None:
    done = subprocess.run([sys.executable, "-m", "demo"], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for line in (
        r"wrapped \(sidecars-quit\)",
        r"the proxy is asked: GET /healthz/ready, \d+ times by now",
        r"the task says: task example_dag.extract has run",
        r"the task says: hello",
        r"the proxy is asked: POST /quitquitquit",
        r"the container ends with code 3",
        r"the proxy ended with code 0",
        r"Stand-ins: Istio's injector, its proxy",
    ):
        assert re.search(line, done.stdout), line
