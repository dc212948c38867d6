"""Findings on the namespace's mesh labels: what they request, and whether an installed injector is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from webhook.doctor.dry_run import LABELS
from webhook.doctor.finding import Finding, FindingId, found
from webhook.doctor.registration import PODS, RegisteredWebhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from webhook.core import Catalogue

AMBIENT: Final = ("istio.io/dataplane-mode", "ambient")
"""Istio's docs, "Add workloads to an ambient mesh"."""


class InjectionLabel(NamedTuple):
    """A label that requests injection for a namespace.

    Args:
        key: The label.
        value: Its value; None: any.
        injected: The catalogue id of the sidecar.

    """

    key: str
    value: str | None
    injected: str


INJECTION_LABELS: Final = (InjectionLabel("istio-injection", "enabled", "istio"), InjectionLabel("istio.io/rev", None, "istio"))
"""Istio's docs, "Installing the Sidecar"; Linkerd uses an annotation, and its webhook is called for every namespace."""


def check_mesh(namespace: str, labels: Mapping[str, str], webhooks: Sequence[RegisteredWebhook], catalogue: Catalogue) -> Iterator[Finding]:
    """A namespace in an ambient mesh, and labels that request an injector which is not called."""
    key, value = AMBIENT
    if labels.get(key) == value:
        yield found(FindingId.AMBIENT_MESH, namespace=namespace, label=f"{key}={value}")
    called = [one.injects(catalogue) for one in webhooks if one.is_called(PODS, labels, LABELS)]
    injected = frozenset().union(*called)
    for label in INJECTION_LABELS:
        given = labels.get(label.key)
        if given is not None and label.value in {None, given} and label.injected not in injected:
            shown = f"{label.key}={given}"
            yield found(FindingId.LABEL_WITHOUT_INJECTOR, namespace=namespace, label=shown, injected=label.injected)
