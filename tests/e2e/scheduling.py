"""Which tests run in one process where several run at once: those that share a cluster. The longest groups start first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

INSTALLATION: Final = "tests/e2e/installation"
API_SERVER: Final = "tests/e2e/api_server"
GROUPS: Final = {
    f"{API_SERVER}/test_native_orders.py": "many pods",
    f"{API_SERVER}/test_native_real_pods.py": "many pods",
    f"{API_SERVER}/test_real_pods.py": "many pods",
    f"{API_SERVER}/test_gitops_": "gitops",
    f"{API_SERVER}/": "api_server",
    f"{INSTALLATION}/test_gap.py": "disturbances",
    f"{INSTALLATION}/test_lost.py": "disturbances",
    f"{INSTALLATION}/test_years.py": "years",
    f"{INSTALLATION}/test_cert_manager.py": "cert_manager",
    f"{INSTALLATION}/": "installation",
    "tests/e2e/harness/": "harness",
    "tests/e2e/release/": "release",
    "tests/e2e/node/": "node",
    "tests/e2e/mesh/": "mesh",
    "tests/e2e/airflow/": "airflow",
}
"""The group of a test, by the beginning of its path; the first that fits counts."""

LONGEST_FIRST: Final = (
    "api_server",
    "disturbances",
    "mesh",
    "airflow",
    "installation",
    "many pods",
    "node",
    "years",
    "cert_manager",
    "release",
    "gitops",
    "harness",
)
"""The order in which processes take groups, by the seconds that they took on two busy cores (900 to 270).

Only the second needs the webhook's own image at once, so that no process waits while another builds it.
"""


def group_of(test: str) -> str:
    """The group of a test, by its node id."""
    return next(group for beginning, group in GROUPS.items() if test.startswith(beginning))


def position_of(test: str) -> int:
    """The position of a test's group in `LONGEST_FIRST`, by its node id."""
    return LONGEST_FIRST.index(group_of(test))


class LevelScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Whole groups, in the order of the collection, which `tests.e2e.conftest` sorts."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        """Keep that order: by default the group with the most tests would come first."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        """The name of a test's group; a test elsewhere runs with its own file."""
        return group_of(nodeid) if nodeid.startswith("tests/e2e/") else nodeid.split("::", maxsplit=1)[0]
