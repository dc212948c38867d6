"""The attacks. Each runs in a process of its own until it is ended, from loopback addresses that the honest client does not use.

An attack prepares what it needs, and returns what is then run.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from http.client import HTTPException
from itertools import cycle
from typing import TYPE_CHECKING, Final

from tests.attacks.honest import SOURCE as HONEST_SOURCE
from tests.service.reviews import injected_pod, injected_review
from tests.service.running_service import read_reply, request_bytes
from tests.support.hostile_pods import HOSTILE_PODS, istio, options, pod, proxy_config, slow_small_pod
from tests.support.pods import review_of
from webhook.core.document import MAX_DOCUMENT_CHARACTERS
from webhook.core.pod import MAX_COMMAS
from webhook.server.protocol import MAX_FIELDS, MAX_HEAD_BYTES
from webhook.settings import Settings

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from tests.attacks.target import Target

SOURCES: Final = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
CONNECTIONS: Final = 1500
MEBIBYTE: Final = 1024 * 1024
BURST: Final = 100
PREPARATION_SECONDS: Final = 25.0
PAUSE_SECONDS: Final = 0.05
"""After a refusal: an attack measures the service, not how fast this process burns the processor beside it."""

CHUNKED: Final = request_bytes(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")


def health_head_without_end(target: Target) -> None:
    """A request head on the health port whose header never ends."""
    _again(lambda: _flood(target.plain(SOURCES[0]), b"GET /healthz HTTP/1.1\r\nX: ", b"y" * 65536))


def health_answers_unread(target: Target) -> None:
    """Twenty megabytes of pipelined requests on the health port, whose answers nobody reads."""
    requests = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 2000
    _again(lambda: _flood(target.plain(SOURCES[0]), b"", requests, 20 * MEBIBYTE))


def health_silent_connections(target: Target) -> None:
    """Connections to the health port that say nothing."""
    _hold(lambda source: target.plain(source, seconds=1))


def trailers_without_end(target: Target) -> None:
    """A chunked body whose trailers never end, in short fields."""
    _again(lambda: _flood(target.tls(SOURCES[0]), CHUNKED + b"2\r\n{}\r\n0\r\n", b"a:\r\n" * 16384))


def one_trailer_without_end(target: Target) -> None:
    """A chunked body with one trailer whose value never ends."""
    _again(lambda: _flood(target.tls(SOURCES[0]), CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"y" * 65536))


def health_metrics_without_pause(target: Target) -> None:
    """One scrape after the other over each of sixteen connections to the health port."""
    _exchange([partial(target.plain, SOURCES[0])] * 16, [b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"])


def silent_connections(target: Target) -> None:
    """Connections to the TLS port that never begin the handshake."""
    _hold(lambda source: target.tcp(source, seconds=1))


def idle_connections(target: Target) -> None:
    """Connections to the TLS port that are idle after one request."""
    _hold(partial(_idle, target, target.context()))


def handshakes_without_end(target: Target) -> None:
    """One TLS handshake after the other."""
    context = target.context()

    def shake() -> None:
        target.tls(SOURCES[0], seconds=1, context=context).close()

    _again(shake, pause=0)


def handshakes_in_bursts(target: Target) -> None:
    """The handshakes of a hundred connections at the same moment, then a second without any, so that none of them has a pause."""
    context = target.context()

    def shake(source: str) -> None:
        with suppress(OSError):
            target.tls(source, seconds=5, context=context).close()

    with ThreadPoolExecutor(BURST) as clients:
        while True:
            list(clients.map(shake, SOURCES * (BURST // len(SOURCES))))
            time.sleep(1)


def bodies_that_stop_short(target: Target) -> None:
    """Bodies of the largest size that stop before their last byte, as many as the buffer takes and more."""
    request = request_bytes(b" " * 4 * MEBIBYTE)[:-1]
    _hold_requests(target, request)


def bodies_that_stop_short_over_all_connections(target: Target) -> Callable[[], None]:
    """As many connections as there may be, from two addresses, that all send 200 KB of a body at the same moment, and stop."""
    context = target.context()
    part = request_bytes(b" " * 4 * MEBIBYTE)[:200_000]
    until = time.monotonic() + PREPARATION_SECONDS
    limits = Settings()
    sources = [SOURCES[0]] * limits.max_connections_per_peer + [SOURCES[1]] * limits.max_connections_per_peer
    streams = []
    for source in sources[: limits.max_connections]:
        if time.monotonic() < until:
            with suppress(OSError):
                streams.append(_idle(target, context, source))

    def send(stream: socket.socket) -> socket.socket:
        stream.settimeout(0.05)
        with suppress(OSError):
            stream.sendall(part)
        return stream

    def send_over_all() -> None:
        for stream in streams:
            send(stream)
        _hold(lambda source: send(_idle(target, context, source)))

    return send_over_all


def large_heads_over_all_connections(target: Target) -> None:
    """As many connections as there may be, each with the largest head and the most fields, of a request whose body stops."""
    context = target.context()
    fields = MAX_FIELDS - 3
    size = (MAX_HEAD_BYTES - 200) // fields
    request = request_bytes(b"{}", *(f"X-{number:02}: {'y' * (size - len('X-00: ') - 2)}" for number in range(fields)))[:-1]

    def send(source: str) -> socket.socket:
        stream = target.tls(source, seconds=1, context=context)
        stream.sendall(request)
        return stream

    _hold(send)


def documents_of_many_fields(target: Target) -> None:
    """Pods of which each has another configuration of its proxy, as large as it is read: what was parsed is cached."""
    fields = "".join(f"{number:x}: 😀\n" for number in range(500))[: MAX_DOCUMENT_CHARACTERS - 20]
    pods = [proxy_config(f"statusPort: {number}\n{fields}") for number in range(1000, 1512)]
    _exchange(_connections(target, 4), [request_bytes(review_of(one)) for one in pods])


def large_answers_unread(target: Target) -> None:
    """Reviews of pods with a command of 2.9 MB, whose answers, which are as large, nobody reads."""
    large = injected_pod()
    large["spec"]["containers"][0]["command"] = ["x" * 2_900_000]
    _hold_requests(target, request_bytes(review_of(large)) * 2)


def small_answers_unread(target: Target) -> None:
    """Ordinary reviews, pipelined over as many connections as possible, whose answers nobody reads."""
    context = target.context()
    requests = request_bytes(injected_review()) * 40

    def send(source: str) -> socket.socket:
        stream = target.tls(source, seconds=0.2, context=context)
        with suppress(OSError):
            stream.sendall(requests)
        return stream

    _hold(send)


def idle_connections_with_large_buffers(target: Target) -> None:
    """Connections that are idle after a review of 60 KB, whose answer of 100 KB nobody reads."""
    context = target.context()
    large = injected_pod()
    large["spec"]["containers"][0]["command"] = ["x" * 50_000]
    request = request_bytes(review_of(large))

    def send(source: str) -> socket.socket:
        stream = target.tls(source, seconds=1, context=context)
        stream.sendall(request)
        return stream

    _hold(send)


def large_bodies(target: Target) -> None:
    """Reviews of almost the largest size, one after the other over each of forty connections."""
    review = injected_review()
    _exchange(_connections(target, 40), [request_bytes(review[:-1] + b" " * (4 * MEBIBYTE - len(review)) + review[-1:])])


def small_reviews_without_pause(target: Target) -> None:
    """Ordinary reviews, one after the other over each of two hundred connections from one address."""
    _exchange(_connections(target, 200, SOURCES[:1]), [request_bytes(injected_review())])


def slow_small_reviews_without_pause(target: Target) -> None:
    """The slowest pod of less than 64 KiB, whose review waits for no turn, over four connections from each of four addresses."""
    _exchange(_connections(target, 16), [request_bytes(review_of(slow_small_pod()))])


def unknown_annotations(target: Target) -> None:
    """Pods with tens of thousands of annotations of this webhook that do not exist, and with large values of one that does."""
    many = pod(istio(), metadata=options(**{f"l{number}": "v" for number in range(MAX_COMMAS - 2000)}))
    large = pod(istio(), metadata=options(mode="x" * 3_000_000))
    _exchange(_connections(target, 16), [request_bytes(review_of(one)) for one in (many, large)])


def pods_of_many_commas(target: Target) -> None:
    """Pods of which only the number of commas says that they may be slow: most of it is in a text, or they take a third of what one may."""
    pods = [pod(istio(env=[{"name": "IDS", "value": "1," * commas}])) for commas in (32_000, MAX_COMMAS - 100)]
    pods += [HOSTILE_PODS[name]() for name in ("variables", "owners", "ports")]
    _exchange(_connections(target, 16), [request_bytes(review_of(one)) for one in pods])


def hostile_pods(target: Target) -> None:
    """The pods of the second table, one after the other over each of four connections."""
    _exchange(_connections(target, 4), _hostile_requests())


def hostile_pods_from_the_honest_address(target: Target) -> None:
    """The same over one connection from the honest client's address, as a user's dry runs come through the API server."""
    _exchange(_connections(target, 1, (HONEST_SOURCE,)), _hostile_requests())


def _unprepared(attack: Callable[[Target], None]) -> Callable[[Target], Callable[[], None]]:
    return lambda target: partial(attack, target)


ATTACKS: Final[Mapping[str, Callable[[Target], Callable[[], None]]]] = {
    bodies_that_stop_short_over_all_connections.__name__: bodies_that_stop_short_over_all_connections
} | {
    attack.__name__: _unprepared(attack)
    for attack in (
        health_head_without_end,
        health_answers_unread,
        health_metrics_without_pause,
        health_silent_connections,
        trailers_without_end,
        one_trailer_without_end,
        silent_connections,
        idle_connections,
        handshakes_without_end,
        handshakes_in_bursts,
        bodies_that_stop_short,
        large_bodies,
        large_heads_over_all_connections,
        documents_of_many_fields,
        large_answers_unread,
        small_answers_unread,
        idle_connections_with_large_buffers,
        small_reviews_without_pause,
        slow_small_reviews_without_pause,
        unknown_annotations,
        pods_of_many_commas,
        hostile_pods,
        hostile_pods_from_the_honest_address,
    )
}


def _idle(target: Target, context: ssl.SSLContext, source: str) -> socket.socket:
    """A connection to the TLS port that is idle after one request."""
    stream = target.tls(source, seconds=1, context=context)
    stream.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    stream.recv(65536)
    return stream


def _hostile_requests() -> list[bytes]:
    return [request_bytes(review_of(make())) for make in HOSTILE_PODS.values()]


def _connections(target: Target, count: int, sources: Sequence[str] = SOURCES) -> list[Callable[[], socket.socket]]:
    """What opens each of so many connections to the TLS port."""
    context = target.context()
    return [partial(target.tls, source, context=context) for _number, source in zip(range(count), cycle(sources), strict=False)]


def _exchange(connections: Sequence[Callable[[], socket.socket]], requests: Sequence[bytes]) -> None:
    """Over each connection send one request after the other, and wait for each answer. One that the service closes is opened again."""
    threads = [threading.Thread(target=_again, args=(partial(_ask, connect, requests),)) for connect in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _ask(connect: Callable[[], socket.socket], requests: Sequence[bytes]) -> None:
    with suppress(HTTPException), connect() as stream:
        for request in cycle(requests):
            stream.sendall(request)
            read_reply(stream)


def _again(attempt: Callable[[], None], pause: float = PAUSE_SECONDS) -> None:
    while True:
        with suppress(OSError):
            attempt()
        time.sleep(pause)


def _flood(stream: socket.socket | ssl.SSLSocket, head: bytes, more: bytes, size: int = 1024 * MEBIBYTE) -> None:
    """Send the head, then more and more, up to this size; then wait for the other side to close."""
    with stream:
        stream.sendall(head)
        for _ in range(size // len(more)):
            stream.sendall(more)
        while True:
            time.sleep(PAUSE_SECONDS)
            stream.send(more[:1])


def _hold(connect: Callable[[str], socket.socket]) -> None:
    """Open connections up to their number and keep them; open one that was closed again."""
    with ExitStack() as opened:
        for number, source in enumerate(cycle(SOURCES)):
            if number >= CONNECTIONS:
                time.sleep(PAUSE_SECONDS)
            with suppress(OSError):
                opened.enter_context(connect(source))


def _hold_requests(target: Target, request: bytes) -> None:
    """Send a request over each of forty connections, and read nothing; begin again when the service has closed them."""
    context = target.context()
    while True:
        with ExitStack() as opened:
            for _number, source in zip(range(40), cycle(SOURCES), strict=False):
                with suppress(OSError):
                    stream = opened.enter_context(target.tls(source, seconds=1, context=context))
                    stream.sendall(request)
            time.sleep(PAUSE_SECONDS)
