"""Why a pod was changed, or not: the metric label, the log value, the word in the pod's status, and a sentence for people."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class SkipReason(StrEnum):
    """Why nothing of a request is touched."""

    NOT_A_POD = "not-a-pod"
    NOT_A_CREATE = "not-a-create"
    SUBRESOURCE = "subresource"
    MIRROR_POD = "mirror-pod"
    MALFORMED_POD = "malformed-pod"
    TOO_MANY_CONTAINERS = "too-many-containers"
    NOT_AIRFLOW = "not-airflow"
    LONG_RUNNING = "long-running"
    SWITCHED_OFF = "switched-off"
    NOT_IN_MESH = "not-in-mesh"


class Reason(StrEnum):
    """Why a pod of Airflow's gets the treatment it gets."""

    SIDECARS_QUIT = "sidecars-quit"
    SOME_KEEP_RUNNING = "some-keep-running"
    NO_SIDECAR = "no-sidecar"
    AMBIENT_MESH = "ambient-mesh"
    SIDECARS_NATIVE = "sidecars-native"
    ENDS_BY_ITSELF = "ends-by-itself"
    LABEL_ONLY = "label-only"
    NATIVE_ONLY = "native-only"
    SPARK = "spark"
    HOST_NETWORK = "host-network"
    WINDOWS = "windows"
    NO_MAIN_CONTAINER = "no-main-container"
    NO_QUIT = "no-quit"
    ENTRYPOINT_UNKNOWN = "entrypoint-unknown"
    SHELL_UNKNOWN = "shell-unknown"


class NotConvertedReason(StrEnum):
    """Why a known sidecar stays a regular container on a cluster that has native ones."""

    NOT_CONVERTIBLE = "not-convertible"
    OPTED_OUT = "opted-out"
    OWN_RESTARTS = "own-restarts"
    POST_START = "post-start"
    NO_PROBE = "no-probe"
    HOST_PORT = "host-port"
    NAMED_PORT = "named-port"
    CSI_VOLUME = "csi-volume"
    REINJECTION = "reinjection"


SENTENCES: Final = MappingProxyType(
    {
        SkipReason.NOT_A_POD: "The request is about another kind of object; only pods are looked at.",
        SkipReason.NOT_A_CREATE: "Only the creation of a pod is looked at.",
        SkipReason.SUBRESOURCE: "The request is about a subresource of a pod, not the pod itself.",
        SkipReason.MIRROR_POD: "A mirror pod shows a static pod of a node; changing it changes nothing.",
        SkipReason.MALFORMED_POD: "A field of the pod has a type that the Pod API does not know: it is left to the API server.",
        SkipReason.TOO_MANY_CONTAINERS: "The pod has more than 200 containers, which no real one has: looking at all would hold up others.",
        SkipReason.NOT_AIRFLOW: "The pod does not carry the labels of an Airflow task pod or of a job of the chart.",
        SkipReason.LONG_RUNNING: "The pod restarts its containers for ever (restartPolicy Always), so it is not meant to end.",
        SkipReason.SWITCHED_OFF: "The mode is off for this pod.",
        SkipReason.NOT_IN_MESH: "No sidecar is there and none will come: injection is switched off, or the pod uses the host's network.",
        Reason.SIDECARS_QUIT: "The main container waits for its sidecars, runs the task and asks them to quit.",
        Reason.SOME_KEEP_RUNNING: "The main container is wrapped, but not every sidecar here has a quit request: the pod may stay Running.",
        Reason.NO_SIDECAR: "No known sidecar is in this pod as it stands; after an injection it is decided anew.",
        Reason.AMBIENT_MESH: "The pod is in an ambient mesh: there is no sidecar in it to end.",
        Reason.SIDECARS_NATIVE: "The sidecars are native: the kubelet starts them before the task and ends them after it.",
        Reason.ENDS_BY_ITSELF: "The only sidecars here end by themselves once the task has ended.",
        Reason.LABEL_ONLY: "The mode is label-only for this pod.",
        Reason.NATIVE_ONLY: "The mode is native for this pod, but not every sidecar here can be made native: the pod may stay Running.",
        Reason.SPARK: "Spark's driver and executors talk to each other to the end: they are never wrapped, and not every sidecar here can "
        "be made native.",
        Reason.HOST_NETWORK: "The pod shares the host's loopback, where a quit could reach somebody else's sidecar.",
        Reason.WINDOWS: "The wrapper is a POSIX script, which a Windows container cannot run.",
        Reason.NO_MAIN_CONTAINER: "No container is told as the task's: name it in the annotation airflow-sidecar-webhook/main-container.",
        Reason.NO_QUIT: "No sidecar in this pod can be asked to quit, so a wrapper could not end it.",
        Reason.ENTRYPOINT_UNKNOWN: "The main container sets no command, and what its image runs is not known here: set the command, "
        "the annotation airflow-sidecar-webhook/entrypoint, or a row of the entrypoint table.",
        Reason.SHELL_UNKNOWN: "Nothing says that the image has a shell, and no helper image is set that could bring one: set the "
        "annotation airflow-sidecar-webhook/shell to image if it has one, or the setting helper_image.",
        NotConvertedReason.NOT_CONVERTIBLE: "It is not known that this sidecar may be moved, or known that it must not.",
        NotConvertedReason.OPTED_OUT: "The pod itself says that this sidecar is not to be native, or that it ends by itself.",
        NotConvertedReason.OWN_RESTARTS: "The container has restart rules of its own, which a native sidecar cannot have.",
        NotConvertedReason.POST_START: "Its postStart hook is not known: were it to wait for the task, the task would never start.",
        NotConvertedReason.NO_PROBE: "The task must wait for it, and it has no probe by which the kubelet could: give it a startupProbe.",
        NotConvertedReason.HOST_PORT: "It takes a port of the host, and clashes of those show only at run time among init containers.",
        NotConvertedReason.NAMED_PORT: "A Service does not see the named port of a native sidecar before Kubernetes 1.32.",
        NotConvertedReason.CSI_VOLUME: "It mounts a volume that another sidecar serves, which works in no init container.",
        NotConvertedReason.REINJECTION: "Its injector may be called again and would add it a second time: the pod would be refused.",
    }
)
"""A sentence for every reason; it says what to do where something can be done."""
