"""Whether the reaper's service account has the rights that its methods need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.doctor.finding import Finding, FindingId, found
from webhook.reaper.rights import BY_METHOD, LIST, READ, TELL, named

if TYPE_CHECKING:
    from webhook.doctor.snapshot import ReaperRights


def check_reaper(namespace: str, rights: ReaperRights) -> Finding:
    """One finding: what it may do, or what it lacks."""
    granted = rights.granted
    methods = [method for method, needed in BY_METHOD.items() if needed <= granted]
    begun = [needed for needed in (*BY_METHOD.values(), TELL) if needed & granted]
    missing = frozenset([LIST]).union(*begun, READ if methods else []) - granted
    if missing:
        return found(FindingId.REAPER_RIGHTS_MISSING, user=rights.user, namespace=namespace, missing=named(missing))
    if not methods:
        return found(FindingId.REAPER_OBSERVES, user=rights.user, namespace=namespace)
    return found(FindingId.REAPER_READY, user=rights.user, namespace=namespace, methods=", ".join(methods))
