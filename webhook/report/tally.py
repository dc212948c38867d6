"""Adds task pods up for the report. What a pod's status says may be forged, so it takes no more memory than this allows."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import Reason, SkipReason, Treatment, recorded_reason, sidecars_at_admission
from webhook.course.pod_course import UNREADABLE
from webhook.course.wasted_time import HOUR, wasted_by
from webhook.reaper.reason import ReaperReason
from webhook.report.document import SidecarCount, TreatmentCount, WeekCount
from webhook.report.week import WEEK, WEEKS, by_week, first_week

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import datetime
    from typing import TypeVar

    from webhook.core import Progress

    Key = TypeVar("Key", bound=Hashable)

NOT_SEEN: Final = "not seen"
SKIPPED: Final = "skipped"
UNKNOWN: Final = "unknown"

MOST_KEYS: Final = 500
"""Different sidecars or versions; what comes later counts as `OTHERS`. A company has some tens."""

MOST_CHARACTERS: Final = 63
"""Of a name: a container's has no more (validation.go, IsDNS1123Label)."""

OTHERS: Final = "others"


class Recorded(msgspec.Struct, frozen=True):
    """What the status on a pod says.

    Args:
        reason: Why it was treated so; None: this version has no such reason.
        is_audited: Whether the pod was not changed.

    """

    reason: Reason | None
    is_audited: bool


class Tally:
    """The sums so far."""

    def __init__(self, now: datetime, why_skipped: Callable[[bytes], SkipReason | None]) -> None:
        """Begin with no pod.

        Args:
            now: The end of the time for which pods are Running.
            why_skipped: Why the webhook skips such a pod, given as JSON; None: it does not.

        """
        self._now, self._why_skipped = now, why_skipped
        self.pods = 0
        self._reasons: Counter[Recorded] = Counter()
        self._without_status: Counter[SkipReason | ReaperReason] = Counter()
        self._examples: dict[Recorded | SkipReason | ReaperReason, str] = {}
        self._sidecars: Counter[tuple[str, str]] = Counter()
        self._versions: Counter[str] = Counter()
        self._late: Counter[date] = Counter()
        self._hours: dict[date, timedelta] = {}

    def add(self, data: bytes, pod: Progress) -> None:
        """Count one pod: as JSON, and as far as it has come."""
        self.pods += 1
        wasted = wasted_by(pod, self._now)
        for monday, share in by_week(wasted, self._now) if wasted else ():
            self._late[monday] += 1
            self._hours[monday] = self._hours.get(monday, timedelta()) + share
        name = f"{pod.namespace}/{pod.name}"
        if not pod.is_marked:
            why = self._why_skipped(data) or ReaperReason.NO_STATUS
            self._without_status[why] += 1
            self._examples.setdefault(why, name)
            return
        recorded = Recorded(recorded_reason(pod.recorded.reason), pod.recorded.is_audited)
        self._reasons[recorded] += 1
        self._examples.setdefault(recorded, name)
        _count(self._versions, pod.recorded.version[:MOST_CHARACTERS] or UNKNOWN, OTHERS)
        for sidecar, end in sidecars_at_admission(data).items():
            _count(self._sidecars, (sidecar[:MOST_CHARACTERS], end[:MOST_CHARACTERS]), (OTHERS, UNKNOWN))

    def treatments(self) -> tuple[TreatmentCount, ...]:
        """By treatment and reason, the most frequent first."""
        found = [self._treatment(recorded, pods) for recorded, pods in self._reasons.items()]
        for why, pods in self._without_status.items():
            word = SKIPPED if isinstance(why, SkipReason) else NOT_SEEN
            found.append(TreatmentCount(word, why, why.sentence, why.remedy if word == NOT_SEEN else "", pods, self._examples[why]))
        return tuple(sorted(found, key=lambda one: -one.pods))

    def _treatment(self, recorded: Recorded, pods: int) -> TreatmentCount:
        reason, example = recorded.reason, self._examples[recorded]
        if reason is None:
            return TreatmentCount(UNKNOWN, UNREADABLE, "The status on the pod cannot be read by this version.", "", pods, example)
        if recorded.is_audited:
            sentence = f"Nothing was changed. It would be {reason.treatment}: {reason.sentence}"
            return TreatmentCount(Treatment.AUDITED, reason, sentence, "", pods, example)
        namespace, _, name = example.partition("/")
        remedy = f"explain -n {namespace} pod/{name} prints what to do." if reason.treatment is Treatment.LEFT and reason.remedy else ""
        return TreatmentCount(reason.treatment, reason, reason.sentence, remedy, pods, example)

    def sidecars(self) -> tuple[SidecarCount, ...]:
        """The most frequent first."""
        return tuple([SidecarCount(name, end, pods) for (name, end), pods in self._sidecars.most_common()])

    def versions(self) -> dict[str, int]:
        """The most frequent first."""
        return dict(self._versions.most_common())

    def weeks(self) -> tuple[WeekCount, ...]:
        """All that are shown, those without such a pod as well."""
        mondays = [(first_week(self._now) + number * WEEK).date() for number in range(WEEKS)]
        return tuple([WeekCount(one, round(self._hours.get(one, timedelta()) / HOUR, 2), self._late[one]) for one in mondays])


def _count(counter: Counter[Key], key: Key, others: Key) -> None:
    counter[key if key in counter or len(counter) < MOST_KEYS else others] += 1
