"""Which tests run in one process where several run at once: those that share a cluster. The longest groups start first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

GROUPS: Final = (
    ("tests/e2e/airflow/",),
    ("tests/e2e/installation/test_gap.py", "tests/e2e/installation/test_lost.py"),
    ("tests/e2e/mesh/",),
    ("tests/e2e/installation/test_years.py",),
    ("tests/e2e/installation/test_cert_manager.py",),
    ("tests/e2e/installation/",),
    (
        "tests/e2e/api_server/test_native_orders.py",
        "tests/e2e/api_server/test_native_real_pods.py",
        "tests/e2e/api_server/test_real_pods.py",
    ),
    ("tests/e2e/api_server/",),
    ("tests/e2e/node/",),
    ("tests/e2e/harness/",),
)
"""Beginnings of the paths of tests that share a cluster, in the order in which processes take them; the first that fits counts."""


def group_of(test: str) -> int:
    """The position in `GROUPS` of a test, by its node id."""
    return next(position for position, beginnings in enumerate(GROUPS) if test.startswith(beginnings))


class LevelScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Whole groups, in the order of the collection, which `tests.e2e.conftest` sorts."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        """Keep that order: by default the group with the most tests would come first."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        """The name of a test's group; a test elsewhere runs with its own file."""
        is_here = nodeid.startswith("tests/e2e/")
        return str(group_of(nodeid)) if is_here else nodeid.split("::", maxsplit=1)[0]
