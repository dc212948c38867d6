"""The shells, each in an image of its own that lives as long as the test run."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.wrapper.fake_sidecar import FakeSidecar, Reaction
from tests.wrapper.shell_image import SHELLS, ShellImage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _signals_as_a_container_gets_them() -> Iterator[None]:
    """A run in the background or under nohup ignores some signals. Children inherit that, and a shell cannot trap an inherited ignored signal."""
    ignored = [number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT) if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session", params=list(SHELLS))
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ShellImage:
    name: str = request.param
    return SHELLS[name](tmp_path_factory.mktemp(name) / "bin")


@pytest.fixture(scope="session")
def shells(tmp_path_factory: pytest.TempPathFactory) -> list[ShellImage]:
    """All shells, for a test that waits for seconds: it uses `check_in_parallel`."""
    return [make(tmp_path_factory.mktemp(name) / "bin") for name, make in SHELLS.items()]


@pytest.fixture
def ready_sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar({"GET /ready": [200], "POST /quit": [Reaction.STOP]}) as fake:
        yield fake
