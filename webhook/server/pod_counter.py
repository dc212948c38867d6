"""Counts each pod once, for its final treatment, by namespace; an audited one for the treatment that it would get.

The API server may call twice for one pod: again after a later injector has changed it. The second call may reach another replica, and its
uid is another one; what shows it is the status that the first call wrote on the pod. So two counters go up, and both only ever go up:

first review                  ``pods`` for its reason
later review, same reason     nothing
later review, another reason  ``pods`` for the new reason, ``reclassified_pods`` for the one before

The difference of both, over all replicas, counts each pod once. Audited pods have two such counters of their own, since what is counted in
``pods`` was done. A pod that somebody creates again with the status of another one counts as
reviewed before. A skipped pod carries no status, so it cannot be counted once; ``reviews`` has those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from webhook.core import Reason, Treatment, recorded_reason

if TYPE_CHECKING:
    from prometheus_client import Counter

    from webhook.core import Outcome, RecordedStatus
    from webhook.server.metrics import Metrics

MAX_NAMESPACES: Final = 100
"""Namespaces with series of their own. The API server calls for opted-in namespaces alone, but whoever reaches the port can name any."""

OTHER: Final = "other"
"""Stands for every further namespace."""

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123), as the API server demands of a namespace's name."""


class _Key(NamedTuple):
    """What a pod counts for."""

    is_audited: bool
    reason: Reason


class _Series(NamedTuple):
    """The two counters of a namespace and a key. They appear together, so that one can always be subtracted from the other."""

    pods: Counter
    reclassified: Counter


class PodCounter:
    """Counts pods by namespace and reason."""

    def __init__(self, metrics: Metrics) -> None:
        """Count into these metrics. What an alert is about is there from the start, at 0."""
        self._enforced = _Series(metrics.pods, metrics.reclassified_pods)
        self._audited = _Series(metrics.audited_pods, metrics.reclassified_audited_pods)
        self._namespaces = {OTHER}
        self._series: dict[tuple[str, _Key], _Series] = {}
        for reason in Reason:
            if reason.treatment is Treatment.LEFT:
                self._series_of(OTHER, _Key(is_audited=False, reason=reason))

    def count(self, namespace: str, outcome: Outcome) -> None:
        """A pod of this namespace was reviewed, and not as a dry run."""
        if outcome.status is None:
            return
        key, before = _Key(outcome.status.would_be is not None, outcome.status.reason), _key_before(outcome.before)
        if before == key:
            return
        label = self._label(namespace)
        self._series_of(label, key).pods.inc()
        if before is not None:
            self._series_of(label, before).reclassified.inc()

    def _label(self, namespace: str) -> str:
        if namespace in self._namespaces:
            return namespace
        if len(self._namespaces) > MAX_NAMESPACES or _NAMESPACE.fullmatch(namespace) is None:
            return OTHER
        self._namespaces.add(namespace)
        return namespace

    def _series_of(self, namespace: str, key: _Key) -> _Series:
        series = self._series.get((namespace, key))
        if series is None:
            counters = self._audited if key.is_audited else self._enforced
            series = _Series(*[counter.labels(namespace, key.reason.treatment, key.reason) for counter in counters])
            self._series[namespace, key] = series
        return series


def _key_before(before: RecordedStatus) -> _Key | None:
    """What an earlier review has counted the pod for; None: there was none, or its reason is not known."""
    reason = recorded_reason(before.reason)
    return None if reason is None else _Key(before.is_audited, reason)
