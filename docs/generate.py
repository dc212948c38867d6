"""Makes the pages that follow from the code: ``python -m docs.generate`` writes them, a test compares."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from docs import generate_sidecars
from webhook.core.cluster import GATE_LOCKED, NATIVE_SERVER, NativeSupport
from webhook.core.pod_options import POD_OPTIONS
from webhook.core.reasons import SENTENCES, NotConvertedReason, Reason, SkipReason
from webhook.core.status import TREATMENTS
from webhook.server.metrics import Metrics
from webhook.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

REFERENCE = Path(__file__).parent / "reference.md"
NATIVE_PAGE = Path(__file__).parent / "native.md"
KEPT_TABLE = re.compile(r"(?<=<!-- Made by `make docs` from the code. -->\n).*?(?=\n\n)", re.DOTALL)
"""The one part of the page on native sidecars that follows from the code."""

WHAT_ANNOTATIONS_DO = {
    "airflow-sidecar-webhook/mode": "how the pod is treated: by the rules, with native sidecars or the wrapper only, labelled, or not",
    "airflow-sidecar-webhook/main-container": "which container is the task's, where it is neither `base` nor the first that is no sidecar",
    "airflow-sidecar-webhook/entrypoint": "what the main container's image runs, where the pod gives no command",
    "airflow-sidecar-webhook/shell": "where the wrapper's shell comes from: the image has one, or the helper brings it",
    "airflow-sidecar-webhook/sidecars": "further sidecars of this pod: container name, how each is asked to quit, and when it is ready",
    "airflow-sidecar-webhook/wait-seconds": "how long the task waits for its sidecars; 0 does not wait",
    "airflow-sidecar-webhook/when-not-ready": "what the task does when they are not ready by then",
}
"""A sentence for every annotation; a test holds this to the code's own table."""

WHAT_THE_CLUSTER_LACKS = {
    NativeSupport.UNKNOWN: "The versions of the API server and of the kubelets are not known (yet): the service could not read them.",
    NativeSupport.OLD_SERVER: f"The API server is older than {NATIVE_SERVER.major}.{NATIVE_SERVER.minor}, or emulates an older one.",
    NativeSupport.OLD_KUBELET: "A node has a kubelet older than the setting `minimum_kubelet`.",
    NativeSupport.EMULATING_SERVER: (
        f"The API server emulates a version before {GATE_LOCKED.major}.{GATE_LOCKED.minor}, in which they can be switched off unseen."
    ),
    NativeSupport.FORCED_OFF: "The setting `native_sidecars` is `off`.",
}
"""A sentence for every answer that means no."""


def reference() -> str:
    """The whole page."""
    parts = (_head(), _settings(), _annotations(), _status(), _reasons(), _native(), _metrics())
    return "\n".join(line for part in parts for line in part)


def _head() -> Iterator[str]:
    yield "<!-- Made by `make docs` from the code; edit there. -->"
    yield "# Reference\n"
    yield "[Settings](#settings) · [Annotations](#annotations) · [Status](#status) · [Reasons](#reasons) ·"
    yield "[Why no sidecar is native](#why-no-sidecar-is-native) · [Why a sidecar stays](#why-a-sidecar-stays) ·"
    yield "[Metrics](#metrics)\n"


def _settings() -> Iterator[str]:
    yield "## Settings\n"
    yield f"An environment variable `{PREFIX}NAME`, or a key in lower case of the YAML file that `{PREFIX}CONFIG`"
    yield "or `--config` names. (Two underscores: Kubernetes itself sets `AIRFLOW_SIDECAR_WEBHOOK_PORT` for a Service of that name.) The"
    yield "environment wins, and an empty value or null is none. At start all values are checked together, then the files they name.\n"
    yield "| setting | default | allowed | |"
    yield "|---|---|---|---|"
    for name, field in Settings.model_fields.items():
        yield f"| `{name}` | {_default(field.default)} | {_allowed(field)} | {field.description} |"
    yield ""


def _allowed(field: FieldInfo) -> str:
    """The choices, or the bounds."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if isinstance(field.annotation, type) and issubclass(field.annotation, StrEnum):
        return ", ".join(f"`{choice}`" for choice in field.annotation)
    bounds = {name: getattr(one, name) for one in field.metadata for name in ("ge", "gt", "le") if getattr(one, name, None) is not None}
    words = {"ge": "from", "gt": "over", "le": "to"}
    return " ".join(f"{word} {bounds[name]}" for name, word in words.items() if name in bounds)


def _default(value: object) -> str:
    return "" if value in (None, "", ()) else f"`{value}`"


def _annotations() -> Iterator[str]:
    yield "## Annotations\n"
    yield "On the pod. A value that means nothing is left out, told to the pod's creator as an admission warning, and counted.\n"
    yield "| annotation | | allowed |"
    yield "|---|---|---|"
    for key, option in POD_OPTIONS.items():
        yield f"| `{key}` | {WHAT_ANNOTATIONS_DO[key]} | {option.allowed} |"
    yield ""


def _status() -> Iterator[str]:
    yield "## Status\n"
    yield "The webhook writes `airflow-sidecar-webhook/status` on every pod of Airflow's that it does not skip: a JSON document.\n"
    yield "| member | |"
    yield "|---|---|"
    yield "| `treatment` | `native`, `wrapped`, `labelled`, or `left`: a sidecar may keep the pod running |"
    yield "| `reason` | why; see below |"
    yield "| `main` | the container that holds the task |"
    yield "| `entrypoint` | of a wrapped pod: where its words come from, see [wrapper.md](wrapper.md#what-it-runs) |"
    yield "| `shell` | of a wrapped pod: `image` or `helper` |"
    yield "| `sidecars` | each container beside the task: `native`, `quit`, `ends-by-itself`, `keeps-running` (the pod too), `unknown` |"
    yield "| `no_native` | why no sidecar was made native, where that lies with the cluster; see [below](#why-no-sidecar-is-native) |"
    yield "| `not_converted` | sidecars not converted on a cluster with native sidecars, and why: see [below](#why-a-sidecar-stays) |"
    yield ""


def _reasons() -> Iterator[str]:
    yield "## Reasons\n"
    yield "In the status of the pod, in the log line, and as the label `reason` of the metric.\n"
    yield "| reason | treatment | |"
    yield "|---|---|---|"
    for reason in Reason:
        yield f"| `{reason}` | {TREATMENTS[reason]} | {SENTENCES[reason]} |"
    for skipped in SkipReason:
        yield f"| `{skipped}` | skipped | {SENTENCES[skipped]} |"
    yield ""


def _native() -> Iterator[str]:
    yield "## Why no sidecar is native\n"
    yield "What the cluster lacks; `no_native` in the status. See [native.md](native.md#the-cluster).\n"
    yield "| reason | |"
    yield "|---|---|"
    for support, sentence in WHAT_THE_CLUSTER_LACKS.items():
        yield f"| `{support}` | {sentence} |"
    yield "\n## Why a sidecar stays\n"
    yield "On a cluster that has native ones; `kept` in the status. See [native.md](native.md#what-stays).\n"
    yield from kept_reasons()
    yield ""


def kept_reasons() -> Iterator[str]:
    """The table of the reasons to keep a sidecar where it is; it also stands in docs/native.md."""
    yield "| reason | |"
    yield "|---|---|"
    for kept in NotConvertedReason:
        yield f"| `{kept}` | {SENTENCES[kept]} |"


def _metrics() -> Iterator[str]:
    yield "## Metrics\n"
    yield "On the health port under `/metrics`, beside Prometheus' own `process_*`.\n"
    yield "| metric | type | |"
    yield "|---|---|---|"
    for family in Metrics().registry.collect():
        if not family.name.startswith("process_"):
            suffix = "_total" if family.type == "counter" else ""
            yield f"| `{family.name}{suffix}` | {family.type} | {family.documentation} |"
    yield ""


if __name__ == "__main__":
    REFERENCE.write_text(reference(), "utf-8")
    NATIVE_PAGE.write_text(KEPT_TABLE.sub("\n".join(kept_reasons()), NATIVE_PAGE.read_text("utf-8")), "utf-8")
    generate_sidecars.main([])
