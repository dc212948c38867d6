"""The short name: a label that gives Istio a workload name that is valid, short and the same for every try of a task."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from webhook.core.names import CANONICAL_NAME, NAME_LABELS

if TYPE_CHECKING:
    from webhook.core.pod import Pod

MAX_LABEL_CHARACTERS: Final = 63
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"""

OTHER_NAME_LABELS: Final = tuple([key for key in NAME_LABELS if key != CANONICAL_NAME])

_LABEL_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", re.ASCII)
_NOT_IN_LABEL: Final = re.compile(r"[^-A-Za-z0-9_.]+", re.ASCII)
_HASH_CHARACTERS: Final = 8

MAX_CHARACTERS_READ: Final = 4096
"""Of the names that make a label: Airflow's are shorter (`webhook.core.pod.MAX_ID_CHARACTERS`)."""


class ShortNameValue(StrEnum):
    """What the name is made of."""

    TASK = "task"
    DAG = "dag"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class ShortNamePolicy:
    """How pods are named.

    Args:
        key: The label that is set: one of `NAME_LABELS`.
        value: What it is made of.
        fixed: The text for `ShortNameValue.FIXED`, and for a pod that names neither DAG nor task.

    """

    key: str = CANONICAL_NAME
    value: ShortNameValue = ShortNameValue.TASK
    fixed: str = "airflow-task"


def is_label_value(text: str) -> bool:
    """Whether the API server takes this as the value of a label."""
    return len(text) <= MAX_LABEL_CHARACTERS and _LABEL_VALUE.fullmatch(text) is not None


def to_label_value(text: str) -> str:
    """A valid, non-empty label value for any text: itself where it is one, else a readable start and a hash that makes it unique."""
    if text and is_label_value(text):
        return text
    text = text[:MAX_CHARACTERS_READ]
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_HASH_CHARACTERS]
    start = _NOT_IN_LABEL.sub("-", text)[: MAX_LABEL_CHARACTERS - _HASH_CHARACTERS - 1].strip("-_.")
    return f"{start}-{digest}" if start else digest


def short_name_labels(pod: Pod, policy: ShortNamePolicy) -> dict[str, str]:
    """The labels to set: none where the user has named the workload.

    An injector that ran before us has put the pod's own name into ``service.istio.io/canonical-name`` (Istio's template falls back to
    it, cut at 63 characters or, up to 1.20, not at all). That is not the user's word, so it is replaced; so is any invalid value.
    """
    present = pod.labels
    canonical = present.get(CANONICAL_NAME)
    if canonical and _is_given(pod, canonical):
        return {}
    given = _other_name(present)
    name = to_label_value(given or _identity(pod, policy))
    labels = {} if given else {policy.key: name}
    if canonical is not None:
        labels[CANONICAL_NAME] = name
    return labels


def _other_name(labels: dict[str, str]) -> str | None:
    """The name the user gave in another label than the canonical one, by Istio's own precedence."""
    for key in OTHER_NAME_LABELS:
        if labels.get(key):
            return labels[key]
    return None


def _is_given(pod: Pod, canonical: str) -> bool:
    is_injected = "sidecar.istio.io/status" in pod.annotations
    return not (is_injected and _is_istio_default(pod, canonical)) and is_label_value(canonical)


def _is_istio_default(pod: Pod, value: str) -> bool:
    """Whether this is what Istio makes of the pod's name (pkg/kube/util.go): of a generated one, its owner's."""
    return value == pod.shown_name[:MAX_LABEL_CHARACTERS].rstrip("-_.") or (len(value) > 1 and value in _owners(pod))


def _owners(pod: Pod) -> set[str]:
    return {owner.name for owner in pod.metadata.ownerReferences or () if owner.controller and owner.name}


def _identity(pod: Pod, policy: ShortNamePolicy) -> str:
    if policy.value is ShortNameValue.FIXED:
        return policy.fixed
    annotations, labels = pod.annotations, pod.labels
    dag = annotations.get("dag_id") or labels.get("dag_id")
    task = annotations.get("task_id") or labels.get("task_id")
    if policy.value is ShortNameValue.TASK and dag and task:
        return f"{dag[:MAX_CHARACTERS_READ]}.{task[:MAX_CHARACTERS_READ]}"
    return dag or labels.get("component") or policy.fixed
