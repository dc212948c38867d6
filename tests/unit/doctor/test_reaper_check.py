"""What the doctor says of the reaper's rights, by what is granted."""

from __future__ import annotations

from typing import Final

import pytest

from webhook.doctor.finding import FindingId
from webhook.doctor.reaper_check import check_reaper
from webhook.doctor.snapshot import ReaperRights
from webhook.reaper.act import Method
from webhook.reaper.rights import BY_METHOD, EVERY_RIGHT, LIST, READ, TELL, PodRight

QUIT, EXEC, DEADLINE = (BY_METHOD[method] for method in Method)
CREATE_FORWARD: Final = PodRight("pods/portforward", "create")

CASES: Final[dict[str, tuple[frozenset[PodRight], FindingId, str]]] = {
    "everything": (EVERY_RIGHT, FindingId.REAPER_READY, "quit, exec, deadline"),
    "the chart's": (READ | TELL | QUIT | DEADLINE, FindingId.REAPER_READY, "quit, deadline"),
    "a pass without Events": (READ | QUIT, FindingId.REAPER_READY, "quit"),
    "lists alone": (frozenset([LIST]), FindingId.REAPER_OBSERVES, ""),
    "an observing controller's": (frozenset([LIST, PodRight("pods", "watch")]) | TELL, FindingId.REAPER_OBSERVES, ""),
    "nothing": (frozenset(), FindingId.REAPER_RIGHTS_MISSING, "list pods"),
    "no create": (READ | QUIT - {CREATE_FORWARD}, FindingId.REAPER_RIGHTS_MISSING, "create pods/portforward"),
    "no reads": (EXEC, FindingId.REAPER_RIGHTS_MISSING, "get and list and watch pods"),
    "half of Events": (
        READ | QUIT | {PodRight("events", "create")},
        FindingId.REAPER_RIGHTS_MISSING,
        "patch events",
    ),
    "half of two": (
        READ | {PodRight("pods/exec", "get"), PodRight("pods/portforward", "get")},
        FindingId.REAPER_RIGHTS_MISSING,
        "create pods/exec, create pods/portforward",
    ),
}


@pytest.mark.parametrize(("granted", "finding", "named"), CASES.values(), ids=CASES)
def test_the_finding_names_the_methods_or_what_is_missing(granted: frozenset[PodRight], finding: FindingId, named: str) -> None:
    found = check_reaper("airflow", ReaperRights("system:serviceaccount:infra:reaper", granted))
    assert found.id is finding
    assert {"user": "system:serviceaccount:infra:reaper", "namespace": "airflow"}.items() <= found.values.items()
    assert named in {"", *found.values.values()}
