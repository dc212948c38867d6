"""Makes the pages that follow from the code: ``python -m docs.generate`` writes them, a test compares."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args, get_origin

from docs import (
    generate_alerts,
    generate_benchmarks,
    generate_decision_chart,
    generate_diagrams,
    generate_findings,
    generate_reaper,
    generate_recordings,
    generate_rotation,
    generate_schemas,
    generate_sequence,
    generate_sidecars,
    generate_soak,
    generate_tested,
    generate_timelines,
)
from webhook.core import (
    POD_OPTIONS,
    TREATMENT_LABEL,
    ContainerEnd,
    ContainerReason,
    ExplainedWord,
    NativeSupport,
    NotConvertedReason,
    PodNames,
    Reason,
    SkipReason,
    Treatment,
)
from webhook.server.metrics import Metrics
from webhook.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

REFERENCE = Path(__file__).parent / "reference.md"
NATIVE_PAGE = Path(__file__).parent / "native.md"
NOT_CONVERTED_TABLE = re.compile(r"(?<=<!-- Made by `make docs` from the code. -->\n).*?(?=\n\n)", re.DOTALL)
"""The one part of the page on native sidecars that follows from the code."""


def _words(words: type[StrEnum]) -> str:
    return ", ".join(f"`{word}`" for word in words)


STATUS_MEMBERS: Final = {
    "treatment": f"{_words(Treatment)}; `{Treatment.LEFT}`: a sidecar may keep the pod Running; "
    f"`{Treatment.AUDITED}`: nothing was changed, by the setting `enforcement`",
    "reason": "why; see [below](#reasons)",
    "would_be": "of an audited pod: the treatment that it would get; the other members say what would hold then "
    "([audit](install.md#try-it-without-changing-a-pod))",
    "main": "the container that holds the task",
    "entrypoint": "of a wrapped pod: where the wrapped command comes from, see [wrapper.md](wrapper.md#what-it-runs)",
    "shell": "of a wrapped pod: where the wrapper's shell comes from, `image` or `helper`",
    "sidecars": f"how each container beside the task ends, where that is known: {_words(ContainerEnd)}",
    "may_keep_running": "the containers that nobody knows: the pod stays Running until each has ended; "
    "without `main` one of them is the task's",
    "no_native": "what the cluster lacks, if that is why no sidecar is native; see [below](#why-no-sidecar-is-native)",
    "restored": "native sidecars to which the webhook gave back the `restartPolicy` that another webhook had removed",
    "converted": "native sidecars that only the webhook makes native; a later call places them anew among what others have added",
    "not_converted": "the sidecars that were not converted on a cluster with native sidecars; see [below](#why-a-sidecar-stays)",
    "version": "the version of the webhook that treated or audited the pod",
}
"""What each member of the status means."""


def reference() -> str:
    """The whole page."""
    parts = (_head(), _settings(), _annotations(), _status(), _reasons(), _native(), _metrics())
    return "\n".join(line for part in parts for line in part)


def _head() -> Iterator[str]:
    yield "<!-- Made by `make docs` from the code; edit there. -->"
    yield "# Reference\n"
    yield "For operators of the webhook, and for whoever reads its status on a pod or its metrics."
    yield "It answers: which settings and annotations are there, and what does each reason and metric mean?\n"
    yield "[Settings](#settings) · [Annotations](#annotations) · [Status](#status) · [Reasons](#reasons) ·"
    yield "[Containers](#containers) ·"
    yield "[Why no sidecar is native](#why-no-sidecar-is-native) ·"
    yield "[Why a sidecar stays](#why-a-sidecar-stays) · [Metrics](#metrics)\n"


def _settings() -> Iterator[str]:
    yield "## Settings\n"
    yield f"A setting is an environment variable `{PREFIX}NAME`,"
    yield f"or a key in lower case of the YAML file that `{PREFIX}CONFIG` or `--config` names."
    yield "The environment takes precedence. An empty value or null is the same as no value."
    yield "At start all values are checked together, then the files that they name."
    yield "The prefix has two underscores, because Kubernetes itself sets `AIRFLOW_SIDECAR_WEBHOOK_PORT`"
    yield "for a Service of that name.\n"
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
        return _words(field.annotation)
    bounds = {name: getattr(one, name) for one in field.metadata for name in ("ge", "gt", "le") if getattr(one, name, None) is not None}
    words = {"ge": "from", "gt": "over", "le": "to"}
    return " ".join(f"{word} {bounds[name]}" for name, word in words.items() if name in bounds)


def _default(value: object) -> str:
    return "" if value in (None, "", ()) else f"`{value}`"


def _annotations() -> Iterator[str]:
    yield "## Annotations\n"
    yield "Pod options: a user sets them on the pod."
    yield "A value that is not allowed is ignored; whoever creates the pod gets an admission warning,"
    yield "and a metric counts it.\n"
    yield "| annotation | | allowed |"
    yield "|---|---|---|"
    for key, option in POD_OPTIONS.items():
        yield f"| `{key}` | {option.purpose} | {option.allowed} |"
    yield ""


def _status() -> Iterator[str]:
    yield "## Status\n"
    yield "The webhook writes the annotation `airflow-sidecar-webhook/status` on every pod of Airflow's"
    yield "that it does not skip. Its value is a JSON document.\n"
    yield "| member | |"
    yield "|---|---|"
    for member, meaning in STATUS_MEMBERS.items():
        yield f"| `{member}` | {meaning} |"
    yield ""
    yield f"The label `{TREATMENT_LABEL}` has the treatment, too, for selectors:"
    yield f"`kubectl get pods -A -l {TREATMENT_LABEL}={Treatment.LEFT}`.\n"


def _reasons() -> Iterator[str]:
    yield "## Reasons\n"
    yield "In the status of the pod, in the log line, and as the label `reason` of the metric.\n"
    yield "The line to paste is added where the remedy says:"
    yield "to the annotations, the labels or the spec of the pod, to a container,"
    yield "to the options of spark-submit, or to the settings of the webhook."
    yield "A line that starts with `kubectl` is a command:"
    yield "with `--local` it prints the pod's manifest without what has to be removed,"
    yield "and connects to no cluster;"
    yield "any other one is for an administrator of the cluster."
    yield "`explain` and the warning to whoever creates the pod print it with the pod's own names;"
    yield "a word in capital letters, like `PORT`, has to be replaced."
    yield "A line for a pod is valid in YAML and in Python: it can be pasted into a template or into a DAG.\n"
    yield "| reason | treatment | meaning | what to do | line to paste |"
    yield "|---|---|---|---|---|"
    for reason in Reason:
        yield f"| `{reason}` | {reason.treatment} | {_explained(reason)} |"
    for skipped in SkipReason:
        yield f"| `{skipped}` | skipped | {_explained(skipped)} |"
    yield "\n## Containers\n"
    yield "What `explain` and the warning to whoever creates the pod say of one of its containers.\n"
    yield "| reason | meaning | what to do | line to paste |"
    yield "|---|---|---|---|"
    for of_container in ContainerReason:
        yield f"| `{of_container}` | {_explained(of_container)} |"
    yield ""


NAMES: Final = PodNames(
    containers="<container>",
    image="<image>",
    candidates="<containers>",
    outlasting="<containers>",
    described='[{"name": "<container>", "native": true}]',
    removal="<what is removed>",
    configuration="<configuration>",
)


def _explained(reason: ExplainedWord) -> str:
    """Sentence, remedy and line as three cells of a table."""
    line = f"`{reason.line.filled(NAMES)}`" if reason.line else ""
    remedy = reason.remedy.format_map(NAMES).replace("<", r"\<")  # else a name in angle brackets is a tag of HTML, and is not shown
    return f"{reason.sentence} | {remedy} | {line}"


def _native() -> Iterator[str]:
    yield "## Why no sidecar is native\n"
    yield "What the cluster lacks: `no_native` in the status. See [native.md](native.md#the-cluster).\n"
    yield "| reason | meaning | what to do | line to paste |"
    yield "|---|---|---|---|"
    for support in NativeSupport:
        if not support.row.is_native:
            yield f"| `{support}` | {_explained(support)} |"
    yield "\n## Why a sidecar stays\n"
    yield "Why a sidecar was not converted on a cluster with native sidecars:"
    yield "`not_converted` in the status. See [native.md](native.md#what-stays).\n"
    yield from not_converted_reasons()
    yield ""


def not_converted_reasons() -> Iterator[str]:
    """The table of the reasons why a sidecar stays a regular container; docs/native.md has it, too."""
    yield "| reason | meaning | what to do | line to paste |"
    yield "|---|---|---|---|"
    for reason in NotConvertedReason:
        yield f"| `{reason}` | {_explained(reason)} |"


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
    NATIVE_PAGE.write_text(NOT_CONVERTED_TABLE.sub("\n".join(not_converted_reasons()), NATIVE_PAGE.read_text("utf-8")), "utf-8")
    generate_sidecars.main([])
    generate_findings.main()
    generate_reaper.main()
    generate_schemas.main()
    generate_alerts.main()
    generate_benchmarks.main()
    generate_decision_chart.main()
    generate_diagrams.main()
    generate_recordings.main()
    generate_rotation.main()
    generate_sequence.main()
    generate_soak.main()
    generate_timelines.main()
    generate_tested.main()
