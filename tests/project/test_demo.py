"""``make demo``, as a newcomer runs it."""

from __future__ import annotations

import re
import subprocess
import sys

from docs.drawing import PICTURES
from tests.pictures.recordings import PROMPT
from tests.project.test_recordings import text_of


def test_the_demo_shows_two_pods_that_end_with_the_code_of_their_task() -> None:
    done = subprocess.run([sys.executable, "-m", "demo"], capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for line in (
        r"wrapped \(sidecars-quit\)",
        r"the wrapper sends GET /healthz/ready to the proxy, \d+ times so far",
        r"the task prints: task example_dag.extract has run",
        r"the task prints: hello",
        r"the wrapper sends POST /quitquitquit to the proxy",
        r"the main container ends with exit code 3, as its task did",
        r"the proxy ends with exit code 0, as requested",
        r"Stand-ins: Istio's injector, its proxy",
    ):
        assert re.search(line, done.stdout), line
    assert sentences(text_of(PICTURES / "demo.cast").partition("\n")[2]) <= sentences(done.stdout), "run: make recording"


def sentences(text: str) -> set[str]:
    """The lines without their numbers, which differ from run to run, and without what happened when."""
    return {re.sub(r"\d+", "0", line) for line in text.splitlines() if not re.match(r" +[\d.]+ s  ", line)} - {PROMPT, ""}
