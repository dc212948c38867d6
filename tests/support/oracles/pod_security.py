"""The Pod Security Standard "restricted" (k8s.io/pod-security-admission policy/check_*.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.oracles.pod_validation import containers_of, volume_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.json_object import JSONObject

# k8s.io/pod-security-admission policy/check_restrictedVolumes.go
_ALLOWED_VOLUMES = frozenset(
    {
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
        *("persistentVolumeClaim", "projected", "secret"),
    },
)


def violations_of_restricted(pod: JSONObject, container_names: Iterable[str]) -> list[str]:
    """Say where the named containers break the Pod Security Standard "restricted"; empty if fine.

    Pod-level settings count for a container that has none of its own. Volumes count where a named
    container mounts them. Raises KeyError for a container that the pod does not have.
    """
    spec = pod["spec"]
    containers = {container["name"]: container for _, container in containers_of(spec)}
    return [violation for name in container_names for violation in _restricted_violations(containers[name], spec)]


def _restricted_violations(container: JSONObject, spec: JSONObject) -> Iterator[str]:
    name = container["name"]
    own = container.get("securityContext") or {}
    effective = (spec.get("securityContext") or {}) | {k: v for k, v in own.items() if v is not None}
    if own.get("allowPrivilegeEscalation") is not False:
        yield f'container "{name}" must set securityContext.allowPrivilegeEscalation=false'
    yield from _capability_violations(name, own.get("capabilities") or {})
    if effective.get("runAsNonRoot") is not True:
        yield f'pod or container "{name}" must set securityContext.runAsNonRoot=true'
    if effective.get("runAsUser") == 0:
        yield f'pod or container "{name}" must not set runAsUser=0'
    if (effective.get("seccompProfile") or {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield (f'pod or container "{name}" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"')
    yield from _restricted_volume_violations(container, spec)


def _capability_violations(name: str, capabilities: JSONObject) -> Iterator[str]:
    if "ALL" not in (capabilities.get("drop") or []):
        yield f'container "{name}" must set securityContext.capabilities.drop=["ALL"]'
    for added in set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f'container "{name}" must not include "{added}" in securityContext.capabilities.add'


def _restricted_volume_violations(container: JSONObject, spec: JSONObject) -> Iterator[str]:
    mounted = {mount.get("name") for mount in container.get("volumeMounts") or []}
    for volume in spec.get("volumes") or []:
        for source in volume_types(volume):
            if volume.get("name") in mounted and source not in _ALLOWED_VOLUMES:
                yield f'volume "{volume["name"]}" uses restricted volume type "{source}"'
