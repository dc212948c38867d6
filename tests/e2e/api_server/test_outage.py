"""The webhook down, restarted, frozen or overloaded, and the API server restarted: pods start, and which answer their creator gets."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
import pytest

from manifests.queries import API_SERVER_SECONDS, FAIL_OPEN, REFUSED
from testbed.wait import until
from tests.e2e.api_server.own_webhook import OwnWebhook, own_webhook
from tests.e2e.api_server.submission import comparable
from tests.e2e.levels import api_server_level
from tests.e2e.namespaces import new_namespace
from tests.e2e.registration import is_patched_in, task_pod
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import Level
    from testbed.webhook import Webhook

CREATED: Final = 201
NOT_CALLED: Final = 500
CLIENTS: Final = 4
TIMEOUT_SECONDS: Final = 2
SECONDS: Final = 60


def message_of(response: httpx.Response) -> str:
    """The message of an error response."""
    return str(response.json()["message"])


def test_pods_start_as_they_are_while_the_webhook_is_down_and_are_patched_as_soon_as_it_is_back(api_server: Level) -> None:
    with own_webhook(api_server, timeoutSeconds=TIMEOUT_SECONDS) as here:
        assert here.webhook.end() == 0
        response = here.create()

        assert response.status_code == CREATED
        assert "warning" not in response.headers
        assert STATUS_ANNOTATION not in response.text
        here.webhook.start_again()
        assert here.is_patched()


def test_under_fail_the_client_learns_that_the_webhook_was_not_reached(api_server: Level) -> None:
    with own_webhook(api_server, timeoutSeconds=TIMEOUT_SECONDS, failurePolicy="Fail") as here:
        here.webhook.end()
        response = here.create()
        here.webhook.start_again()

        assert response.status_code == NOT_CALLED
        assert 'failed calling webhook "pods.airflow-sidecar-webhook.io"' in message_of(response)
        assert "connection refused" in message_of(response)
        assert here.is_patched()


OTHERS: Final = re.compile(r"(apiserver_\w+)\{([^}]*)\}")
"""A selector of a metric of the API server's."""


def test_the_api_server_counts_what_alerts_and_dashboard_ask_of_it(api_server: Level) -> None:
    for policy in ("Ignore", "Fail"):
        with own_webhook(api_server, timeoutSeconds=TIMEOUT_SECONDS, failurePolicy=policy) as here:
            here.webhook.end()
            here.create()
            here.webhook.start_again()
            assert here.is_patched()
    text = api_server.api.request("GET", "/metrics").raise_for_status().text
    samples = {line.rpartition(" ")[0] for line in text.splitlines() if line.startswith("apiserver_admission_webhook")}

    for metric, matchers in OTHERS.findall(f"{FAIL_OPEN} {REFUSED} {API_SERVER_SECONDS}"):
        equal = [matcher for matcher in matchers.split(",") if "!=" not in matcher]
        unequal = [matcher.replace("!=", "=") for matcher in matchers.split(",") if "!=" in matcher]
        found = [one for one in samples if one.startswith(f"{metric}{{") and all(matcher in one for matcher in equal)]
        assert [one for one in found if not any(matcher in one for matcher in unequal)], metric


@contextmanager
def load(here: OwnWebhook) -> Iterator[list[httpx.Response]]:
    """Several clients create pods within this block; the responses so far."""
    replies: list[httpx.Response] = []
    ended = threading.Event()

    def create_on() -> None:
        while not ended.is_set():
            replies.append(here.create())

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(create_on) for _ in range(CLIENTS)]
        try:
            yield replies
        finally:
            ended.set()
    for one in running:
        one.result()


def await_more(replies: list[httpx.Response]) -> None:
    """Wait until each client has had a response to a request that it sent after this call."""
    so_far = len(replies)
    until(lambda: len(replies) > so_far + 2 * CLIENTS, "the load goes on", SECONDS)


def test_a_restart_under_load_refuses_no_pod_and_leaves_none_half_patched(api_server: Level) -> None:
    with own_webhook(api_server, timeoutSeconds=TIMEOUT_SECONDS) as here:
        patched = comparable(here.create().json())
        with load(here) as replies:
            await_more(replies)
            assert here.webhook.end() == 0
            down = comparable(here.create().json())
            await_more(replies)
            here.webhook.start_again()
            until(here.is_patched, "pods are patched again", SECONDS)
        stored = [comparable(reply.json()) for reply in replies]

        assert {reply.status_code for reply in replies} == {CREATED}
        assert down != patched
        assert [pod for pod in stored if pod not in (patched, down)] == []
        assert patched in stored
        assert down in stored


@pytest.mark.parametrize(("policy", "status"), [("Ignore", CREATED), ("Fail", NOT_CALLED)])
def test_a_webhook_that_is_frozen_costs_its_timeout(api_server: Level, policy: str, status: int) -> None:
    with own_webhook(api_server, timeoutSeconds=TIMEOUT_SECONDS, failurePolicy=policy) as here:
        os.kill(here.webhook.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            response = here.create()
            took = time.monotonic() - began
        finally:
            os.kill(here.webhook.pid, signal.SIGCONT)

        assert response.status_code == status
        assert STATUS_ANNOTATION not in response.text
        assert TIMEOUT_SECONDS <= took < 10 * TIMEOUT_SECONDS
        assert here.is_patched()


BUFFERED_BYTES: Final = 1024 * 1024
FILLERS: Final = 16
FILLER_BYTES: Final = BUFFERED_BYTES // FILLERS - 64
"""What each of these clients holds: together all but a rest that no review fits into."""

LARGE_BYTES: Final = 100 * 1024
"""Of a review that is larger than what any of the others holds: where there is no room, the largest body is refused."""

OVERLOADED: Final = {
    "MAX_BODY_BYTES": str(BUFFERED_BYTES),
    "MAX_BUFFERED_BYTES": str(BUFFERED_BYTES),
    "READ_SECONDS": "30",
}


def connect(webhook: Webhook) -> ssl.SSLSocket:
    """A connection to the webhook."""
    config = webhook.client_config
    place = urlsplit(config["url"])
    assert place.hostname
    context = ssl.create_default_context(cadata=base64.b64decode(config["caBundle"]).decode())
    return context.wrap_socket(socket.create_connection((place.hostname, place.port), SECONDS), server_hostname=place.hostname)


def begin_body(connection: ssl.SSLSocket, sent: int, announced: int) -> None:
    """Send a request's head and this many bytes of its body."""
    head = f"POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\n\r\n"
    connection.sendall(head.encode() + b" " * sent)


def refusals(webhook: Webhook) -> int:
    """How often its log says that it refused a review because of overload."""
    return sum(line["event"] == "refused" and line["status"] == httpx.codes.SERVICE_UNAVAILABLE for line in webhook.log)


def is_full(webhook: Webhook) -> bool:
    """Whether it refuses a body that is larger than the others."""
    before = refusals(webhook)
    with connect(webhook) as connection:
        begin_body(connection, LARGE_BYTES, LARGE_BYTES)
        connection.recv(1)
    return refusals(webhook) > before


def create_large(here: OwnWebhook) -> httpx.Response:
    """Create a pod (as a dry run) whose review is larger than what any of the clients holds."""
    pod = task_pod(here.namespace)
    pod["metadata"].setdefault("annotations", {})["example.com/padding"] = "x" * LARGE_BYTES
    return here.api.request("POST", f"/api/v1/namespaces/{here.namespace}/pods", pod, dryRun="All")


@contextmanager
def full(webhook: Webhook) -> Iterator[None]:
    """Within this block clients have sent most of their bodies: there is no room for a review that is larger than each of these."""
    with ExitStack() as connections:
        for _ in range(FILLERS):
            begin_body(connections.enter_context(connect(webhook)), FILLER_BYTES, BUFFERED_BYTES)
        until(lambda: is_full(webhook), "the webhook is full", SECONDS)
        yield


def test_an_overloaded_webhook_is_called_again_and_the_pod_is_patched(api_server: Level) -> None:
    with own_webhook(api_server, OVERLOADED, timeoutSeconds=5, failurePolicy="Fail") as here, ThreadPoolExecutor(1) as client:
        with full(here.webhook):
            before = refusals(here.webhook)
            creating = client.submit(create_large, here)
            until(lambda: refusals(here.webhook) > before, "the API server's review is refused", SECONDS)
        response = creating.result()

        assert response.status_code == CREATED
        assert STATUS_ANNOTATION in response.text


def test_a_webhook_that_stays_overloaded_lets_the_pod_start_as_it_is(api_server: Level) -> None:
    with own_webhook(api_server, OVERLOADED, timeoutSeconds=TIMEOUT_SECONDS) as here, full(here.webhook):
        response = create_large(here)

        assert response.status_code == CREATED
        assert STATUS_ANNOTATION not in response.text


def test_an_api_server_that_comes_back_calls_the_webhook_for_the_very_first_pod() -> None:
    with api_server_level("API server that is restarted", ()) as level, new_namespace(level.api, "outage") as namespace:
        level.server.stop()
        with pytest.raises(httpx.TransportError):
            level.api.get("/version")
        level.server.start()

        assert is_patched_in(namespace, level.api)
        assert {line["level"] for line in level.webhook.log} == {"info"}
