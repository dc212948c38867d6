"""Counts each pod once, for its final treatment, by namespace.

The API server may call twice for one pod: again after a later injector has changed it. The second call may reach another replica, and its
uid is another one; what shows it is the status that the first call wrote on the pod. So two counters go up, and both only ever go up:

first review                  ``pods`` for its reason
later review, same reason     nothing
later review, another reason  ``pods`` for the new reason, ``reclassified_pods`` for the one before

The difference of both, over all replicas, counts each pod once. A pod that somebody creates again with the status of another one counts as
reviewed before. A skipped pod carries no status, so it cannot be counted once; ``reviews`` has those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from webhook.core import Reason, Treatment

if TYPE_CHECKING:
    from prometheus_client import Counter

    from webhook.core import Outcome
    from webhook.server.metrics import Metrics

MAX_NAMESPACES: Final = 100
"""Namespaces with series of their own. The API server calls for opted-in namespaces alone, but whoever reaches the port can name any."""

OTHER: Final = "other"
"""Stands for every further namespace."""

_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123), as the API server demands of a namespace's name."""

_REASONS: Final[dict[str, Reason]] = {reason: reason for reason in Reason}


class _Series(NamedTuple):
    """The two counters of a namespace and a reason. They appear together, so that one can always be subtracted from the other."""

    pods: Counter
    reclassified: Counter


class PodCounter:
    """Counts pods by namespace and reason."""

    def __init__(self, metrics: Metrics) -> None:
        """Count into these metrics. What an alert is about is there from the start, at 0."""
        self._metrics = metrics
        self._namespaces = {OTHER}
        self._series: dict[tuple[str, Reason], _Series] = {}
        for reason in Reason:
            if reason.treatment is Treatment.LEFT:
                self._series_of(OTHER, reason)

    def count(self, namespace: str, outcome: Outcome) -> None:
        """A pod of this namespace was reviewed, and not as a dry run."""
        if outcome.status is None:
            return
        reason, before = outcome.status.reason, outcome.before.reason
        if before == reason:
            return
        label = self._label(namespace)
        self._series_of(label, reason).pods.inc()
        reason_before = _REASONS.get(before or "")
        if reason_before is not None:
            self._series_of(label, reason_before).reclassified.inc()

    def _label(self, namespace: str) -> str:
        if namespace in self._namespaces:
            return namespace
        if len(self._namespaces) > MAX_NAMESPACES or _NAMESPACE.fullmatch(namespace) is None:
            return OTHER
        self._namespaces.add(namespace)
        return namespace

    def _series_of(self, namespace: str, reason: Reason) -> _Series:
        series = self._series.get((namespace, reason))
        if series is None:
            labels = (namespace, reason.treatment, reason)
            series = _Series(self._metrics.pods.labels(*labels), self._metrics.reclassified_pods.labels(*labels))
            self._series[namespace, reason] = series
        return series
