"""What can be found, and what to do about it: a closed table."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec


class Severity(StrEnum):
    """How much it matters."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class FindingId(StrEnum):
    """What was found. Scripts hold on to these words."""

    SERVER_VERSION = "server-version"
    SERVER_EMULATES = "server-emulates"
    KUBELETS = "kubelets"
    NO_KUBELETS = "no-kubelets"
    NOT_READ = "not-read"
    NATIVE_READY = "native-ready"
    NATIVE_UNKNOWN = "native-unknown"
    OLD_SERVER = "old-server"
    OLD_KUBELET = "old-kubelet"
    EMULATING_SERVER = "emulating-server"
    FORCED_ON = "forced-on"
    FORCED_ON_IN_SPITE = "forced-on-in-spite"
    FORCED_OFF = "forced-off"
    NATIVE_KEPT = "native-kept"
    NATIVE_ABSENT = "native-absent"
    NATIVE_REFUSED = "native-refused"
    FORCED_NATIVE_REFUSED = "forced-native-refused"
    NATIVE_DROPPED = "native-dropped"
    NATIVE_DROPPED_UNUSED = "native-dropped-unused"
    NATIVE_LOST = "native-lost"
    NATIVE_UNTESTED = "native-untested"
    NAMESPACE_MISSING = "namespace-missing"
    NOT_INSTALLED = "not-installed"
    OPTED_IN = "opted-in"
    NOT_OPTED_IN = "not-opted-in"
    ANSWERS = "answers"
    SILENT = "silent"
    ORDER = "order"
    INJECTOR_FIRST = "injector-first"
    INJECTOR_UNSEEN = "injector-unseen"
    NEVER_AGAIN = "never-again"
    FAILS_CLOSED = "fails-closed"
    TIMEOUT = "timeout"
    INJECTOR_AGAIN = "injector-again"
    AMBIENT = "ambient"
    LABEL_WITHOUT_INJECTOR = "label-without-injector"
    STUCK = "stuck"
    NONE_STUCK = "none-stuck"


class Entry(NamedTuple):
    """A row of the table; the texts have places for values.

    Args:
        severity: How much it matters.
        sentence: What was found.
        remedy: What to do; empty where nothing is to be done.

    """

    severity: Severity
    sentence: str
    remedy: str = ""


OK, NOTE, WARNING, PROBLEM = Severity

FINDINGS: Final = MappingProxyType(
    {
        FindingId.SERVER_VERSION: Entry(OK, "The API server is Kubernetes {version}."),
        FindingId.SERVER_EMULATES: Entry(
            NOTE,
            "The API server is Kubernetes {version} and emulates {emulated}: it counts as that.",
            "Nothing, if that is meant; see --emulated-version of kube-apiserver.",
        ),
        FindingId.KUBELETS: Entry(
            OK, "Nodes that count: {count}, virtual ones set aside: {virtual}. The oldest kubelet is {oldest}, on {node}."
        ),
        FindingId.NO_KUBELETS: Entry(
            NOTE, "No node counts (virtual ones set aside: {virtual}), so the next one is taken for as old as its API server allows."
        ),
        FindingId.NOT_READ: Entry(
            WARNING, "Not read, so what follows from it is not checked: {what}: {why}", "Run this as a user who may {right}."
        ),
        FindingId.NATIVE_READY: Entry(OK, "By their versions the API server and all kubelets have native sidecars, so they are used."),
        FindingId.NATIVE_UNKNOWN: Entry(
            WARNING,
            "What the cluster can do is not known, so native sidecars are not used.",
            "See what could not be read; the webhook itself needs to list and watch nodes.",
        ),
        FindingId.OLD_SERVER: Entry(
            NOTE,
            "Native sidecars are not used: the API server is older than {needed}. Tasks are wrapped.",
            "Nothing; after an upgrade of the cluster native sidecars are used by themselves.",
        ),
        FindingId.OLD_KUBELET: Entry(
            NOTE,
            "Native sidecars are not used: the oldest kubelet is {oldest}, and {needed} is needed. Tasks are wrapped.",
            "Nothing; they are used as soon as the last old node is gone. The setting minimum_kubelet sets the bound.",
        ),
        FindingId.EMULATING_SERVER: Entry(
            NOTE,
            "Native sidecars are not used: a server that emulates a version before {locked} may have them switched off, and nothing that "
            "the webhook may read shows it. Tasks are wrapped.",
            "Nothing; or, where the dry run below keeps a native sidecar, set native_sidecars to on.",
        ),
        FindingId.FORCED_ON: Entry(OK, "Native sidecars are forced on (native_sidecars: on), as the versions would have it too."),
        FindingId.FORCED_ON_IN_SPITE: Entry(
            PROBLEM,
            "Native sidecars are forced on (native_sidecars: on), while the setting auto would not use them here: {auto}.",
            "Set native_sidecars to auto, unless you know better than the versions.",
        ),
        FindingId.FORCED_OFF: Entry(
            NOTE,
            "Native sidecars are forced off (native_sidecars: off); the setting auto would say: {auto}.",
            "Nothing, if that is meant; else set native_sidecars to auto.",
        ),
        FindingId.NATIVE_KEPT: Entry(OK, "A pod with a native sidecar passes a strict dry run here, and its restartPolicy comes back."),
        FindingId.NATIVE_ABSENT: Entry(
            NOTE, "A native sidecar does not pass a dry run here, and none is used: {told}.", "Nothing: tasks are wrapped."
        ),
        FindingId.NATIVE_REFUSED: Entry(
            PROBLEM,
            "This API server has no native sidecars, whatever its version says: {told}. Every pod with one would be refused, or "
            "never start.",
            "Set native_sidecars to off, or switch the feature gate SidecarContainers on, in the API server and in every kubelet.",
        ),
        FindingId.FORCED_NATIVE_REFUSED: Entry(
            PROBLEM,
            "Native sidecars are forced on (native_sidecars: on), but this API server has none: {told}. Every pod with one would be "
            "refused, or never start.",
            "Set native_sidecars to auto, or to off where the versions say more than the feature gate SidecarContainers keeps.",
        ),
        FindingId.NATIVE_DROPPED: Entry(
            PROBLEM,
            "The API server keeps a native sidecar, but a webhook that pods come to here takes its restartPolicy away, as one does whose "
            "types are older than Kubernetes 1.28: {told}. It is one of these: {suspects}. Every pod with a native sidecar would be "
            "refused, or never start.",
            "Update the webhook that does it: take one after the other from this namespace and run this again. Until then set "
            "native_sidecars to off.",
        ),
        FindingId.NATIVE_DROPPED_UNUSED: Entry(
            NOTE,
            "No native sidecar is used, and none could be: a webhook that pods come to here takes its restartPolicy away: {told}. It is "
            "one of these: {suspects}.",
            "Nothing now; update that webhook before native sidecars are used.",
        ),
        FindingId.NATIVE_LOST: Entry(
            PROBLEM,
            "A native sidecar does not pass a dry run here: {told}. Every pod with one would be refused, or never start. Whether it is the "
            "API server or a webhook could not be told: {why}. The webhooks are: {suspects}.",
            "Run this as a user who may create podtemplates in this namespace. Until then set native_sidecars to off.",
        ),
        FindingId.NATIVE_UNTESTED: Entry(
            WARNING,
            "Whether a native sidecar passes could not be tried, since the pod of the dry run was refused: {told}. Of the API server "
            "alone: {alone}.",
            "Run this as a user who may create pods here, and see that policies and quotas let a small restricted pod pass.",
        ),
        FindingId.NAMESPACE_MISSING: Entry(PROBLEM, "There is no namespace {namespace}.", "Name the namespace of the tasks with -n."),
        FindingId.NOT_INSTALLED: Entry(
            PROBLEM,
            "No MutatingWebhookConfiguration has the webhook {ours}: it is not installed.",
            "Install it; see the README.",
        ),
        FindingId.OPTED_IN: Entry(OK, "Task pods of {namespace} come to {webhook}."),
        FindingId.NOT_OPTED_IN: Entry(
            PROBLEM,
            "Pods of {namespace} do not come to {webhook}, which wants of the namespace: {wanted}.",
            "If tasks run here: {how}",
        ),
        FindingId.ANSWERS: Entry(OK, "The webhook answers: it left its status on the dry run's pod."),
        FindingId.SILENT: Entry(
            PROBLEM,
            "The dry run's pod came back without the webhook's status: the API server did not reach it, and let the pod pass.",
            "See that its pods are ready, that the caBundle fits its certificate, and that no NetworkPolicy keeps the API server out.",
        ),
        FindingId.ORDER: Entry(OK, "Pods of {namespace} come to these webhooks, in this order: {order}."),
        FindingId.INJECTOR_FIRST: Entry(
            WARNING,
            "{webhook} injects {injected} before ours is called: what ours would ask of it comes too late, so the container is dealt with "
            "as it was injected.",
            "Rename our configuration so that its name sorts before {webhook}.",
        ),
        FindingId.INJECTOR_UNSEEN: Entry(
            PROBLEM,
            "{webhook} injects {injected} after ours, and ours is not called again (reinvocationPolicy {policy}): the sidecar is "
            "never seen.",
            "Set reinvocationPolicy of {ours} to IfNeeded.",
        ),
        FindingId.NEVER_AGAIN: Entry(
            WARNING,
            "{ours} is not called again when a later webhook changes the pod (reinvocationPolicy {policy}).",
            "Set it to IfNeeded: an injector that is installed one day may come later in the order.",
        ),
        FindingId.FAILS_CLOSED: Entry(
            WARNING,
            "While the webhook is down no task pod starts (failurePolicy {policy} of {ours}).",
            "Set it to Ignore, unless a task that does not end is worse than one that does not start.",
        ),
        FindingId.TIMEOUT: Entry(
            WARNING,
            "The API server waits {seconds} s for {ours}; {least} s to {most} s leave room for one try more, and do not hold up pods "
            "for long.",
            "Set timeoutSeconds to {most} (webhook.timeoutSeconds of the chart, where that is the default), and read_seconds below it.",
        ),
        FindingId.INJECTOR_AGAIN: Entry(
            NOTE,
            "{webhook} may be called again after ours (reinvocationPolicy IfNeeded), and would inject {injected} again where its container "
            "was made native: so the container is left a regular one, unless its version can be told not to.",
            "Nothing, as long as wrapped tasks are fine; else reinvocationPolicy Never, which is the default of most injectors.",
        ),
        FindingId.AMBIENT: Entry(NOTE, "{namespace} is in Istio's ambient mesh ({label}): its pods get no sidecar.", "Nothing."),
        FindingId.LABEL_WITHOUT_INJECTOR: Entry(
            WARNING,
            "{namespace} carries {label}, but no installed webhook that injects {injected} is called for its pods.",
            "Compare the label with the selectors of the injector: a revision that is gone, or one label that keeps out another.",
        ),
        FindingId.STUCK: Entry(
            WARNING,
            "Pods whose task has ended while a sidecar runs on: {pods}.",
            "Delete them once their logs are read. Pods that are created after the namespace has opted in end by themselves.",
        ),
        FindingId.NONE_STUCK: Entry(OK, "No task pod of {namespace} is held up by a sidecar: {count} were looked at."),
    }
)


class Finding(msgspec.Struct, frozen=True):
    """One finding, with its values.

    Args:
        id: What was found.
        values: For the places in its texts.

    """

    id: FindingId
    values: dict[str, str]

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return FINDINGS[self.id].severity

    @property
    def sentence(self) -> str:
        """What was found."""
        return FINDINGS[self.id].sentence.format_map(self.values)

    @property
    def remedy(self) -> str:
        """What to do; empty: nothing."""
        return FINDINGS[self.id].remedy.format_map(self.values)


def found(of: FindingId, **values: object) -> Finding:
    """A finding."""
    return Finding(of, {name: str(value) for name, value in values.items()})
