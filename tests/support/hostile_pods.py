"""Pods that are made to be slow to review. Each is just within the limits, so that it is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from webhook.core.condition import MAX_IMAGE_CHARACTERS
from webhook.core.decision import MAX_CONTAINERS
from webhook.core.lifecycle import MAX_CHARACTERS_READ
from webhook.core.names import PREFIX
from webhook.core.pod import MAX_COMMAS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject

INJECTED: Final = {"sidecar.istio.io/status": "{}"}
WRAPPER: Final = ("/bin/sh", "-c", "SCRIPT", PREFIX)
CLOUD_SQL: Final = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0"
MOST: Final = MAX_COMMAS - 2_000
"""Items of a list in a pod that is just not too large."""

SIDECARS: Final = MAX_CONTAINERS - 1
"""As many as there may be beside the task."""

HALF: Final = SIDECARS // 2
"""Sidecars of a pod that has as many init containers."""

LONG_HOOK: Final = {"preStop": {"exec": {"command": ["sh", "-c", ":1" * (MAX_CHARACTERS_READ // 2)]}}}
"""A hook in which nearly every character may begin a request."""


def long_image(number: int, end: str) -> str:
    """An image's name of the most characters, in whose parts patterns begin to match."""
    start = f"r{number}/" + "bitnami/" * 20
    return start + "a" * (MAX_IMAGE_CHARACTERS - len(start) - len(end)) + end


def pod(*sidecars: JSONObject, main: JSONObject | None = None, metadata: JSONObject | None = None, **spec: Any) -> JSONObject:
    """An executor's pod with these beside its task."""
    base = {"name": "base", "image": "apache/airflow:3.0.6", "args": ["airflow"]} | (main or {})
    labels = {"kubernetes_executor": "True"} | (metadata or {}).get("labels", {})
    annotations = INJECTED | (metadata or {}).get("annotations", {})
    return {
        "metadata": {"name": "a", **(metadata or {}), "labels": labels, "annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [base, *sidecars], **spec},
    }


def istio(**fields: Any) -> JSONObject:
    """Istio's proxy."""
    return {"name": "istio-proxy", "image": "istio/proxyv2:1.20", **fields}


def logs(number: int, **fields: Any) -> JSONObject:
    """A sidecar that is converted on a cluster that can."""
    return {"name": f"logs-{number}", "image": "fluent/fluent-bit:4.0.0", **fields}


def cloud_sql(number: int, **fields: Any) -> JSONObject:
    """A sidecar whose rules look for flags."""
    return {"name": f"sql-{number}", "image": CLOUD_SQL, **fields}


def foreign(*sidecars: JSONObject, **main: Any) -> JSONObject:
    """A pod that needs the helper."""
    return pod(*sidecars, main={"image": "example.com/tool", "command": ["/tool"], **main}) | {
        "metadata": {"labels": {"kubernetes_pod_operator": "True"}, "annotations": INJECTED}
    }


def nested(depth: int) -> JSONObject:
    """An object in an object, and so on."""
    return {"a": nested(depth - 1)} if depth else {}


def options(**values: str) -> JSONObject:
    """Pod options."""
    return {"annotations": {f"{PREFIX}/{name.replace('_', '-')}": value for name, value in values.items()}}


def proxy_config(text: str) -> JSONObject:
    """A pod with this text wherever Istio's configuration may be."""
    variable = {"name": "PROXY_CONFIG", "value": text}
    return pod(istio(env=[variable]), metadata={"annotations": {"proxy.istio.io/config": f"{text} "}})


def numbered(count: int, **fields: Any) -> list[JSONObject]:
    """Named things."""
    return [{"name": f"v{number}", **fields} for number in range(count)]


def slow_small_pod() -> JSONObject:
    """One in less than 64 KiB, so that its review waits for no turn."""
    command = ["sh", "-c", "=;" * 210]
    hook = {"preStop": {"exec": {"command": ["sh", "-c", ":1" * 210]}}}
    return pod(*(logs(number, command=command, lifecycle=hook) for number in range(SIDECARS)))


HOSTILE_PODS: Final[dict[str, Callable[[], JSONObject]]] = {
    "scripts and hooks in less than 64 KiB": slow_small_pod,
    "YAML of brackets": lambda: proxy_config("statusPort: " + "[" * 4000),
    "YAML of balanced brackets": lambda: proxy_config("statusPort: " + "[" * 120 + "]" * 120),
    "YAML of braces": lambda: proxy_config("statusPort: " + "{a: " * 1000),
    "YAML of items": lambda: proxy_config("statusPort: [" + "a," * 2000 + "]"),
    "YAML of lines": lambda: proxy_config("statusPort: 1\n" + "a: 1\n" * 800),
    "YAML of keys": lambda: proxy_config("statusPort: 1\n" + "?\n" * 2000),
    "YAML of dashes": lambda: proxy_config("statusPort:\n" + "-\n" * 2000),
    "YAML of anchors": lambda: proxy_config("statusPort: [&a b" + ",*a" * 1300 + "]"),
    "image names of slashes": lambda: pod(*({"name": f"c{number}", "image": f"{number}{'/' * 500}"} for number in range(SIDECARS))),
    "image names of parts": lambda: pod(*({"name": f"c{number}", "image": long_image(number, "/proxy")} for number in range(SIDECARS))),
    "image names that almost match": lambda: pod(
        *({"name": f"c{number}", "image": f"{number}{'proxyv' * 80}"} for number in range(SIDECARS))
    ),
    "names that almost match": lambda: pod(*({"name": f"{'a-' * 28}{number}", "image": "a"} for number in range(SIDECARS))),
    "candidates in a wrapper": lambda: pod(
        istio(), main={"command": [*WRAPPER, *["--try-entrypoint", "--end-try"] * (MOST // 2), "--", "x"]}
    ),
    "an endless candidate in a wrapper": lambda: pod(istio(), main={"command": [*WRAPPER, *["--try-entrypoint"] * MOST]}),
    "sidecars in a wrapper": lambda: pod(istio(), main={"command": [*WRAPPER, *["--sidecar", "a", "b", "c", "d"] * (MOST // 5), "--"]}),
    "marks of a wrapper in args": lambda: pod(istio(), main={"args": ["-c", "x", PREFIX] * (MOST // 3)}),
    "words in a wrapped command": lambda: pod(istio(), main={"command": [*WRAPPER, "--entrypoint-source", "command", "--", *["x"] * MOST]}),
    "args of a sidecar": lambda: pod(cloud_sql(0, args=["--a"] * MOST)),
    "args of many sidecars": lambda: pod(*(cloud_sql(number, args=["--a"] * (MOST // SIDECARS)) for number in range(SIDECARS))),
    "a script": lambda: pod(cloud_sql(0, command=["sh", "-c", "a " * 500_000])),
    "many scripts": lambda: pod(*(cloud_sql(number, command=["-c", "a " * 80] * 180) for number in range(SIDECARS))),
    "volumes": lambda: pod(*map(logs, range(SIDECARS)), volumes=numbered(MOST)),
    "inline volumes": lambda: pod(*map(logs, range(SIDECARS)), volumes=numbered(MOST // 2, csi={"driver": "gcsfuse.csi.storage.gke.io"})),
    "mounts of sidecars and init containers": lambda: pod(
        *(logs(number, volumeMounts=numbered(MOST // HALF // 4 - 8, mountPath="/a")) for number in range(HALF)),
        initContainers=[{"name": f"i{number}", "volumeMounts": numbered(MOST // HALF // 4 - 8, mountPath="/a")} for number in range(HALF)],
        volumes=numbered(200),
    ),
    "ports of sidecars and init containers": lambda: pod(
        *(logs(number, ports=[{"containerPort": port} for port in range(MOST // HALF // 2)]) for number in range(HALF)),
        initContainers=[
            {"name": f"i{number}", "ports": [{"containerPort": port} for port in range(800, 800 + MOST // HALF // 2)]}
            for number in range(HALF)
        ],
    ),
    "mounts of the task": lambda: foreign(istio(), volumeMounts=numbered(MOST // 2, mountPath="/a")),
    "variables": lambda: pod(istio(env=numbered(MOST))),
    "ports": lambda: pod(istio(ports=[{"containerPort": 1}] * MOST)),
    "labels": lambda: pod(istio(), metadata={"labels": {f"l{number}": "v" for number in range(MOST)}}),
    "annotations": lambda: pod(istio(), metadata={"annotations": {f"l{number}": "v" for number in range(20_000)}}),
    "unknown annotations": lambda: pod(istio(), metadata=options(**{f"l{number}": "v" for number in range(MOST)})),
    "misspelt annotations": lambda: pod(istio(), metadata=options(**{f"outlives-tax{number}": "v" for number in range(MOST)})),
    "misspelt prefixes": lambda: pod(istio(), metadata={"annotations": {f"{PREFIX}{chr(97 + n % 26)}/mod{n}": "v" for n in range(MOST)}}),
    "owners": lambda: pod(
        istio(),
        metadata={
            "labels": {"service.istio.io/canonical-name": "zz"},
            "ownerReferences": [{"name": f"o{number}", "controller": True} for number in range(MOST // 2)],
        },
    ),
    "sidecars as an option": lambda: pod(istio(), metadata=options(sidecars=json.dumps([{"name": "a"}] * 12_000))),
    "deep sidecars as an option": lambda: pod(istio(), metadata=options(sidecars="[" * MOST)),
    "a long name as an option": lambda: pod(istio(), metadata=options(sidecars=json.dumps([{"name": "a-" * 120_000}]))),
    "an entrypoint as an option": lambda: pod(istio(), metadata=options(entrypoint=json.dumps(["a"] * MOST))),
    "an injector's record": lambda: pod(
        istio(),
        metadata={
            "annotations": {
                "proxy.istio.io/overrides": json.dumps({"containers": [{"name": "istio-proxy", "i": i} for i in range(MOST // 2)]})
            }
        },
    ),
    "lifecycle hooks of words": lambda: pod(istio(lifecycle={"preStop": {"exec": {"command": ["a/b"] * MOST}}})),
    "a lifecycle hook that is long": lambda: pod(istio(lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "a:1/" * 900_000]}}})),
    "lifecycle hooks of many sidecars": lambda: pod(*(logs(number, lifecycle=LONG_HOOK) for number in range(SIDECARS))),
    "variables of many sidecars": lambda: pod(
        *(logs(number, env=[{"name": f"{variable}-"} for variable in range(MOST // SIDECARS)]) for number in range(SIDECARS))
    ),
    "all of these in many sidecars": lambda: pod(
        *(
            {
                "name": f"sql-{number}",
                "image": long_image(number, "/cloud-sql-proxy"),
                "command": ["sh", "-c", "--a=b;" * 2500],
                "lifecycle": LONG_HOOK,
                "env": [{"name": f"{variable}-"} for variable in range(MOST // SIDECARS // 2)],
            }
            for number in range(SIDECARS)
        ),
        volumes=numbered(MOST // 4, csi={"driver": "gcsfuse.csi.storage.gke.io"}),
    ),
    "properties of many sidecars beside inline volumes": lambda: pod(
        *(
            {
                "name": f"logs-{number}",
                "image": long_image(number, "/fluent-bit"),
                "command": ["sh", "-c", ("-p" + "A" * 25 + "=b;") * 540],
                "lifecycle": LONG_HOOK,
            }
            for number in range(SIDECARS)
        ),
        volumes=numbered(MOST // 2, csi={"driver": "gcsfuse.csi.storage.gke.io"}),
    ),
    "inline volumes beside many sidecars": lambda: pod(
        *(
            {
                "name": f"sql-{number}",
                "image": long_image(number, "/cloud-sql-proxy"),
                "command": ["sh", "-c", "--a=b;" * 2500],
                "lifecycle": LONG_HOOK,
            }
            for number in range(SIDECARS)
        ),
        volumes=numbered(MOST // 2, csi={"driver": "gcsfuse.csi.storage.gke.io"}),
    ),
    "objects of one field in a hook": lambda: pod(logs(0, lifecycle={"a": [nested(50)] * (MOST // 50)})),
    "a probe": lambda: pod(logs(0, readinessProbe={f"k{number}": number for number in range(MOST)})),
    "resources": lambda: foreign(istio(), resources={"requests": {f"k{number}": "1" for number in range(MOST)}}),
    "a text that becomes a label": lambda: pod(istio(), metadata={"annotations": {"dag_id": "é/" * 600_000, "task_id": "t"}}),
    "mounts of sidecars that are there twice": lambda: pod(
        *(logs(number, volumeMounts=numbered(250, mountPath="/a")) for number in range(HALF)),
        initContainers=[logs(number, restartPolicy="Always", volumeMounts=numbered(250, mountPath="/a")) for number in range(HALF)],
    ),
    "sidecars": lambda: pod(*map(logs, range(SIDECARS))),
    "sidecars and init containers": lambda: pod(
        *map(logs, range(HALF)), initContainers=[logs(n, restartPolicy="Always") for n in range(HALF, 2 * HALF)]
    ),
}
