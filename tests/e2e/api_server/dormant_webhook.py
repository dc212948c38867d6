"""A webhook that is installed, and called for no pod: what the commands read of an installation, without its replicas."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e.objects import created
from webhook.doctor.registration import OWN_WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from tests.support.json_object import JSONObject


@contextmanager
def dormant_webhook(api: ApiClient, metadata: JSONObject, **spec: object) -> Iterator[None]:
    """Its Deployment, whose pods have this spec, and its configuration, for the time of the block; ``metadata``: name and namespace."""
    labels = {"app": metadata["name"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }
    webhook = {
        "name": OWN_WEBHOOK,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": {**metadata, "path": "/mutate"}},
        "namespaceSelector": {"matchLabels": {"never": "selected"}},
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"z-{metadata['name']}"},
        "webhooks": [webhook],
    }
    with created(api, deployment), created(api, configuration):
        yield
