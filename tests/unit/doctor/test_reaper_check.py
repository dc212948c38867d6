"""What the doctor says of the reaper's rights, by what is granted."""

from __future__ import annotations

from typing import Final

import pytest

from webhook.doctor.finding import FindingId
from webhook.doctor.reaper_check import check_reaper
from webhook.doctor.snapshot import ReaperRights
from webhook.reaper.act import Method
from webhook.reaper.rights import (
    BY_METHOD,
    CONTROLLER,
    EVERY_RIGHT,
    LEASE,
    LIST,
    LIST_NAMESPACES,
    READ,
    WATCH,
    WATCH_NAMESPACES,
    ReaperRight,
)

QUIT, EXEC, DEADLINE = (BY_METHOD[method] for method in Method)
CREATE_FORWARD: Final = ReaperRight("pods/portforward", "create")

CASES: Final[dict[str, tuple[frozenset[ReaperRight], FindingId, str]]] = {
    "everything": (EVERY_RIGHT, FindingId.REAPER_READY, "quit, exec, deadline"),
    "the chart's": (READ | CONTROLLER | QUIT | DEADLINE, FindingId.REAPER_READY, "quit, deadline"),
    "a pass without Events": (READ | QUIT, FindingId.REAPER_READY, "quit"),
    "lists alone": (frozenset([LIST]), FindingId.REAPER_OBSERVES, ""),
    "an observing controller's": (CONTROLLER, FindingId.REAPER_OBSERVES, ""),
    "nothing": (frozenset(), FindingId.REAPER_RIGHTS_MISSING, "list pods"),
    "no create": (READ | QUIT - {CREATE_FORWARD}, FindingId.REAPER_RIGHTS_MISSING, "create pods/portforward"),
    "no reads": (EXEC, FindingId.REAPER_RIGHTS_MISSING, "get and list and watch pods"),
    "half of Events": (
        READ | QUIT | LEASE | {ReaperRight("events", "create")},
        FindingId.REAPER_RIGHTS_MISSING,
        "patch events",
    ),
    "no Lease": (
        READ | QUIT | CONTROLLER - LEASE,
        FindingId.REAPER_RIGHTS_MISSING,
        "get and create and update leases in its own namespace",
    ),
    "no watch": (CONTROLLER - {WATCH}, FindingId.REAPER_RIGHTS_MISSING, "watch pods"),
    "a pass over all namespaces": (READ | QUIT | {LIST_NAMESPACES}, FindingId.REAPER_READY, "quit"),
    "a controller for all namespaces that only lists them": (
        READ | QUIT | CONTROLLER | {LIST_NAMESPACES},
        FindingId.REAPER_RIGHTS_MISSING,
        "watch namespaces in the cluster",
    ),
    "a controller for all namespaces that only watches them": (
        READ | QUIT | CONTROLLER | {WATCH_NAMESPACES},
        FindingId.REAPER_RIGHTS_MISSING,
        "list namespaces in the cluster",
    ),
    "half of two": (
        READ | {ReaperRight("pods/exec", "get"), ReaperRight("pods/portforward", "get")},
        FindingId.REAPER_RIGHTS_MISSING,
        "create pods/exec, create pods/portforward",
    ),
}


@pytest.mark.parametrize(("granted", "finding", "named"), CASES.values(), ids=CASES)
def test_the_finding_names_the_methods_or_what_is_missing(granted: frozenset[ReaperRight], finding: FindingId, named: str) -> None:
    found = check_reaper("airflow", ReaperRights("system:serviceaccount:infra:reaper", granted))
    assert found.id is finding
    assert {"user": "system:serviceaccount:infra:reaper", "namespace": "airflow"}.items() <= found.values.items()
    assert named in {"", *found.values.values()}
