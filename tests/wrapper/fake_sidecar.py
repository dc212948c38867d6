"""Fake sidecars: HTTP servers that answer as a test wants."""

from __future__ import annotations

import bisect
import itertools
import socket
import struct
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from testbed.wait import until
from webhook.core.catalogue import FoundSidecar
from webhook.core.sidecar import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TIMEOUT_SECONDS: Final = 60.0
"""Longer than anything here takes, also on a busy machine; only a failing test reaches it."""

REQUESTS_BEFORE_STOP: Final = 3
BACKLOG: Final = 128


class Reaction(Enum):
    """What a fake does with a request, where that is not just a status."""

    RESET = auto()
    """Reset the connection."""

    HANG = auto()
    """Accept the connection and never answer."""

    ANSWER_LATER = auto()
    """Answer 200 once the test sets `release`."""

    STOP = auto()
    """Answer 200 and refuse connections from then on."""

    RESET_AND_STOP = auto()
    """Reset the connection and refuse connections from then on."""

    STOP_LATER = auto()
    """Answer 200, and refuse connections from the third request after this one on."""

    NO_REASON = auto()
    """Answer 200 with a status line that has no reason phrase (RFC 9112, section 4: it is optional)."""

    CONTINUE = auto()
    """Answer 100 before the 200 (RFC 9110, section 15.2)."""

    EARLY_HINTS = auto()
    """Answer 103 before the 200 (RFC 8297)."""

    REDIRECT = auto()
    """Answer 302, to a path of the same port."""

    TRICKLE = auto()
    """Begin an answer of 200 and send a byte of it every quarter of a second, without end."""

    ENDLESS_LINE = auto()
    """Answer with a status line that never ends, as fast as it is read."""

    ENDLESS_HEAD = auto()
    """Answer 200 with header fields that never end, as fast as they are read."""

    ENDLESS_BODY = auto()
    """Answer 200 with a body that never ends, as fast as it is read."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request: `connection` counts from 0, `at` is in seconds of the monotonic clock, `line` as "METHOD /path", `head` up to the empty line."""

    connection: int
    at: float
    line: str
    head: str


class FakeSidecar:
    """A listener that gives the answers of a route one after the other, and repeats the last one.

    What a test sees of a request is over: it stands in the order of the connections, and a fake that stops with it has stopped.

    A fake cannot show that a real sidecar has these endpoints or these answers (webhook/data/sidecars names the sources), nor
    anything else of a real one: traffic, drain, exit codes. It is a thread of the test, so it cannot show that a container ends.
    """

    def __init__(
        self,
        routes: Mapping[str, Sequence[int | Reaction]],
        *,
        name: str = "fake",
        host: str = "127.0.0.1",
        listens: bool = True,
        order: int = 50,
    ) -> None:
        """Take a free port. The keys of `routes` are "METHOD /path"; any other request gets 404. Without `listens` the port refuses connections."""
        self._answers = {route: list(answers) for route, answers in routes.items()}
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._holder = bound_socket(family, (host, 0))
        self.port: int = self._holder.getsockname()[1]
        self._socket = bound_socket(family, (host, self.port))
        self._listens = listens
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._requests_left: int | None = None
        self._closing = threading.Event()
        self.release = threading.Event()
        self.received: list[ReceivedRequest] = []
        self.name = name
        self.order = order

    def __enter__(self) -> Self:
        """Listen, unless the test does it later."""
        if self._listens:
            self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and end all threads."""
        self._closing.set()
        self.release.set()
        self.stop()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)
        self._holder.close()

    def as_sidecar(
        self, *, ready: str | None = "ready", alive: str | None = None, quit_by: Literal["GET", "POST"] | None = "POST"
    ) -> FoundSidecar:
        """This fake as a sidecar that the webhook found, with /ready, /alive and /quit on this port."""
        return FoundSidecar(
            name=self.name,
            id=self.name,
            ready=Endpoint(self.port, f"/{ready}") if ready else None,
            alive=Endpoint(self.port, f"/{alive}") if alive else None,
            quit=Endpoint(self.port, "/quit", quit_by) if quit_by else None,
            quit_order=self.order,
            ends_by_itself=False,
        )

    def listen(self) -> None:
        """Accept connections from now on."""
        self._socket.listen(BACKLOG)
        self._start(threading.Thread(target=self._accept))

    def stop(self) -> None:
        """Refuse connections from now on."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        finally:
            self._socket.close()

    def answer(self, route: str, *answers: int | Reaction) -> None:
        """Change what a route answers from now on."""
        self._answers[route] = list(answers)

    @property
    def requests(self) -> list[str]:
        """The requests so far, as "METHOD /path"."""
        with self._changed:
            return [request.line for request in self.received]

    def wait_for(self, line: str, times: int = 1) -> None:
        """Wait until a request has come that often."""
        assert self.gets(line, times, TIMEOUT_SECONDS), f"{self.name} got {self.requests[-5:]}, not {times} times {line}"

    def gets(self, line: str, times: int, seconds: float) -> bool:
        """Whether a request has come that often, or comes within this time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.requests.count(line) >= times, seconds)

    def _start(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for number in itertools.count():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._start(threading.Thread(target=self._serve, args=(connection, number)))

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            head = _head(connection)
            if not head:
                return
            line = head.partition(" HTTP/")[0]
            answer = self._next(line)
            self._stop_with(answer)
            self._record(ReceivedRequest(number, time.monotonic(), line, head))
            self._reply(connection, answer)

    def _record(self, request: ReceivedRequest) -> None:
        with self._changed:
            bisect.insort(self.received, request, key=lambda received: received.connection)
            self._changed.notify_all()

    def _next(self, line: str) -> int | Reaction:
        answers = self._answers.get(line, [404])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _reply(self, connection: socket.socket, answer: int | Reaction) -> None:
        if answer in {Reaction.RESET, Reaction.RESET_AND_STOP}:
            _reset(connection)
        elif answer is Reaction.HANG:
            self._closing.wait()
        elif answer in _RAW:
            self._send_raw(connection, *_RAW[answer])
        else:
            self._send(connection, answer)

    def _send(self, connection: socket.socket, answer: int | Reaction) -> None:
        if answer is Reaction.ANSWER_LATER:
            self.release.wait(TIMEOUT_SECONDS)
        status = 200 if isinstance(answer, Reaction) else answer
        connection.sendall(f"HTTP/1.1 {status} Fake\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK".encode())

    def _send_raw(self, connection: socket.socket, head: bytes, more: bytes, pause_seconds: float) -> None:
        """Send the head, and then more and more of the rest, until the peer has gone or the fake ends."""
        try:
            connection.sendall(head)
            while more and not self._closing.wait(pause_seconds):
                connection.sendall(more)
        except OSError:
            return

    def _stop_with(self, answer: int | Reaction) -> None:
        """Stop, if it is time to, before anybody learns of this request."""
        if self._requests_left is not None:
            self._requests_left -= 1
        elif answer is Reaction.STOP_LATER:
            self._requests_left = REQUESTS_BEFORE_STOP
        if self._requests_left == 0 or answer in {Reaction.STOP, Reaction.RESET_AND_STOP}:
            self.stop()


_END: Final = b"Content-Length: 2\r\nConnection: close\r\n\r\nOK"

_RAW: Final[Mapping[int | Reaction, tuple[bytes, bytes, float]]] = {
    Reaction.NO_REASON: (b"HTTP/1.1 200\r\n" + _END, b"", 0),
    Reaction.CONTINUE: (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + _END, b"", 0),
    Reaction.EARLY_HINTS: (b"HTTP/1.1 103 Early Hints\r\nLink: </style>\r\n\r\nHTTP/1.1 200 OK\r\n" + _END, b"", 0),
    Reaction.REDIRECT: (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n" + _END, b"", 0),
    Reaction.TRICKLE: (b"HTTP/1.1 2", b"0", 0.25),
    Reaction.ENDLESS_LINE: (b"HTTP/1.1 ", b"x" * 65536, 0),
    Reaction.ENDLESS_HEAD: (b"HTTP/1.1 200 OK\r\n", (b"A: " + b"b" * 900 + b"\r\n") * 70, 0),
    Reaction.ENDLESS_BODY: (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, 0),
}
"""The head, what is sent again and again after it, and the seconds between."""


@contextmanager
def full_accept_queue(port: int = 0) -> Iterator[int]:
    """The port of a listener that accepts nothing and whose queue is full: the kernel drops each further SYN, so a connect takes minutes (listen(2)).

    Args:
        port: 0: any that is free.

    """
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        address = listener.getsockname()
        with suppress(TimeoutError):
            while True:
                opened.enter_context(socket.create_connection(address, timeout=FULL_AFTER_SECONDS))
        # The last socket is closed, but a child that another thread has just forked has it until its exec.
        until(lambda: not is_connecting(address[1]), "the connect that filled the queue is over", TIMEOUT_SECONDS)
        yield address[1]


def wait_for_a_connect(port: int) -> None:
    """Wait until a process is connecting to this port."""
    until(lambda: is_connecting(port), f"a process connects to port {port}", TIMEOUT_SECONDS)


def is_connecting(port: int) -> bool:
    """Whether a connect to this port has no answer: a socket in the state SYN_SENT (proc_pid_net(5), net/tcp_states.h)."""
    lines = Path("/proc/thread-self/net/tcp").read_text("ascii").splitlines()[1:]
    return any(line.split()[2:4] == [f"0100007F:{port:04X}", "02"] for line in lines)


FULL_AFTER_SECONDS: Final = 0.2
"""A connect over loopback that takes so long is not going to succeed."""


def bound_socket(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    """A socket on this address. Several of these may have one port, of which one listens; nobody else gets it while one is open (socket(7))."""
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    return bound


def _head(connection: socket.socket) -> str:
    """All bytes up to the empty line; empty when the peer only connected."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            more = connection.recv(65536)
        except ConnectionError:
            return ""
        if not more:
            return ""
        data += more
    return data.decode("latin-1")


def _reset(connection: socket.socket) -> None:
    # A linger time of zero makes the kernel send RST for FIN (socket(7)).
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
