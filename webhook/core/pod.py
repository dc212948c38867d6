"""The part of a Pod that some rule reads, typed. Everything else stays raw JSON and is never built into objects.

Field names are the API's own (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/). A pod is only
ever *read* through these types; what we change goes out as JSON Patch operations, so a field that is unknown here survives.
"""

from __future__ import annotations

from typing import Any

import msgspec


class EnvVar(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a container's environment. ``value`` is None where it comes from elsewhere (``valueFrom``)."""

    name: str
    value: str | None = None


class Named(msgspec.Struct, frozen=True, omit_defaults=True):
    """Anything of which only the name matters here: volumes."""

    name: str


class VolumeMount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a volume appears in a container."""

    name: str
    mountPath: str | None = None  # noqa: N815


class Container(msgspec.Struct, frozen=True, omit_defaults=True):
    """A regular or init container. ``restartPolicy`` "Always" on an init container makes it a native sidecar (KEP-753)."""

    name: str
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    env: list[EnvVar] | None = None
    restartPolicy: str | None = None  # noqa: N815
    resources: dict[str, Any] | None = None
    securityContext: dict[str, Any] | None = None  # noqa: N815
    volumeMounts: list[VolumeMount] | None = None  # noqa: N815

    @property
    def is_native_sidecar(self) -> bool:
        """Whether this init container runs beside the task: exactly "Always"; KEP-5307 gives other values to plain ones."""
        return self.restartPolicy == "Always"

    @property
    def argv(self) -> list[str]:
        """What the pod says of the command line: command and args; the image's own defaults are not in the pod."""
        return [*(self.command or ()), *(self.args or ())]

    def env_value(self, name: str) -> str | None:
        """The literal value of an environment variable, None where there is none."""
        for variable in self.env or ():
            if variable.name == name:
                return variable.value
        return None


class OperatingSystem(msgspec.Struct, frozen=True, omit_defaults=True):
    """``spec.os``."""

    name: str | None = None


class PodSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """``spec``. An absent ``restartPolicy`` is "Always", the API's default."""

    containers: list[Container]
    initContainers: list[Container] | None = None  # noqa: N815
    volumes: list[Named] | None = None
    restartPolicy: str | None = None  # noqa: N815
    hostNetwork: bool | None = None  # noqa: N815
    securityContext: dict[str, Any] | None = None  # noqa: N815
    os: OperatingSystem | None = None


class OwnerReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who made the pod; a Job's pods have one, Airflow's own have none."""

    kind: str | None = None
    name: str | None = None
    controller: bool | None = None


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """``metadata``. Of a pod made from ``generateName`` the name is not known at admission."""

    name: str | None = None
    generateName: str | None = None  # noqa: N815
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    ownerReferences: list[OwnerReference] | None = None  # noqa: N815


class Pod(msgspec.Struct, frozen=True, omit_defaults=True):
    """A v1 Pod, as far as the rules read it."""

    metadata: Metadata
    spec: PodSpec

    @property
    def labels(self) -> dict[str, str]:
        """Its labels; empty where there are none."""
        return self.metadata.labels or {}

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations; empty where there are none."""
        return self.metadata.annotations or {}

    @property
    def init_containers(self) -> list[Container]:
        """Its init containers, native sidecars among them."""
        return self.spec.initContainers or []

    @property
    def shown_name(self) -> str:
        """Its name, or what it is generated from."""
        return self.metadata.name or self.metadata.generateName or ""
