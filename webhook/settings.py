"""The settings, from the environment and a file, validated together at start. Each has its unit, its default and the reason for it.

A setting is an environment variable ``AIRFLOW_SIDECAR_WEBHOOK__NAME`` (two underscores: Kubernetes itself sets variables like
``AIRFLOW_SIDECAR_WEBHOOK_PORT`` for a Service of that name) or a key of the YAML file that ``AIRFLOW_SIDECAR_WEBHOOK__CONFIG`` or
``--config`` names. The environment takes precedence; an empty value counts as unset.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from webhook.core import (
    CANONICAL_NAME,
    DEFAULT_MINIMUM_KUBELET,
    MAX_WAIT_SECONDS,
    Enforcement,
    Mode,
    NativeSwitch,
    ShortNameValue,
    Version,
    WhenNotReady,
    is_label_value,
    read_version,
)
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "AIRFLOW_SIDECAR_WEBHOOK__"
CONFIG: Final = f"{PREFIX}CONFIG"

NOTHING: Final = ("", "~", "null", "Null", "NULL")
"""Values that count as unset: YAML's forms of null, and an empty variable."""


class SettingsError(Exception):
    """Invalid settings. The message has one line for each problem: where the value is, what is wrong with it, what is allowed."""


def _words(value: object) -> object:
    """A list, which an environment variable separates by commas."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _label_value(value: object) -> object:
    if isinstance(value, str) and value and not is_label_value(value):
        message = "must be a valid label value: at most 63 of A-Z a-z 0-9 - _ . , with a letter or digit at both ends"
        raise ValueError(message)
    return value


def _version(value: object) -> object:
    version = read_version(value) if isinstance(value, str) else value
    if version is None:
        message = "must be a version like 1.29.3"
        raise ValueError(message)
    return version


PortNumber = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """Every setting."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    host: str = Field(
        "0.0.0.0",  # noqa: S104 - the address of a pod is not known before it starts
        description="Address on which both servers listen. The default is every IPv4 address; `::` for IPv6.",
    )
    port: PortNumber = Field(
        8443, description="TLS port of the webhook. A port below 1024 needs the capability NET_BIND_SERVICE; 0 picks a free port."
    )
    health_port: PortNumber = Field(
        8080,
        description="Plain HTTP port of `/healthz`, `/readyz` and `/metrics`, for the kubelet and Prometheus, which have no client "
        "certificate. 0 picks a free port.",
    )
    certificates: Literal["files", "self-managed"] = Field(
        "files",
        description="Source of the serving certificate. `files`: two files that somebody else writes, such as cert-manager. "
        "`self-managed`: each replica signs its own certificate with an authority in a Secret, and the webhook writes its "
        "configuration's caBundle. The default writes nothing to the cluster.",
    )
    service_name: str = Field(
        "airflow-sidecar-webhook",
        min_length=1,
        description="Name of the webhook's Service, which is in the certificate. For `self-managed`.",
    )
    service_namespace: str = Field("", description="Namespace of the Service and of the Secret. Required for `self-managed`.")
    ca_secret: str = Field(
        "airflow-sidecar-webhook-authority", min_length=1, description="Name of the Secret with the authority. For `self-managed`."
    )
    configuration: str = Field(
        "airflow-sidecar-webhook",
        min_length=1,
        description="Name of the MutatingWebhookConfiguration whose caBundle the webhook writes. For `self-managed`.",
    )
    certificate_file: Path = Field(
        Path("/etc/airflow-sidecar-webhook/tls/tls.crt"),
        description="PEM file with the serving certificate and its chain. The default is a mounted `kubernetes.io/tls` Secret. For "
        "`files`.",
    )
    private_key_file: Path = Field(
        Path("/etc/airflow-sidecar-webhook/tls/tls.key"), description="PEM file with the certificate's private key. For `files`."
    )
    certificate_check_seconds: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="Seconds between two checks of the two files for changes. A check costs two reads. For `files`.",
    )
    max_body_bytes: int = Field(
        4 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024,
        description="Maximum size of a request body in bytes. The API server accepts objects of up to 3 MiB, and a CREATE review "
        "contains one.",
    )
    max_buffered_bytes: int = Field(
        24 * 1024 * 1024,
        ge=1024 * 1024,
        description="Maximum size of all buffered request bodies in bytes, which limits the memory. Beyond it the address with the most "
        "loses its largest body, which gets a 503 with `Retry-After: 1`, and the API server retries it. The default is the size of "
        "1,500 usual reviews.",
    )
    read_seconds: float = Field(
        5.0,
        gt=0,
        le=30,
        description="Seconds for a TLS handshake, and for a request to arrive completely: half of the API server's default timeout of "
        "10 s.",
    )
    max_connections: int = Field(
        768,
        ge=16,
        le=65536,
        description="Maximum number of open connections to the TLS port. Beyond it the oldest idle connection of the address with the "
        "most connections is closed. 768 take 25 MiB after a small request each, and up to 50 MiB with large ones.",
    )
    max_connections_per_peer: int = Field(
        640,
        ge=8,
        le=65536,
        description="Maximum number of open connections from one address. Beyond it the oldest idle one of that address is closed. More "
        "than the 600 requests that an API server handles at once by default.",
    )
    keep_alive_seconds: int = Field(
        100,
        ge=1,
        le=3600,
        description="Seconds until an idle connection is closed: longer than the 90 s after which the API server closes it, so that the "
        "API server never writes to a connection that is just being closed.",
    )
    drain_seconds: float = Field(
        10.0,
        ge=0,
        le=300,
        description="Seconds for which the webhook goes on serving after SIGTERM, unready and with `Connection: close` on each response, "
        "so that nodes and API servers stop sending requests first. Must be shorter than the pod's grace period.",
    )
    on_fault: Literal["allow", "error"] = Field(
        "allow",
        description="Response to a review that fails because of a bug in the webhook. `allow`: the pod is admitted unchanged. `error`: "
        "status 500, so that failurePolicy decides.",
    )
    enforcement: Enforcement = Field(
        Enforcement.ENFORCE,
        description="Whether pods are changed. `audit`: the spec of every pod stays as it is, and only the status and the label "
        "`treatment` say what `enforce` would do, whatever the annotations of the pod say.",
    )
    mode: Mode = Field(
        Mode.AUTO, description="Treatment of pods without the annotation `mode`. `auto` picks the safest treatment that lets the pod end."
    )
    native_sidecars: NativeSwitch = Field(
        NativeSwitch.AUTO,
        description="Whether sidecars are converted to native ones. `auto`: if the API server and every kubelet support them; `on`: "
        "always; `off`: never. With `off` the cluster is not watched, which with certificate `files` also saves the 10 MiB of the "
        "Kubernetes client.",
    )
    minimum_kubelet: Annotated[Version, BeforeValidator(_version)] = Field(
        DEFAULT_MINIMUM_KUBELET,
        description="Minimum kubelet version for which `auto` uses native sidecars. Before 1.29.3 the status of a restarted sidecar may "
        "stay wrong (kubernetes#123323).",
    )
    cluster_poll_seconds: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="Seconds between two reads of the API server's version and of the installed injectors, which rarely change. Nodes "
        "are watched, so changes of theirs take effect within seconds.",
    )
    wait_seconds: int = Field(
        120,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="Seconds for which a task waits until its sidecars are ready; 0: it does not wait. Far below the 600 s after which "
        "Airflow gives up a queued task.",
    )
    when_not_ready: WhenNotReady = Field(
        WhenNotReady.FAIL,
        description="What a task does whose sidecars are not ready in time. `fail`: it ends with exit code 69. `run`: it runs anyway; "
        "without its proxy it may fail with a less clear error.",
    )
    entrypoint_guess: Literal["never", "allow"] = Field(
        "never",
        description="Whether the wrapper may guess what an Airflow image runs, for pods of the KubernetesExecutor and of the chart's jobs "
        "without a command, whose image is not in the entrypoint table. `never`: such a task is not wrapped. `allow`: the wrapper runs the "
        "first known entrypoint that exists in the image. An image with an ENTRYPOINT of its own then loses what that does, so allow it "
        "only if all images of your tasks keep Airflow's entrypoint.",
    )
    helper_image: str = Field(
        "",
        description="Image with a static busybox at `/busybox`, for task images without a shell. Empty: such pods are left unchanged, "
        "since a failed pull of another image would stop them.",
    )
    injectors: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        (),
        description="Ids of known sidecars whose injector reads annotations on the pod, such as `linkerd` or `vault`, where it injects "
        "into every pod of the opted-in namespaces. Set it where an annotation of the namespace turns injection on, as with Linkerd, "
        "since the webhook does not see it. Istio is detected. The error for any other id lists those that are allowed.",
    )
    short_name_key: Literal["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"] = Field(
        CANONICAL_NAME,
        description="Label with the short name. Istio prefers the default one, and nothing else selects pods by it.",
    )
    short_name_value: ShortNameValue = Field(
        ShortNameValue.TASK,
        description="Content of the short name: `task` (DAG and task), `dag`, or `fixed`. None of them contains the try, so the number "
        "of time series stays bounded.",
    )
    short_name_fixed: Annotated[str, BeforeValidator(_label_value)] = Field(
        "airflow-task", min_length=1, description="The short name for `fixed`, and for a pod without labels for DAG and task."
    )
    sidecars_file: Path | None = Field(
        None,
        description="YAML file with further sidecars, in the shape of `webhook/data/sidecars`; these rows come first.",
    )
    entrypoints_file: Path | None = Field(
        None,
        description="YAML file with further image rules, in the form of `webhook/data/entrypoints.yaml`. They take precedence over it.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Minimum level of log lines. `info` logs one line for each review."
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> Settings:
        if self.certificates == "self-managed" and not self.service_namespace:
            message = "service_namespace: required if certificates is self-managed: the certificate is for SERVICE.NAMESPACE.svc"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _one_body_fits(self) -> Settings:
        if self.max_buffered_bytes < self.max_body_bytes:
            message = "max_buffered_bytes: must be at least max_body_bytes, or an allowed body would never be accepted"
            raise ValueError(message)
        return self


def read_settings(environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Read the environment and the file, and validate them together.

    Raises:
        SettingsError: Lists every problem.

    """
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX) and name != CONFIG}
    path = config or (Path(environ[CONFIG]) if environ.get(CONFIG) else None)
    filed = _read_file(path) if path else {}
    try:
        return Settings.model_validate(_something(filed) | _something(given))
    except ValidationError as error:
        problems = [_in_words(problem, given, path) for problem in error.errors(include_url=False)]
        raise SettingsError("\n".join(problems)) from error


def _something(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in NOTHING}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        # BaseLoader reads scalars as text, like environment variables: in YAML 1.1 the word off is a boolean, and here it is a mode.
        document = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - creates only text, lists and dicts
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise SettingsError(message) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"{path}: cannot be read as YAML: {yaml_problem(error)}"
        raise SettingsError(message) from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        message = f"{path}: must be a mapping of settings; allowed are {', '.join(Settings.model_fields)}"
        raise SettingsError(message)
    return document


def _in_words(problem: Any, given: Mapping[str, str], path: Path | None) -> str:
    if not problem["loc"]:
        return str(problem["msg"].removeprefix("Value error, "))
    name = str(problem["loc"][0])
    where = f"{PREFIX}{name.upper()}" if name in given else f"{path}: {name}"
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(name, Settings.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(Settings.model_fields)}"
        return f"{where}: there is no such setting; {hint}"
    return f"{where}: {problem['msg']}"
