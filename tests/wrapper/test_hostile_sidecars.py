"""Sidecars that answer as no sidecar should: each request is bounded in each shell and by each HTTP client, whatever the other side does."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.fake_sidecar import FakeSidecar, Reaction, full_accept_queue, wait_for_a_connect
from tests.wrapper.http_clients import HTTP_CLIENTS, with_client
from tests.wrapper.main_container import container, end_of, exits_with, wait_for_end_of_session
from tests.wrapper.messages import not_ready, quit_not_accepted_on, signal_before_the_task
from tests.wrapper.own_network import enter_own_network
from tests.wrapper.parallel import check_in_parallel
from tests.wrapper.requirements import require_program
from webhook.core.catalogue import FoundSidecar
from webhook.core.sidecar import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wrapper.shell_image import ShellImage

MEMORY_KIB = 100_000
"""More address space than any shell, client or task here needs."""


@pytest.fixture
def images(shells: list[ShellImage], tmp_path: Path) -> list[ShellImage]:
    """Each shell, and each HTTP client in an image that has no other."""
    return [*shells, *(with_client(client, tmp_path / client) for client in HTTP_CLIENTS)]


@pytest.mark.parametrize("answer", [Reaction.NO_REASON, Reaction.CONTINUE, Reaction.EARLY_HINTS, Reaction.ENDLESS_BODY])
def test_an_unusual_answer_of_200_is_a_200(images: list[ShellImage], answer: Reaction) -> None:
    """To the wget of busybox, a 103 is the answer: the sidecar is alive and not ready."""
    if answer is Reaction.EARLY_HINTS:
        images = [image for image in images if "busybox" not in image.name]

    def check(image: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [answer], "POST /quit": [answer]}) as fake:
            fake.answer("GET /", Reaction.RESET_AND_STOP)
            ended = container(image, fake.as_sidecar()).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert fake.requests == ["GET /ready", "POST /quit"]

    check_in_parallel(check, images)


def test_a_head_that_never_ends_takes_no_memory(images: list[ShellImage]) -> None:
    """The wget of busybox prints each field. That of GNU reads 64 KiB of a head and gives up."""
    limits_memory = (str(require_program("bash")), "-c", f'ulimit -v {MEMORY_KIB}; exec "$@"', "bash")

    def check(image: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [Reaction.ENDLESS_HEAD], "POST /quit": [Reaction.ENDLESS_HEAD]}) as fake:
            ended = replace(container(image, fake.as_sidecar()), before=limits_memory).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert fake.requests == ["GET /ready", "POST /quit"]

    check_in_parallel(check, [image for image in images if not Path(image.path, "wget").exists() or "busybox" in image.name])


def test_a_redirect_is_not_ready(images: list[ShellImage]) -> None:
    def check(image: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [Reaction.REDIRECT, 200], "GET /elsewhere": [200], "POST /quit": [Reaction.STOP]}) as fake:
            ended = container(image, fake.as_sidecar()).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert fake.requests.count("GET /ready") == 2

    check_in_parallel(check, images)


def test_a_request_without_an_answer_is_given_up_after_2_s(images: list[ShellImage]) -> None:
    """The answer comes byte by byte or never ends, or the connection is never established: that alone would take two minutes."""

    def check(case: tuple[ShellImage, Reaction | None]) -> None:
        image, answer = case
        with listener(answer) as port:
            ended = container(image, listening_at(port), wait_seconds=1).run(exits_with(3))
            assert (ended.code, ended.lines) == (69, [not_ready("fake", 1), quit_not_accepted_on(port, "no answer")])

    check_in_parallel(check, [(image, answer) for image in images for answer in (Reaction.TRICKLE, Reaction.ENDLESS_LINE, None)])


def test_a_term_ends_the_wait_for_a_connection_that_is_never_established(images: list[ShellImage]) -> None:
    """And with it the process that connects: it would wait for two minutes, and hold the descriptors of the wrapper's parent."""

    def check(image: ShellImage) -> None:
        with full_accept_queue() as port, FakeSidecar({"GET /ready": [503], "POST /quit": [Reaction.STOP]}, name="other") as other:
            where = container(image, other.as_sidecar(), listening_at(port, quit_path=None), wait_seconds=3600)
            with where.started(exits_with(0)) as process:
                wait_for_a_connect(port)
                process.send_signal(signal.SIGTERM)
                ended = end_of(process)
                wait_for_end_of_session(process.pid)
            assert (ended.code, ended.lines) == (143, [signal_before_the_task("SIGTERM")])
            assert other.requests[-1] == "POST /quit"

    check_in_parallel(check, images)


def test_what_listens_on_port_1_delays_no_request(images: list[ShellImage]) -> None:
    """A bash without /dev/tcp is recognized without a connection: to a full accept queue that would take two minutes."""

    def check(image: ShellImage) -> None:
        enter_own_network()
        with full_accept_queue(1), FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
            ended = container(image, fake.as_sidecar()).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert fake.requests == ["GET /ready", "POST /quit"]

    check_in_parallel(check, images)


@contextmanager
def listener(answer: Reaction | None) -> Iterator[int]:
    """The port of a sidecar that gives this answer to everything; None: its accept queue is full."""
    if answer is None:
        with full_accept_queue() as port:
            yield port
    else:
        with FakeSidecar({"GET /ready": [answer], "POST /quit": [answer]}) as fake:
            yield fake.port


def listening_at(port: int, quit_path: str | None = "/quit") -> FoundSidecar:
    """A sidecar whose endpoints are all on this port."""
    return FoundSidecar(
        name="fake",
        id="fake",
        ready=Endpoint(port, "/ready"),
        alive=None,
        quit=Endpoint(port, quit_path, "POST") if quit_path else None,
        quit_order=50,
        ends_by_itself=False,
    )
