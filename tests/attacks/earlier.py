"""What hostile pods did to the service of an earlier checkout, and which attacks its wrapper does not stand.

The service is asked from outside, since its modules are others than today's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from http.client import HTTPException
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from typing import Final

from tests.attacks.honest import SOURCE, TIMEOUT_SECONDS
from tests.attacks.target import Target
from tests.attacks.wrapper import TESTS, WRAPPER_ATTACKS
from tests.service.running_service import ROOT, RunningService, read_reply, request_bytes, running_service
from tests.support.hostile_pods import HOSTILE_PODS
from tests.support.pods import review_of

WRAPPER: Final = "webhook/data/wrapper.sh"
NEEDED_BY_TESTS: Final = ("tests", "webhook", "testbed", "certs", "manifests")
PROCESSES: Final = 8
"""Most of these tests wait, for what an earlier wrapper never does."""

TEST_SECONDS: Final = 200
"""For one test: an earlier wrapper may wait for minutes."""


def show_answers(checkout: Path) -> None:
    """Print how long the answer about each hostile pod takes, as an API server waits for it: 10 s at most. Its sidecars may become native."""
    print("| hostile pod | body, KiB | answer, s |")
    print("|---|---|---|")
    for name, make in HOSTILE_PODS.items():
        body = review_of(make())
        with (
            tempfile.TemporaryDirectory() as directory,
            running_service(Path(directory), checkout=checkout, native_sidecars="on") as service,
        ):
            print(f"| {name} | {len(body) / 1024:.0f} | {_answer(service, body)} |", flush=True)
            # It may work on for minutes.
            service.process.kill()


def _answer(service: RunningService, body: bytes) -> str:
    target = Target.of(service)
    began = time.monotonic()
    with target.tls(SOURCE, seconds=TIMEOUT_SECONDS) as stream:
        try:
            stream.sendall(request_bytes(body))
            status = read_reply(stream).status
        except TimeoutError:
            return f"none within {TIMEOUT_SECONDS:.0f}"
        except (OSError, HTTPException) as problem:
            return f"none: {type(problem).__name__}"
    seconds = f"{time.monotonic() - began:.2f}"
    return seconds if status == 200 else f"{seconds}, status {status}"


def show_wrapper(checkout: Path) -> None:
    """Print how many of today's tests of each attack fail with the wrapper of that checkout, of those that do not skip."""
    print("| attack on the wrapper | tests that fail |")
    print("|---|---|")
    results = _tried_again(checkout)
    for attack in WRAPPER_ATTACKS:
        found = [failed for test, failed in results if any(f"{name.partition('::')[2]}[" in f"{test}[" for name in attack.tests)]
        print(f"| {attack.tried} | {sum(found)} of {len(found)} |", flush=True)


def _tried_again(checkout: Path) -> list[tuple[str, bool]]:
    """Each test with its parameters, and whether it fails, in a copy of this checkout with the other one's wrapper."""
    with tempfile.TemporaryDirectory() as directory:
        copied = Path(directory)
        for folder in NEEDED_BY_TESTS:
            copytree(ROOT / folder, copied / folder, ignore=ignore_patterns("__pycache__", "e2e"))
        copy(ROOT / "pyproject.toml", copied)
        copy(checkout / WRAPPER, copied / WRAPPER)
        command = [sys.executable, "-m", "pytest", "--quiet", f"--numprocesses={PROCESSES}", f"--timeout={TEST_SECONDS}"]
        names = [f"{TESTS.relative_to(ROOT)}/{name.replace('::', '.py::')}" for one in WRAPPER_ATTACKS for name in one.tests]
        subprocess.run([*command, "--junitxml=results.xml", *names], cwd=copied, stdout=subprocess.DEVNULL, check=False)
        cases = list(ET.parse(copied / "results.xml").getroot().iter("testcase"))  # noqa: S314 - pytest's own
    return [(case.get("name", ""), _has_failed(case)) for case in cases if case.find("skipped") is None]


def _has_failed(case: ET.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None
