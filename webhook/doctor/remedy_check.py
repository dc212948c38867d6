"""Pods that may stay Running after their task: each remedy once, however many pods need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.doctor.finding import Finding, FindingId, found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.doctor.snapshot import SharedRemedy

MAX_LISTED: Final = 20
"""Remedies in one report: those that most pods need."""


def check_remedies(remedies: Sequence[SharedRemedy]) -> Iterator[Finding]:
    """One finding for each remedy."""
    for shared in remedies[:MAX_LISTED]:
        remedy = shared.remedy
        yield found(
            FindingId.POD_REMEDY,
            pods=shared.named,
            subject=remedy.subject,
            why=remedy.sentence.removesuffix("."),
            how=remedy.instruction,
        )
    if len(remedies) > MAX_LISTED:
        yield found(FindingId.MORE_REMEDIES, count=len(remedies) - MAX_LISTED)
