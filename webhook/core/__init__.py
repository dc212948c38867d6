"""The rules: what becomes of a pod of Airflow's beside its sidecars. Pure: no I/O, no clock, no framework.

This is their public face. Whoever needs the rules (the service, the commands, the doctor, a controller, Airflow's own
``pod_mutation_hook``) imports from here, and from no module behind it; import-linter holds that.

**A pod that is about to be created.** A pod, a policy and a cluster give an `Outcome`:

>>> from webhook.core import Cluster, NativeSupport, default_policy, treat
>>> pod = {
...     "metadata": {"name": "sales", "labels": {"kubernetes_executor": "True"}},
...     "spec": {
...         "restartPolicy": "Never",
...         "containers": [
...             {"name": "base", "image": "apache/airflow:3.0.6", "args": ["airflow", "version"]},
...             {"name": "logs", "image": "fluent/fluent-bit:4.0.0"},
...         ],
...     },
... }
>>> outcome = treat(pod, default_policy(), Cluster(NativeSupport.READY))
>>> str(outcome.result), str(outcome.reason), outcome.reason.sentence
('native', 'sidecars-native', 'The sidecars are native: the kubelet starts them before the task and ends them after it.')
>>> [(one["name"], one["restartPolicy"]) for one in outcome.patched(pod)["spec"]["initContainers"]]
[('logs', 'Always')]

`Outcome.operations` is the JSON patch that makes the same change, proved to apply. `Outcome.status` is what the pod then carries in its
annotation `STATUS_ANNOTATION`. A pod that the rules leave alone has an outcome, too: its reason says why, and what to do.

**An admission request** is such a pod in an envelope: `parse_review`, `admit`, `render_review`.

**A pod that lives** has a status of the kubelet's. `read_progress` says whether its task has ended, and which containers keep it Running
since, of which kind, with the request that ends each:

>>> from webhook.core import read_progress
>>> states = [
...     {"name": "base", "state": {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T10:00:00Z"}}},
...     {"name": "logs", "state": {"running": {"startedAt": "2026-01-01T09:00:00Z"}}},
... ]
>>> live = pod | {"status": {"phase": "Running", "containerStatuses": states}}
>>> progress = read_progress(live, default_policy().catalogue)
>>> [(one.name, str(one.kind)) for one in progress.unfinished], progress.task_end.exit_code
([('logs', 'sidecar')], 0)

**What they go by.** `default_policy` is the policy of an installation that sets nothing; `dataclasses.replace` changes it, and
`parse_sidecars` and `parse_entrypoints` read an admin's own rows. A `Cluster` says whether native sidecars are used: `assess` derives it
from a `ClusterObservation`, and `UNKNOWN_CLUSTER` is the one of which nothing is known.

**What can go wrong** is in `webhook.core.errors`: `MalformedReviewError` and `MalformedPodError` are the caller's, `UnsoundPatchError`
is a fault of the rules.
"""

from __future__ import annotations

from webhook.core.admission import Outcome, admit, treat
from webhook.core.built_in import built_in_entrypoints, built_in_script, built_in_sidecars, default_policy
from webhook.core.catalogue import Catalogue, FoundSidecar
from webhook.core.cluster import (
    DEFAULT_MINIMUM_KUBELET,
    GATE_LOCKED,
    NATIVE_SERVER,
    UNKNOWN_CLUSTER,
    VERSION_LABEL,
    Cluster,
    ClusterObservation,
    MutatingWebhook,
    NativeSupport,
    NativeSwitch,
    ServerVersion,
    assess,
    installed_injectors,
    is_virtual_node,
    oldest_to_join,
)
from webhook.core.container_end import ContainerEnd
from webhook.core.decision import Mutate, Skip
from webhook.core.earlier_status import RecordedStatus
from webhook.core.entrypoint import EntrypointTable, parse_entrypoints
from webhook.core.errors import MalformedPodError, MalformedReviewError, RulesError, UnsoundPatchError
from webhook.core.injector_version import suggested_versions
from webhook.core.left_pod import LeftTaskPod, read_left_pod
from webhook.core.names import (
    BASE_CONTAINER,
    CANONICAL_NAME,
    MODE_ANNOTATION,
    OPT_IN,
    OUTLIVES_TASK_ANNOTATION,
    PREFIX,
    SIDECARS_ANNOTATION,
    STATUS_ANNOTATION,
    TREATMENT_LABEL,
)
from webhook.core.origin import ORIGIN_LABELS, PodOrigin
from webhook.core.patch import Operation
from webhook.core.pod_options import (
    MAX_DESCRIBED_SIDECARS,
    MAX_WAIT_SECONDS,
    POD_OPTIONS,
    InvalidAnnotation,
    InvalidAnnotations,
    Mode,
    PodOption,
    WhenNotReady,
    misspelt_annotations,
)
from webhook.core.policy import Enforcement, Policy
from webhook.core.pre_encoded import to_json
from webhook.core.progress import ENDED_PHASES, ContainerKind, Progress, RunningContainer, TaskEnd, may_stay_running, read_progress
from webhook.core.reasons import (
    ContainerReason,
    ExplainedWord,
    NotConvertedReason,
    Reason,
    ReasonRow,
    SkipReason,
    Treatment,
    recorded_reason,
)
from webhook.core.remedy import PodNames, Remedy
from webhook.core.remedy_line import LinePlace, RemedyLine
from webhook.core.review import API_VERSION, KIND, ReviewRequest, parse_review, render_review
from webhook.core.short_name import ShortNamePolicy, ShortNameValue, is_label_value
from webhook.core.sidecar import Endpoint, Sidecar, StopSignal, parse_sidecars
from webhook.core.status import Status, cluster_at_admission, sidecars_at_admission
from webhook.core.version import Version, read_version
from webhook.core.wrapper import EntrypointSource

__all__ = [
    "API_VERSION",
    "BASE_CONTAINER",
    "CANONICAL_NAME",
    "DEFAULT_MINIMUM_KUBELET",
    "ENDED_PHASES",
    "GATE_LOCKED",
    "KIND",
    "MAX_DESCRIBED_SIDECARS",
    "MAX_WAIT_SECONDS",
    "MODE_ANNOTATION",
    "NATIVE_SERVER",
    "OPT_IN",
    "ORIGIN_LABELS",
    "OUTLIVES_TASK_ANNOTATION",
    "POD_OPTIONS",
    "PREFIX",
    "SIDECARS_ANNOTATION",
    "STATUS_ANNOTATION",
    "TREATMENT_LABEL",
    "UNKNOWN_CLUSTER",
    "VERSION_LABEL",
    "Catalogue",
    "Cluster",
    "ClusterObservation",
    "ContainerEnd",
    "ContainerKind",
    "ContainerReason",
    "Endpoint",
    "Enforcement",
    "EntrypointSource",
    "EntrypointTable",
    "ExplainedWord",
    "FoundSidecar",
    "InvalidAnnotation",
    "InvalidAnnotations",
    "LeftTaskPod",
    "LinePlace",
    "MalformedPodError",
    "MalformedReviewError",
    "Mode",
    "Mutate",
    "MutatingWebhook",
    "NativeSupport",
    "NativeSwitch",
    "NotConvertedReason",
    "Operation",
    "Outcome",
    "PodNames",
    "PodOption",
    "PodOrigin",
    "Policy",
    "Progress",
    "Reason",
    "ReasonRow",
    "RecordedStatus",
    "Remedy",
    "RemedyLine",
    "ReviewRequest",
    "RulesError",
    "RunningContainer",
    "ServerVersion",
    "ShortNamePolicy",
    "ShortNameValue",
    "Sidecar",
    "Skip",
    "SkipReason",
    "Status",
    "StopSignal",
    "TaskEnd",
    "Treatment",
    "UnsoundPatchError",
    "Version",
    "WhenNotReady",
    "admit",
    "assess",
    "built_in_entrypoints",
    "built_in_script",
    "built_in_sidecars",
    "cluster_at_admission",
    "default_policy",
    "installed_injectors",
    "is_label_value",
    "is_virtual_node",
    "may_stay_running",
    "misspelt_annotations",
    "oldest_to_join",
    "parse_entrypoints",
    "parse_review",
    "parse_sidecars",
    "read_left_pod",
    "read_progress",
    "read_version",
    "recorded_reason",
    "render_review",
    "sidecars_at_admission",
    "suggested_versions",
    "to_json",
    "treat",
]
