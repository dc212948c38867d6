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
"""Three that take about as long as each other, by level."""


class LevelScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Whole levels, each in its order."""

    def _split_scope(self, nodeid: str) -> str:
        """The name of what a test runs together with; a test elsewhere runs with its own file."""
        where = nodeid.split("/")
        return TOGETHER[where[2]] if where[:2] == ["tests", "cluster"] else nodeid.split("::", maxsplit=1)[0]
