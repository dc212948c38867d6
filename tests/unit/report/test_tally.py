"""What a forged status does to the sums."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tests.support.live_pods import ISTIO, RUNNING, annotated, live_pod
from tests.support.pods import ABLE_CLUSTER
from webhook.core import default_policy, read_progress
from webhook.course.stuck_pod import StuckPodReader
from webhook.report.tally import MOST_CHARACTERS, MOST_KEYS, OTHERS, Tally

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
READER: Final = StuckPodReader(default_policy(), ABLE_CLUSTER, None, NOW)


def tally_of(*statuses: object) -> Tally:
    """The sum of pods with these statuses."""
    return tally_of_pods(*[annotated(running_pod(), status=json.dumps(status)) for status in statuses])


def running_pod() -> JSONObject:
    """A task pod whose task runs."""
    return live_pod({"base": RUNNING, "istio-proxy": RUNNING}, ISTIO)


def tally_of_pods(*pods: JSONObject) -> Tally:
    """The sum of these pods."""
    tally = Tally(NOW, READER.why_skipped)
    for pod in pods:
        data = json.dumps(pod).encode()
        progress = read_progress(data, default_policy().catalogue)
        assert progress is not None
        tally.add(data, progress)
    return tally


def test_invented_sidecars_and_versions_count_together_beyond_a_limit() -> None:
    forged = [
        {"reason": "sidecars-native", "version": f"{number}", "sidecars": {f"s-{number}": "native"}} for number in range(MOST_KEYS + 9)
    ]
    tally = tally_of(*forged)

    assert len(tally.sidecars()) == MOST_KEYS + 1
    assert (tally.sidecars()[0].name, tally.sidecars()[0].pods) == (OTHERS, 9)
    assert tally.versions()[OTHERS] == 9
    assert tally.pods == MOST_KEYS + 9


def test_an_invented_name_is_cut() -> None:
    tally = tally_of({"reason": "sidecars-native", "version": "9" * 999, "sidecars": {"s" * 999: "n" * 999}})
    (sidecar,) = tally.sidecars()

    assert {len(sidecar.name), len(sidecar.end), *map(len, tally.versions())} == {MOST_CHARACTERS}


def test_audited_pods_count_apart_with_what_they_would_be() -> None:
    audited = {"treatment": "audited", "reason": "sidecars-native", "version": "0.1.0", "sidecars": {"istio-proxy": "native"}}
    tally = tally_of(audited, audited | {"treatment": "native"})

    assert {(one.treatment, one.reason): one.pods for one in tally.treatments()} == {
        ("audited", "sidecars-native"): 1,
        ("native", "sidecars-native"): 1,
    }
    assert any(one.sentence.startswith("Nothing was changed. It would be native: ") for one in tally.treatments())
    assert [(one.name, one.pods) for one in tally.sidecars()] == [("istio-proxy", 2)], "what would be counts as well"


def test_invented_reasons_count_as_one_that_cannot_be_read() -> None:
    tally = tally_of({"reason": "mine", "treatment": "native"}, {"reason": "yours"}, {}, [])

    assert [(one.treatment, one.reason, one.pods) for one in tally.treatments()] == [("unknown", "unreadable", 4)]


def test_a_pod_that_opted_out_counts_as_skipped_and_not_as_not_seen() -> None:
    tally = tally_of_pods(annotated(running_pod(), status=None, mode="off"), annotated(running_pod(), status=None))

    assert [(one.treatment, one.reason, one.remedy != "") for one in tally.treatments()] == [
        ("skipped", "switched-off", False),
        ("not seen", "no-status", True),
    ]
