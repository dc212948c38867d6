"""Why a pod was changed, or not. One row a reason: its word, what it stands for, a sentence for people, a remedy, and a line to paste.

The word is the metric label, the log value and the word in the pod's status; sentence, remedy and line are what a person reads.
`webhook.core.remedy` fills the names of a pod into remedy and line.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

import msgspec

from webhook.core.names import (
    BASE_CONTAINER,
    ENTRYPOINT_ANNOTATION,
    HELPER_MOUNT_PATH,
    MAIN_CONTAINER_ANNOTATION,
    MODE_ANNOTATION,
    OPERATOR_LABEL,
    OUTLIVES_TASK_ANNOTATION,
    PREFIX,
    SHELL_ANNOTATION,
    SIDECARS_ANNOTATION,
    SPARK_LABEL,
    SPARK_ROLES,
)
from webhook.core.remedy_line import LinePlace, RemedyLine


class Treatment(StrEnum):
    """What became of a pod of Airflow's. Each reason stands for one of the first four."""

    NATIVE = "native"
    WRAPPED = "wrapped"
    LABELLED = "labelled"
    LEFT = "left"

    AUDITED = "audited"
    """Nothing, under `webhook.core.policy.Enforcement.AUDIT`, where the webhook would otherwise have changed the pod."""


class LineRow(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a row that follows by name: ``line``, what to paste; None: there is no such line."""

    line: RemedyLine | None = None


class ReasonRow(LineRow, frozen=True):
    """A reason in words.

    Args:
        word: Its name for machines; scripts rely on it.
        sentence: What it means.
        remedy: What to do; empty where nothing is to be done. It may have places for the names of a pod, as the line may.

    """

    word: str
    sentence: str
    remedy: str


class TreatmentRow(ReasonRow, frozen=True):
    """A reason in words, with the treatment that it stands for."""

    treatment: Treatment


class ExplainedWord(StrEnum):
    """A closed set of words, each with its row."""

    row: ReasonRow

    def __new__(cls, row: ReasonRow) -> Self:
        """Take the row's word as the value."""
        member = str.__new__(cls, row.word)
        member._value_ = row.word
        member.row = row
        return member

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        return self.row.sentence

    @property
    def remedy(self) -> str:
        """What to do, with places for names; empty where nothing is to be done."""
        return self.row.remedy

    @property
    def line(self) -> RemedyLine | None:
        """What to paste, with places for names; None: there is no such line."""
        return self.row.line


AUTO: Final = RemedyLine(LinePlace.ANNOTATIONS, MODE_ANNOTATION, "auto")
ENTRYPOINT: Final = RemedyLine(LinePlace.ANNOTATIONS, ENTRYPOINT_ANNOTATION, "ENTRYPOINT")
ENTRYPOINT_REMEDY: Final = (
    "Replace ENTRYPOINT by the list that this prints; if it prints null, set the container's command instead: "
    "docker image inspect --format '{{{{json .Config.Entrypoint}}}}' {image}"
)
DESCRIBE: Final = RemedyLine(LinePlace.ANNOTATIONS, SIDECARS_ANNOTATION, "{described}")
OUTLIVES_TASK: Final = RemedyLine(LinePlace.ANNOTATIONS, OUTLIVES_TASK_ANNOTATION, "{outlasting}")
CALL_ONCE: Final = (
    "kubectl get mutatingwebhookconfigurations {configuration} --output=json"
    """ | sed 's/"reinvocationPolicy": "IfNeeded"/"reinvocationPolicy": "Never"/' | kubectl replace --filename=-"""
)
OTHER_CLUSTER: Final = "Or use a cluster with native sidecars."
"""What is added to the remedy of a pod in which no quit request can be sent, where the cluster has none."""
REMOVE: Final = RemedyLine(LinePlace.MANIFEST, "", "{removal}")


class SkipReason(ExplainedWord):
    """Why nothing of a request is changed, and the pod gets no status."""

    NOT_A_POD = ReasonRow("not-a-pod", "The request is for another kind of object; the webhook handles pods only.", "")
    NOT_A_CREATE = ReasonRow("not-a-create", "The webhook handles the creation of pods only.", "")
    SUBRESOURCE = ReasonRow("subresource", "The request is for a subresource of a pod, not for the pod itself.", "")
    MIRROR_POD = ReasonRow("mirror-pod", "The pod mirrors a static pod of a node; a change to the mirror has no effect.", "")
    MALFORMED_POD = ReasonRow(
        "malformed-pod",
        "A field of the pod has a type that the Pod API does not define; the API server decides about the pod.",
        "Correct the field that the warning names.",
    )
    TOO_LARGE = ReasonRow(
        "too-large",
        "The pod has more than 40,000 fields and list items, far more than any task pod.",
        "Mount large data from a ConfigMap or a Secret.",
    )
    DUPLICATE_NAMES = ReasonRow(
        "duplicate-names",
        "Two containers or two volumes of the pod have the same name; the API server refuses the pod and names them.",
        "Rename one of those that are called {containers}.",
    )
    ANNOTATIONS_FULL = ReasonRow(
        "annotations-full",
        "With the webhook's annotations, all annotations of the pod would be over 256 KiB, and the API server would refuse it.",
        "Remove an annotation, or shorten one.",
    )
    TOO_MANY_CONTAINERS = ReasonRow(
        "too-many-containers", "The pod has more than 64 containers, the most that the webhook reads.", "Use fewer containers."
    )
    NOT_AIRFLOW = ReasonRow(
        "not-airflow",
        "The pod has no label of an Airflow task pod or of a job of Airflow's Helm chart.",
        "If it runs a task or a job of Airflow and is meant to end, add the label of the KubernetesPodOperator.",
        line=RemedyLine(LinePlace.LABELS, OPERATOR_LABEL, "True"),
    )
    SPARK_SUBMIT = ReasonRow(
        "spark-submit",
        "The pod is a driver or an executor of Spark without a label of Airflow: SparkSubmitOperator sets none.",
        "If Airflow submits it, add the options with which Spark sets the label.",
        line=RemedyLine(LinePlace.SPARK_CONF, " ".join(f"spark.kubernetes.{role}.label.{SPARK_LABEL}" for role in SPARK_ROLES), "True"),
    )
    LONG_RUNNING = ReasonRow(
        "long-running",
        "The pod is not meant to end: its restartPolicy is Always.",
        "If it is meant to end, change that.",
        line=RemedyLine(LinePlace.SPEC, "restartPolicy", "Never"),
    )
    SWITCHED_OFF = ReasonRow(
        "switched-off",
        "The mode is off for this pod.",
        "If that is not intended, set the mode of this pod, or the setting mode.",
        line=AUTO,
    )
    NOT_IN_MESH = ReasonRow(
        "not-in-mesh",
        "The pod has no known sidecar and will get none: sidecar injection is off for it, or it uses the host's network.",
        "",
    )


class Reason(ExplainedWord):
    """Why a pod of Airflow's gets the treatment it gets."""

    row: TreatmentRow

    SIDECARS_QUIT = TreatmentRow(
        "sidecars-quit",
        "The main container waits for its sidecars, runs the task, then sends each sidecar its quit request.",
        "",
        Treatment.WRAPPED,
    )
    SOME_KEEP_RUNNING = TreatmentRow(
        "some-keep-running",
        "The main container is wrapped, but a sidecar has no quit request: the pod may stay Running.",
        "See the remedy of that sidecar.",
        Treatment.WRAPPED,
    )
    NO_SIDECAR = TreatmentRow(
        "no-sidecar",
        "The pod has no known sidecar yet; when an injector adds one, the webhook decides again.",
        "",
        Treatment.LABELLED,
    )
    AMBIENT_MESH = TreatmentRow("ambient-mesh", "The pod is in an ambient mesh, which adds no sidecar.", "", Treatment.LABELLED)
    SIDECARS_NATIVE = TreatmentRow(
        "sidecars-native",
        "The sidecars are native: the kubelet starts them before the task and ends them after it.",
        "",
        Treatment.NATIVE,
    )
    ENDS_BY_ITSELF = TreatmentRow(
        "ends-by-itself", "Each sidecar of the pod ends by itself once the task has ended.", "", Treatment.LABELLED
    )
    UNKNOWN_CONTAINER = TreatmentRow(
        "unknown-container",
        "The sidecars of the pod end by themselves, but it is not known whether every other container ends.",
        "If they end by themselves, name them.",
        Treatment.LEFT,
        line=OUTLIVES_TASK,
    )
    LABEL_ONLY = TreatmentRow(
        "label-only",
        "The mode is label-only for this pod: its sidecars are not changed.",
        "If that is not intended, set the mode of this pod, or the setting mode.",
        Treatment.LABELLED,
        line=AUTO,
    )
    NATIVE_ONLY = TreatmentRow(
        "native-only",
        "The mode is native for this pod, but a sidecar cannot be made native: the pod may stay Running.",
        "Use the mode auto, which wraps the task in that case.",
        Treatment.LEFT,
        line=AUTO,
    )
    SPARK = TreatmentRow(
        "spark",
        "Spark's driver and executors are never wrapped, and a sidecar cannot be made native: the pod may stay Running.",
        "See the remedy of each sidecar.",
        Treatment.LEFT,
    )
    HOST_NETWORK = TreatmentRow(
        "host-network",
        "The pod uses the host's network, where a quit request could reach the sidecar of another pod.",
        "Take the pod off the host's network, or remove the sidecar.",
        Treatment.LEFT,
        line=RemedyLine(LinePlace.SPEC, "hostNetwork", value=False),
    )
    WINDOWS = TreatmentRow(
        "windows",
        "The wrapper is a POSIX script, which a Windows container cannot run.",
        "See the remedy of each sidecar.",
        Treatment.LEFT,
    )
    NO_MAIN_CONTAINER = TreatmentRow(
        "no-main-container",
        "No container of the pod can be the task's: each one is a known sidecar.",
        "Rename the task's container to the name that Airflow gives it.",
        Treatment.LEFT,
        line=RemedyLine(LinePlace.CONTAINER, "name", BASE_CONTAINER),
    )
    MAIN_CONTAINER_AMBIGUOUS = TreatmentRow(
        "main-container-ambiguous",
        "Several containers of the pod may be the task's, and nothing that Airflow sets shows which one is.",
        "CONTAINER is one of {candidates}.",
        Treatment.LEFT,
        line=RemedyLine(LinePlace.ANNOTATIONS, MAIN_CONTAINER_ANNOTATION, "CONTAINER"),
    )
    NO_QUIT = TreatmentRow(
        "no-quit",
        "No sidecar of this pod has a quit request, so a wrapper could not end it.",
        "See the remedy of each sidecar.",
        Treatment.LEFT,
    )
    OUTLIVES_TASK = TreatmentRow(
        "outlives-task",
        "A container works on after the task and needs its sidecars until then, and a wrapper cannot see when it ends.",
        "Use a cluster with native sidecars, whose kubelet ends them after every container.",
        Treatment.LEFT,
    )
    ENTRYPOINT_UNKNOWN = TreatmentRow(
        "entrypoint-unknown",
        "The main container sets no command, and the entrypoint of its image is not known.",
        ENTRYPOINT_REMEDY,
        Treatment.LEFT,
        line=ENTRYPOINT,
    )
    SHELL_UNKNOWN = TreatmentRow(
        "shell-unknown",
        "It is not known whether the image has a shell, and no helper image is set.",
        "If the image has /bin/sh, set the annotation; else set the webhook's setting helper_image.",
        Treatment.LEFT,
        line=RemedyLine(LinePlace.ANNOTATIONS, SHELL_ANNOTATION, "image"),
    )
    HELPER_NAME_TAKEN = TreatmentRow(
        "helper-name-taken",
        f"The pod needs the helper, and has another container or volume named {PREFIX}*, or another mount at {HELPER_MOUNT_PATH}.",
        "If the image has /bin/sh, set the annotation: no helper is needed then. Else rename the container or volume, or move the mount.",
        Treatment.LEFT,
        line=RemedyLine(LinePlace.ANNOTATIONS, SHELL_ANNOTATION, "image"),
    )

    @property
    def treatment(self) -> Treatment:
        """What becomes of the pod."""
        return self.row.treatment


class NotConvertedReason(ExplainedWord):
    """Why a known sidecar stays a regular container on a cluster that has native sidecars."""

    NOT_CONVERTIBLE = ReasonRow("not-convertible", "The catalogue has no rule for making this sidecar native, or forbids it.", "")
    ONE_TIME = ReasonRow(
        "one-time", "It does its work once and ends; a native sidecar that ends is started again until the task has ended.", ""
    )
    OPTED_OUT = ReasonRow("opted-out", "The pod says that this sidecar must not be native.", "")
    KUBEXIT = ReasonRow(
        "kubexit",
        "kubexit ends it with another container, or awaits it among the regular ones.",
        "Nothing to do. Without kubexit in the pod it would be native.",
    )
    OWN_RESTARTS = ReasonRow(
        "own-restarts",
        "The container has restart rules of its own, which a native sidecar cannot have.",
        "Remove restartPolicy and restartPolicyRules of the container {containers}.",
        line=REMOVE,
    )
    POST_START = ReasonRow(
        "post-start",
        "Its postStart hook is not a known one; if it waited for the task, the task would never start.",
        "Remove lifecycle.postStart of the container {containers}, if the sidecar works without it.",
        line=REMOVE,
    )
    STARTUP_PROBE = ReasonRow(
        "startup-probe",
        "It is not made native, since its startupProbe may need something that starts later; then the task would never start.",
        "Remove startupProbe of the container {containers}, if the sidecar works without it: a native one is ended by the kubelet.",
        line=REMOVE,
    )
    NO_PROBE = ReasonRow(
        "no-probe",
        "The task must wait for it, and it has no probe by which the kubelet could.",
        "Give the container {containers} a startupProbe that answers at the pod's address, with its own PATH and PORT.",
        line=RemedyLine(LinePlace.CONTAINER, "startupProbe", {"httpGet": {"path": "PATH", "port": "PORT"}}),
    )
    HOST_PORT = ReasonRow(
        "host-port",
        "It uses a port of the host; among init containers a clash of those shows only at run time.",
        "Remove hostPort from the ports of the container {containers}.",
        line=REMOVE,
    )
    NAMED_PORT = ReasonRow(
        "named-port",
        "It has a named port; Services find those of native sidecars from Kubernetes 1.32 on.",
        "Remove the names of the ports of the container {containers}, if no Service needs them.",
        line=REMOVE,
    )
    CSI_VOLUME = ReasonRow(
        "csi-volume",
        "It mounts a volume that another sidecar serves; init containers cannot.",
        "Nothing to do: the volume is there only once all init containers have started. "
        "The sidecar ends by its quit request, if it has one.",
    )
    OLD_MESH = ReasonRow(
        "old-mesh",
        "Other parts of its mesh, such as the CNI plugin, look for the proxy among the regular containers only, up to this version; "
        "with a native proxy the task would not start.",
        "Upgrade the mesh and its CNI plugin to a version that docs/sidecars.md names.",
    )
    BEHIND_MESH = ReasonRow(
        "behind-mesh",
        "Its startup probe is answered only once the mesh proxy runs, which is a regular container and starts after every native sidecar.",
        "Let the mesh proxy be native, or give the container {containers} a startupProbe whose command (exec) needs no network.",
    )
    BEFORE_MESH = ReasonRow(
        "before-mesh",
        "A mesh proxy may yet be injected, and may have probes of a native sidecar fail; the webhook decides again after the injection.",
        "If the pod gets no mesh proxy, switch the injection off for it.",
    )
    BEFORE_AGENT = ReasonRow(
        "before-agent",
        "An injector that mounts otherwise in init containers may yet come; the webhook decides again after it.",
        "If it does not come, remove the annotations that ask for it.",
    )
    REINJECTION = ReasonRow(
        "reinjection",
        "Its injector may be called again and would add it a second time; the API server would refuse the pod.",
        "Upgrade the injector to a version that accepts a native sidecar, or have its webhook called only once: "
        "set reinvocationPolicy to Never in the values of its chart or, until its next upgrade, by the command.",
        line=RemedyLine(LinePlace.CLUSTER, "", CALL_ONCE),
    )


NOT_IN_CATALOGUE: Final = "A container that is neither the task's nor a known sidecar: the pod stays Running until it ends."


class ContainerReason(ExplainedWord):
    """What whoever creates a pod has to know of one of its containers."""

    UNKNOWN = ReasonRow(
        "not-in-catalogue",
        NOT_IN_CATALOGUE,
        "If this container runs until something ends it, describe it; PORT and PATH are those of its quit request. If it needs its "
        f"sidecars after the task and then ends, name it in {OUTLIVES_TASK_ANNOTATION} instead.",
        line=DESCRIBE,
    )
    END_UNKNOWN = ReasonRow(
        "end-unknown",
        NOT_IN_CATALOGUE,
        "If this container ends by itself, name it.",
        line=OUTLIVES_TASK,
    )
    NEVER_ENDED = ReasonRow(
        "never-ended",
        "Neither a quit request nor the kubelet ends it in this pod.",
        "If this container runs until something ends it, describe it: the reaper then knows it as a sidecar.",
        line=DESCRIBE,
    )
    QUIT_DISABLED = ReasonRow(
        "quit-disabled",
        "Its quit request is not enabled.",
        "Enable its quit request.",
    )
    NO_QUIT = ReasonRow(
        "no-quit-request",
        "No quit request of this sidecar is known, so nothing ends it.",
        "If this sidecar has a quit request, describe it with its own PORT and PATH.",
        line=DESCRIBE,
    )
    CANNOT_BE_ENDED = ReasonRow(
        "cannot-be-ended",
        "Neither a quit request nor the kubelet can end it in this pod.",
        "If the task can do without this sidecar, leave it out of the pod.",
    )
    ENTRYPOINT_GUESSED = ReasonRow(
        "entrypoint-guessed",
        "Its image's entrypoint is guessed: if the image has another one, the task runs without what that does.",
        ENTRYPOINT_REMEDY,
        line=ENTRYPOINT,
    )


_REASONS: Final[dict[str, Reason]] = {reason: reason for reason in Reason}


def recorded_reason(word: str | None) -> Reason | None:
    """The reason in a status; None: there is none, or this version has no such reason."""
    return _REASONS.get(word or "")
