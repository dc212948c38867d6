"""The shells, each in a directory that lives as long as the run."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.fake_sidecar import FakeSidecar, Trick
from tests.wrapper.shell import SHELLS, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _signals_as_a_container_gets_them() -> Iterator[None]:
    """A run in the background, or under nohup, ignores some, its children inherit that, and no shell traps what was ignored before."""
    ignored = [number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT) if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", params=list(SHELLS))
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    name: str = request.param
    return SHELLS[name](tmp_path_factory.mktemp(name) / "bin")


@pytest.fixture(scope="session")
def shells(tmp_path_factory: pytest.TempPathFactory) -> list[Shell]:
    """All of them, for what takes seconds of waiting: see `everywhere`."""
    return [make(tmp_path_factory.mktemp(name) / "bin") for name, make in SHELLS.items()]


@pytest.fixture
def ready_sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Trick.END]}) as fake:
        yield fake
