"""A regular container that becomes native: what changes in it, and whether an init container is what it would become.

An injector that searches the regular containers only adds its container again where the webhook has made it native: when it is called
again for the same pod, or for a copy of the stored one. The API server refuses two containers of one name, so one of them has to go.
Nothing in a pod shows who wrote what in it, and its status can be forged. So the regular one goes only where nothing of it is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from webhook.core.pod import Container

TOKEN_VOLUME: Final = "kube-api-access-"  # noqa: S105  the beginning of a name
TOKEN_MOUNT: Final = {"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
"""What the API server mounts in each container: the first volume of such a name, a user's own too (plugin/pkg/admission/serviceaccount)."""

_PROBE: Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_HTTP_GET: Final = {"path": "/", "scheme": "HTTP"}
"""What the API server adds to a probe, and to the HTTP request of a probe or hook (pkg/apis/core/v1/defaults.go)."""

_UNCHANGED: Final = (
    *("image", "command", "args", "workingDir", "envFrom", "ports", "livenessProbe", "readinessProbe", "securityContext"),
    *("volumeDevices", "restartPolicyRules"),
)


class Move(msgspec.Struct, frozen=True):
    """One regular container that becomes an init container.

    Args:
        name: The container's name.
        lifecycle_hooks: Its lifecycle hooks afterwards; None: unchanged.
        startup_probe: A startup probe to add; None: none.
        env: Environment variables to add.
        loses_resize_policy: Whether resizePolicy is removed.

    """

    name: str
    lifecycle_hooks: dict[str, Any] | None = None
    startup_probe: dict[str, Any] | None = None
    env: tuple[dict[str, str], ...] = ()
    loses_resize_policy: bool = False

    def gives(self, native: Container, regular: Container) -> bool:
        """Whether ``native`` is ``regular`` after this move, or before it, with what the API server adds to a container in between.

        Not compared is what no sidecar works by: the resize policy, where its last message goes, and whether it has a terminal.
        """
        return _is_unchanged(native, regular) and self._is_as_changed(native, regular)

    def _is_as_changed(self, native: Container, regular: Container) -> bool:
        hooks, probe = regular.lifecycle_hooks, regular.field("startupProbe")
        env = _variables(regular)
        later = hooks if self.lifecycle_hooks is None else self.lifecycle_hooks
        return (
            _hooks(native.lifecycle_hooks) in (_hooks(hooks), _hooks(later))
            and _probe(native.field("startupProbe")) in (_probe(probe), _probe(probe or self.startup_probe))
            and _variables(native) in (env, [*env, *self.env])
        )


def _is_unchanged(native: Container, regular: Container) -> bool:
    """Whether the rest is the same; null, absent and empty are the same to the API."""
    return (
        all((native.field(name) or None) == (regular.field(name) or None) for name in _UNCHANGED)
        and _mounts(native) == _mounts(regular)
        and _has_demands(native.demands, regular.demands)
        and native.field("imagePullPolicy") in (regular.field("imagePullPolicy"), "Always")
    )


def _variables(container: Container) -> list[Any]:
    return container.field("env") if container.environment else []


def _mounts(container: Container) -> list[Any]:
    """Without the service account's token, which the API server mounts in the containers that are there when it gets the pod."""
    mounts = zip(container.mounts, container.field("volumeMounts") or (), strict=True)
    return [mount for read, mount in mounts if not read.name.startswith(TOKEN_VOLUME) or mount != {"name": read.name} | TOKEN_MOUNT]


def _has_demands(native: dict[str, Any], regular: dict[str, Any]) -> bool:
    """Whether no amount is another one; a LimitRange adds those that a container does not say (plugin/pkg/admission/limitranger)."""
    amounts = [(_mapping(native.get(kind)), _mapping(regular.get(kind))) for kind in ("requests", "limits")]
    return all(said.items() <= found.items() for found, said in amounts) and native.get("claims") == regular.get("claims")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _hooks(hooks: dict[str, Any]) -> dict[str, Any]:
    return {name: _with_request(hook) for name, hook in hooks.items() if hook}


def _probe(probe: object) -> dict[str, Any]:
    return _PROBE | _with_request(probe) if isinstance(probe, dict) and probe else {}


def _with_request(handler: Any) -> Any:
    request = _mapping(handler).get("httpGet")
    return handler | {"httpGet": _HTTP_GET | request} if isinstance(request, dict) else handler
