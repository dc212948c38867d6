"""The stand-in for Istio's agent behaves as its docstrings say, seen from a client's side."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.stand_in_istio_agent import CONDUCTS, Behaviour, StandInIstioAgent

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]

# Far beyond any test: a stand-in that gets ready only then does not get ready.
NOT_IN_THIS_TEST = 3600.0
# A bound on what takes milliseconds, on a busy machine; only a failing test reaches it.
PATIENCE_SECONDS = 60.0

Answer = tuple[int, str]


def request(
    port: int,
    path: str,
    method: str = "GET",
    *,
    host: str = "127.0.0.1",
    source: str = "",
    timeout_seconds: float = PATIENCE_SECONDS,
) -> Answer:
    connection = http.client.HTTPConnection(host, port, timeout_seconds, source_address=(source, 0) if source else None)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def ready(port: int) -> Answer:
    return request(port, "/healthz/ready")


def quit_agent(port: int) -> Answer:
    return request(port, "/quitquitquit", "POST")


def send(port: int, text: str) -> str:
    """Send bytes as they are and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(text.encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.01)


def until_event(agent: StandInIstioAgent, name: str) -> None:
    until(lambda: name in [event.name for event in agent.events])


def runs(agent: StandInIstioAgent) -> bool:
    return agent.process.poll() is None


def assert_refused(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        ready(port)


def outside_address() -> str:
    """Find an address of this machine that is no loopback one; skip where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; 192.0.2.0/24 is nobody's (RFC 5737).
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("no address but loopback")
        address: str = probe.getsockname()[0]
    return address


def ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_every_behaviour_has_a_conduct() -> None:
    assert set(CONDUCTS) == set(Behaviour)


def test_before_ready_the_ready_port_refuses_and_the_status_port_says_503() -> None:
    with StandInIstioAgent(ready_after_seconds=NOT_IN_THIS_TEST) as agent:
        assert_refused(agent.ready_port)
        assert ready(agent.status_port) == (503, "")


def test_when_ready_both_ports_say_200_with_an_empty_body() -> None:
    with StandInIstioAgent() as agent:
        until_event(agent, "ready")

        assert ready(agent.ready_port) == (200, "")
        assert ready(agent.status_port) == (200, "")


def test_it_gets_ready_no_sooner_than_configured() -> None:
    before = time.monotonic()
    with StandInIstioAgent(ready_after_seconds=0.2) as agent:
        until_event(agent, "ready")

    assert agent.events[0].at - before >= 0.2


def test_readiness_may_be_requested_with_any_method() -> None:
    with StandInIstioAgent() as agent:
        until_event(agent, "ready")

        assert request(agent.status_port, "/healthz/ready", "HEAD") == (200, "")
        assert request(agent.ready_port, "/healthz/ready?x=y", "POST") == (200, "")


def test_a_quit_is_answered_ok_and_the_process_exits_0_in_silence() -> None:
    with StandInIstioAgent(ready_after_seconds=NOT_IN_THIS_TEST) as agent:
        assert quit_agent(agent.status_port) == (200, "OK")
        assert agent.wait_exit(PATIENCE_SECONDS) == 0

        assert agent.process.stdout is not None
        assert agent.process.stdout.read() == ""
        assert_refused(agent.status_port)
    assert [event.name for event in agent.events] == ["request"]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_quit_with_another_method_than_post_is_not_allowed(method: str) -> None:
    with StandInIstioAgent() as agent:
        assert request(agent.status_port, "/quitquitquit", method) == (405, "Method Not Allowed\n")
        assert runs(agent)


def test_a_refused_head_request_has_no_body() -> None:
    with StandInIstioAgent() as agent:
        answer = send(agent.status_port, "HEAD /quitquitquit HTTP/1.0\r\n\r\n")

        assert answer.startswith("HTTP/1.1 405")
        assert answer.endswith("\r\n\r\n")


def test_a_quit_from_outside_is_forbidden_whatever_its_method() -> None:
    refusal = (403, "Only requests from localhost are allowed\n")
    outside = outside_address()
    with StandInIstioAgent(host="0.0.0.0") as agent:  # noqa: S104 - Istio listens everywhere too
        assert request(agent.status_port, "/quitquitquit", "POST", host=outside) == refusal
        assert request(agent.status_port, "/quitquitquit", host=outside) == refusal
        assert runs(agent)


def test_readiness_may_be_requested_from_outside() -> None:
    outside = outside_address()
    with StandInIstioAgent(
        host="0.0.0.0",  # noqa: S104 - Istio listens everywhere too
        ready_after_seconds=NOT_IN_THIS_TEST,
    ) as agent:
        assert request(agent.status_port, "/healthz/ready", host=outside) == (503, "")


def test_a_quit_may_come_from_all_of_127() -> None:
    with StandInIstioAgent() as agent:
        answer = request(agent.status_port, "/quitquitquit", "POST", source="127.9.9.9")

        assert answer == (200, "OK")


@pytest.mark.skipif(not ipv6_loopback(), reason="no IPv6")
@pytest.mark.parametrize(("host", "client"), [("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")])
def test_a_quit_may_come_over_ipv6_or_as_a_mapped_address(host: str, client: str) -> None:
    with StandInIstioAgent(host=host) as agent:
        assert request(agent.status_port, "/quitquitquit", "POST", host=client) == (200, "OK")
        assert agent.wait_exit(PATIENCE_SECONDS) == 0


def test_another_path_is_not_found() -> None:
    with StandInIstioAgent() as agent:
        until_event(agent, "ready")

        assert request(agent.status_port, "/quit") == (404, "404 page not found\n")
        assert request(agent.status_port, "/drain", "POST") == (404, "404 page not found\n")
        assert request(agent.ready_port, "/quitquitquit", "POST") == (404, "")


def test_a_connection_stays_open_for_the_next_request() -> None:
    with StandInIstioAgent() as agent:
        request = "GET /healthz/ready HTTP/1.1\r\nHost: x\r\n"
        last = f"{request}Connection: close\r\n\r\n"
        answer = send(agent.status_port, f"{request}\r\n{last}")

        assert answer.count("HTTP/1.1") == 2


def test_an_http_1_0_connection_closes_after_the_answer() -> None:
    with StandInIstioAgent() as agent:
        answer = send(agent.status_port, "GET /x HTTP/1.0\n\n")

        assert answer.startswith("HTTP/1.1 404 Not Found\r\n")


def test_a_body_is_read_and_dropped() -> None:
    with StandInIstioAgent() as agent:
        head = "POST /quitquitquit HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"

        assert send(agent.status_port, f"{head}xyz").endswith("\r\n\r\nOK")


@pytest.mark.parametrize(
    "text",
    [
        "GET /healthz/ready HTTP/1.1\r\n\r\n",
        "POST /quitquitquit\r\n\r\n",
        "POST /quitquitquit HTTP/2.0\r\nHost: x\r\n\r\n",
        "POST /quitquitquit HTTP/1.1\r\nHost: x\r\nContent-Length: y\r\n\r\n",
    ],
    ids=["no host", "no version", "wrong version", "wrong length"],
)
def test_a_malformed_request_gets_400_and_changes_nothing(text: str) -> None:
    with StandInIstioAgent() as agent:
        assert send(agent.status_port, text).startswith("HTTP/1.1 400 Bad Request\r\n")
        assert runs(agent)


def test_a_lost_reply_is_a_reset_and_the_process_exits_0() -> None:
    with StandInIstioAgent(Behaviour.REPLY_LOST) as agent:
        with pytest.raises(ConnectionResetError):
            quit_agent(agent.status_port)
        assert agent.wait_exit(PATIENCE_SECONDS) == 0
    assert agent.requests == ["POST /quitquitquit"]


def test_without_a_status_server_a_quit_is_refused_but_it_gets_ready() -> None:
    with StandInIstioAgent(Behaviour.QUIT_REFUSED) as agent:
        until_event(agent, "ready")

        assert ready(agent.ready_port) == (200, "")
        with pytest.raises(ConnectionRefusedError):
            quit_agent(agent.status_port)
        assert runs(agent)


def test_a_hanging_quit_is_taken_and_never_answered() -> None:
    with StandInIstioAgent(Behaviour.QUIT_HANGS) as agent:
        with pytest.raises(TimeoutError):
            request(agent.status_port, "/quitquitquit", "POST", timeout_seconds=0.3)
        until(lambda: agent.requests == ["POST /quitquitquit"])

        assert ready(agent.status_port)[0] in {200, 503}
        assert runs(agent)


def test_a_failing_quit_says_500_and_the_process_runs_on() -> None:
    with StandInIstioAgent(Behaviour.QUIT_FAILS) as agent:
        assert quit_agent(agent.status_port) == (500, "Internal Server Error\n")
        assert quit_agent(agent.status_port) == (500, "Internal Server Error\n")
        assert runs(agent)


def test_one_that_never_gets_ready_says_so_and_takes_a_quit() -> None:
    with StandInIstioAgent(Behaviour.NEVER_READY) as agent:
        until_event(agent, "still-waiting")

        assert_refused(agent.ready_port)
        assert ready(agent.status_port) == (503, "")
        assert quit_agent(agent.status_port) == (200, "OK")
        assert agent.wait_exit(PATIENCE_SECONDS) == 0


def test_one_that_dies_before_ready_answers_that_it_is_not_and_exits_0_at_the_next_request() -> None:
    with StandInIstioAgent(Behaviour.DIES_BEFORE_READY) as agent:
        assert ready(agent.status_port) == (503, "")
        assert runs(agent)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            ready(agent.status_port)
        assert agent.wait_exit(PATIENCE_SECONDS) == 0
        assert_refused(agent.ready_port)
    assert "ready" not in [event.name for event in agent.events]


def test_one_that_dies_on_a_signal_exits_0_without_a_quit() -> None:
    with StandInIstioAgent(Behaviour.DIES_ON_SIGNAL) as agent:
        until_event(agent, "ready")
        agent.process.send_signal(signal.SIGUSR1)

        assert agent.wait_exit(PATIENCE_SECONDS) == 0
    assert agent.requests == []


def test_others_exit_0_on_sigterm_and_do_not_survive_sigusr1() -> None:
    with StandInIstioAgent() as agent:
        agent.process.send_signal(signal.SIGTERM)
        assert agent.wait_exit(PATIENCE_SECONDS) == 0
    with StandInIstioAgent() as agent:
        agent.process.send_signal(signal.SIGUSR1)
        assert agent.wait_exit(PATIENCE_SECONDS) == -signal.SIGUSR1


def test_a_late_listener_refuses_until_it_is_ready() -> None:
    with StandInIstioAgent(Behaviour.LATE_LISTENER, ready_after_seconds=NOT_IN_THIS_TEST) as unready:
        assert_refused(unready.status_port)
        assert_refused(unready.ready_port)
    with StandInIstioAgent(Behaviour.LATE_LISTENER) as agent:
        until_event(agent, "ready")

        assert ready(agent.ready_port) == (200, "")
        assert quit_agent(agent.status_port) == (200, "OK")


def test_requests_are_recorded_in_order_with_the_time_of_the_monotonic_clock() -> None:
    before = time.monotonic()
    with StandInIstioAgent() as agent:
        until_event(agent, "ready")
        ready(agent.ready_port)
        ready(agent.status_port)
        quit_agent(agent.status_port)
        agent.wait_exit(PATIENCE_SECONDS)
        recorded_inside = agent.requests
    times = [event.at for event in agent.events]

    assert recorded_inside == ["GET /healthz/ready", "GET /healthz/ready", "POST /quitquitquit"]
    assert agent.requests == recorded_inside
    assert times == sorted(times)
    assert before < times[0]
    assert times[-1] < time.monotonic()


def test_the_process_is_ended_with_the_block() -> None:
    with StandInIstioAgent(Behaviour.QUIT_HANGS) as agent:
        pass

    assert agent.process.returncode == -signal.SIGKILL


def test_a_port_that_is_taken_is_an_error_with_its_reason() -> None:
    with StandInIstioAgent() as first:
        second = StandInIstioAgent(status_port=first.status_port)
        with pytest.raises(RuntimeError, match="Address already in use"), second:
            pytest.fail("started on a port that is taken")


def test_there_is_no_process_before_the_block() -> None:
    with pytest.raises(RuntimeError, match="inside its with block only"):
        StandInIstioAgent().wait_exit(0)


def test_the_module_runs_as_a_script_and_prints_its_ports_in_one_line() -> None:
    argv = [sys.executable, "-m", "demo.stand_in_istio_agent", "--behaviour", "never-ready"]
    argv += ["--status-port", "0", "--ready-port", "0"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        line = script.stdout.readline()
        ports = json.loads(line)
        assert quit_agent(ports["status_port"]) == (200, "OK")
        assert (script.stdout.read(), script.wait(PATIENCE_SECONDS)) == ("", 0)

    assert ports.keys() == {"status_port", "ready_port"}
    assert 0 not in ports.values()


def test_an_unknown_behaviour_is_an_error_that_names_the_known_ones() -> None:
    argv = [sys.executable, "-m", "demo.stand_in_istio_agent", "--behaviour", "as-linkerd"]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "quit-hangs" in ended.stderr
