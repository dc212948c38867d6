"""What all tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from webhook.core.policy import Policy

# For `make mutants`: every run of a test sees the same examples, and the first failure needs no smaller example.
settings.register_profile("mutants", derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The policy of an installation that set nothing."""
    return build_policy(Settings())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that was skipped has proved nothing: it fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("\nCI must run every test: the skipped ones above fail this run.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
