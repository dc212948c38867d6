"""Hypothesis strategies: pods like Airflow's with anything else in them, and JSON that is no pod at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from webhook.core.cluster import Cluster, NativeSupport
from webhook.core.version import Version

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4), max_leaves=20
)

# Keys and values of the fields that rules read, so that arbitrary JSON often comes near a pod.
FIELDS = (
    "metadata", "spec", "labels", "annotations", "name", "generateName", "namespace", "containers", "initContainers", "volumes", "image",
    "command", "args", "env", "value", "restartPolicy", "hostNetwork", "securityContext", "resources", "volumeMounts", "os",
    "lifecycle", "preStop", "postStart", "exec", "ports", "containerPort", "hostPort", "readinessProbe", "startupProbe", "resizePolicy",
    "restartPolicyRules", "csi", "driver",
    "kubernetes_executor", "sidecar.istio.io/status", "airflow-sidecar-webhook/mode", "airflow-sidecar-webhook/sidecars",
)  # fmt: skip
WORDS = (
    "True",
    "Never",
    "Always",
    "base",
    "istio-proxy",
    "vault-agent",
    "airflow-sidecar-webhook",
    "-c",
    "--",
    "--try-entrypoint",
    "--sidecar",
    "0",
)
NEAR_JSON = st.recursive(
    SCALARS | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=40,
)
UNKNOWN_FIELDS = st.dictionaries(st.from_regex(r"x[A-Za-z]{1,8}", fullmatch=True), JSON, max_size=2)

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
VARIABLES = st.from_regex(r"[A-Za-z_][-._A-Za-z0-9]{0,10}", fullmatch=True)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
IMAGES = st.sampled_from(
    ("apache/airflow:3.0.0", "registry:5000/etl@sha256:00", "python:3.12", "gcr.io/distroless/static", "alpine", "quay.io/x/y:1")
)
IDS = st.text(min_size=1, max_size=300)


VOLUMES = ("data", "ticket", "settings")
HANDLERS = st.sampled_from(
    (
        {"exec": {"command": ["sh", "-c", "true"]}},
        {"exec": {"command": ["kill", "1"]}},
        {"exec": {"command": ["pilot-agent", "wait"]}},
        {"exec": {"command": ["/usr/lib/linkerd/linkerd-await", "--timeout=2m"]}},
        {"httpGet": {"path": "/quitquitquit", "port": 9091}},
        {"sleep": {"seconds": 1}},
    )
)
PROBES = st.sampled_from(({"exec": {"command": ["true"]}}, {"httpGet": {"path": "/ready", "port": 8080}, "initialDelaySeconds": 5}))
HOOKS = st.fixed_dictionaries(
    {}, optional={"postStart": st.none() | HANDLERS, "preStop": st.none() | HANDLERS, "stopSignal": st.just("SIGINT")}
)
RESIZE = st.just([{"resourceName": "cpu", "restartPolicy": "NotRequired"}])
MOUNTS = st.lists(st.sampled_from(VOLUMES), max_size=2, unique=True).map(
    lambda names: [{"name": name, "mountPath": f"/mnt/{name}"} for name in names]
)
PORTS = st.lists(st.sampled_from((2020, 8080, 15090)), max_size=2, unique=True).flatmap(
    lambda numbers: st.tuples(*(_port(number) for number in numbers)).map(list)
)
STAYING_FIELDS = {
    "lifecycle": HOOKS,
    "readinessProbe": PROBES,
    "livenessProbe": PROBES,
    "startupProbe": PROBES,
}
"""What a regular container and a native sidecar may have, and a plain init container may not."""

SIDECARS: tuple[JSONObject, ...] = (
    {"name": "vector", "image": "timberio/vector:0.50.0"},
    {"name": "airflow-xcom-sidecar", "image": "alpine"},
    {"name": "git-sync", "image": "registry.k8s.io/git-sync/git-sync:v4.4.2"},
    {"name": "logs", "image": "fluent/fluent-bit:4.0.0"},
    {"name": "database", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0", "args": ["--quitquitquit"]},
    {"name": "worker-kerberos", "image": "apache/airflow:3.3.2", "args": ["kerberos"]},
    {
        "name": "gke-gcsfuse-sidecar",
        "image": "gke.gcr.io/gcs-fuse-csi-driver-sidecar-mounter:v1",
        "securityContext": {"runAsUser": 65534},
        "volumeMounts": [{"name": "gke-gcsfuse-tmp", "mountPath": "/gcsfuse-tmp"}],
    },
    {"name": "otc-container", "image": "otel/opentelemetry-collector:0.132.0", "args": ["--config=env:OTEL_CONFIG"]},
    {"name": "kuma-sidecar", "image": "kumahq/kuma-dp:2.10"},
    {"name": "datadog-agent-injected", "image": "datadog/agent:7"},
)
"""Known sidecars with a rule and without, and one that is in no catalogue."""

CONTAINER_FIELDS = (
    "name", "image", "command", "args", "env", "lifecycle", "ports", "volumeMounts", "restartPolicy", "restartPolicyRules",
    "readinessProbe", "startupProbe", "resizePolicy",
)  # fmt: skip
"""The fields of a container that a rule reads."""

INIT_NAMES = ("prepare", "migrate", "kerberos-init", "git-sync-init")

CLUSTERS = st.builds(
    Cluster,
    st.sampled_from(NativeSupport),
    st.none() | st.integers(28, 36).map(lambda minor: Version(1, minor)),
    st.frozensets(st.sampled_from(("istio", "linkerd", "vault", "consul", "dapr"))),
    st.none() | st.frozensets(st.sampled_from(("istio", "dapr"))),
)
"""Anything that may be known of a cluster."""


def _port(number: int) -> st.SearchStrategy[JSONObject]:
    return st.fixed_dictionaries({"containerPort": st.just(number)}, optional={"name": st.just(f"port-{number}")})


@st.composite
def containers(draw: st.DrawFn, known: JSONObject) -> JSONObject:
    """A container that is known by these fields, with or without others, and with unknown fields."""
    container: JSONObject = {"image": draw(IMAGES), **draw(UNKNOWN_FIELDS), **known}
    for field in {"command", "args"} - known.keys():
        words = draw(st.none() | st.just("absent") | st.lists(TEXT, max_size=4))
        if words != "absent":
            container[field] = words
    if draw(st.booleans()):
        container["env"] = draw(
            st.none() | st.lists(st.builds(lambda name, value: {"name": name, "value": value}, VARIABLES, TEXT), max_size=3)
        )
    if draw(st.booleans()):
        container["resources"] = {"requests": {"cpu": "1", "nvidia.com/gpu": "1"}, "limits": {"cpu": "2", "nvidia.com/gpu": "1"}}
    if draw(st.booleans()):
        container["securityContext"] = {"runAsUser": draw(st.sampled_from((0, 1000, 50000)))}
    return container | draw(st.fixed_dictionaries({}, optional={"ports": PORTS, "volumeMounts": MOUNTS}))


@st.composite
def regular_containers(draw: st.DrawFn, known: JSONObject, host_port: int) -> JSONObject:
    """A regular container, which may also have hooks, probes, a way to be resized, and this port of the host."""
    container: JSONObject = draw(containers(known)) | draw(st.fixed_dictionaries({}, optional={**STAYING_FIELDS, "resizePolicy": RESIZE}))
    if container.get("ports") and draw(st.integers(0, 4)) == 0:
        container["ports"][0]["hostPort"] = host_port
    return container


@st.composite
def init_containers(draw: st.DrawFn, name: str) -> JSONObject:
    """An init container, or a native sidecar of somebody's."""
    container: JSONObject = draw(containers({"name": name, "image": "alpine"}))
    if draw(st.integers(0, 3)) == 0:
        container |= {"restartPolicy": "Always", **draw(st.fixed_dictionaries({}, optional=STAYING_FIELDS))}
    return container


@st.composite
def airflow_metadata(draw: st.DrawFn) -> JSONObject:
    """The metadata of a pod of Airflow's: any ids, with or without injectors' annotations, absent and null maps."""
    mark = draw(st.sampled_from(("kubernetes_executor", "kubernetes_pod_operator", "spark_kubernetes_operator")))
    labels = {mark: "True", **draw(st.dictionaries(st.sampled_from(("app", "app.kubernetes.io/name", "team")), NAMES, max_size=2))}
    wanted = {
        "linkerd.io/inject": st.just("enabled"),
        "vault.hashicorp.com/agent-inject": st.just("true"),
        "dapr.io/enabled": st.just("true"),
    }
    partly = {
        "vault.hashicorp.com/agent-inject-containers": st.just("base"),
        "vault.hashicorp.com/agent-pre-populate": st.just("false"),
    }
    refused = {"sidecar.istio.io/nativeSidecar": st.just("false"), "config.alpha.linkerd.io/proxy-enable-native-sidecar": st.just("false")}
    ours = {"airflow-sidecar-webhook/mode": st.sampled_from(("auto", "native", "wrap", "label-only", "off", "?"))}
    annotations = draw(st.none() | st.fixed_dictionaries({}, optional={"dag_id": IDS, "task_id": IDS, **wanted}))
    if annotations is not None and draw(st.integers(0, 3)) == 0:
        annotations |= draw(st.fixed_dictionaries({}, optional={**refused, **partly, **ours}))
    return {"name": draw(NAMES), "labels": labels, "annotations": annotations, **draw(UNKNOWN_FIELDS)}


@st.composite
def airflow_pods(draw: st.DrawFn) -> JSONObject:
    """A valid pod that carries Airflow's labels, with known sidecars or without; unknown fields on every level."""
    beside = draw(st.lists(st.sampled_from(SIDECARS), unique_by=lambda one: str(one["name"]), max_size=3))
    spec: JSONObject = {
        "containers": [draw(regular_containers(known, 30000 + index)) for index, known in enumerate(({"name": "base"}, *beside))],
        "restartPolicy": draw(st.sampled_from(("Never", "OnFailure"))),
        "volumes": [
            {"name": "data", "emptyDir": {"xField": 1}},
            {"name": "ticket", "emptyDir": {}},
            {"name": "settings", "configMap": {}},
            {"name": "gke-gcsfuse-tmp", "emptyDir": {}},
        ],
        **draw(UNKNOWN_FIELDS),
    }
    if draw(st.booleans()):
        spec["containers"].reverse()
    inits = draw(st.none() | st.lists(st.sampled_from(INIT_NAMES), unique=True, max_size=3))
    if inits is not None or draw(st.booleans()):
        spec["initContainers"] = inits and [draw(init_containers(name)) for name in inits]
    if draw(st.integers(0, 5)) == 0:
        spec["hostNetwork"] = True
    return {"apiVersion": "v1", "kind": "Pod", "metadata": draw(airflow_metadata()), "spec": spec, **draw(UNKNOWN_FIELDS)}
