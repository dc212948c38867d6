"""What all tests share."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support import search
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from webhook.core.policy import Policy

# Before any test module is imported: its settings begin with those of the profile.
settings.load_profile(search.TEST)


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The policy of an installation that set nothing."""
    return build_policy(Settings())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives until the end: the garbage collector, which would visit it again and again, leaves it out."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that was skipped has proved nothing: it fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("\nCI must run every test: the skipped ones above fail this run.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
