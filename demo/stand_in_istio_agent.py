"""A stand-in for Istio's sidecar: the two HTTP ports that a task sees of pilot-agent and Envoy.

It answers as Istio 1.26 and later do; in istio/istio see pilot/cmd/pilot-agent/status/server.go
(handleQuit, handleReadyProbe) and pkg/envoy/agent.go (terminate). The status port, 15020 in Istio,
has `/healthz/ready` and `/quitquitquit`; the ready port, Envoy's 15021, has `/healthz/ready` once
Envoy serves.

It cannot show: captured or forwarded traffic, mTLS, a task whose first connection fails because the
proxy is not ready, the drain (up to 1.25 a quit takes 5 s, and 15021 outlives 15020 in it; `/drain`
is missing too), a kubelet that restarts or kills the container, probes of the app, metrics,
iptables and uid 1337. Its "Envoy" is ready after a fixed time, whatever a control plane says.

Run it by itself, with the Python standard library alone:

    python -m demo.stand_in_istio_agent --status-port 15020 --ready-port 15021 --ready-after 2

Standard output gets one JSON line with the real ports, once both are taken. Standard error gets one
JSON line for each event, such as `{"at": 12.5, "event": "request", "method": "GET", "path": "/"}`,
where `at` is in seconds of the monotonic clock.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

# The queue of connections not yet accepted; Go takes the kernel's maximum, often 4096.
BACKLOG = 128


class Behaviour(StrEnum):
    """How the stand-in starts, answers a quit and ends."""

    AS_ISTIO = "as-istio"
    """Gets ready, answers a quit with 200 `OK` and exits 0 immediately."""

    REPLY_LOST = "reply-lost"
    """Exits 0 on a quit, but resets the connection: a process may end before Go sends its reply."""

    QUIT_REFUSED = "quit-refused"
    """Has no status server (annotation `status.sidecar.istio.io/port: "0"`): quit is refused."""

    QUIT_HANGS = "quit-hangs"
    """Accepts the quit request, never answers and keeps running."""

    QUIT_FAILS = "quit-fails"
    """Answers a quit with 500 and keeps running."""

    NEVER_READY = "never-ready"
    """Never gets ready, as without a control plane; a quit works."""

    DIES_BEFORE_READY = "dies-before-ready"
    """Never gets ready, and exits 0 at the second request for its readiness, as the agent does when Envoy crashes."""

    DIES_ON_SIGNAL = "dies-on-signal"
    """Gets ready and exits 0 on SIGUSR1, without a quit: a proxy that stops during the task."""

    LATE_LISTENER = "late-listener"
    """Opens its status port only when it gets ready, and refuses connections before."""


class ReadyTime(Enum):
    """What the stand-in does when its time to get ready is over."""

    READY = auto()
    STILL_WAITING = auto()


class Opening(Enum):
    """When the status port begins to accept connections."""

    AT_START = auto()
    WHEN_READY = auto()
    NEVER = auto()


class QuitAnswer(Enum):
    """How an allowed `POST /quitquitquit` is answered."""

    OK_AND_EXIT = auto()
    RESET_AND_EXIT = auto()
    SILENCE = auto()
    FAILURE = auto()


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a behaviour means for each part of the stand-in."""

    at_ready_time: ReadyTime = ReadyTime.READY
    status_opens: Opening = Opening.AT_START
    quit_answer: QuitAnswer = QuitAnswer.OK_AND_EXIT
    exit_signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT)
    unready_answers: int | None = None
    """It exits at the first request for its readiness after so many that it has answered with 503."""


CONDUCTS: dict[Behaviour, Conduct] = {
    Behaviour.AS_ISTIO: Conduct(),
    Behaviour.REPLY_LOST: Conduct(quit_answer=QuitAnswer.RESET_AND_EXIT),
    Behaviour.QUIT_REFUSED: Conduct(status_opens=Opening.NEVER),
    Behaviour.QUIT_HANGS: Conduct(quit_answer=QuitAnswer.SILENCE),
    Behaviour.QUIT_FAILS: Conduct(quit_answer=QuitAnswer.FAILURE),
    Behaviour.NEVER_READY: Conduct(at_ready_time=ReadyTime.STILL_WAITING),
    Behaviour.DIES_BEFORE_READY: Conduct(at_ready_time=ReadyTime.STILL_WAITING, unready_answers=1),
    Behaviour.DIES_ON_SIGNAL: Conduct(exit_signals=(signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)),
    Behaviour.LATE_LISTENER: Conduct(status_opens=Opening.WHEN_READY),
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the stand-in; `at` is in seconds of the monotonic clock."""

    at: float
    name: str
    method: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, without its body."""

    method: str
    path: str
    version: str
    headers: dict[str, str]

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection stays open for another request, as in Go's net/http."""
        connection = self.headers.get("connection", "").lower()
        return connection == "keep-alive" if self.version == "HTTP/1.0" else connection != "close"


class MalformedRequestError(Exception):
    """The client sent no valid HTTP/1 request; the answer is 400."""


class ClientConnection:
    """A connection from a client to one of the two ports."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over the streams of an accepted connection."""
        self._reader = reader
        self._writer = writer
        self._wants_body = True

    @property
    def is_loopback(self) -> bool:
        """Whether the peer is on 127.0.0.0/8 or ::1 (istio pkg/util/net IsRequestFromLocalhost)."""
        address = ipaddress.ip_address(self._writer.get_extra_info("peername")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback

    async def receive(self) -> Request | None:
        """Read a request and drop its body; None where the client has closed.

        Raises MalformedRequestError or ValueError for what is no HTTP/1, IncompleteReadError for a
        body that is cut short.
        """
        start = await self._reader.readline()
        if not start:
            return None
        method, _, rest = start.decode("latin-1").strip().partition(" ")
        target, _, version = rest.partition(" ")
        headers = await self._headers()
        # Go and Envoy both answer 400 to HTTP/1.1 without Host (RFC 9112 section 3.2).
        if version not in {"HTTP/1.0", "HTTP/1.1"} or ("host" not in headers and version == "HTTP/1.1"):
            raise MalformedRequestError
        await self._reader.readexactly(int(headers.get("content-length", "0")))
        self._wants_body = method != "HEAD"
        return Request(method, target.partition("?")[0], version, headers)

    async def _headers(self) -> dict[str, str]:
        headers = {}
        while line := (await self._reader.readline()).decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return headers

    async def reply(self, status: HTTPStatus, body: str = "") -> None:
        """Send a whole response; the connection stays open."""
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: {len(body)}\r\n"
        if body:
            head += "Content-Type: text/plain; charset=utf-8\r\n"
        self._writer.write(f"{head}\r\n{body if self._wants_body else ''}".encode())
        await self._writer.drain()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        # A linger time of zero makes the kernel send RST for FIN (socket(7)).
        no_linger = struct.pack("ii", 1, 0)
        peer: socket.socket = self._writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self._writer.transport.abort()

    async def peer_gone(self) -> None:
        """Wait until the client closes."""
        await self._reader.read()

    def close(self) -> None:
        """Close, after everything is sent."""
        self._writer.close()


class Agent:
    """The two listeners, and the process's state: not ready, ready, ended."""

    def __init__(self, conduct: Conduct, status_socket: socket.socket, ready_socket: socket.socket) -> None:
        """Take two bound sockets that do not listen yet: the kernel refuses connections to them."""
        self._conduct = conduct
        self._status_socket = status_socket
        self._ready_socket = ready_socket
        self._ready = False
        self._unready_answers = 0
        self._ended = asyncio.Event()

    async def live(self, ready_after_seconds: float) -> None:
        """Serve until a quit or a signal ends it."""
        for number in self._conduct.exit_signals:
            asyncio.get_running_loop().add_signal_handler(number, self._ended.set)
        if self._conduct.status_opens is Opening.AT_START:
            await _listen(self._status_socket, self._status)
        announce_ports(self._status_socket, self._ready_socket)
        ready_time = asyncio.create_task(self._wait_for_ready_time(ready_after_seconds))
        await self._ended.wait()
        ready_time.cancel()

    async def _wait_for_ready_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        match self._conduct.at_ready_time:
            case ReadyTime.READY:
                await self._get_ready()
            case ReadyTime.STILL_WAITING:
                report("still-waiting")

    async def _get_ready(self) -> None:
        self._ready = True
        if self._conduct.status_opens is Opening.WHEN_READY:
            await _listen(self._status_socket, self._status)
        await _listen(self._ready_socket, self._envoy)
        report("ready")

    async def _status(self, request: Request, connection: ClientConnection) -> None:
        match request.path:
            case "/healthz/ready" if self._unready_answers == self._conduct.unready_answers:
                self._ended.set()
            case "/healthz/ready":
                self._unready_answers += not self._ready
                await connection.reply(HTTPStatus.OK if self._ready else HTTPStatus.SERVICE_UNAVAILABLE)
            case "/quitquitquit":
                await self._quit(request, connection)
            case _:
                await connection.reply(HTTPStatus.NOT_FOUND, "404 page not found\n")

    async def _envoy(self, request: Request, connection: ClientConnection) -> None:
        # Envoy's route matches by prefix (tools/packaging/common/envoy_bootstrap.json).
        known = request.path.startswith("/healthz/ready")
        await connection.reply(HTTPStatus.OK if known else HTTPStatus.NOT_FOUND)

    async def _quit(self, request: Request, connection: ClientConnection) -> None:
        if not connection.is_loopback:
            refusal = "Only requests from localhost are allowed\n"
            await connection.reply(HTTPStatus.FORBIDDEN, refusal)
        elif request.method != "POST":
            await connection.reply(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed\n")
        else:
            await self._answer_quit(connection)

    async def _answer_quit(self, connection: ClientConnection) -> None:
        match self._conduct.quit_answer:
            case QuitAnswer.OK_AND_EXIT:
                await connection.reply(HTTPStatus.OK, "OK")
                self._ended.set()
            case QuitAnswer.RESET_AND_EXIT:
                connection.reset()
                self._ended.set()
            case QuitAnswer.SILENCE:
                await connection.peer_gone()
            case QuitAnswer.FAILURE:
                await connection.reply(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error\n")


async def _listen(
    bound: socket.socket,
    answer: Callable[[Request, ClientConnection], Awaitable[None]],
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ClientConnection(reader, writer)
        try:
            await _converse(connection, answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            report("disconnected")
        except asyncio.CancelledError:
            # The process ends; Python 3.11 would print a traceback for a cancelled handler.
            return
        finally:
            connection.close()

    await asyncio.start_server(talk, sock=bound, backlog=BACKLOG)


async def _converse(
    connection: ClientConnection,
    answer: Callable[[Request, ClientConnection], Awaitable[None]],
) -> None:
    try:
        while request := await connection.receive():
            report("request", method=request.method, path=request.path)
            await answer(request, connection)
            if not request.keeps_alive:
                return
    except (MalformedRequestError, ValueError):
        await connection.reply(HTTPStatus.BAD_REQUEST, "400 Bad Request")


def report(event: str, **details: str) -> None:
    """Write one event to standard error as a JSON line."""
    line = {"at": time.monotonic(), "event": event, **details}
    sys.stderr.write(f"{json.dumps(line)}\n")
    sys.stderr.flush()


def announce_ports(status_socket: socket.socket, ready_socket: socket.socket) -> None:
    """Print the two ports as one JSON line on standard output."""
    ports = {"status_port": _port(status_socket), "ready_port": _port(ready_socket)}
    print(json.dumps(ports), flush=True)


def _port(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port


@contextmanager
def reserved_ports(number: int, host: str = "127.0.0.1") -> Iterator[list[int]]:
    """Free ports of an address that nobody else gets until the block ends.

    None of the sockets that hold them listens, so a stand-in can (socket(7), SO_REUSEADDR), and without it connections are refused.
    """
    with ExitStack() as sockets:
        yield [_port(sockets.enter_context(_bind(host, 0))) for _ in range(number)]


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A stand-in for Istio's sidecar; shows no mesh.")
    parser.add_argument("--host", default="127.0.0.1", help="address of both ports; Istio has ::")
    parser.add_argument("--status-port", type=int, default=15020, help="0 takes a free one")
    parser.add_argument("--ready-port", type=int, default=15021, help="0 takes a free one")
    parser.add_argument("--ready-after", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--behaviour", type=Behaviour, choices=list(Behaviour), default="as-istio")
    return parser.parse_args(argv)


async def _run(arguments: argparse.Namespace) -> None:
    status_socket = _bind(arguments.host, arguments.status_port)
    ready_socket = _bind(arguments.host, arguments.ready_port)
    agent = Agent(CONDUCTS[arguments.behaviour], status_socket, ready_socket)
    await agent.live(arguments.ready_after)


def main(argv: list[str]) -> None:
    """Run one stand-in until it ends by its behaviour; exits 0 then, as pilot-agent does."""
    asyncio.run(_run(_arguments(argv)))


class StandInIstioAgent:
    """A stand-in as a process that lives as long as the `with` block.

    It cannot show what the module cannot show. The end of the block ends the process, whatever its
    behaviour; its events can still be read then.
    """

    def __init__(
        self,
        behaviour: Behaviour = Behaviour.AS_ISTIO,
        *,
        ready_after_seconds: float = 0.0,
        host: str = "127.0.0.1",
        status_port: int = 0,
        ready_port: int = 0,
    ) -> None:
        """Prepare the process, which starts with the block. Port 0 takes a free one, which nobody else gets until the block ends."""
        self._argv = [
            *(sys.executable, "-I", __file__, f"--behaviour={behaviour.value}", f"--host={host}"),
            f"--ready-after={ready_after_seconds}",
        ]
        self._host = host
        self._resources = ExitStack()
        self._process: subprocess.Popen[str] | None = None
        self._event_file = Path()
        self._said = ""
        self.status_port = status_port
        self.ready_port = ready_port

    def __enter__(self) -> Self:
        """Start the process and wait until it has its ports.

        Raises RuntimeError with the process's output where it does not get them.
        """
        free_status_port, free_ready_port = self._resources.enter_context(reserved_ports(2, self._host))
        self.status_port, self.ready_port = self.status_port or free_status_port, self.ready_port or free_ready_port
        ports = [f"--status-port={self.status_port}", f"--ready-port={self.ready_port}"]
        descriptor, name = tempfile.mkstemp(prefix="stand-in-istio-agent-", suffix=".jsonl")
        self._event_file = Path(name)
        with open(descriptor, "w") as said:  # noqa: PTH123 - a descriptor has no path
            self._process = subprocess.Popen([*self._argv, *ports], stdout=subprocess.PIPE, stderr=said, text=True)
        self._wait_for_ports()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process if it still runs."""
        self.process.kill()
        self.process.communicate()
        self._resources.close()
        self._said = self._event_file.read_text()
        self._event_file.unlink()

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process, for its id, its exit code or a signal.

        Raises RuntimeError before the block.
        """
        if self._process is None:
            message = "the stand-in runs inside its with block only"
            raise RuntimeError(message)
        return self._process

    @property
    def events(self) -> list[Event]:
        """What happened so far, oldest first."""
        said = self._event_file.read_text() if self._event_file.is_file() else self._said
        lines = map(json.loads, said.splitlines())
        return [Event(name=line.pop("event"), **line) for line in lines]

    @property
    def requests(self) -> list[str]:
        """The requests so far on both ports as "METHOD /path", oldest first."""
        return [f"{event.method} {event.path}" for event in self.events if event.name == "request"]

    def wait_exit(self, timeout_seconds: float) -> int:
        """Wait for the process to end by itself; its exit code.

        Raises subprocess.TimeoutExpired.
        """
        return self.process.wait(timeout_seconds)

    def _wait_for_ports(self) -> None:
        if not next(iter(self.process.stdout or ()), ""):
            self.__exit__()
            message = f"the stand-in did not start: {self._said}"
            raise RuntimeError(message)


if __name__ == "__main__":
    main(sys.argv[1:])
