"""A fake of the part of an API server that stores certificates: two objects, their resourceVersions, a clock. Strictly in memory.

It shows nothing about a real one: tests/e2e/api_server/test_certificates.py does. It does what a real one cannot do a
thousand times: serve several replicas in every order of their requests, while years pass.
"""

from __future__ import annotations

import base64
import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from certs.api import JSON, ApiResponse
from certs.bundle import read_bundle
from certs.store import CONFIGURATIONS, ENTRY, ObjectNames

if TYPE_CHECKING:
    from cryptography import x509

    from tests.support.json_object import JSONObject


START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES: Final = ObjectNames("infra", "authority", "airflow-sidecar-webhook")
SECRETS: Final = "/api/v1/namespaces/infra/secrets"
SECRET: Final = f"{SECRETS}/{NAMES.secret}"
CONFIGURATION: Final = f"{CONFIGURATIONS}/{NAMES.configuration}"
MAX_SECRET_BYTES: Final = 1024 * 1024
"""MaxSecretSize of Kubernetes."""

REQUIRED_ENTRIES: Final = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
"""What it demands of a Secret of such a type (pkg/apis/core/validation/validation.go ValidateSecret)."""

_bundle: Final = lru_cache(read_bundle)


@dataclass
class FakeCluster:
    """Implements `certs.api.KubernetesApi`.

    Args:
        now: Its clock.
        objects: By path.
        calls: Every request: method and path.
        refused: Requests, by method and path, that get this status instead of an answer.

    """

    now: datetime = START
    objects: dict[str, JSONObject] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    versions: int = 0

    def request(self, method: str, path: str, body: JSONObject | None = None, media_type: str = JSON, **parameters: str) -> ApiResponse:  # noqa: ARG002  as a real one has it
        """Answer."""
        self.calls.append((method, path))
        if status := self.refused.get((method, path)):
            return self._answer(status, {"kind": "Status", "message": f"{method} {path} is refused"})
        return self._write(method, path, body) if body is not None else self._read(path)

    def pass_time(self, time: timedelta) -> None:
        """Let it be later."""
        self.now += time

    def configure(self, webhooks: int = 1) -> None:
        """Create the configuration, with empty caBundles."""
        hooks = [{"name": f"webhook-{number}", "clientConfig": {}} for number in range(webhooks)]
        self._store(CONFIGURATION, {"metadata": {"name": NAMES.configuration}, "webhooks": hooks})

    def unconfigure(self) -> None:
        """Delete it."""
        self.objects.pop(CONFIGURATION, None)

    def delete_secret(self) -> None:
        """Delete it."""
        self.objects.pop(SECRET, None)

    def put_bundle(self, pem: bytes) -> None:
        """Have somebody else write the caBundle."""
        configuration = copy.deepcopy(self.objects[CONFIGURATION])
        for webhook in configuration["webhooks"]:
            webhook["clientConfig"]["caBundle"] = base64.b64encode(pem).decode()
        self._store(CONFIGURATION, configuration)

    def put_secret(self, secret: JSONObject) -> None:
        """Have somebody else write the Secret, as from a backup."""
        self._store(SECRET, copy.deepcopy(secret))

    @property
    def bundles(self) -> tuple[tuple[x509.Certificate, ...], ...]:
        """The certificates in each caBundle; none without a configuration."""
        return tuple(_bundle(pem) for pem in self.published)

    @property
    def published(self) -> tuple[bytes, ...]:
        """Each caBundle as it is; none without a configuration."""
        webhooks = self.objects.get(CONFIGURATION, {}).get("webhooks", [])
        return tuple(base64.b64decode(webhook["clientConfig"].get("caBundle", "")) for webhook in webhooks)

    @property
    def secret_value(self) -> bytes | None:
        """The authority's entry in the Secret; None: there is no Secret."""
        secret = self.objects.get(SECRET)
        return None if secret is None else base64.b64decode(secret["data"].get(ENTRY, ""))

    def _read(self, path: str) -> ApiResponse:
        found = self.objects.get(path)
        return self._answer(404, {"message": "not found"}) if found is None else self._answer(200, copy.deepcopy(found))

    def _write(self, method: str, path: str, body: JSONObject) -> ApiResponse:
        target = f"{path}/{body['metadata']['name']}" if method == "POST" else path
        found = self.objects.get(target)
        if method == "POST" and found is not None:
            return self._answer(409, {"message": "already exists"})
        if method != "POST" and found is None:
            return self._answer(404, {"message": "not found"})
        if found is not None and found["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            return self._answer(409, {"message": "the object has been modified"})
        if sum(len(base64.b64decode(value)) for value in body.get("data", {}).values()) > MAX_SECRET_BYTES:
            return self._answer(422, {"message": "data: Too long"})
        if not all(body["data"].get(key) for key in REQUIRED_ENTRIES.get(body.get("type", ""), ())):
            return self._answer(422, {"message": "data: Required value"})
        return self._answer(200, self._store(target, _applied(found, body) if method == "PATCH" and found else copy.deepcopy(body)))

    def _store(self, path: str, document: JSONObject) -> JSONObject:
        self.versions += 1
        document["metadata"] = {"uid": str(self.versions), **document["metadata"], "resourceVersion": str(self.versions)}
        self.objects[path] = document
        return copy.deepcopy(document)

    def _answer(self, status: int, body: JSONObject) -> ApiResponse:
        return ApiResponse(status, body, self.now.replace(microsecond=0))


def _applied(found: JSONObject, body: JSONObject) -> JSONObject:
    """Server-side apply, as far as a list of webhooks with a clientConfig goes."""
    applied = copy.deepcopy(found)
    by_name = {webhook["name"]: webhook for webhook in applied["webhooks"]}
    for webhook in body["webhooks"]:
        by_name[webhook["name"]]["clientConfig"] |= webhook["clientConfig"]
    return applied
