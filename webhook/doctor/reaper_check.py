"""Whether the reaper's service account has the rights that its methods need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook.doctor.finding import Finding, FindingId, found
from webhook.reaper.rights import BY_METHOD, missing_rights, named

if TYPE_CHECKING:
    from webhook.doctor.snapshot import ReaperRights


def check_reaper(namespace: str, rights: ReaperRights) -> Finding:
    """One finding: what it may do, or what it lacks."""
    granted = rights.granted
    methods = [method for method, needed in BY_METHOD.items() if needed <= granted]
    if missing := missing_rights(granted):
        return found(FindingId.REAPER_RIGHTS_MISSING, user=rights.user, namespace=namespace, missing=named(missing))
    if not methods:
        return found(FindingId.REAPER_OBSERVES, user=rights.user, namespace=namespace)
    return found(FindingId.REAPER_READY, user=rights.user, namespace=namespace, methods=", ".join(methods))
