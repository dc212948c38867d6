"""Findings on the mutating webhooks: whether ours is called for the pods of the namespace, when, and how it is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.doctor.finding import Finding, FindingId, found
from webhook.doctor.probe import LABELS
from webhook.doctor.registration import OURS, PODS, Registered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.core import Catalogue
    from webhook.doctor.examination import Namespace

LEAST_SECONDS: Final = 2
MOST_SECONDS: Final = 10
"""An overloaded webhook is tried again after 1 s (Retry-After), inside its time; 10 s is the API's default."""


def webhook_findings(
    name: str, space: Namespace, webhooks: Sequence[Registered], catalogue: Catalogue, *, is_marked: bool | None
) -> Iterator[Finding]:
    """All of them; ``is_marked``: see `webhook.doctor.probe.Trial`."""
    labels = space.labels or {}
    installed = [one for one in webhooks if one.is_ours]
    if not installed:
        yield found(FindingId.NOT_INSTALLED, ours=OURS)
    called = [one for one in webhooks if one.is_called(PODS, labels, LABELS)]
    ours = next((one for one in called if one.is_ours), None)
    if ours is None:
        for one in installed:
            how = _opt_in(name, one, labels)
            yield found(FindingId.NOT_OPTED_IN, namespace=name, webhook=one, wanted=_wanted(one, labels), how=how)
    else:
        yield from _called_findings(name, ours, is_marked=is_marked)
    if called:
        yield found(FindingId.ORDER, namespace=name, order=", ".join(_shown(one, catalogue) for one in called))
    if ours is not None:
        yield from registration_findings(ours)
        yield from injector_findings(ours, called, catalogue)


def registration_findings(ours: Registered) -> Iterator[Finding]:
    """How ours is registered."""
    if ours.failurePolicy != "Ignore":
        yield found(FindingId.FAILS_CLOSED, ours=ours, policy=ours.failurePolicy)
    if not LEAST_SECONDS <= ours.timeoutSeconds <= MOST_SECONDS:
        yield found(FindingId.TIMEOUT, ours=ours, seconds=ours.timeoutSeconds, least=LEAST_SECONDS, most=MOST_SECONDS)


def injector_findings(ours: Registered, called: Sequence[Registered], catalogue: Catalogue) -> Iterator[Finding]:
    """Where the injectors stand; ``called`` in their order."""
    place = called.index(ours)
    for one in called[:place]:
        if injected := one.injects(catalogue):
            yield found(FindingId.INJECTOR_FIRST, webhook=one, injected=_listed(injected))
    later = [(one, one.injects(catalogue)) for one in called[place + 1 :]]
    if not ours.is_reinvoked:
        unseen = [(one, injected) for one, injected in later if injected]
        for one, injected in unseen:
            yield found(FindingId.INJECTOR_UNSEEN, webhook=one, injected=_listed(injected), ours=ours, policy=ours.reinvocationPolicy)
        if not unseen:
            yield found(FindingId.NEVER_AGAIN, ours=ours, policy=ours.reinvocationPolicy)
    for one in called:
        if one.is_reinvoked and (unsafe := one.injects(catalogue) & _unsafe_to_reinvoke(catalogue)):
            yield found(FindingId.INJECTOR_AGAIN, webhook=one, injected=_listed(unsafe))


def _called_findings(name: str, ours: Registered, *, is_marked: bool | None) -> Iterator[Finding]:
    yield found(FindingId.OPTED_IN, namespace=name, webhook=ours)
    if is_marked is not None:
        yield found(FindingId.ANSWERS if is_marked else FindingId.SILENT)


def _wanted(ours: Registered, labels: dict[str, str]) -> str:
    """What its selector misses; nothing, where it is the selector of objects or the rules that keep the pods away."""
    return ours.namespaces.unmet(labels) or "nothing more; its rules or its objectSelector keep the pods away"


def _opt_in(name: str, ours: Registered, labels: dict[str, str]) -> str:
    """What to do so that it is called: a command to be copied, where labels are all that is lacking."""
    lacking = ours.namespaces.lacking(labels)
    if lacking is None:
        return f"change the labels of {name} so that this holds, or run them in a namespace for which it does."
    if not lacking:
        return f"compare the rules and the objectSelector of {ours} with what the chart makes of them."
    # kubectl changes a value that is there only when it is told to.
    overwrite = ["--overwrite"] if lacking.keys() & labels.keys() else []
    return " ".join(["kubectl label namespace", name, *(f"{key}={value}" for key, value in lacking.items()), *overwrite])


def _shown(webhook: Registered, catalogue: Catalogue) -> str:
    injected = webhook.injects(catalogue)
    about = "ours" if webhook.is_ours else f"injects {_listed(injected)}" if injected else ""
    return f"{webhook} ({about})" if about else str(webhook)


def _listed(ids: frozenset[str]) -> str:
    return ", ".join(sorted(ids))


def _unsafe_to_reinvoke(catalogue: Catalogue) -> frozenset[str]:
    return frozenset(row.id for row in catalogue.injected if row.native is not None and row.native.reinvocation_safe is False)
