"""Findings on the mutating webhooks: whether this product's is called for the namespace's pods, when, and how it is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.doctor.dry_run import LABELS
from webhook.doctor.finding import Finding, FindingId, found
from webhook.doctor.registration import OWN_WEBHOOK, PODS, RegisteredWebhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from webhook.core import Catalogue

LEAST_SECONDS: Final = 2
MOST_SECONDS: Final = 10
"""An overloaded webhook is called again after 1 s (Retry-After), within its timeout; 10 s is the API's default."""


def check_webhooks(
    namespace: str,
    labels: Mapping[str, str],
    webhooks: Sequence[RegisteredWebhook],
    catalogue: Catalogue,
    *,
    has_status: bool | None,
) -> Iterator[Finding]:
    """All of them; ``has_status``: see `webhook.doctor.dry_run.DryRun`."""
    called = [one for one in webhooks if one.is_called(PODS, labels, LABELS)]
    own = next((one for one in called if one.is_own), None)
    if own is not None:
        yield from _check_reached(namespace, own, has_status=has_status)
    yield from why_not_called(namespace, labels, webhooks)
    if called:
        yield found(FindingId.WEBHOOK_ORDER, namespace=namespace, order=", ".join(_shown(one, catalogue) for one in called))
    if own is not None:
        yield from _check_registration(own)
        yield from _check_injectors(own, called, catalogue)


def why_not_called(namespace: str, labels: Mapping[str, str], webhooks: Sequence[RegisteredWebhook]) -> Iterator[Finding]:
    """Why this product's webhook is not called for task pods of a namespace with these labels; nothing where it is."""
    installed = [one for one in webhooks if one.is_own]
    if not installed:
        yield found(FindingId.WEBHOOK_NOT_INSTALLED, webhook=OWN_WEBHOOK)
    elif not any(one.is_called(PODS, labels, LABELS) for one in installed):
        yield from (_not_opted_in(namespace, labels, one) for one in installed)


def _check_reached(namespace: str, own: RegisteredWebhook, *, has_status: bool | None) -> Iterator[Finding]:
    yield found(FindingId.OPTED_IN, namespace=namespace, webhook=own)
    if has_status is not None:
        yield found(FindingId.WEBHOOK_REACHABLE if has_status else FindingId.WEBHOOK_UNREACHABLE)


def _not_opted_in(namespace: str, labels: Mapping[str, str], own: RegisteredWebhook) -> Finding:
    unmet = own.namespaces.unmet(labels)
    why = f"its namespaceSelector requires {unmet}" if unmet else "its rules or its objectSelector exclude them"
    return found(FindingId.NOT_OPTED_IN, namespace=namespace, webhook=own, why=why, how=_opt_in(namespace, own, labels))


def _opt_in(namespace: str, own: RegisteredWebhook, labels: Mapping[str, str]) -> str:
    """What to do so that it is called: a command to paste where labels are all that is missing."""
    missing = own.namespaces.missing_labels(labels)
    if missing is None:
        return f"change the labels of {namespace} to meet this, or run them in a namespace that does."
    if not missing:
        return f"compare the rules and the objectSelector of {own} with those of the chart."
    # kubectl replaces an existing value only with this option.
    overwrite = ["--overwrite"] if missing.keys() & labels.keys() else []
    return " ".join(["kubectl label namespace", namespace, *(f"{key}={value}" for key, value in missing.items()), *overwrite])


def _check_registration(own: RegisteredWebhook) -> Iterator[Finding]:
    if own.failurePolicy != "Ignore":
        yield found(FindingId.FAILS_CLOSED, own=own, policy=own.failurePolicy)
    if not LEAST_SECONDS <= own.timeoutSeconds <= MOST_SECONDS:
        yield found(FindingId.WEBHOOK_TIMEOUT, own=own, seconds=own.timeoutSeconds, least=LEAST_SECONDS, most=MOST_SECONDS)


def _check_injectors(own: RegisteredWebhook, called: Sequence[RegisteredWebhook], catalogue: Catalogue) -> Iterator[Finding]:
    """The injectors' places in the order of calls."""
    place = called.index(own)
    for one in called[:place]:
        if injected := one.injects(catalogue):
            yield found(FindingId.INJECTOR_CALLED_FIRST, injector=one, injected=_listed(injected))
    if not own.is_reinvoked:
        yield from _check_later(own, called[place + 1 :], catalogue)
    for one in called:
        if one.is_reinvoked and (unsafe := one.injects(catalogue) & _unsafe_to_reinvoke(catalogue)):
            yield found(FindingId.INJECTOR_REINVOKED, injector=one, injected=_listed(unsafe))


def _check_later(own: RegisteredWebhook, later: Sequence[RegisteredWebhook], catalogue: Catalogue) -> Iterator[Finding]:
    """The injectors that are called after a webhook which is not called again."""
    missed = [(one, injected) for one in later if (injected := one.injects(catalogue))]
    for one, injected in missed:
        sidecars = _listed(injected)
        yield found(FindingId.INJECTED_SIDECAR_MISSED, injector=one, injected=sidecars, own=own, policy=own.reinvocationPolicy)
    if not missed:
        yield found(FindingId.NOT_REINVOKED, own=own, policy=own.reinvocationPolicy)


def _shown(webhook: RegisteredWebhook, catalogue: Catalogue) -> str:
    injected = webhook.injects(catalogue)
    about = "this product's" if webhook.is_own else f"injects {_listed(injected)}" if injected else ""
    return f"{webhook} ({about})" if about else str(webhook)


def _listed(ids: frozenset[str]) -> str:
    return ", ".join(sorted(ids))


def _unsafe_to_reinvoke(catalogue: Catalogue) -> frozenset[str]:
    return frozenset(row.id for row in catalogue.injected if row.native is not None and row.native.reinvocation_safe is False)
