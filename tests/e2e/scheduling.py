"""Which tests of the cluster run in one process where several run at once: those that share a cluster."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

TOGETHER: Final = {
    "harness": "low",
    "api_server": "low",
    "node": "low",
    "installation": "installation",
    "mesh": "mesh",
    "airflow": "mesh",
}
"""By level; three processes have about as much to do as each other."""

NODES_OF_THEIR_OWN: Final = ("tests/e2e/installation/test_cert_manager.py", "tests/e2e/installation/test_years.py")
"""Files that share no cluster with their level: whichever process is free first runs them."""


class LevelScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Whole levels, each in its order, but for files with a node of their own."""

    def _split_scope(self, nodeid: str) -> str:
        """The name of what a test runs together with; a test elsewhere runs with its own file."""
        file = nodeid.split("::", maxsplit=1)[0]
        where = file.split("/")
        is_level = where[:2] == ["tests", "e2e"] and file not in NODES_OF_THEIR_OWN
        return TOGETHER[where[2]] if is_level else file
