"""The request path does no I/O: the interpreter's audit hooks show what it does (PEP 578)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.support.pods import FIXTURES, pods_in

ROOT: Final = Path(__file__).parents[3]

WATCHED: Final = """
import sys

IS_IO = ("open", "import", "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "glob.", "time.sleep", "fcntl.", "urllib.", "http.", "mmap.")
seen, watching = [], False

def watch(event, arguments):
    if watching and event.startswith(IS_IO):
        seen.append(f"{event} {arguments}")

sys.addaudithook(watch)
"""

PREPARED: Final = """
from tests.support.pods import FIXTURES, pods_in, review_of
from tests.service.reviews import injected_pod
from webhook.core.admission import admit
from webhook.core.cluster import Cluster, NativeSupport, UNKNOWN_CLUSTER
from webhook.core.errors import MalformedReviewError
from webhook.core.review import parse_review, render_review
from webhook.core.version import Version
from webhook.policy_files import build_policy
from webhook.server.self_test import self_test
from webhook.settings import Settings

policy = build_policy(Settings(helper_image="busybox"))
self_test(policy)
native = Cluster(NativeSupport.READY, Version(1, 34), frozenset({"istio", "vault", "linkerd"}), frozenset({"istio"}))
bodies = [review_of(pod) for _path, pod in pods_in(str(FIXTURES))]
bodies += [review_of(injected_pod()), b"", b"{}", bodies[0][:-9]]
"""

PATH: Final = f"""{PREPARED}
answered = 0
for body in bodies:
    for cluster in (UNKNOWN_CLUSTER, native):
        watching = True
        try:
            request = parse_review(body)
            outcome = admit(request, policy, cluster)
            render_review(request.uid, outcome.operations, outcome.warnings)
            answered += bool(outcome.operations)
        except MalformedReviewError:
            pass
        finally:
            watching = False
print(len(bodies), answered)
print("\\n".join(seen))
"""

COUNTED: Final = """
import os

counts = os.open("/proc/self/io", os.O_RDONLY)

def calls():
    "How often this process has read and written, as the kernel counts (proc_pid_io(5)); each call is one read more for the next."
    return [int(line.split()[1]) for line in os.pread(counts, 4096, 0).splitlines() if line.startswith(b"sysc")]
"""
"""Files and pipes that are open already are read and written without a word from the interpreter."""

APP: Final = f"""{PREPARED}{COUNTED}
import asyncio, json
from webhook.server.app import create_app
from tests.support.buffered import counted
from webhook.server.body_limit import BodyLimit, BodyLimits
from webhook.server.buffered_bodies import BufferedBodies
from webhook.server.part_turns import PartTurns
from webhook.server.review_turns import ReviewTurns
from webhook.server.json_log import log_to_stdout
from webhook.server.metrics import Metrics
from webhook.server.observation import Observation

metrics = Metrics()
observation = Observation(metrics, log_to_stdout("info", metrics.log_lines_dropped.inc).write_info)
JSON = (b"content-type", b"application/json")
LARGE = (b"content-length", b"99999")
requests = [(body, cluster, "/mutate", (JSON,)) for body in bodies for cluster in (UNKNOWN_CLUSTER, native)]
requests += [(b"", native, "/", (JSON,)), (b"", native, "/mutate", ()), (b"", native, "/mutate", (JSON, LARGE)), (b" " * 99999, native, "/mutate", (JSON,))]
statuses, answered = [], 0

async def post(body, cluster, path, headers):
    "As uvicorn calls an application: the body comes in two parts."
    global answered, watching
    parts = [dict(type="http.request", body=body[:99], more_body=True), dict(type="http.request", body=body[99:])]
    async def receive():
        return parts.pop(0)
    async def send(message):
        global answered
        if "status" in message:
            statuses.append(message["status"])
        answered += b'"patch"' in message.get("body", b"")
    app = ReviewTurns(create_app(policy, lambda: cluster, observation, "allow"), lambda: 1)
    app = PartTurns(BodyLimit(app, BodyLimits(65536, 5.0, 5.0), observation.refused))
    scope = dict(type="http", http_version="1.1", method="POST", path=path, query_string=b"timeout=10s", headers=list(headers))
    scope, counted_receive = counted(BufferedBodies(2 * 65536), scope, receive)
    watching = True
    try:
        await app(scope, counted_receive, send)
        await asyncio.sleep(0)  # the review is logged and counted after its response, in the next turn of the loop
    finally:
        watching = False

async def send_all():
    before = calls()
    for request in requests:
        await post(*request)
    return before, calls()

(read, written), (read_after, written_after) = asyncio.run(send_all())
print(json.dumps(dict(statuses=statuses, answered=answered, reads=read_after - read - 1, writes=written_after - written, seen=seen)))
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
    counts, *seen = run(PATH)
    bodies, answered = map(int, counts.split())

    assert bodies > len(list(pods_in(str(FIXTURES))))
    assert answered > bodies, "most of them were patched, with native sidecars and without"
    assert [line for line in seen if line] == []


def test_no_request_to_the_application_does_any_io_but_for_one_line_in_the_log() -> None:
    *lines, last = run(APP)
    result, events = json.loads(last), [json.loads(line)["event"] for line in lines]
    statuses = Counter(result["statuses"])

    assert statuses[200] >= result["answered"] > len(list(pods_in(str(FIXTURES)))), "most of them were patched"
    assert statuses.keys() == {200, 400, 404, 413, 415}
    assert Counter(events) == {"review": statuses[200], "refused": statuses.total() - statuses[200]}
    assert (result["seen"], result["reads"], result["writes"]) == ([], 0, len(lines))


@pytest.mark.parametrize("io", IO.values(), ids=IO)
def test_the_interpreter_would_tell_of(io: str) -> None:
    program = f"import os, socket, subprocess\nserver = socket.create_server(('127.0.0.1', 0))\nwatching = True\n{io}\nwatching = False\nprint(len(seen))"
    (count,) = run(program)

    assert int(count) > 0


def test_the_kernel_reports_what_the_interpreter_does_not() -> None:
    opened = "zeros, null = os.open('/dev/zero', os.O_RDONLY), os.open('/dev/null', os.O_WRONLY)"
    io = "os.read(zeros, 9); os.write(null, b'x'); os.write(null, b'y')"
    (counts,) = run(f"{COUNTED}{opened}\nwatching = True\nbefore = calls()\n{io}\nafter = calls()\nprint(len(seen), *before, *after)")
    seen, read, written, read_after, written_after = map(int, counts.split())

    assert (seen, read_after - read - 1, written_after - written) == (0, 1, 2)
