"""The request path asks nobody and touches no file: the interpreter itself is asked what it did meanwhile (PEP 578)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.pods import FIXTURES, pods_in

ROOT: Final = Path(__file__).parent.parent

WATCHED: Final = """
import sys

IS_IO = ("open", "import", "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "glob.", "time.sleep", "fcntl.", "urllib.", "http.", "mmap.")
seen, watching = [], False

def watch(event, arguments):
    if watching and event.startswith(IS_IO):
        seen.append(f"{event} {arguments}")

sys.addaudithook(watch)
"""

PATH: Final = """
from tests.pods import FIXTURES, pods_in, review_of
from tests.service.reviews import injected_pod
from webhook.core.admission import admit
from webhook.core.cluster import Cluster, NativeSupport, UNKNOWN_CLUSTER
from webhook.core.errors import MalformedReviewError
from webhook.core.review import parse, render
from webhook.core.version import Version
from webhook.policy_files import build_policy
from webhook.server.self_test import self_test
from webhook.settings import Settings

policy = build_policy(Settings(helper_image="busybox"))
self_test(policy)
native = Cluster(NativeSupport.READY, Version(1, 34), frozenset({"istio", "vault", "linkerd"}), frozenset({"istio"}))
bodies = [review_of(pod) for _path, pod in pods_in(str(FIXTURES))]
bodies += [review_of(injected_pod()), b"", b"{}", bodies[0][:-9]]
answered = 0
for body in bodies:
    for cluster in (UNKNOWN_CLUSTER, native):
        watching = True
        try:
            request = parse(body)
            outcome = admit(request, policy, cluster)
            render(request.uid, outcome.operations, outcome.warnings)
            answered += bool(outcome.operations)
        except MalformedReviewError:
            pass
        finally:
            watching = False
print(len(bodies), answered)
print("\\n".join(seen))
"""

IO: Final = {
    "a file": "open('/dev/null').close()",
    "a connection": "socket.create_connection(('127.0.0.1', server.getsockname()[1])).close()",
    "a name": "socket.getaddrinfo('localhost', 1)",
    "a program": "subprocess.run(['true'])",
    "an import": "import sched",
    "a folder": "os.listdir('/')",
}


def run(program: str) -> list[str]:
    """The lines that a program of its own prints: a hook stays for the life of a process."""
    done = subprocess.run([sys.executable, "-c", WATCHED + program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_no_review_of_a_real_pod_opens_a_file_a_connection_or_a_program() -> None:
    told, *seen = run(PATH)
    bodies, answered = map(int, told.split())

    assert bodies > len(list(pods_in(str(FIXTURES))))
    assert answered > bodies, "most of them were patched, with native sidecars and without"
    assert [line for line in seen if line] == []


@pytest.mark.parametrize("io", IO.values(), ids=IO)
def test_the_interpreter_would_tell_of(io: str) -> None:
    program = f"import os, socket, subprocess\nserver = socket.create_server(('127.0.0.1', 0))\nwatching = True\n{io}\nwatching = False\nprint(len(seen))"
    (count,) = run(program)

    assert int(count) > 0
