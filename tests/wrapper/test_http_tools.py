"""Each HTTP client that the wrapper can use, in an image that has no other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.fake_sidecar import FakeSidecar, Reaction
from tests.wrapper.fake_uptime import FakeUptime
from tests.wrapper.http_clients import HTTP_CLIENTS, with_client
from tests.wrapper.main_container import PYTHON, container, exits_with
from tests.wrapper.messages import NO_HTTP_CLIENT, stopped
from tests.wrapper.parallel import check_in_parallel
from tests.wrapper.shell_image import dash_alone

if TYPE_CHECKING:
    from tests.wrapper.shell_image import ShellImage


@pytest.fixture
def images(tmp_path: Path) -> list[ShellImage]:
    return [with_client(client, tmp_path / client) for client in HTTP_CLIENTS]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_tool_waits_and_requests_the_quit(images: list[ShellImage], host: str) -> None:
    def check(image: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [503, Reaction.RESET, 200], "POST /quit": [Reaction.STOP]}, host=host) as fake:
            where = container(image, fake.as_sidecar()).with_env(http_proxy="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")
            ended = where.run(exits_with(3))
            assert (ended.code, ended.stdout, ended.stderr) == (3, b"", b"")
            assert fake.requests == ["GET /ready"] * 3 + ["POST /quit"]
            assert all("\r\nhost: " in request.head.lower() for request in fake.received)

    check_in_parallel(check, images)


def test_no_file_of_settings_or_module_of_the_task_changes_a_request(images: list[ShellImage], tmp_path: Path) -> None:
    """Corporate images name a proxy in such files. Python also imports sitecustomize from beside the program, as in a virtual environment."""
    home = tmp_path / "home"
    packages = tmp_path / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for directory in (home, packages):
        directory.mkdir(parents=True)
    (home / ".curlrc").write_text('proxy = "http://127.0.0.1:1"\n', "utf-8")
    (home / ".wgetrc").write_text("use_proxy = on\nhttp_proxy = http://127.0.0.1:1\n", "utf-8")
    for module in ("sitecustomize.py", "socket.py"):
        for directory in (home, packages):
            (directory / module).write_text("import os; os._exit(1)\n", "utf-8")
    (tmp_path / "pyvenv.cfg").write_text(f"home = {Path(PYTHON[0]).parent}\n", "utf-8")

    def check(image: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
            of_python = {"PYTHONPATH": str(home), "PYTHONSTARTUP": str(home / "socket.py")}
            where = container(image, fake.as_sidecar()).with_env(HOME=str(home), WGETRC=str(home / ".wgetrc"), **of_python)
            ended = where.run(exits_with(3))
            assert (ended.code, ended.stdout, ended.stderr) == (3, b"", b"")
            assert fake.requests == ["GET /ready", "POST /quit"]

    check_in_parallel(check, images)


def test_each_tool_distinguishes_a_hang_from_a_refused_connection(images: list[ShellImage], tmp_path: Path) -> None:
    """The wrapper's clock stands still, so that no deadline passes on a busy machine."""
    uptime = FakeUptime(tmp_path)

    def check(image: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [Reaction.HANG, 200], "POST /quit": [Reaction.HANG, Reaction.RESET_AND_STOP]}) as fake:
            ended = uptime.seen_by(container(image, fake.as_sidecar())).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert fake.requests == ["GET /ready"] * 2 + ["POST /quit"] * 2

    check_in_parallel(check, images)


def test_each_tool_notices_a_stopped_sidecar(images: list[ShellImage]) -> None:
    def check(image: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [503, 503, Reaction.RESET_AND_STOP]}) as fake:
            ended = container(image, fake.as_sidecar(), wait_seconds=3600).run(exits_with(0))
            assert ended.code == 69
            assert ended.lines == [stopped("fake")]

    check_in_parallel(check, images)


@pytest.mark.parametrize("status", [404, 405, 500])
def test_each_tool_reads_the_status_of_a_quit(images: list[ShellImage], status: int) -> None:
    def check(image: ShellImage) -> None:
        with FakeSidecar({"GET /ready": [200], "POST /quit": [status]}) as fake:
            ended = container(image, fake.as_sidecar()).run(exits_with(3))
            assert ended.code == 3
            assert [line for line in ended.lines if str(status) in line] == ended.lines
            assert len(ended.lines) == 1

    check_in_parallel(check, images)


def test_without_any_tool_the_task_runs_and_one_line_says_what_is_missing(tmp_path: Path) -> None:
    with FakeSidecar({"GET /ready": [503]}) as fake:
        ended = container(dash_alone(tmp_path / "bin", ()), fake.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stdout) == (3, b"")
        assert ended.lines == [NO_HTTP_CLIENT]
        assert fake.requests == []
