"""Each way to speak HTTP, in an image that has it alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.at_once import at_once
from tests.wrapper.fake_sidecar import FakeSidecar, Trick
from tests.wrapper.shell import dash_alone, dash_and_bash
from tests.wrapper.wrapped import PYTHON, container, exits_with

if TYPE_CHECKING:
    from tests.wrapper.shell import Shell

SAY = "airflow-sidecar-webhook: "
TOOLS = ("bash", "curl", "wget", "python3")


def with_tool(tool: str, directory: Path) -> Shell:
    """An image with one tool; busybox wget is what the shells busybox and busybox-as-helper have everywhere else."""
    if tool == "bash":
        return dash_and_bash(directory, ())
    if tool == "python3":
        made = dash_alone(directory, ())
        Path(made.path, "python3").symlink_to(PYTHON[0])
        return made
    return dash_alone(directory, (tool,))


@pytest.fixture
def images(tmp_path: Path) -> list[Shell]:
    return [with_tool(tool, tmp_path / tool) for tool in TOOLS]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_tool_waits_and_asks_to_quit(images: list[Shell], host: str) -> None:
    def check(image: Shell) -> None:
        with FakeSidecar({"GET /ready": [503, Trick.RESET, 200], "POST /quit": [Trick.END]}, host=host) as fake:
            where = container(image, fake.as_sidecar()).with_env(http_proxy="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")
            ended = where.run(exits_with(3))
            assert (ended.code, ended.stdout, ended.stderr) == (3, b"", b"")
            assert fake.lines == ["GET /ready"] * 3 + ["POST /quit"]
            assert all("\r\nhost: " in seen.head.lower() for seen in fake.seen)

    at_once(check, images)


def test_each_tool_tells_a_hang_from_a_refusal(images: list[Shell]) -> None:
    def check(image: Shell) -> None:
        with FakeSidecar({"GET /ready": [Trick.HANG, 200], "POST /quit": [Trick.HANG, Trick.RESET_AND_END]}) as fake:
            ended = container(image, fake.as_sidecar()).run(exits_with(3))
            assert (ended.code, ended.stderr) == (3, b"")
            assert ended.seconds < 15

    at_once(check, images)


def test_each_tool_sees_that_a_sidecar_is_gone(images: list[Shell]) -> None:
    def check(image: Shell) -> None:
        with FakeSidecar({"GET /ready": [503, 503, Trick.RESET_AND_END]}) as fake:
            ended = container(image, fake.as_sidecar(), wait_seconds=3600).run(exits_with(0))
            assert ended.code == 69
            assert ended.lines == [f"{SAY}fake was up and is gone before it was ready: the task was not started"]

    at_once(check, images)


@pytest.mark.parametrize("status", [404, 405, 500])
def test_each_tool_tells_the_status_of_a_quit(images: list[Shell], status: int) -> None:
    def check(image: Shell) -> None:
        with FakeSidecar({"GET /ready": [200], "POST /quit": [status]}) as fake:
            ended = container(image, fake.as_sidecar()).run(exits_with(3))
            assert ended.code == 3
            assert [line for line in ended.lines if str(status) in line] == ended.lines
            assert len(ended.lines) == 1

    at_once(check, images)


def test_without_any_tool_the_task_runs_and_one_line_says_what_is_missing(tmp_path: Path) -> None:
    with FakeSidecar({"GET /ready": [503]}) as fake:
        ended = container(dash_alone(tmp_path / "bin", ()), fake.as_sidecar()).run(exits_with(3))
        assert (ended.code, ended.stdout) == (3, b"")
        assert ended.lines == [f"{SAY}no bash, curl, wget or python3 in this image: sidecars can be neither waited for nor asked to quit"]
        assert fake.lines == []
