"""A startup probe of a sidecar's own, by itself: what `test_conversion` and its neighbours do with the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from webhook.core.catalogue import FoundSidecar
from webhook.core.lifecycle import MAX_CHARACTERS_READ
from webhook.core.pod import Container
from webhook.core.sidecar import Convert, Endpoint, PathSource
from webhook.core.startup_probe import is_startup_known

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY_PATH: Final = Convert(startup_commands=(("agent", "wait"), ("check.sh",)))
OWN_PATHS: Final = Convert(startup_paths=("/", "/ready"), startup_paths_from=(PathSource(env="HEALTH_PATH"),))
AGENT: Final = FoundSidecar(
    name="agent",
    id="agent",
    ready=Endpoint(8080, "/ready"),
    alive=Endpoint(8081, "/live"),
    quit=Endpoint(8082, "/quit", "POST"),
    quit_order=50,
    ends_by_itself=False,
)
CONTAINER: Final = msgspec.convert(
    {
        "name": "agent",
        "env": msgspec.Raw(b'[{"name":"HEALTH_PATH","value":"/own"}]'),
        "ports": msgspec.Raw(b'[{"containerPort":9090}]'),
    },
    Container,
)


def is_known(probe: object, rule: Convert = ANY_PATH) -> bool:
    return is_startup_known(probe, rule, AGENT, CONTAINER)


def runs(*command: str) -> Mapping[str, Any]:
    return {"exec": {"command": list(command)}}


@pytest.mark.parametrize("probe", [None, {}, "a text", ["a list"], {"tcpSocket": {"port": 8080}}, {"grpc": {"port": 8080}}])
def test_no_probe_and_a_connection_need_nothing_that_starts_later(probe: object) -> None:
    assert is_known(probe, OWN_PATHS)


def test_where_the_row_demands_a_startup_probe_its_own_one_is_no_reason_against_it() -> None:
    probe = runs("pg_isready", "-h", "database")
    assert not is_known(probe)
    assert is_known(probe, Convert(requires_startup_probe=True, startup_probe={"tcpSocket": {"port": 1}}))


@pytest.mark.parametrize(
    ("request_", "known"),
    [
        ({"path": "/ready"}, True),
        ({"path": "/ready?full=1"}, True),
        ({"path": "/own"}, True),
        ({}, True),
        ({"path": ""}, True),
        ({"path": "/task"}, False),
        ({"path": "/task?/ready"}, False),
        ({"path": "ready"}, False),
    ],
)
def test_a_request_is_answered_by_the_sidecar_itself_on_its_own_paths_alone(request_: Mapping[str, str], known: bool) -> None:
    assert is_known({"httpGet": request_}, OWN_PATHS) is known


def test_a_sidecar_that_sends_no_request_on_answers_each_path() -> None:
    assert is_known({"httpGet": {"path": "/task"}})


@pytest.mark.parametrize(
    "command",
    [
        ("agent", "wait"),
        ("/opt/agent", "--quiet", "wait"),
        ("sh", "-c", "agent wait"),
        ("/bin/sh", "-ec", "/opt/agent wait || exit 1"),
        ("sh", "-c", "check.sh"),
        ("curl", "-fsS", "http://localhost:8080/ready"),
        ("/usr/bin/curl", "--max-time", "2", "-o", "/dev/null", "https://127.0.0.1:8081/live?full=1"),
        ("wget", "-q", "--spider", "[::1]:8082"),
        ("sh", "-c", "curl -f localhost:9090/metrics"),
        ("nc", "-z", "localhost", "8080"),
        ("netcat", "-z", "-w", "1", "127.0.0.1", "9090"),
        ("nc", "-z", "::1", "8081"),
    ],
)
def test_a_command_that_asks_the_sidecar_itself_needs_nothing_that_starts_later(command: tuple[str, ...]) -> None:
    assert is_known(runs(*command))


@pytest.mark.parametrize(
    "command",
    [
        ("agent",),
        ("wait",),
        ("sh", "-c", "agent; wait_for task"),
        ("sh", "-c", "agent &&\nwait"),
        ("sh", "-c", "agent\nwait"),
        ("sh", "-x", "agent wait"),
        ("sh", "-c", "curl -f localhost:8080/ready\nnc -z task 1"),
        ("python3", "-c", "curl -f localhost:8080/ready"),
        ("sh", "-c", "curl -f localhost:8080/ready", "more"),
        ("curl", "http://task:8080/ready"),
        ("curl", "http://localhost:5000/ready"),
        ("curl", "http://localhost:8080/ready", "http://task:8080/"),
        ("curl", "-f"),
        ("python3", "localhost:8080/ready"),
        ("ftp", "localhost", "8080"),
        ("nc", "-z", "task", "8080"),
        ("nc", "-z", "localhost", "5000"),
        ("nc", "-z", "8080", "localhost"),
        ("nc", "-z", "localhost", "-p", "task", "8080"),
    ],
)
def test_any_other_command_may_wait_for_the_task(command: tuple[str, ...]) -> None:
    assert not is_known(runs(*command))


@pytest.mark.parametrize("probe", [{"exec": {}}, {"exec": None}])
def test_a_probe_that_runs_nothing_needs_nothing(probe: object) -> None:
    assert is_known(probe)


@pytest.mark.parametrize("probe", [{"exec": {"command": []}}, {"exec": {"command": None}}, {"exec": "text"}])
def test_of_a_command_that_cannot_be_read_nothing_is_known(probe: object) -> None:
    assert not is_known(probe)


@pytest.mark.parametrize(
    ("url", "known"), [("localhost:8080", True), ("localhost:8080/own", True), ("localhost:8080/?a", True), ("localhost:8080/task", False)]
)
def test_a_url_without_a_path_asks_for_the_root(url: str, known: bool) -> None:
    assert is_known(runs("curl", url), OWN_PATHS) is known


@pytest.mark.parametrize(("more", "known"), [(0, True), (1, False)])
def test_words_of_a_command_are_read_up_to_a_length(more: int, known: bool) -> None:
    flag = "-" + "f" * (MAX_CHARACTERS_READ - 1 + more)
    assert is_known(runs("curl", flag, "localhost:8080/ready")) is known
