"""The settings of the installed webhook, from its Deployment: what the checks go by where the user gives none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from webhook.doctor.snapshot import ReadFailure, SettingsOrigin
from webhook.kube.errors import ClusterError, UnreadableError
from webhook.kube.reading import decode
from webhook.policy_files import build_policy
from webhook.settings import CONFIG, PREFIX, SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.core import Policy
    from webhook.doctor.registration import RegisteredWebhook, WebhookService
    from webhook.kube.reading import ApiReader
    from webhook.settings import Settings

FILES: Final = tuple([f"{PREFIX}{name}_FILE" for name in ("SIDECARS", "ENTRYPOINTS")])
"""The settings that name files with an admin's own rows, as environment variables."""


class _FieldRef(msgspec.Struct, rename="camel"):
    field_path: str


class _ValueFrom(msgspec.Struct, rename="camel"):
    field_ref: _FieldRef | None = None


class _Variable(msgspec.Struct, rename="camel"):
    name: str
    value: str = ""
    value_from: _ValueFrom | None = None

    @property
    def is_namespace(self) -> bool:
        """Whether it is the pod's own namespace."""
        field = self.value_from.field_ref if self.value_from else None
        return field is not None and field.field_path == "metadata.namespace"


class _Mount(msgspec.Struct, rename="camel"):
    name: str
    mount_path: str


class _ServeContainer(msgspec.Struct, rename="camel"):
    args: tuple[str, ...] | None = None
    env: tuple[_Variable, ...] | None = None
    env_from: tuple[msgspec.Raw, ...] | None = None
    volume_mounts: tuple[_Mount, ...] | None = None


class _ConfigMapName(msgspec.Struct):
    name: str = ""


class _PodVolume(msgspec.Struct, rename="camel"):
    name: str
    config_map: _ConfigMapName | None = None


class _PodSpec(msgspec.Struct):
    containers: tuple[_ServeContainer, ...]
    volumes: tuple[_PodVolume, ...] | None = None


class _Template(msgspec.Struct):
    spec: _PodSpec


class _DeploymentSpec(msgspec.Struct):
    template: _Template


class _Deployment(msgspec.Struct):
    spec: _DeploymentSpec


class _ConfigMap(msgspec.Struct):
    data: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """By what the checks go.

    Args:
        settings: The settings.
        policy: What follows from them.
        origin: The Deployment of the installed webhook; None: the user gives settings, or the webhook has no Service.

    """

    settings: Settings
    policy: Policy
    origin: SettingsOrigin | None


def checked_settings(api: ApiReader, given: Settings, webhooks: tuple[RegisteredWebhook, ...] | ReadFailure) -> CheckedSettings:
    """The settings that the user gives; where he gives none, those of the installed webhook, as far as he may read them.

    Args:
        api: Reads from the API server.
        given: By the user.
        webhooks: Every mutating webhook.

    Raises:
        SettingsError: A file that a given setting names cannot be used.

    """
    service = None if given.model_fields_set else installed_service(webhooks)
    if service is None:
        return CheckedSettings(given, build_policy(given), None)
    try:
        settings, policy = _installed(api, service)
    except (ClusterError, SettingsError) as problem:
        message = " ".join(str(problem).split())
        return CheckedSettings(given, build_policy(given), SettingsOrigin(service.namespace, service.name, message))
    return CheckedSettings(settings, policy, SettingsOrigin(service.namespace, service.name))


def installed_service(webhooks: tuple[RegisteredWebhook, ...] | ReadFailure) -> WebhookService | None:
    """The Service of the installed webhook; None: it is not installed, is reached by a URL, or could not be read."""
    if isinstance(webhooks, ReadFailure):
        return None
    return next((one.clientConfig.service for one in webhooks if one.is_own and one.clientConfig.service), None)


def _installed(api: ApiReader, service: WebhookService) -> tuple[Settings, Policy]:
    """ClusterError, SettingsError. The chart gives Service and Deployment the same name."""
    path = f"/apis/apps/v1/namespaces/{quote(service.namespace, safe='')}/deployments/{quote(service.name, safe='')}"
    spec = decode(api.get(path), _Deployment).spec.template.spec
    variables = [one for container in spec.containers for one in container.env or () if one.name.startswith(PREFIX)]
    environ = {one.name: service.namespace if one.is_namespace else one.value for one in variables}
    if environ.get(CONFIG) or any(word.startswith("--config") for container in spec.containers for word in container.args or ()):
        message = f"its settings are in a file of its own ({CONFIG})"
        raise UnreadableError(message)
    if any(one.value_from is not None and not one.is_namespace for one in variables) or any(
        container.env_from for container in spec.containers
    ):
        message = "some of its settings are in other objects (valueFrom, envFrom)"
        raise UnreadableError(message)
    texts = {Path(environ[name]): _text(api, service.namespace, spec, environ[name]) for name in FILES if environ.get(name)}
    settings = read_settings(environ)
    return settings, build_policy(settings, texts)


def _text(api: ApiReader, namespace: str, spec: _PodSpec, file: str) -> str:
    """The text of a file that is mounted from a ConfigMap."""
    path = PurePosixPath(file)
    mounts = [
        one.name for container in spec.containers for one in container.volume_mounts or () if PurePosixPath(one.mount_path) == path.parent
    ]
    maps: Mapping[str, _ConfigMapName] = {one.name: one.config_map for one in spec.volumes or () if one.config_map is not None}
    name = next((maps[mount].name for mount in mounts if mount in maps), None)
    if name is None:
        message = f"{file} is not mounted from a ConfigMap"
        raise UnreadableError(message)
    found = decode(api.get(f"/api/v1/namespaces/{quote(namespace, safe='')}/configmaps/{quote(name, safe='')}"), _ConfigMap)
    text = (found.data or {}).get(path.name)
    if text is None:
        message = f"the ConfigMap {name} has no entry {path.name}"
        raise UnreadableError(message)
    return text
