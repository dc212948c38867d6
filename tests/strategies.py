"""Hypothesis strategies: pods like Airflow's with anything else in them, and JSON that is no pod at all."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4), max_leaves=20
)

# Keys and values of the fields that rules read, so that arbitrary JSON often comes near a pod.
FIELDS = (
    "metadata", "spec", "labels", "annotations", "name", "generateName", "namespace", "containers", "initContainers", "volumes", "image",
    "command", "args", "env", "value", "restartPolicy", "hostNetwork", "securityContext", "resources", "volumeMounts", "os",
    "kubernetes_executor", "sidecar.istio.io/status", "airflow-sidecar-webhook/mode", "airflow-sidecar-webhook/sidecars",
)  # fmt: skip
WORDS = ("True", "Never", "Always", "base", "istio-proxy", "vault-agent", "airflow-sidecar-webhook", "-c", "--", "--try", "--sidecar", "0")
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


@st.composite
def containers(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A container with or without command and args, and with fields that nobody knows."""
    container: dict[str, Any] = {"name": name, "image": draw(IMAGES), **draw(UNKNOWN_FIELDS)}
    for field in ("command", "args"):
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
    return container


@st.composite
def airflow_pods(draw: st.DrawFn) -> dict[str, Any]:
    """A valid pod that carries Airflow's labels; unknown fields on every level, absent and null maps, any ids."""
    mark = draw(st.sampled_from(("kubernetes_executor", "kubernetes_pod_operator", "spark_kubernetes_operator")))
    labels = {mark: "True", **draw(st.dictionaries(st.sampled_from(("app", "app.kubernetes.io/name", "team")), NAMES, max_size=2))}
    annotations = draw(
        st.none() | st.fixed_dictionaries({}, optional={"dag_id": IDS, "task_id": IDS, "linkerd.io/inject": st.just("enabled")})
    )
    if annotations is not None and draw(st.booleans()):
        annotations["vault.hashicorp.com/agent-inject"] = "true"
    others = draw(st.lists(st.sampled_from(("helper", "git-sync", "airflow-xcom-sidecar", "vector")), unique=True, max_size=2))
    spec: dict[str, Any] = {
        "containers": [draw(containers(name)) for name in ("base", *others)],
        "restartPolicy": draw(st.sampled_from(("Never", "OnFailure"))),
        **draw(UNKNOWN_FIELDS),
    }
    if draw(st.booleans()):
        spec["initContainers"] = draw(st.none() | st.just([]) | st.just([{"name": "prepare", "image": "alpine", "xField": {"y": [1]}}]))
    if draw(st.booleans()):
        spec["volumes"] = draw(st.none() | st.just([]) | st.just([{"name": "data", "emptyDir": {"xField": 1}}]))
    metadata = {"name": draw(NAMES), "labels": labels, "annotations": annotations, **draw(UNKNOWN_FIELDS)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, **draw(UNKNOWN_FIELDS)}
