"""Mutating webhooks as they are registered: which are called for a pod, and in which order.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/, and for the order kubernetes
staging/src/k8s.io/apiserver/pkg/admission/configuration/mutating_webhook_manager.go: by the name of the configuration, then as listed.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.core import VERSION_LABEL, MutatingWebhook, installed_injectors
from webhook.doctor.selector import EVERYTHING, LabelSelector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from webhook.core import Catalogue

OWN_WEBHOOK: Final = "pods.airflow-sidecar-webhook.io"
"""The name of this product's webhook; the name of its configuration may differ between installations."""


class Resource(msgspec.Struct, frozen=True):
    """A kind of object: its API group and its plural name."""

    group: str
    name: str


PODS: Final = Resource("", "pods")


class Rule(msgspec.Struct, frozen=True):
    """Which requests a webhook is called for. API versions are ignored: by default a webhook is called for all (matchPolicy Equivalent)."""

    operations: tuple[str, ...] = ()
    apiGroups: tuple[str, ...] = ()  # noqa: N815  the API's own name
    resources: tuple[str, ...] = ()
    scope: str | None = None

    def covers_creation_of(self, resource: Resource) -> bool:
        """Whether it covers the creation of one. ``pods/*`` is pods and all their subresources, ``*`` everything but subresources."""
        return (
            any(one in {"CREATE", "*"} for one in self.operations)
            and any(one in {resource.group, "*"} for one in self.apiGroups)
            and any(one in {resource.name, "*", "*/*", f"{resource.name}/*"} for one in self.resources)
            and self.scope != "Cluster"
        )


class WebhookService(msgspec.Struct, frozen=True):
    """The Service by which the API server reaches a webhook."""

    namespace: str
    name: str


class ClientConfig(msgspec.Struct, frozen=True):
    """How the API server reaches a webhook.

    Args:
        service: Its Service; None: it has a URL.

    """

    service: WebhookService | None = None


class RegisteredWebhook(msgspec.Struct, frozen=True):
    """One webhook of a configuration, with the API's defaults.

    Args:
        name: Its own name.
        rules: See `Rule`.
        namespaceSelector: On the labels of the namespace; None: every namespace.
        objectSelector: On the labels of the object; None: every object.
        matchConditions: CEL expressions, which are not evaluated here.
        failurePolicy: ``Fail`` or ``Ignore``.
        reinvocationPolicy: ``Never`` or ``IfNeeded``.
        timeoutSeconds: How long the API server waits for it.
        clientConfig: See `ClientConfig`.
        configuration: The name of its configuration; the API has it one level above.
        version: The version label of its configuration, likewise; empty: it has none.

    """

    name: str
    rules: tuple[Rule, ...] | None = None
    namespaceSelector: LabelSelector | None = None  # noqa: N815  the API's own name
    objectSelector: LabelSelector | None = None  # noqa: N815  the API's own name
    matchConditions: tuple[Any, ...] | None = None  # noqa: N815  the API's own name
    failurePolicy: str = "Fail"  # noqa: N815  the API's own name
    reinvocationPolicy: str = "Never"  # noqa: N815  the API's own name
    timeoutSeconds: int = 10  # noqa: N815  the API's own name
    clientConfig: ClientConfig = ClientConfig()  # noqa: N815  the API's own name
    configuration: str = ""
    version: str = ""

    def __str__(self) -> str:
        """Its name in a report."""
        return f"{self.configuration}/{self.name}"

    @property
    def is_own(self) -> bool:
        """Whether it is this product's."""
        return self.name == OWN_WEBHOOK

    @property
    def is_reinvoked(self) -> bool:
        """Whether the API server may call it again when a later one has changed the pod."""
        return self.reinvocationPolicy == "IfNeeded"

    @property
    def namespaces(self) -> LabelSelector:
        """Which namespaces it is called for."""
        return self.namespaceSelector or EVERYTHING

    def covers_creation_of(self, resource: Resource) -> bool:
        """Whether one of its rules covers the creation of such an object."""
        return any(rule.covers_creation_of(resource) for rule in self.rules or ())

    def is_called(self, resource: Resource, namespace: Mapping[str, str], labels: Mapping[str, str]) -> bool:
        """Whether it is called when an object with these labels is created in a namespace with those; matchConditions are ignored."""
        selected = self.namespaces.matches(namespace) and (self.objectSelector or EVERYTHING).matches(labels)
        return selected and self.covers_creation_of(resource)

    @property
    def as_injector(self) -> MutatingWebhook:
        """What the rules read of it."""
        return MutatingWebhook(self.configuration, self.name, self.reinvocationPolicy, self.version)

    def injects(self, catalogue: Catalogue) -> frozenset[str]:
        """The catalogue ids of the sidecars that it injects."""
        return installed_injectors([self.as_injector], catalogue).ids


class ConfigurationMetadata(msgspec.Struct, frozen=True):
    """What is read of a configuration's metadata."""

    name: str
    labels: dict[str, str] | None = None


class WebhookConfiguration(msgspec.Struct, frozen=True):
    """A MutatingWebhookConfiguration."""

    metadata: ConfigurationMetadata
    webhooks: tuple[RegisteredWebhook, ...] | None = None


def in_call_order(configurations: Iterable[WebhookConfiguration]) -> tuple[RegisteredWebhook, ...]:
    """All webhooks in the order in which the API server calls them."""
    ordered = sorted(configurations, key=attrgetter("metadata.name"))
    return tuple(
        msgspec.structs.replace(webhook, configuration=one.metadata.name, version=(one.metadata.labels or {}).get(VERSION_LABEL, ""))
        for one in ordered
        for webhook in one.webhooks or ()
    )
