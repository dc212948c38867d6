"""Adds the doctor's findings on many namespaces up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.doctor.finding import FindingId, Severity
from webhook.report.document import FoundInNamespaces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.doctor.finding import Finding

WORST_FIRST: Final = tuple(reversed(Severity))

ELSEWHERE: Final = frozenset({FindingId.STUCK_POD, FindingId.MORE_STUCK_PODS})
"""The report has a row for each stuck pod."""


class FindingSum:
    """The findings so far: of each the first one in words, and where it was made."""

    def __init__(self) -> None:
        """Begin with none."""
        self._first: dict[FindingId, Finding] = {}
        self._namespaces: dict[FindingId, list[str]] = {}

    def add(self, namespace: str, findings: Iterable[Finding]) -> None:
        """Count those on one namespace; what is well is not shown."""
        for one in findings:
            if one.severity is Severity.OK or one.id in ELSEWHERE:
                continue
            self._first.setdefault(one.id, one)
            names = self._namespaces.setdefault(one.id, [])
            if namespace not in names[-1:]:
                names.append(namespace)

    @property
    def is_complete(self) -> bool:
        """Whether every check could be made."""
        return not any(one.is_gap for one in self._first)

    def sums(self) -> tuple[FoundInNamespaces, ...]:
        """Problems first."""
        found = sorted(self._first.values(), key=lambda one: WORST_FIRST.index(one.severity))
        return tuple(
            [
                FoundInNamespaces(one.id, one.severity, one.sentence, one.remedy, one.id.location, tuple(self._namespaces[one.id]))
                for one in found
            ]
        )
