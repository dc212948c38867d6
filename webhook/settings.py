"""The settings: from the environment and a file, checked together at start. Each has its unit, its default and the reason for it.

A setting is an environment variable ``AIRFLOW_SIDECAR_WEBHOOK__NAME`` (two underscores: Kubernetes itself sets variables like
``AIRFLOW_SIDECAR_WEBHOOK_PORT`` for a Service of that name) or a key of the YAML file that ``AIRFLOW_SIDECAR_WEBHOOK__CONFIG`` or
``--config`` names. The environment wins; an empty value is none.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from webhook.core.cluster import DEFAULT_MINIMUM_KUBELET, NativeSwitch
from webhook.core.names import CANONICAL_NAME
from webhook.core.pod_options import MAX_WAIT_SECONDS, Mode, WhenNotReady
from webhook.core.short_name import ShortNameValue, is_label_value
from webhook.core.version import Version, read_version
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "AIRFLOW_SIDECAR_WEBHOOK__"
CONFIG: Final = f"{PREFIX}CONFIG"

NOTHING: Final = ("", "~", "null", "Null", "NULL")
"""Values that set nothing: what YAML knows as null, and an empty variable."""


class SettingsError(Exception):
    """Settings that cannot be used. The message has one line for each problem: where it stands, what is wrong, what is allowed."""


def _words(value: object) -> object:
    """A list in a file, words between commas in an environment variable."""
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
    """What an operator can set."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    host: str = Field(
        "0.0.0.0",  # noqa: S104 - a pod has one address, and it is not known before
        description="Address both servers listen on. All by default, since a pod's address is not known; `::` on IPv6.",
    )
    port: PortNumber = Field(8443, description="TLS port of the webhook. Not below 1024, which needs a right; 0 takes a free one.")
    health_port: PortNumber = Field(
        8080,
        description="Plain HTTP port of `/healthz`, `/readyz` and `/metrics`: the kubelet and Prometheus hold no client "
        "certificate. 0 takes a free one.",
    )
    certificates: Literal["files", "self-managed"] = Field(
        "files",
        description="Where the serving certificate comes from: `files` that somebody else writes (cert-manager, an admin), or "
        "`self-managed`: each replica signs its own with an authority in a Secret, and keeps the caBundle of its configuration. Nothing "
        "is written unasked.",
    )
    service_name: str = Field(
        "airflow-sidecar-webhook", min_length=1, description="Name of the Service, for `self-managed`: what the certificate is made for."
    )
    service_namespace: str = Field("", description="Namespace of the Service and of the Secret, for `self-managed`; there is no default.")
    ca_secret: str = Field(
        "airflow-sidecar-webhook-authority", min_length=1, description="Secret that holds the authority, for `self-managed`."
    )
    configuration: str = Field(
        "airflow-sidecar-webhook",
        min_length=1,
        description="MutatingWebhookConfiguration whose caBundle is kept, for `self-managed`.",
    )
    certificate_file: Path = Field(
        Path("/etc/airflow-sidecar-webhook/tls/tls.crt"),
        description="PEM file with the serving certificate and its chain; the key of a `kubernetes.io/tls` Secret.",
    )
    private_key_file: Path = Field(Path("/etc/airflow-sidecar-webhook/tls/tls.key"), description="PEM file with its private key.")
    certificate_check_seconds: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="How often, in seconds, the two files are looked at: ten is soon after a mount is updated, and costs two reads.",
    )
    max_body_bytes: int = Field(
        4 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024,
        description="Largest request body in bytes. The API server takes objects of up to 3 MiB, and a CREATE review holds one.",
    )
    max_buffered_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bytes of all request bodies held at once; more are answered with 503 and `Retry-After: 1`, which the"
        " API server obeys. Bounds the memory.",
    )
    read_seconds: float = Field(
        5.0,
        gt=0,
        le=30,
        description="How long, in seconds, a request may take to arrive: half of the API server's default timeout of 10 s.",
    )
    keep_alive_seconds: int = Field(
        100,
        ge=1,
        le=3600,
        description="How long, in seconds, an idle connection is kept: longer than the 90 s after which the API server "
        "gives it up, so that it never writes into one that is just being closed.",
    )
    drain_seconds: float = Field(
        10.0,
        ge=0,
        le=300,
        description="How long, in seconds, it goes on serving after SIGTERM, not ready and closing each connection after an answer: until "
        "nodes and API servers have heard that it ends. The pod's grace period must be longer.",
    )
    on_fault: Literal["allow", "error"] = Field(
        "allow",
        description="What a fault of the webhook's own is answered with: `allow` lets the pod pass unchanged, `error` "
        "answers 500, so that failurePolicy decides.",
    )
    mode: Mode = Field(Mode.AUTO, description="Treatment of pods that do not say: the safest that ends them.")
    native_sidecars: NativeSwitch = Field(
        NativeSwitch.AUTO,
        description="Whether sidecars are made native: `auto` where the API server and every kubelet are known to be able, `on` and `off` "
        "whatever is known. `off` asks the API server for nothing, and does without the client's 10 MiB.",
    )
    minimum_kubelet: Annotated[Version, BeforeValidator(_version)] = Field(
        DEFAULT_MINIMUM_KUBELET,
        description="The oldest kubelet that `auto` takes for able. Before 1.29.3 the status of a sidecar that was started again may stay "
        "wrong (kubernetes#123323).",
    )
    cluster_poll_seconds: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="How often, in seconds, the API server is asked for its version and for the installed injectors: both change once in "
        "weeks, and a minute costs two requests. Nodes are watched, and known within seconds.",
    )
    wait_seconds: int = Field(
        120,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="How long, in seconds, a task waits for its sidecars; 0 does not wait. Far below the 600 s after "
        "which Airflow gives up a queued task.",
    )
    when_not_ready: WhenNotReady = Field(
        WhenNotReady.FAIL,
        description="What a task does when its sidecars are not ready by then: `fail` ends it with code 69, `run` runs it"
        " all the same. A task without its proxy would fail in a less clear way.",
    )
    helper_image: str = Field(
        "",
        description="Image with a static busybox at `/busybox`, for images that have no shell. Empty: such pods are left "
        "as they are, since pulling an image nobody named could stop them.",
    )
    injectors: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        (),
        description="`istio`, `vault`, `linkerd`, `consul` or `dapr` (or the id of an own row that asks): sidecars whose injector works on "
        "every pod of the opted-in namespaces, like Linkerd's by a namespace annotation, which a webhook cannot see. Nothing is assumed by "
        "default; that Istio is there is seen.",
    )
    short_name_key: Literal["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"] = Field(
        CANONICAL_NAME,
        description="Label that holds the short name. Istio looks at this one first, and nothing else selects pods by it.",
    )
    short_name_value: ShortNameValue = Field(
        ShortNameValue.TASK,
        description="What the short name is made of: `task` (DAG and task), `dag`, or `fixed`. One time series a task, not one a try.",
    )
    short_name_fixed: Annotated[str, BeforeValidator(_label_value)] = Field(
        "airflow-task", min_length=1, description="The name for `fixed`, and for a pod that tells neither DAG nor task."
    )
    sidecars_file: Path | None = Field(
        None,
        description="YAML file with further sidecars, in the shape of `webhook/data/sidecars`; these rows come first.",
    )
    entrypoints_file: Path | None = Field(
        None,
        description="YAML file with further images, in the shape of `webhook/data/entrypoints.yaml`; looked at before it.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged. `info` has one line for each review."
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> Settings:
        if self.certificates == "self-managed" and not self.service_namespace:
            message = "service_namespace: must be set where certificates is self-managed: the certificate is made for SERVICE.NAMESPACE.svc"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _one_body_fits(self) -> Settings:
        if self.max_buffered_bytes < self.max_body_bytes:
            message = "max_buffered_bytes: must not be below max_body_bytes, or a body that is allowed would never be taken"
            raise ValueError(message)
        return self


def read_settings(environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Read the environment and the file, and check them together.

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
        # BaseLoader leaves scalars as text, as an environment variable is: to YAML 1.1 the word off is a boolean, to us a mode.
        document = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but text, lists and dicts
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
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
