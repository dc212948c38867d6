"""Real pods, changed as real people's pods are, each with what is true of it and cannot be read from it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from hypothesis import strategies as st

from tests.support.pods import load
from tests.support.simulated_injectors import INJECTORS, SimulatedInjector
from tests.support.simulated_kubelet import WAITS_FOR_TASK, PodTruth, SimulatedNode, image_of
from tests.support.strategies import CONTAINER_FIELDS, NEAR_JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject

    Change = Callable[["Situation"], None]

CASES: Final = Path(__file__).parents[1] / "cases"
REAL: Final = (
    "airflow-2.10.5-provider-10.1.0/ke_default.json",
    "airflow-3.3.2-provider-10.25.0/ke_chart_template.json",
    "airflow-3.3.2-provider-10.25.0/ke_kerberos_sidecar_template.json",
    "airflow-3.3.2-provider-10.25.0/ke_multi_container_template.json",
    "airflow-3.3.2-provider-10.25.0/ke_pod_override.json",
    "airflow-3.3.2-provider-10.25.0/ke_template_with_command.json",
    "airflow-3.3.2-provider-10.25.0/kpo_args_only.json",
    "airflow-3.3.2-provider-10.25.0/kpo_base_container_name.json",
    "airflow-3.3.2-provider-10.25.0/kpo_full_pod_spec.json",
    "airflow-3.3.2-provider-10.25.0/kpo_init_env_volumes.json",
    "airflow-3.3.2-provider-10.25.0/kpo_neither.json",
    "airflow-3.3.2-provider-10.25.0/kpo_nonroot_readonly.json",
    "airflow-3.3.2-provider-10.25.0/kpo_special_args.json",
    "airflow-3.3.2-provider-10.25.0/kpo_template_multi.json",
    "airflow-3.3.2-provider-10.25.0/kpo_xcom.json",
    "airflow-3.3.2-provider-10.25.0/kpo_xcom_neither.json",
    "helm-chart/chart-1.19.0-kubernetes/pod-of-job-prod-create-user.json",
    "helm-chart/chart-1.19.0-kubernetes/pod-of-job-prod-run-airflow-migrations.json",
    "helm-chart/chart-1.19.0-kubernetes/pod-of-cronjob-prod-cleanup.json",
)
TASKS: Final = {
    "first-container-unknown": "main", "fluid-first": "etl", "two-candidates": "worker", "inject-False": "create-user",
}  # fmt: skip
"""The task's container in the cases in which it is not called base, and is not the only one."""

OWN: Final = frozenset({"helper", "uploader", "warmup", "airflow-xcom-sidecar", "wait", "fetch"})
"""Containers of the real pods that nobody knows, or must not touch."""

OWN_IN_CASES: Final = {
    "bank-vaults-own-agent": frozenset({"vault-agent"}),
    "first-container-unknown": frozenset({"fluid-fuse-0"}),
    "gcsfuse-placeholder": frozenset({"gke-gcsfuse-sidecar"}),
    "istio-placeholder": frozenset({"istio-proxy"}),
    "vendor-entrypoint": frozenset({"vector"}),
}

VIRTUAL: Final = SimulatedNode(is_virtual=True)
WINDOWS: Final = SimulatedNode("windows")
NODES: Final = {"virtual-node-tencent": VIRTUAL, "windows-by-node-selector": WINDOWS, "windows-by-user": WINDOWS}
"""Where the pods of the cases run, if not on Linux."""


@dataclass
class Situation:
    """A pod, and what is true of it.

    Args:
        pod: The pod as its creator writes it.
        task: The task's container.
        sidecars: Names of known sidecars that the pod itself brings.
        never_end: Names of the containers whose program never ends by itself.
        need_network: Names of init containers that end only with the network.
        node: Where it runs.
        is_bound: Whether the pod names nodes.
        claims: Names of containers that an injector has added, as evidence in the pod says that was copied from another pod.
        changes: What was changed, for whoever reads a failure.

    """

    pod: JSONObject
    task: str
    sidecars: set[str] = field(default_factory=set)
    never_end: set[str] = field(default_factory=set)
    need_network: set[str] = field(default_factory=set)
    node: SimulatedNode = field(default_factory=SimulatedNode)
    is_bound: bool = False
    claims: set[str] = field(default_factory=set)
    changes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """What was changed."""
        return f"{self.pod['metadata'].get('name')}: {self.changes}"

    @property
    def task_container(self) -> JSONObject:
        """The task's container."""
        found: JSONObject = next(one for one in self.pod["spec"]["containers"] if one["name"] == self.task)
        return found

    def truth(self, injectors: tuple[SimulatedInjector, ...]) -> PodTruth:
        """What the kubelet needs to know."""
        injected = {name for injector in injectors for name in injector.containers}
        needing = {injector.needs_network for injector in injectors if injector.needs_network}
        return PodTruth(
            self.task,
            self.node,
            frozenset(self.never_end | self.sidecars | injected),
            frozenset(self.need_network | needing),
        )

    def annotate(self, **entries: str) -> None:
        """Set annotations."""
        self.pod["metadata"]["annotations"] = {**(self.pod["metadata"].get("annotations") or {}), **entries}

    def label(self, **entries: str) -> None:
        """Set labels."""
        self.pod["metadata"]["labels"] = {**(self.pod["metadata"].get("labels") or {}), **entries}

    def add(self, container: JSONObject, first: bool = False, **fields: Any) -> None:
        """Add a regular container, if there is none of that name."""
        containers = self.pod["spec"]["containers"]
        if container["name"] not in [one["name"] for one in containers]:
            containers.insert(0 if first else len(containers), copy.deepcopy(container) | fields)

    def add_sidecar(self, container: JSONObject, first: bool = False, **fields: Any) -> None:
        """Add a known sidecar."""
        self.add(container, first, **fields)
        self.sidecars.add(container["name"])

    def add_init(self, container: JSONObject, first: bool = False) -> None:
        """Add an init container, if there is none of that name."""
        inits = self.pod["spec"].get("initContainers") or []
        if container["name"] not in [one["name"] for one in inits]:
            self.pod["spec"]["initContainers"] = [copy.deepcopy(container), *inits] if first else [*inits, copy.deepcopy(container)]

    def add_volume(self, name: str, **source: Any) -> None:
        """Add a volume, if there is none of that name."""
        volumes = self.pod["spec"].get("volumes") or []
        if name not in [one["name"] for one in volumes]:
            self.pod["spec"]["volumes"] = [*volumes, {"name": name, **(source or {"emptyDir": {}})}]


@lru_cache(maxsize=1)
def real_situations() -> tuple[Situation, ...]:
    """The real pods, and those of the cases."""
    cases = [path for path in sorted(CASES.glob("*.yaml")) if not path.stem.endswith(".expected")]
    return (
        *(_situation(load(path)) for path in REAL),
        *(_situation(yaml.safe_load(path.read_text("utf-8")), path.stem) for path in cases),
    )


def _situation(pod: JSONObject, case: str = "") -> Situation:
    names = [one["name"] for one in pod["spec"]["containers"]]
    task = TASKS.get(case, "base" if "base" in names else names[0])
    natives = {one["name"] for one in pod["spec"].get("initContainers") or () if one.get("restartPolicy") == "Always"}
    sidecars = set(names) - {task} - OWN - OWN_IN_CASES.get(case, frozenset())
    return Situation(pod, task, sidecars, natives, node=NODES.get(case, SimulatedNode()), is_bound=case in NODES)


# --- containers

UNKNOWN: Final = {"name": "collector", "image": "registry.example.com/collector:1", "command": ["/collect"]}
SELF_WAIT: Final = {"postStart": {"exec": {"command": ["sh", "-c", "until test -e /ready; do sleep 1; done"]}}}
LOGS: Final = {"name": "logs", "image": "fluent/fluent-bit:4.0.0"}
VECTOR: Final = {"name": "shipper", "image": "timberio/vector:0.50.0-debian"}
GIT_SYNC: Final = {"name": "git-sync", "image": "registry.k8s.io/git-sync/git-sync:v4.4.2"}
SQL: Final = {"name": "sql", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0", "args": ["--quitquitquit", "p:r:i"]}
ONE_TIMES: Final[tuple[JSONObject, ...]] = (
    GIT_SYNC | {"name": "sync-once", "args": ["--one-time"]},
    GIT_SYNC | {"name": "sync-once", "env": [{"name": "GITSYNC_ONE_TIME", "value": "true"}]},
    GIT_SYNC | {"name": "sync-once", "command": ["sh", "-c", "/git-sync --one-time && echo done"]},
    {"name": "ship-once", "image": "docker.elastic.co/beats/filebeat:9.0.0", "args": ["-e", "--once"]},
    {"name": "measure-once", "image": "telegraf:1.34", "args": ["--once"]},
    {"name": "login-once", "image": "public.ecr.aws/gravitational/tbot-distroless:17", "args": ["start", "--oneshot"]},
)
KNOWN_NAMES: Final = (
    "istio-proxy", "linkerd-proxy", "vault-agent", "openbao-agent", "daprd", "envoy", "kuma-sidecar", "consul-dataplane", "otc-container",
    "gke-gcsfuse-sidecar", "datadog-agent-injected", "worker-kerberos", "azwi-proxy", "fluid-fuse-0", "jfs-mount", "csql-db", "secretless",
    "bao-agent", "consul-template", "vector", "linkerd-debug", "osm-healthcheck", "nginx-mesh-sidecar",
)  # fmt: skip
"""Names that rows of the catalogue expect. Without what those rows' injectors leave, a container of that name is somebody's own."""

PROBES: Final = (
    {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5},
    {"tcpSocket": {"port": 5432}},
    {"exec": {"command": ["true"]}},
    {"grpc": {"port": 9000}},
    {"httpGet": {"path": "/", "port": "web"}, "initialDelaySeconds": 20},
)


def rename(name: str) -> Change:
    """The operator's ``base_container_name``: not in pods of the executor and the chart, nor where another container has that name."""

    def change(situation: Situation) -> None:
        names = [one["name"] for one in situation.pod["spec"]["containers"]]
        if (
            name not in names
            and names.count(situation.task) == 1
            and "kubernetes_pod_operator" in (situation.pod["metadata"].get("labels") or {})
        ):
            situation.task_container["name"] = name
            situation.task = name

    return change


def add(container: JSONObject, first: bool = False, **fields: Any) -> Change:
    """A container that is nobody's sidecar."""
    return lambda situation: situation.add(container, first, **fields)


def add_sidecar(container: JSONObject, first: bool = False, **fields: Any) -> Change:
    """A known sidecar of the pod's own."""
    return lambda situation: situation.add_sidecar(container, first, **fields)


def add_init(container: JSONObject, first: bool = False, **truth: bool) -> Change:
    """An init container."""

    def change(situation: Situation) -> None:
        situation.add_init(container, first)
        situation.never_end |= {container["name"]} if truth.get("never_ends") else set()
        situation.need_network |= {container["name"]} if truth.get("needs_network") else set()

    return change


def annotate(**entries: str) -> Change:
    """Annotations."""
    return lambda situation: situation.annotate(**entries)


def copied(*claims: str, **fields: dict[str, str]) -> Change:
    """Evidence of an injection, copied from another pod: a container of that name beside it cannot be distinguished from an injected one."""

    def change(situation: Situation) -> None:
        situation.claims |= set(claims)
        situation.annotate(**fields.get("annotations", {}))
        situation.label(**fields.get("labels", {}))

    return change


def label(**entries: str) -> Change:
    """Labels."""
    return lambda situation: situation.label(**entries)


def spec(**fields: Any) -> Change:
    """Fields of the spec."""
    return lambda situation: situation.pod["spec"].update(copy.deepcopy(fields))


def on_task(**fields: Any) -> Change:
    """Fields of the task's container."""
    return lambda situation: situation.task_container.update(copy.deepcopy(fields))


def on_sidecars(**fields: Any) -> Change:
    """Fields of the known sidecars that the pod itself brings."""

    def change(situation: Situation) -> None:
        for one in situation.pod["spec"]["containers"]:
            if one["name"] in situation.sidecars:
                one.update(copy.deepcopy(fields))

    return change


def on_node(node: SimulatedNode, **fields: Any) -> Change:
    """The pod names nodes of this kind by these fields of its spec."""

    def change(situation: Situation) -> None:
        if not situation.is_bound:
            situation.node, situation.is_bound = node, True
            spec(**fields)(situation)

    return change


def named_as(name: str, **fields: Any) -> Change:
    """A container that is called like a known sidecar and is somebody's own."""
    return add({"name": name, "image": "registry.example.com/tool:3", "command": ["/tool"]}, **fields)


def mount(name: str, path: str) -> Change:
    """The task mounts a volume of its own."""

    def change(situation: Situation) -> None:
        situation.add_volume(name)
        mounts = situation.task_container.get("volumeMounts") or []
        if path not in [one["mountPath"] for one in mounts]:
            situation.task_container["volumeMounts"] = [*mounts, {"name": name, "mountPath": path}]

    return change


def name_task(situation: Situation) -> None:
    """The annotation names the task's container."""
    situation.annotate(**{"airflow-sidecar-webhook/main-container": situation.task})


def say_entrypoint(situation: Situation) -> None:
    """The annotation says the image's entrypoint."""
    words = image_of(situation.task_container).entrypoint
    if words:
        situation.annotate(**{"airflow-sidecar-webhook/entrypoint": str(list(words)).replace("'", '"')})


def describe(**fields: str) -> Change:
    """The annotation describes a container that no row knows."""

    def change(situation: Situation) -> None:
        situation.add_sidecar(UNKNOWN)
        more = "".join(f', "{key}": {text}' for key, text in fields.items())
        situation.annotate(**{"airflow-sidecar-webhook/sidecars": f'[{{"name": "collector"{more}}}]'})

    return change


def without_shell(situation: Situation) -> None:
    """An operator's image without a shell; an image of Airflow's has one."""
    if "kubernetes_pod_operator" in (situation.pod["metadata"].get("labels") or {}):
        situation.task_container["image"] = "gcr.io/distroless/static"


def outlive(situation: Situation) -> None:
    """The annotation names a container that works on."""
    situation.add(UNKNOWN | {"name": "late"})
    situation.annotate(**{"airflow-sidecar-webhook/outlives-task": "late"})


def remove(*path: str) -> Change:
    """A field is missing."""

    def change(situation: Situation) -> None:
        parent = situation.pod
        for key in path[:-1]:
            parent = parent.get(key) or {}
        parent.pop(path[-1], None)

    return change


def share_volume(situation: Situation) -> None:
    """An init container writes what a known sidecar reads."""
    situation.add_volume("shared")
    at = [{"name": "shared", "mountPath": "/shared"}]
    situation.add_init({"name": "render", "image": "busybox", "command": ["sh", "-c", "echo > /shared/conf"], "volumeMounts": at})
    situation.add_sidecar(LOGS, volumeMounts=at)


def read_by_placeholder(situation: Situation) -> None:
    """An init container writes the file from which the variables of Istio's proxy come, as the user's placeholder says."""
    situation.add_volume("settings")
    at = [{"name": "settings", "mountPath": "/settings"}]
    situation.add_init(
        {"name": "write-settings", "image": "busybox", "command": ["sh", "-c", "echo A=1 > /settings/env"], "volumeMounts": at}
    )
    source = {"fileKeyRef": {"volumeName": "settings", "path": "env", "key": "A"}}
    situation.add({"name": "istio-proxy", "image": "auto", "env": [{"name": "A", "valueFrom": source}]})


def duplicate(situation: Situation) -> None:
    """Two containers have one name: the API server refuses the pod with and without us, unless an injector merges them."""
    situation.pod["spec"]["containers"].append(copy.deepcopy(situation.pod["spec"]["containers"][-1]))


def required(**expression: Any) -> JSONObject:
    """An affinity that requires this of a node."""
    terms = [{"matchExpressions": [expression]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


DAPR_POD: Final = {"dapr.io/enabled": "true", "dapr.io/app-id": "a"}

CHANGES: Final[tuple[dict[str, Change], ...]] = (
    # Containers that injectors or users put beside the task.
    {
        "an unknown container first": add(UNKNOWN, first=True),
        "an unknown container first, with a hook": add(UNKNOWN, first=True, lifecycle=SELF_WAIT),
        "an unknown container last": add(UNKNOWN | {"name": "uploader"}),
        "an unknown container with probes": add(UNKNOWN | {"name": "probed"}, livenessProbe=PROBES[0], startupProbe=PROBES[1]),
        "a container with a policy of its own": add(UNKNOWN | {"name": "again"}, restartPolicy="OnFailure"),
        "a shipper": add_sidecar(LOGS),
        "a shipper first": add_sidecar(VECTOR, first=True),
        "a shipper with a hook": add_sidecar(LOGS, lifecycle=SELF_WAIT),
        "a shipper that holds a host port": add_sidecar(LOGS, ports=[{"containerPort": 2020, "hostPort": 2020}]),
        "a shipper with a named port": add_sidecar(VECTOR, ports=[{"containerPort": 8686, "name": "api"}]),
        "a shipper with a policy of its own": add_sidecar(LOGS, restartPolicy="Always"),
        "a shipper that is resized": add_sidecar(LOGS, resizePolicy=[{"resourceName": "cpu", "restartPolicy": "NotRequired"}]),
        "git-sync": add_sidecar(GIT_SYNC),
        "a proxy of a database": add_sidecar(SQL),
        "a proxy of a database first, with a quit hook": add_sidecar(SQL, first=True, lifecycle={"preStop": {"httpGet": {"path": "/quitquitquit", "port": 9091}}}),
        **{f"one-time {number}": add(one) for number, one in enumerate(ONE_TIMES)},
        "the task is called worker": rename("worker"),
        "the task is called main": rename("main"),
        "the task is called vector": rename("vector"),
        "the task is called git-sync": rename("git-sync"),
        "the task is called etl": rename("etl"),
        "two containers of one name": duplicate,
    },
    # Containers that are called like a known sidecar.
    {
        **{f"{name} is somebody's own": named_as(name) for name in KNOWN_NAMES},
        **{f"{name} is somebody's own, first": named_as(name, first=True) for name in KNOWN_NAMES[:8]},
    },
    # Placeholders.
    {
        "istio-proxy, image auto": add({"name": "istio-proxy", "image": "auto"}),
        "istio-proxy, own image": add({"name": "istio-proxy", "image": "registry.example.com/mirror/proxyv2:1.24.2"}),
        "istio-proxy, own image, first": add({"name": "istio-proxy", "image": "registry.example.com/mirror/proxyv2:1.24.2"}, first=True),
        "istio-proxy, own resources": add({"name": "istio-proxy", "image": "auto"}, resources={"requests": {"cpu": "10m"}}),
        "istio-proxy, variables from a file": read_by_placeholder,
        "gke-gcsfuse-sidecar, own image": add({"name": "gke-gcsfuse-sidecar", "image": "registry.example.com/gcs-fuse-csi-driver-sidecar-mounter:v1"}),
        "otc-container, own image": add({"name": "otc-container", "image": "registry.example.com/otelcol:1"}),
    },
    # Init containers.
    {
        "an init container": add_init({"name": "prepare", "image": "busybox", "command": ["true"]}),
        "an init container first that needs the network": add_init({"name": "download", "image": "curl", "args": ["http://x"]}, first=True, needs_network=True),
        "an init container last that needs the network": add_init({"name": "fetch-late", "image": "curl", "args": ["http://x"]}, needs_network=True),
        "a native sidecar": add_init({"name": "cache", "image": "redis:8", "restartPolicy": "Always"}, never_ends=True),
        "a native sidecar with probes": add_init({"name": "cache", "image": "redis:8", "restartPolicy": "Always", "startupProbe": PROBES[1]}, never_ends=True),
        "a native shipper": add_init(LOGS | {"name": "native-logs", "restartPolicy": "Always"}, never_ends=True),
        "an init container with a policy": add_init({"name": "retry", "image": "busybox", "restartPolicy": "OnFailure"}),
        "an init container that renders a configuration": share_volume,
    },
    # What the user says to injectors.
    {
        **{f"Istio: {text!r}": annotate(**{"sidecar.istio.io/inject": text}) for text in ("true", "True", "false", "False", "no", "on", "", "1", "0")},
        **{f"Istio by label: {text!r}": label(**{"sidecar.istio.io/inject": text}) for text in ("true", "True", "FALSE", "off", "")},
        **{f"Istio native: {text!r}": annotate(**{"sidecar.istio.io/nativeSidecar": text}) for text in ("true", "false", "True", "no")},
        "Istio: another template": annotate(**{"inject.istio.io/templates": "sidecar,spire"}),
        "Istio: another status port": annotate(**{"status.sidecar.istio.io/port": "0"}),
        **{f"Linkerd: {text!r}": annotate(**{"linkerd.io/inject": text}) for text in ("enabled", "ingress", "disabled", "Enabled")},
        "Linkerd: not native": annotate(**{"linkerd.io/inject": "enabled", "config.linkerd.io/proxy-enable-native-sidecar": "False"}),
        "Linkerd: native": annotate(**{"linkerd.io/inject": "enabled", "config.alpha.linkerd.io/proxy-enable-native-sidecar": "true"}),
        **{f"Vault: {text!r}": annotate(**{"vault.hashicorp.com/agent-inject": text}) for text in ("true", "True", "1", "yes", "false")},
        "Vault: first": annotate(**{"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-init-first": "true"}),
        "Vault: no sidecar": annotate(**{"vault.hashicorp.com/agent-inject": "t", "vault.hashicorp.com/agent-pre-populate-only": "True"}),
        "Vault: no quit": annotate(**{"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-enable-quit": "0"}),
        "OpenBao": annotate(**{"openbao.org/agent-inject": "true"}),
        **{f"Dapr: {text!r}": annotate(**DAPR_POD | {"dapr.io/enabled": text}) for text in ("true", "On", "1", "False")},
        "Dapr: not native": annotate(**DAPR_POD, **{"dapr.io/enable-native-sidecar": "no"}),
        "Dapr: own image": annotate(**DAPR_POD, **{"dapr.io/sidecar-image": "registry.example.com/daprd:2024.10"}),
        "gcsfuse": annotate(**{"gke-gcsfuse/volumes": "true"}),
        "gcsfuse: not native": annotate(**{"gke-gcsfuse/volumes": "True", "gke-gcsfuse/enable-native-sidecar": "False"}),
        "Kuma": label(**{"kuma.io/sidecar-injection": "enabled"}),
    },
    # Evidence without what it stands for: copied from another pod.
    {
        "a copied status of Istio": copied("istio-proxy", annotations={"sidecar.istio.io/status": '{"containers":["istio-proxy"]}'}),
        "a copied status of Vault": copied("vault-agent", annotations={"vault.hashicorp.com/agent-inject-status": "injected"}),
        "a copied version of Linkerd": copied("linkerd-proxy", "linkerd-debug", annotations={"linkerd.io/proxy-version": "edge-25.4.4"}),
        "a copied label of Dapr": copied("daprd", labels={"dapr.io/sidecar-injected": "true"}),
        "a copied label of Fluid": copied("fluid-fuse-0", labels={"done.sidecar.fluid.io/inject": "true"}),
        "a copied status of the webhook": annotate(**{"airflow-sidecar-webhook/status": '{"treatment":"wrapped","main":"gone","sidecars":{"prepare":"native"}}'}),
        "a malformed status of the webhook": annotate(**{"airflow-sidecar-webhook/status": '{"main": ["base"]}'}),
    },
    # The pod and its task.
    {
        "the host's network": spec(hostNetwork=True),
        "one process namespace": spec(shareProcessNamespace=True),
        "restarted on failure": spec(restartPolicy="OnFailure"),
        "restarted for ever": spec(restartPolicy="Always"),
        "no restart policy": remove("spec", "restartPolicy"),
        "no owner": remove("metadata", "ownerReferences"),
        "no labels": remove("metadata", "labels"),
        "no annotations": remove("metadata", "annotations"),
        "a name of the user's": label(**{"app": "x", "app.kubernetes.io/name": "y"}),
        "a volume at the helper's path": mount("mine", "/airflow-sidecar-webhook"),
        "the helper's volume": mount("airflow-sidecar-webhook", "/mine"),
        "the helper's name, init": add_init({"name": "airflow-sidecar-webhook-helper", "image": "busybox"}),
        "the helper's name": add({"name": "airflow-sidecar-webhook-helper", "image": "busybox"}),
        **{f"the task has a liveness probe {number}": on_task(livenessProbe=probe) for number, probe in enumerate(PROBES)},
        "the task has a startup probe": on_task(startupProbe=PROBES[2]),
        "the task has a hook": on_task(lifecycle=SELF_WAIT),
        "the task has a hook that waits for it": on_task(lifecycle={"postStart": WAITS_FOR_TASK}),
        "the task has a policy of its own": on_task(restartPolicy="Never"),
        "the task expands variables": on_task(command=["sh", "-c", "echo $(POD_NAME) $$HOME $(missing)"], env=[{"name": "POD_NAME", "value": "$(x)"}]),
        "the task has a script": on_task(command=["bash", "-cx"], args=["echo -- airflow-sidecar-webhook -c"]),
        "the task's words are like the wrapper's": on_task(command=["/bin/sh", "-c", "x", "airflow-sidecar-webhook", "--", "y"]),
        "the task has no command": on_task(command=None),
        "the task has an empty command": on_task(command=[]),
        "the task has no args": on_task(args=None),
        "an image of the user's own": on_task(image="registry.example.com/data/airflow-with-secrets:17"),
        "an image without a shell": without_shell,
        "an image of Airflow's": on_task(image="apache/airflow:3.0.0"),
        "sidecars have a readiness probe": on_sidecars(readinessProbe=PROBES[0]),
        "sidecars have probes that name a port": on_sidecars(livenessProbe=PROBES[4], startupProbe=PROBES[4]),
        "sidecars have rules of their own": on_sidecars(restartPolicy="Never", restartPolicyRules=[{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]),
        "sidecars have a hook": on_sidecars(lifecycle=SELF_WAIT),
    },
    # Nodes.
    {
        "virtual node by selector": on_node(VIRTUAL, nodeSelector={"type": "virtual-kubelet"}),
        "virtual node by toleration": on_node(VIRTUAL, tolerations=[{"key": "virtual-kubelet.io/provider", "operator": "Exists"}]),
        "virtual node by affinity": on_node(VIRTUAL, affinity=required(key="type", operator="In", values=["virtual-kubelet"])),
        "virtual node by name": on_node(VIRTUAL, nodeName="virtual-node-aci-linux"),
        "Windows by selector": on_node(WINDOWS, nodeSelector={"kubernetes.io/os": "windows"}),
        "Windows by old selector": on_node(WINDOWS, nodeSelector={"beta.kubernetes.io/os": "windows"}),
        "Windows by affinity": on_node(WINDOWS, affinity=required(key="kubernetes.io/os", operator="In", values=["windows"])),
        "Windows by exclusion": on_node(WINDOWS, affinity=required(key="kubernetes.io/os", operator="NotIn", values=["linux"])),
        "Windows by its user": on_node(WINDOWS, securityContext={"windowsOptions": {"runAsUserName": "ContainerUser"}}),
        "virtual node of Tencent's": on_node(VIRTUAL, tolerations=[{"key": "eks.tke.cloud.tencent.com/eklet", "operator": "Exists"}]),
        "Windows by its field": on_node(WINDOWS, os={"name": "windows"}),
        "Linux by selector": on_node(SimulatedNode(), nodeSelector={"kubernetes.io/os": "linux"}),
    },
    # Pod options: true ones, and ones that mean nothing.
    {
        **{f"mode {mode}": annotate(**{"airflow-sidecar-webhook/mode": mode}) for mode in ("native", "wrap", "label-only", "off", "Wrap")},
        "the task is named": name_task,
        "a container that does not exist is named": annotate(**{"airflow-sidecar-webhook/main-container": "gone"}),
        "an injected container is named": annotate(**{"airflow-sidecar-webhook/main-container": "istio-proxy"}),
        "an empty name": annotate(**{"airflow-sidecar-webhook/main-container": ""}),
        "the entrypoint is said": say_entrypoint,
        "a malformed entrypoint": annotate(**{"airflow-sidecar-webhook/entrypoint": "/run.sh"}),
        "the helper's shell": annotate(**{"airflow-sidecar-webhook/shell": "helper"}),
        "no wait": annotate(**{"airflow-sidecar-webhook/wait-seconds": "0"}),
        "a sidecar is described": describe(),
        "a sidecar is described with its quit": describe(quit='{"port": 9191, "path": "/quit"}'),
        "a sidecar is described as native": describe(native="true"),
        "a sidecar is described as native and ready": describe(native="true", ready='{"port": 9191, "path": "/ready"}'),
        "sidecars that do not exist are described": annotate(**{"airflow-sidecar-webhook/sidecars": '[{"name": "gone"}]'}),
        "malformed sidecars": annotate(**{"airflow-sidecar-webhook/sidecars": '{"name": "collector"}'}),
        "a container works on": outlive,
        "all containers work on": annotate(**{"airflow-sidecar-webhook/outlives-task": "base, main, worker, helper"}),
    },
)  # fmt: skip
"""What a pod may have, by what it is called in a failure; each kind is as frequent as the others."""

SPEC_FIELDS: Final = (
    "hostNetwork",
    "shareProcessNamespace",
    "restartPolicy",
    "nodeSelector",
    "affinity",
    "tolerations",
    "nodeName",
    "os",
    "volumes",
)


@st.composite
def unstructured(draw: st.DrawFn) -> tuple[str, str, Any]:
    """Any value in a field that a rule reads: ``(container or "" for the pod's spec, field, value)``."""
    place = draw(st.sampled_from(("", "base", "first", "last", "init")))
    return place, draw(st.sampled_from(CONTAINER_FIELDS if place else SPEC_FIELDS)), draw(NEAR_JSON)


def set_unstructured(situation: Situation, place: str, name: str, value: Any) -> None:
    """Set it."""
    pod = situation.pod["spec"]
    inits = pod.get("initContainers") or [{}]
    found = {"": pod, "base": situation.task_container, "first": pod["containers"][0], "last": pod["containers"][-1], "init": inits[0]}
    target = found[place]
    if name == "name" and target.get("name") == situation.task:
        return
    target[name] = value


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """A real pod with some of these changes."""
    situation = copy.deepcopy(draw(st.sampled_from(real_situations())))
    for name, change in draw(st.lists(st.one_of([st.sampled_from(tuple(kind.items())) for kind in CHANGES]), max_size=5)):
        change(situation)
        situation.changes.append(name)
    if draw(st.integers(0, 9)) == 9:
        set_unstructured(situation, *draw(unstructured()))
    return situation


def rounds_of_injectors() -> st.SearchStrategy[list[tuple[SimulatedInjector, bool]]]:
    """Up to three injectors in any order, of each product one at most, each with whether it may be called again."""
    chosen = st.tuples(st.sampled_from(INJECTORS), st.booleans()).map(lambda one: (one[0], one[1] and one[0].may_be_called_again))
    return st.lists(chosen, max_size=3, unique_by=lambda one: one[0].id or one[0].name)
