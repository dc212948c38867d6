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
    EVENTS,
    EVERY_RIGHT,
    LEASE,
    LIST,
    LIST_NAMESPACES,
    PASS,
    READ,
    WATCH,
    WATCH_NAMESPACES,
    ReaperRight,
    RightPlace,
)

QUIT, EXEC, DEADLINE = (BY_METHOD[method] for method in Method)
CREATE_FORWARD: Final = ReaperRight("pods/portforward", "create")

CASES: Final[dict[str, tuple[frozenset[ReaperRight], FindingId, str]]] = {
    "everything": (EVERY_RIGHT, FindingId.REAPER_READY, "quit, exec, deadline"),
    "the chart's": (READ | CONTROLLER | QUIT | DEADLINE, FindingId.REAPER_READY, "quit, deadline"),
    "a pass": (READ | QUIT | EVENTS, FindingId.REAPER_READY, "quit"),
    "a pass without Events": (READ | QUIT, FindingId.REAPER_RIGHTS_MISSING, "create and patch events"),
    "an observing pass's": (PASS, FindingId.REAPER_OBSERVES, ""),
    "lists alone": (frozenset([LIST]), FindingId.REAPER_RIGHTS_MISSING, "create and patch events"),
    "an observing controller's": (CONTROLLER, FindingId.REAPER_OBSERVES, ""),
    "nothing": (frozenset(), FindingId.REAPER_RIGHTS_MISSING, "create and patch events, list pods"),
    "no create": (READ | EVENTS | QUIT - {CREATE_FORWARD}, FindingId.REAPER_RIGHTS_MISSING, "create pods/portforward"),
    "no reads": (EXEC | EVENTS, FindingId.REAPER_RIGHTS_MISSING, "get and list and watch pods"),
    "half of Events": (
        READ | QUIT | {ReaperRight("events", "create")},
        FindingId.REAPER_RIGHTS_MISSING,
        "patch events",
    ),
    "half of the Lease": (
        READ | QUIT | CONTROLLER - {ReaperRight("leases", "update", "coordination.k8s.io", RightPlace.OWN)},
        FindingId.REAPER_RIGHTS_MISSING,
        "update leases in its own namespace",
    ),
    "a Lease without Events": (READ | QUIT | LEASE, FindingId.REAPER_RIGHTS_MISSING, "create and patch events"),
    "no watch": (CONTROLLER - {WATCH}, FindingId.REAPER_RIGHTS_MISSING, "watch pods"),
    "a pass over all namespaces": (READ | QUIT | EVENTS | {LIST_NAMESPACES}, FindingId.REAPER_READY, "quit"),
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
        READ | EVENTS | {ReaperRight("pods/exec", "get"), ReaperRight("pods/portforward", "get")},
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
