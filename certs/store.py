"""Where the authority of one webhook is stored: one Secret, and the caBundle of one MutatingWebhookConfiguration.

Both are written on the condition that nobody else has written them since they were read (``metadata.resourceVersion``). The configuration
is read before the Secret: so a replica can publish what it read in the Secret only where nobody published a younger authority in between,
and a replica that was paused for an hour does no harm when it continues.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from certs.api import APPLY, ApiResponse
from certs.bundle import read_bundle, write_bundle
from certs.errors import ApiRefusedError, ApiUnreadableError, ConflictError, ImmutableSecretError
from certs.keyring import Keyring
from certs.keyring_file import read_keyring, write_keyring
from certs.lifetimes import DEFAULT_LIFETIMES, Lifetimes
from certs.rotation import AuthorityState

if TYPE_CHECKING:
    from certs.api import JSONObject, KubernetesApi
    from certs.bundle import Bundle

CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
FIELD_MANAGER: Final = "airflow-sidecar-webhook-certificates"
"""Owns the caBundle and nothing else. It is stored in every configuration, so it must never change."""

ENTRY: Final = "authorities.json"
"""The key in the Secret's data. A later version finds the authority under it, so it must never change."""

MAX_OTHER_CHARACTERS: Final = 1024 * 1024
"""Of base64, so 768 KiB. A Secret has at most 1 MiB (MaxSecretSize), of which MAX_KEYRING_BYTES are the keyring's. If the other entries
have more characters, a write removes them: otherwise no replica could ever write the keyring."""

EMPTY_ENTRY: Final = base64.b64encode(b"{}").decode()
"""What is left of a removed entry in a Secret with a type, which may demand the entry, that it is not empty, or that it is a JSON object
(pkg/apis/core/validation/validation.go ValidateSecret)."""

OPAQUE: Final = "Opaque"
"""The type of a Secret of which the API server demands no entry."""

OK: Final = range(200, 300)
NOT_FOUND: Final = 404
CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class ObjectNames:
    """The names of the two objects.

    Args:
        namespace: The Secret's namespace.
        secret: The Secret's name.
        configuration: The name of the MutatingWebhookConfiguration; every webhook in it gets the same caBundle.

    """

    namespace: str
    secret: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read at one time, with the objects that a conditional write needs.

    Args:
        state: What the rotation decides by.
        secret: The Secret; None where there is none.
        configuration: The configuration; None where there is none.

    """

    state: AuthorityState
    secret: JSONObject | None
    configuration: JSONObject | None

    @property
    def is_immutable(self) -> bool:
        """Whether the API server refuses every change of the Secret."""
        return self.secret is not None and self.secret.get("immutable") is True


class AuthorityStore:
    """The two objects, through one API server."""

    def __init__(self, api: KubernetesApi, names: ObjectNames, lifetimes: Lifetimes = DEFAULT_LIFETIMES) -> None:
        """Use this client. Nothing is read yet."""
        self._api, self._names, self._lifetimes = api, names, lifetimes
        self._secrets = f"/api/v1/namespaces/{names.namespace}/secrets"

    def read(self) -> Snapshot:
        """Read both objects. CertificatesError."""
        configuration, _ = self._get(f"{CONFIGURATIONS}/{self._names.configuration}")
        secret, response = self._get(f"{self._secrets}/{self._names.secret}")
        keyring = _keyring_of(secret, self._lifetimes) or Keyring((), self._lifetimes)
        published = [_published_by(webhook) for webhook in _webhooks_of(configuration)]
        bundles = tuple(read_bundle(pem) for pem in published)
        has_other_content = any(write_bundle(bundle) != pem for bundle, pem in zip(bundles, published, strict=True))
        return Snapshot(AuthorityState(response.date, keyring, bundles, has_other_content), secret, configuration)

    def save_keyring(self, snapshot: Snapshot, keyring: Keyring) -> None:
        """Write the keyring to the Secret, creating it where there is none.

        Raises:
            ConflictError: The Secret was changed, created or deleted since the snapshot.
            ImmutableSecretError: The Secret is immutable.
            CertificatesError: The write failed otherwise.

        """
        if snapshot.is_immutable:
            raise ImmutableSecretError(immutable_problem(self._names))
        data = {ENTRY: base64.b64encode(write_keyring(keyring)).decode()}
        if snapshot.secret is None:
            metadata = {"name": self._names.secret, "namespace": self._names.namespace}
            created = {"apiVersion": "v1", "kind": "Secret", "type": OPAQUE, "metadata": metadata, "data": data}
            _check(self._api.request("POST", self._secrets, created))
            return
        # Whatever else is in the Secret stays: labels and annotations of whoever installed it, other entries that leave room.
        found: dict[str, str] = snapshot.secret.get("data") or {}
        if sum(len(value) for key, value in found.items() if key != ENTRY) > MAX_OTHER_CHARACTERS:
            found = {} if snapshot.secret.get("type", OPAQUE) == OPAQUE else dict.fromkeys(found, EMPTY_ENTRY)
        changed = {**snapshot.secret, "data": {**found, **data}}
        _check_exists(self._api.request("PUT", f"{self._secrets}/{self._names.secret}", changed))

    def publish_bundle(self, snapshot: Snapshot, bundle: Bundle) -> None:
        """Write the caBundle of every webhook in the configuration; nothing where there is no configuration.

        Raises:
            ConflictError: The configuration was changed or deleted since the snapshot.
            CertificatesError: The write failed otherwise.

        """
        if snapshot.configuration is None:
            return
        config = {"caBundle": base64.b64encode(write_bundle(bundle)).decode()}
        applied = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            # With the uid, since an apply to a configuration that was deleted would otherwise create it.
            "metadata": {key: snapshot.configuration["metadata"][key] for key in ("name", "uid", "resourceVersion")},
            # The list is merged by name (listMapKey), so each webhook keeps the fields that others own.
            "webhooks": [{"name": webhook["name"], "clientConfig": config} for webhook in _webhooks_of(snapshot.configuration)],
        }
        path = f"{CONFIGURATIONS}/{self._names.configuration}"
        _check_exists(self._api.request("PATCH", path, applied, APPLY, fieldManager=FIELD_MANAGER, force="true"))

    def _get(self, path: str) -> tuple[JSONObject | None, ApiResponse]:
        response = self._api.request("GET", path)
        if response.status == NOT_FOUND:
            return None, response
        _check(response)
        if not isinstance(response.body.get("metadata"), dict):
            message = f"the object at {path} has no metadata"
            raise ApiUnreadableError(message)
        return response.body, response


def immutable_problem(names: ObjectNames) -> str:
    """What is wrong where the Secret is immutable, and what to do about it."""
    return (
        f"the Secret {names.secret} is immutable, so the certificate authority in it cannot be renewed; "
        f"delete it, and a new one is created: kubectl --namespace {names.namespace} delete secret {names.secret}"
    )


def _webhooks_of(configuration: JSONObject | None) -> list[JSONObject]:
    webhooks: list[JSONObject] = (configuration or {}).get("webhooks") or []
    return webhooks


def _published_by(webhook: JSONObject) -> bytes:
    return _decode((webhook.get("clientConfig") or {}).get("caBundle"))


def _keyring_of(secret: JSONObject | None, lifetimes: Lifetimes) -> Keyring | None:
    return read_keyring(_decode(((secret or {}).get("data") or {}).get(ENTRY)), lifetimes)


def _decode(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except ValueError:
        return b""


def _check(response: ApiResponse) -> None:
    if response.status in OK:
        return
    problem = f"{response.status} {response.body.get('message', '')}"
    raise ConflictError(problem) if response.status == CONFLICT else ApiRefusedError(problem)


def _check_exists(response: ApiResponse) -> None:
    """As `_check`; an object that was read and is gone was changed too."""
    if response.status == NOT_FOUND:
        message = f"{NOT_FOUND} the object was deleted since it was read"
        raise ConflictError(message)
    _check(response)
