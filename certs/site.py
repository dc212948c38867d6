"""Where the authority of one webhook lives: one Secret, and the caBundle of one MutatingWebhookConfiguration.

Both are written under the condition that nobody else wrote them since they were read (``metadata.resourceVersion``). The configuration is
read before the Secret: who then publishes what the Secret said does so only where no younger authority was published in between, so a
replica that was stopped for an hour does no harm when it goes on.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from certs.api import APPLY, ApiResponse
from certs.bundle import read_bundle, write_bundle
from certs.errors import ApiRefusedError, ApiUnreadableError, ConflictError
from certs.keyring import Keyring
from certs.keyring_file import read_keyring, write_keyring
from certs.lifetimes import USUAL, Lifetimes
from certs.rotation import Observation

if TYPE_CHECKING:
    from certs.api import KubernetesApi
    from certs.bundle import Bundle

    JSONObject = dict[str, Any]

CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
FIELD_MANAGER: Final = "airflow-sidecar-webhook-certificates"
"""Owns the caBundle and nothing else. An API server remembers it for every configuration: it must never change."""

ENTRY: Final = "authorities.json"
"""The key of the Secret's data. A later version finds its authority by it: it must never change."""

OK: Final = range(200, 300)
GONE: Final = 404
CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the objects.

    Args:
        namespace: Of the Secret.
        secret: The Secret.
        configuration: The MutatingWebhookConfiguration, all of whose webhooks are this one's.

    """

    namespace: str
    secret: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What was read, and what it takes to write on it.

    Args:
        seen: What the rotation goes by.
        secret: The Secret; None: there is none.
        configuration: The configuration; None: there is none.

    """

    seen: Observation
    secret: JSONObject | None
    configuration: JSONObject | None


class Site:
    """The two objects, through one API server."""

    def __init__(self, api: KubernetesApi, names: Names, lifetimes: Lifetimes = USUAL) -> None:
        """Nothing is asked yet."""
        self._api, self._names, self._lifetimes = api, names, lifetimes
        self._secrets = f"/api/v1/namespaces/{names.namespace}/secrets"

    def look(self) -> Sight:
        """Read both. CertificatesError."""
        configuration, _ = self._get(f"{CONFIGURATIONS}/{self._names.configuration}")
        secret, answer = self._get(f"{self._secrets}/{self._names.secret}")
        keyring = _keyring_of(secret, self._lifetimes) or Keyring((), self._lifetimes)
        bundles = tuple(_bundle_of(webhook) for webhook in _webhooks_of(configuration))
        return Sight(Observation(answer.date, keyring, bundles), secret, configuration)

    def write(self, sight: Sight, keyring: Keyring) -> None:
        """Put the keyring into the Secret. ConflictError: it is no longer as it was seen. CertificatesError."""
        data = {ENTRY: base64.b64encode(write_keyring(keyring)).decode()}
        if sight.secret is None:
            metadata = {"name": self._names.secret, "namespace": self._names.namespace}
            made = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}
            _check(self._api.request("POST", self._secrets, made))
            return
        # Whatever else is on it stays: labels, the marks of whoever installed it.
        changed = {**sight.secret, "data": {**(sight.secret.get("data") or {}), **data}}
        _check_still_there(self._api.request("PUT", f"{self._secrets}/{self._names.secret}", changed))

    def publish(self, sight: Sight, bundle: Bundle) -> None:
        """Make this the caBundle of every webhook. ConflictError: the configuration is no longer as it was seen. CertificatesError."""
        if sight.configuration is None:
            return
        config = {"caBundle": base64.b64encode(write_bundle(bundle)).decode()}
        applied = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            # The uid as well: an apply to what was deleted would else be taken for a creation.
            "metadata": {key: sight.configuration["metadata"][key] for key in ("name", "uid", "resourceVersion")},
            # A list whose items are told apart by name (listMapKey): each is merged, and the fields of others stay theirs.
            "webhooks": [{"name": webhook["name"], "clientConfig": config} for webhook in _webhooks_of(sight.configuration)],
        }
        path = f"{CONFIGURATIONS}/{self._names.configuration}"
        _check_still_there(self._api.request("PATCH", path, applied, APPLY, fieldManager=FIELD_MANAGER, force="true"))

    def _get(self, path: str) -> tuple[JSONObject | None, ApiResponse]:
        answer = self._api.request("GET", path)
        if answer.status == GONE:
            return None, answer
        _check(answer)
        if not isinstance(answer.body.get("metadata"), dict):
            message = f"what is at {path} has no metadata"
            raise ApiUnreadableError(message)
        return answer.body, answer


def _webhooks_of(configuration: JSONObject | None) -> list[JSONObject]:
    webhooks: list[JSONObject] = (configuration or {}).get("webhooks") or []
    return webhooks


def _bundle_of(webhook: JSONObject) -> Bundle:
    return read_bundle(_decode((webhook.get("clientConfig") or {}).get("caBundle")))


def _keyring_of(secret: JSONObject | None, lifetimes: Lifetimes) -> Keyring | None:
    return read_keyring(_decode(((secret or {}).get("data") or {}).get(ENTRY)), lifetimes)


def _decode(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except binascii.Error:
        return b""


def _check(answer: ApiResponse) -> None:
    if answer.status in OK:
        return
    problem = f"{answer.status} {answer.body.get('message', '')}"
    raise ConflictError(problem) if answer.status == CONFLICT else ApiRefusedError(problem)


def _check_still_there(answer: ApiResponse) -> None:
    """What was seen and is gone has changed, too."""
    if answer.status == GONE:
        message = "404 it was deleted in between"
        raise ConflictError(message)
    _check(answer)
