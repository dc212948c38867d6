"""Every finding of the doctor. One row a finding: its id, sentence, remedy, severity and background. docs/findings.md is made from it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from webhook.core import GATE_LOCKED, ExplainedWord, NativeSupport, ReasonRow
from webhook.course.pod_course import Step

FINDINGS_PAGE: Final = "docs/findings.md"
"""Where each finding has a heading that is its id."""


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class FindingRow(ReasonRow, frozen=True):
    """A finding in words. Sentence and remedy have places for values, as `str.format_map` takes them.

    Args:
        severity: How much it matters.
        background: For the page: what it means, and how the doctor knows; empty where the sentence says all.

    """

    severity: Severity
    background: str


OK, NOTE, WARNING, PROBLEM = Severity
NOT_USED: Final = "Native sidecars are not used, and tasks are wrapped instead:"
ADD_ROWS: Final = (
    "Add their rows to the chart's values. For images that keep the ENTRYPOINT of apache/airflow, which docker image inspect shows, "
    "they are: {rows}"
)
BROKEN: Final = "Pods with a native sidecar would be refused, or would never start."


def as_clause(sentence: str) -> str:
    """A sentence as the end of another one: it begins with a small letter, and has no full stop."""
    return f"{sentence[0].lower()}{sentence[1:].removesuffix('.')}"


class FindingId(ExplainedWord):
    """What the doctor can find."""

    row: FindingRow

    @property
    def is_gap(self) -> bool:
        """Whether it says that a check could not be made."""
        return self in {FindingId.READ_FAILED, FindingId.NATIVE_NOT_TESTED}

    @property
    def location(self) -> str:
        """Where to read more: the page and its anchor."""
        return f"{FINDINGS_PAGE}#{self}"

    SERVER_VERSION = FindingRow("server-version", "The API server runs Kubernetes {version}.", "", OK, "")
    EMULATED_VERSION = FindingRow(
        "emulated-version",
        "The API server runs Kubernetes {version} and emulates {emulated}: it counts as {emulated}.",
        "No action is needed if that is intended.",
        NOTE,
        "kube-apiserver was started with `--emulated-version`, so it has the features of the older version.",
    )
    KUBELET_VERSIONS = FindingRow(
        "kubelet-versions",
        "Regular nodes: {count}. Virtual nodes, which are ignored: {virtual}. The oldest kubelet is {oldest}, on {node}.",
        "",
        OK,
        "Virtual nodes are those of a virtual kubelet and of AWS Fargate: their version says nothing about where the next pod runs.",
    )
    NO_REGULAR_NODES = FindingRow(
        "no-regular-nodes",
        "There are no regular nodes. Virtual nodes, which are ignored: {virtual}.",
        "",
        NOTE,
        "The next node's kubelet is assumed to be as old as the API server supports: three minor versions older.",
    )
    READ_FAILED = FindingRow(
        "read-failed",
        "Cannot read {what}: {message}. The checks that need this are skipped.",
        "Run doctor as a user with the right to {right}.",
        WARNING,
        "The doctor uses the credentials of your kubeconfig. The rights that it needs are in [doctor.md](doctor.md#rights).",
    )
    SETTINGS_INSTALLED = FindingRow(
        "settings-installed", "The checks go by the settings of the installed webhook, the Deployment {name} in {namespace}.", "", OK, ""
    )
    SETTINGS_ASSUMED = FindingRow(
        "settings-assumed",
        "The settings of the installed webhook, the Deployment {name} in {namespace}, cannot be read: {problem}. "
        "The checks go by the default settings.",
        "Run doctor as a user with the right to get that Deployment, and the ConfigMap with its rows, or give the settings by --config.",
        NOTE,
        "Settings that are given, by `--config` or by the environment, are used as they are. If none is, doctor reads the variables of "
        "the Deployment that has the name of the webhook's Service, as in the chart, and the ConfigMap with your own rows.",
    )
    NATIVE_READY = FindingRow("native-ready", f"Native sidecars are used. {NativeSupport.READY.sentence}", "", OK, "")
    NATIVE_OLDER_MAY_JOIN = FindingRow(
        "native-older-may-join",
        f"Native sidecars are used. {NativeSupport.READY.sentence} But this API server takes nodes with kubelets down to {{oldest}}, "
        "which have no native sidecars.",
        "If a node pool without a node at present has such kubelets, upgrade it, or set native_sidecars to off until then.",
        NOTE,
        "The kubelet of a node is known once the node has joined. Where an autoscaler has removed all nodes of a pool, the pods that "
        "make it grow are treated before that, and would wait in their init containers on its nodes. From Kubernetes 1.32 on no kubelet "
        "older than 1.29 may join.",
    )
    NATIVE_UNKNOWN = FindingRow(
        "native-unknown",
        "It is not known whether native sidecars are used: the versions of the API server and all kubelets could not be read.",
        "Solve the failed reads in this report; the webhook itself needs to list and watch nodes.",
        WARNING,
        "The doctor reads with your credentials, the webhook with its own. A webhook that cannot read the versions uses no native "
        "sidecars; its metric `cluster_errors` counts its failed reads.",
    )
    NATIVE_OLD_SERVER = FindingRow(
        "native-old-server",
        f"{NOT_USED} {as_clause(NativeSupport.OLD_SERVER.sentence)}.",
        "No action is needed. After an upgrade of the cluster native sidecars are used automatically.",
        NOTE,
        "The kubelets must be new enough, too: see the setting `minimum_kubelet` in [the reference](reference.md#settings).",
    )
    NATIVE_OLD_KUBELET = FindingRow(
        "native-old-kubelet",
        f"{NOT_USED} {as_clause(NativeSupport.OLD_KUBELET.sentence)}. The oldest kubelet is {{oldest}}, and the minimum is {{minimum}}.",
        "No action is needed. Once no node is older than that, native sidecars are used automatically.",
        NOTE,
        "The next task pod may be scheduled to the oldest node, so that node decides.",
    )
    NATIVE_EMULATING_SERVER = FindingRow(
        "native-emulating-server",
        f"{NOT_USED} {as_clause(NativeSupport.EMULATING_SERVER.sentence)}.",
        "No action is needed. If native-dry-run-passed is in this report, the setting native_sidecars can be on.",
        NOTE,
        f"From Kubernetes {GATE_LOCKED.major}.{GATE_LOCKED.minor} on the feature gate `SidecarContainers` cannot be turned off; before, it "
        "can, and only a dry run shows whether it is.",
    )
    NATIVE_FORCED_ON = FindingRow(
        "native-forced-on", "Native sidecars are forced on (native_sidecars: on), and the versions are new enough.", "", OK, ""
    )
    NATIVE_FORCED_ON_UNSUPPORTED = FindingRow(
        "native-forced-on-unsupported",
        "Native sidecars are forced on (native_sidecars: on), but the setting auto would not use them here ({support}): {why}.",
        "Set native_sidecars to auto, unless you are sure that the API server and all kubelets support them.",
        PROBLEM,
        "The reasons are in [the reference](reference.md#why-no-sidecar-is-native). On a cluster without native sidecars, pods that have "
        "one are refused or never start.",
    )
    NATIVE_FORCED_OFF = FindingRow(
        "native-forced-off",
        "Native sidecars are forced off (native_sidecars: off); the setting auto {auto} here.",
        "No action is needed if that is intended; else set native_sidecars to auto.",
        NOTE,
        "Tasks are wrapped instead.",
    )
    NATIVE_DRY_RUN_PASSED = FindingRow(
        "native-dry-run-passed",
        "A pod with a native sidecar passes a strict dry run in this namespace.",
        "",
        OK,
        "The sidecar comes back with `restartPolicy: Always`: neither the API server nor a webhook drops it.",
    )
    NATIVE_DRY_RUN_FAILED_UNUSED = FindingRow(
        "native-dry-run-failed-unused",
        "A pod with a native sidecar fails the dry run, but native sidecars are not used here: {message}.",
        "",
        NOTE,
        "Tasks are wrapped instead.",
    )
    SERVER_LACKS_NATIVE = FindingRow(
        "server-lacks-native",
        f"The API server does not support native sidecars, although its version is new enough: {{message}}. {BROKEN}",
        "Set native_sidecars to off, or turn on the feature gate SidecarContainers in the API server and in every kubelet.",
        PROBLEM,
        "The dry run of a PodTemplate, which no webhook for pods changes, failed: the feature gate is off.",
    )
    SERVER_LACKS_NATIVE_FORCED = FindingRow(
        "server-lacks-native-forced",
        f"Native sidecars are forced on (native_sidecars: on), but the API server does not support them: {{message}}. {BROKEN}",
        "Set native_sidecars to auto; or to off if the versions are new enough and the feature gate SidecarContainers is off.",
        PROBLEM,
        "The dry run of a PodTemplate, which no webhook for pods changes, failed: the feature gate is off, or the API server is too old.",
    )
    WEBHOOK_DROPS_NATIVE = FindingRow(
        "webhook-drops-native",
        "The API server supports native sidecars, but a mutating webhook removes the sidecar's restartPolicy: {message}. "
        f"It is one of these: {{suspects}}. {BROKEN}",
        "Update the webhook that does it. To find it, exclude one after the other from this namespace and run doctor again. Until then set "
        "native_sidecars to off.",
        PROBLEM,
        "A webhook does that when it decodes pods with types from before Kubernetes 1.28 and encodes the whole pod again. The dry run of a "
        "PodTemplate, which no webhook for pods changes, passed.",
    )
    WEBHOOK_DROPS_NATIVE_UNUSED = FindingRow(
        "webhook-drops-native-unused",
        "A mutating webhook removes the restartPolicy of native sidecars, but native sidecars are not used here: {message}. "
        "It is one of these: {suspects}.",
        "Update that webhook before native sidecars are used.",
        NOTE,
        "See [webhook-drops-native](#webhook-drops-native).",
    )
    NATIVE_DRY_RUN_FAILED = FindingRow(
        "native-dry-run-failed",
        f"A pod with a native sidecar fails the dry run: {{message}}. {BROKEN} It is not known whether the API server or a webhook is the "
        "cause: {why}. The webhooks are: {suspects}.",
        "Run doctor as a user with the right to create podtemplates in this namespace. Until then set native_sidecars to off.",
        PROBLEM,
        "The dry run of a PodTemplate would separate the two: no webhook for pods changes it.",
    )
    INJECTED_TWICE = FindingRow(
        "injected-twice",
        "A pod that is annotated for native sidecars is refused, because an injector adds a container to it twice: {message}. "
        "It is one of these: {suspects}.",
        "Find the template that names the container under containers (for Istio, one of defaultTemplates); name it under initContainers "
        "there. Until then set native_sidecars to off.",
        PROBLEM,
        "The webhook sets such annotations on task pods, for example `sidecar.istio.io/nativeSidecar`. Istio's own template then adds "
        "istio-proxy as an init container, and a template of your own that customises istio-proxy under `containers` adds a second one "
        "(istio/istio#56455). A pod that names such a template itself gets no annotation; default templates of the mesh cannot be seen "
        "from the pod.",
    )
    NATIVE_NOT_TESTED = FindingRow(
        "native-not-tested",
        "Native sidecars could not be tested, because the dry run's pod was refused: {message}. The API server alone {server}.",
        "Run doctor as a user with the right to create pods in this namespace, and check that policies and quotas admit a small restricted "
        "pod.",
        WARNING,
        "The refusal has nothing to do with the sidecar. The pod meets the restricted Pod Security Standard and requests 100m of CPU and "
        "64Mi of memory for each of its two containers.",
    )
    NAMESPACE_NOT_FOUND = FindingRow(
        "namespace-not-found",
        "The namespace {namespace} does not exist.",
        "Name the namespace of the task pods with -n.",
        PROBLEM,
        "Without `-n` it is the namespace of the kubeconfig's context.",
    )
    WEBHOOK_NOT_INSTALLED = FindingRow(
        "webhook-not-installed",
        "airflow-sidecar-webhook is not installed: no MutatingWebhookConfiguration contains the webhook {webhook}.",
        "Install it; see docs/install.md.",
        PROBLEM,
        "The name of the webhook is the same in every installation; the name of its configuration may differ.",
    )
    OPTED_IN = FindingRow("opted-in", "{webhook} is called for task pods in {namespace}.", "", OK, "")
    NOT_OPTED_IN = FindingRow(
        "not-opted-in",
        "{webhook} is not called for pods in {namespace}: {why}.",
        "If tasks run here: {how}",
        PROBLEM,
        "A namespace opts in with the label `airflow-sidecar-webhook=enabled`, unless the chart's values say otherwise.",
    )
    WEBHOOK_REACHABLE = FindingRow(
        "webhook-reachable", "The API server reaches the webhook, which wrote its status on the dry run's pod.", "", OK, ""
    )
    WEBHOOK_UNREACHABLE = FindingRow(
        "webhook-unreachable",
        "The API server does not reach the webhook: the dry run's pod came back without the webhook's status.",
        "Check that the webhook's pods are ready, that the caBundle matches their certificate, and that no NetworkPolicy blocks the API "
        "server.",
        PROBLEM,
        "The webhook should have been called for this pod. With `failurePolicy: Ignore` the API server creates a pod unchanged if the call "
        "fails, so tasks run, but may not end. The API server's log has the error of the call. [The runbook]"
        "(alerts.md#task-pods-are-created-without-the-webhook) has the commands that show the cause.",
    )
    WEBHOOK_AUDITS = FindingRow(
        "webhook-audits",
        "The webhook only audits: it changes no pod, and task pods stay Running beside their sidecars as without it.",
        "No action is needed if that is intended; otherwise set the setting enforcement to enforce.",
        NOTE,
        "The dry run's pod came back with the label `airflow-sidecar-webhook/treatment=audited`. "
        "[What an audit shows](install.md#try-it-without-changing-a-pod) is in the status of each pod, under `would_be`.",
    )
    WEBHOOK_ORDER = FindingRow(
        "webhook-order",
        "For task pods in {namespace} the API server calls these webhooks, in this order: {order}.",
        "",
        OK,
        "The API server calls them by the name of their configuration, then as listed there. `matchConditions` are not evaluated here, so "
        "one of them may be skipped.",
    )
    INJECTOR_CALLED_FIRST = FindingRow(
        "injector-called-first",
        "{injector} injects {injected} before airflow-sidecar-webhook is called, so annotations for the injector come too late.",
        "Rename the MutatingWebhookConfiguration of airflow-sidecar-webhook so that it sorts before {injector}.",
        WARNING,
        "The webhook sets annotations that let an injector add its sidecar as a native one, or with a quit request. Without them it still "
        "treats the injected container, as any other.",
    )
    INJECTED_SIDECAR_MISSED = FindingRow(
        "injected-sidecar-missed",
        "{injector} injects {injected} after {own}, which is not called again (reinvocationPolicy: {policy}): the sidecar is not treated.",
        "Set reinvocationPolicy of {own} to IfNeeded.",
        PROBLEM,
        "The webhook never sees that sidecar, so the task's pod may stay Running after the task.",
    )
    NOT_REINVOKED = FindingRow(
        "not-reinvoked",
        "{own} is not called again when a later webhook changes the pod (reinvocationPolicy: {policy}).",
        "Set reinvocationPolicy of {own} to IfNeeded.",
        WARNING,
        "No known injector is called after it today, but one that is installed later may be.",
    )
    FAILS_CLOSED = FindingRow(
        "fails-closed",
        "No task pod is created while the webhook is down (failurePolicy: {policy} of {own}).",
        "Set failurePolicy to Ignore, unless a task that does not end is worse than one that does not start.",
        WARNING,
        "With `Ignore`, the default of the chart, the API server creates a pod unchanged if it does not reach the webhook.",
    )
    WEBHOOK_TIMEOUT = FindingRow(
        "webhook-timeout",
        "The API server waits {seconds} s for {own} (timeoutSeconds); {least} s to {most} s are sensible.",
        "Set timeoutSeconds to {most} (webhook.timeoutSeconds of the chart, whose default it is), and the setting read_seconds below it.",
        WARNING,
        "A shorter timeout leaves no time for a second call, which an overloaded webhook requests after 1 s. A longer one delays every pod "
        "while the webhook is down.",
    )
    INJECTOR_REINVOKED = FindingRow(
        "injector-reinvoked",
        "{injector} may be called again (reinvocationPolicy: IfNeeded), and would then inject {injected} a second time. So the webhook "
        "does not make that container native, unless the injector's version can prevent it.",
        "No action is needed if wrapped tasks are fine; else set reinvocationPolicy of {injector} to Never, the default of most injectors.",
        NOTE,
        "The API server would refuse a pod with two containers of one name. The webhook wraps the task instead.",
    )
    AMBIENT_MESH = FindingRow("ambient-mesh", "{namespace} is in Istio's ambient mesh ({label}), so its pods get no sidecar.", "", NOTE, "")
    LABEL_WITHOUT_INJECTOR = FindingRow(
        "label-without-injector",
        "{namespace} has the label {label}, but no installed webhook that injects {injected} is called for its pods.",
        "Compare the label with the selectors of the injector's webhooks.",
        WARNING,
        "Its revision may no longer be installed, or another label may exclude the namespace.",
    )
    AUTHORITY_IMMUTABLE = FindingRow(
        "authority-immutable",
        "The Secret {name} in {namespace} is immutable, so the certificate authority in it cannot be renewed.",
        "Delete it, and a new one is created: kubectl --namespace {namespace} delete secret {name}",
        PROBLEM,
        "The webhook makes another Secret within seconds, and API servers go on trusting the certificates of the old authority. It is "
        "checked where the settings given to the doctor have `certificates: self-managed` and you may get that Secret.",
    )
    STUCK_POD = FindingRow(
        "stuck-pod",
        "{pod} is {state}: its task (DAG {dag}, task {task}) ended{ended}. Not ended: {containers}. Webhook: {webhook}.",
        "End this pod now, and change the template of new ones, where a step says how.",
        PROBLEM,
        "A pod is reported three minutes after its task's end: as `stuck` if a sidecar keeps it Running, as `possibly-stuck` if only a "
        "container does of which nobody knows whether it is at work. [`explain pod/NAME`](explain.md) says the same: what the webhook "
        "decided at its creation, and what ends the pod now. New pods end by the remedy of the recorded reason, and of the containers "
        "that run. [The reaper](reaper.md) can end such pods.",
    )
    MORE_STUCK_PODS = FindingRow(
        "more-stuck-pods",
        "Further pods of {namespace} that stay Running after their task: {count}.",
        "Run explain --summary -n {namespace}: it lists all of them with -o json.",
        PROBLEM,
        "The report lists those that are stuck for the longest time.",
    )
    POD_REMEDY = FindingRow(
        "pod-remedy",
        "Pods that may stay Running after their task: {pods}. {subject}: {why}.",
        "{how}",
        WARNING,
        "The reasons are in [the reference](reference.md#reasons). Pods that need the same are listed once, those that have ended not at "
        "all. Pods of others are among them if they are meant to end and have a known sidecar: they may be jobs of Airflow's without its "
        "labels. The remedy is for new pods: paste the line where the pod's template is.",
    )
    MORE_REMEDIES = FindingRow(
        "more-remedies",
        "Further remedies that are not listed: {count}.",
        "Run explain on the pods.",
        NOTE,
        "The report lists those that most pods need.",
    )
    NO_STUCK_PODS = FindingRow(
        "no-stuck-pods", "No container keeps a task pod in {namespace} Running after its task. Task pods checked: {count}.", "", OK, ""
    )
    REAPER_READY = FindingRow(
        "reaper-ready",
        "The reaper {user} has its rights in {namespace}, for these methods: {methods}.",
        "",
        OK,
        "Checked with `--reaper`. The methods are in [reaper.md](reaper.md#how-it-ends-a-pod).",
    )
    REAPER_OBSERVES = FindingRow(
        "reaper-observes",
        "The reaper {user} may only observe in {namespace}: it has the rights of no method.",
        "No action is needed if that is intended; otherwise set the chart's value reaper.mode to act.",
        NOTE,
        "Checked with `--reaper`. In observe mode the reaper reports what it would do, also by Events on the pods, and changes no pod.",
    )
    REAPER_RIGHTS_MISSING = FindingRow(
        "reaper-rights-missing",
        "The reaper {user} lacks rights for {namespace}: {missing}.",
        "Name {namespace} in the chart's value reaper.namespaces, or grant each missing right by a Role.",
        PROBLEM,
        "Checked with `--reaper`, by a SubjectAccessReview for each right. The rights to list pods and to write Events are always needed; "
        "a method, or the controller, counts as intended once one of its rights is granted. "
        "Why each right is needed is in [reaper.md](reaper.md#rights).",
    )
    ENTRYPOINTS_GUESSED = FindingRow(
        "entrypoints-guessed",
        "The wrapper guesses the entrypoint of tasks, since the entrypoint table does not have their images: {images}.",
        ADD_ROWS,
        WARNING,
        "With the setting `entrypoint_guess: allow` the wrapper runs the first known entrypoint that exists in the image. If the image has "
        "an ENTRYPOINT of its own, the task runs without what that does, such as exporting its secrets. Once every image has a row, set "
        "`entrypoint_guess: never`.",
    )
    ENTRYPOINTS_UNKNOWN = FindingRow(
        "entrypoints-unknown",
        "Tasks are not wrapped, and may stay Running, since the entrypoint table does not have their images: {images}.",
        ADD_ROWS,
        WARNING,
        "The pods set no command, and a pod does not show the ENTRYPOINT of its image. Without it the task could break. "
        "For one pod the annotation `airflow-sidecar-webhook/entrypoint` says it.",
    )


class Finding(msgspec.Struct, frozen=True):
    """A finding and its values.

    Args:
        id: What was found.
        values: By their places in sentence and remedy.
        steps: What to do in detail, with lines to paste.

    """

    id: FindingId
    values: dict[str, str]
    steps: tuple[Step, ...] = ()

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return self.id.row.severity

    @property
    def sentence(self) -> str:
        """What was found."""
        return self.id.row.sentence.format_map(self.values)

    @property
    def remedy(self) -> str:
        """What to do; empty where nothing is to be done."""
        return self.id.row.remedy.format_map(self.values)


def found(id_: FindingId, **values: object) -> Finding:
    """A finding with its values."""
    return Finding(id_, {name: str(value) for name, value in values.items()})
