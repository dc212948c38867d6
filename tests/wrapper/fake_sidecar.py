"""Sidecars other than Istio's, as fakes."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Literal, Self

from webhook.core.sidecar import Endpoint, FoundSidecar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE_SECONDS: Final = 20.0
"""A bound on what takes far less; only a failing test reaches it."""

LINGERING_REQUESTS: Final = 3
BACKLOG: Final = 128


class Trick(Enum):
    """An answer that is more or less than a status."""

    RESET = auto()
    """The connection is reset."""

    HANG = auto()
    """Nothing comes."""

    HOLD = auto()
    """200, once the test lets it go."""

    END = auto()
    """200, and from then on connections are refused."""

    RESET_AND_END = auto()
    """A reset, and from then on connections are refused."""

    LINGER = auto()
    """200, and after three more requests connections are refused."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came; `at` is in seconds of the monotonic clock, `head` all of it."""

    at: float
    line: str
    head: str


class FakeSidecar:
    """A fake: a listener that gives the answers it was told, one after the other, the last one for ever.

    It cannot show that a real sidecar has these endpoints or answers so (webhook/data/sidecars names the sources), nor what
    a real one does besides: traffic, drain, exit codes. It is a thread of the test and no process, so it shows no container that ends.
    """

    def __init__(
        self,
        routes: Mapping[str, Sequence[int | Trick]],
        *,
        name: str = "fake",
        host: str = "127.0.0.1",
        listens: bool = True,
        order: int = 50,
    ) -> None:
        """Take a free port. Routes are keyed "METHOD /path"; what is not there gets 404. Without `listens` the port refuses."""
        self._answers = {route: list(answers) for route, answers in routes.items()}
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.bind((host, 0))
        self._listens = listens
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._requests_left: int | None = None
        self._over = threading.Event()
        self.let_go = threading.Event()
        self.seen: list[Seen] = []
        self.name = name
        self.order = order
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        """Listen."""
        if self._listens:
            self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        """End all threads."""
        self._over.set()
        self.let_go.set()
        self.refuse()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def as_sidecar(
        self, *, ready: str | None = "ready", alive: str | None = None, quit_by: Literal["GET", "POST"] | None = "POST"
    ) -> FoundSidecar:
        """What the catalogue would have found: /ready, /alive and /quit on this port."""
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

    def refuse(self) -> None:
        """Refuse connections from now on."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        finally:
            self._socket.close()

    def answer(self, route: str, *answers: int | Trick) -> None:
        """Change what a route answers from now on."""
        self._answers[route] = list(answers)

    @property
    def lines(self) -> list[str]:
        """The requests so far, as "METHOD /path"."""
        return [seen.line for seen in self.seen]

    def wait_for(self, line: str, times: int = 1) -> None:
        """Wait until a request has come that often."""
        with self._changed:
            come = self._changed.wait_for(lambda: self.lines.count(line) >= times, PATIENCE_SECONDS)
        assert come, f"{self.name} saw {self.lines[-5:]} and not {times} times {line}"

    def _start(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._start(threading.Thread(target=self._talk, args=(connection,)))

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            head = _head(connection)
            if not head:
                return
            line = head.partition(" HTTP/")[0]
            self._note(Seen(time.monotonic(), line, head))
            self._reply(connection, self._next(line))
            self._count_down()

    def _note(self, seen: Seen) -> None:
        with self._changed:
            self.seen.append(seen)
            self._changed.notify_all()

    def _next(self, line: str) -> int | Trick:
        answers = self._answers.get(line, [404])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _reply(self, connection: socket.socket, answer: int | Trick) -> None:
        if answer in {Trick.END, Trick.RESET_AND_END}:
            self.refuse()
        elif answer is Trick.LINGER:
            self._requests_left = LINGERING_REQUESTS + 1
        if answer in {Trick.RESET, Trick.RESET_AND_END}:
            _reset(connection)
        elif answer is Trick.HANG:
            self._over.wait()
        else:
            self._send(connection, answer)

    def _send(self, connection: socket.socket, answer: int | Trick) -> None:
        if answer is Trick.HOLD:
            self.let_go.wait(PATIENCE_SECONDS)
        status = 200 if isinstance(answer, Trick) else answer
        connection.sendall(f"HTTP/1.1 {status} As told\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK".encode())

    def _count_down(self) -> None:
        if self._requests_left is not None:
            self._requests_left -= 1
            if self._requests_left == 0:
                self.refuse()


def _head(connection: socket.socket) -> str:
    """All up to the empty line; empty when the peer only looked whether somebody listens."""
    said = b""
    while b"\r\n\r\n" not in said:
        try:
            more = connection.recv(65536)
        except ConnectionError:
            return ""
        if not more:
            return ""
        said += more
    return said.decode("latin-1")


def _reset(connection: socket.socket) -> None:
    # A linger time of zero makes the kernel send RST for FIN (socket(7)).
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
