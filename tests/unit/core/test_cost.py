"""What a review costs, whatever is in the pod: a bound that is linear in the body, counted in instructions and not by the clock."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

from tests.support.cost import Meter
from tests.support.pods import ABLE_CLUSTER, review_of
from tests.support.search import examples
from webhook.core.admission import admit
from webhook.core.built_in import default_policy
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.decision import MAX_CONTAINERS
from webhook.core.document import MAX_DOCUMENT_CHARACTERS, MAX_DOCUMENTS
from webhook.core.names import PREFIX
from webhook.core.pod import MAX_COMMAS
from webhook.core.review import parse_review, render_review
from webhook.core.sidecar import MAX_NAME_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject
    from webhook.core.admission import Outcome
    from webhook.core.cluster import Cluster

POLICY: Final = dataclasses.replace(default_policy(), helper_image="helper:1")
CLUSTERS: Final = (UNKNOWN_CLUSTER, ABLE_CLUSTER)

PER_POD: Final = 40_000
PER_CONTAINER: Final = 16_000
PER_BYTE: Final = 8
PER_BYTE_OF_YAML: Final = 100
"""Instructions. A container costs so much where its name and image were not seen before, and where it is converted."""

AT_MOST: Final = 5_000_000
"""For a body of any size: some 50 ms."""

INJECTED: Final = {"sidecar.istio.io/status": "{}"}
WRAPPER: Final = ("/bin/sh", "-c", "SCRIPT", PREFIX)
CLOUD_SQL: Final = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0"
MOST: Final = MAX_COMMAS - 2_000
"""Items of a list in a pod that is just not too large."""


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


HOSTILE: Final[dict[str, Callable[[], JSONObject]]] = {
    "YAML of brackets": lambda: proxy_config("statusPort: " + "[" * 4000),
    "YAML of balanced brackets": lambda: proxy_config("statusPort: " + "[" * 120 + "]" * 120),
    "YAML of braces": lambda: proxy_config("statusPort: " + "{a: " * 1000),
    "YAML of items": lambda: proxy_config("statusPort: [" + "a," * 2000 + "]"),
    "YAML of lines": lambda: proxy_config("statusPort: 1\n" + "a: 1\n" * 800),
    "YAML of keys": lambda: proxy_config("statusPort: 1\n" + "?\n" * 2000),
    "YAML of dashes": lambda: proxy_config("statusPort:\n" + "-\n" * 2000),
    "YAML of anchors": lambda: proxy_config("statusPort: [&a b" + ",*a" * 1300 + "]"),
    "image names of slashes": lambda: pod(*({"name": f"c{number}", "image": f"{number}{'/' * 1000}"} for number in range(95))),
    "image names of parts": lambda: pod(*({"name": f"c{number}", "image": f"{number}/{'a/' * 30}proxyv2"} for number in range(95))),
    "image names that almost match": lambda: pod(*({"name": f"c{number}", "image": f"{number}{'proxyv' * 160}"} for number in range(95))),
    "names that almost match": lambda: pod(*({"name": f"{'a-' * 28}{number}", "image": "a"} for number in range(95))),
    "candidates in a wrapper": lambda: pod(
        istio(), main={"command": [*WRAPPER, *["--try-entrypoint", "--end-try"] * (MOST // 2), "--", "x"]}
    ),
    "an endless candidate in a wrapper": lambda: pod(istio(), main={"command": [*WRAPPER, *["--try-entrypoint"] * MOST]}),
    "sidecars in a wrapper": lambda: pod(istio(), main={"command": [*WRAPPER, *["--sidecar", "a", "b", "c", "d"] * (MOST // 5), "--"]}),
    "marks of a wrapper in args": lambda: pod(istio(), main={"args": ["-c", "x", PREFIX] * (MOST // 3)}),
    "words in a wrapped command": lambda: pod(istio(), main={"command": [*WRAPPER, "--entrypoint-source", "command", "--", *["x"] * MOST]}),
    "args of a sidecar": lambda: pod(cloud_sql(0, args=["--a"] * MOST)),
    "args of many sidecars": lambda: pod(*(cloud_sql(number, args=["--a"] * 500) for number in range(95))),
    "a script": lambda: pod(cloud_sql(0, command=["sh", "-c", "a " * 500_000])),
    "many scripts": lambda: pod(*(cloud_sql(number, command=["-c", "a " * 80] * 120) for number in range(95))),
    "volumes": lambda: pod(*map(logs, range(95)), volumes=numbered(MOST)),
    "inline volumes": lambda: pod(*map(logs, range(95)), volumes=numbered(MOST // 2, csi={"driver": "gcsfuse.csi.storage.gke.io"})),
    "mounts of sidecars and init containers": lambda: pod(
        *(logs(number, volumeMounts=numbered(110, mountPath="/a")) for number in range(95)),
        initContainers=[{"name": f"i{number}", "volumeMounts": numbered(110, mountPath="/a")} for number in range(95)],
        volumes=numbered(200),
    ),
    "ports of sidecars and init containers": lambda: pod(
        *(logs(number, ports=[{"containerPort": port} for port in range(1, 230)]) for number in range(95)),
        initContainers=[{"name": f"i{number}", "ports": [{"containerPort": port} for port in range(300, 530)]} for number in range(95)],
    ),
    "mounts of the task": lambda: foreign(istio(), volumeMounts=numbered(MOST // 2, mountPath="/a")),
    "variables": lambda: pod(istio(env=numbered(MOST))),
    "ports": lambda: pod(istio(ports=[{"containerPort": 1}] * MOST)),
    "labels": lambda: pod(istio(), metadata={"labels": {f"l{number}": "v" for number in range(MOST)}}),
    "annotations": lambda: pod(istio(), metadata={"annotations": {f"l{number}": "v" for number in range(20_000)}}),
    "unknown annotations": lambda: pod(istio(), metadata=options(**{f"l{number}": "v" for number in range(MOST)})),
    "owners": lambda: pod(
        istio(),
        metadata={
            "labels": {"service.istio.io/canonical-name": "zz"},
            "ownerReferences": [{"name": f"o{number}", "controller": True} for number in range(MOST // 2)],
        },
    ),
    "sidecars as an option": lambda: pod(istio(), metadata=options(sidecars=json.dumps([{"name": "a"}] * 12_000))),
    "deep sidecars as an option": lambda: pod(istio(), metadata=options(sidecars="[" * 250_000)),
    "a long name as an option": lambda: pod(istio(), metadata=options(sidecars=json.dumps([{"name": "a-" * 120_000}]))),
    "an entrypoint as an option": lambda: pod(istio(), metadata=options(entrypoint=json.dumps(["a"] * 40_000))),
    "an injector's record": lambda: pod(
        istio(),
        metadata={
            "annotations": {
                "proxy.istio.io/overrides": json.dumps({"containers": [{"name": "istio-proxy", "i": i} for i in range(20_000)]})
            }
        },
    ),
    "lifecycle hooks of words": lambda: pod(istio(lifecycle={"preStop": {"exec": {"command": ["a/b"] * MOST}}})),
    "a lifecycle hook that is long": lambda: pod(istio(lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "a:1/" * 900_000]}}})),
    "a probe": lambda: pod(logs(0, readinessProbe={f"k{number}": number for number in range(MOST)})),
    "resources": lambda: foreign(istio(), resources={"requests": {f"k{number}": "1" for number in range(MOST)}}),
    "a text that becomes a label": lambda: pod(istio(), metadata={"annotations": {"dag_id": "é/" * 600_000, "task_id": "t"}}),
    "sidecars": lambda: pod(*map(logs, range(150))),
    "sidecars and init containers": lambda: pod(
        *map(logs, range(90)), initContainers=[logs(n, restartPolicy="Always") for n in range(90, 180)]
    ),
}


def reviewed(body: bytes, cluster: Cluster) -> Outcome:
    """All that the service does with a body."""
    request = parse_review(body)
    outcome = admit(request, POLICY, cluster)
    render_review(request.uid, outcome.operations, outcome.warnings)
    return outcome


def most_for(body: bytes, pod: JSONObject) -> int:
    """The bound, in instructions."""
    count = len(pod["spec"]["containers"]) + len(pod["spec"].get("initContainers") or ())
    return min(AT_MOST, PER_POD + PER_CONTAINER * count + PER_BYTE * len(body) + PER_BYTE_OF_YAML * yaml_of(pod))


def yaml_of(pod: JSONObject) -> int:
    """The number of bytes that may be read as YAML: they are parsed by slower code than the rest."""
    values = [variable.get("value", "") for one in pod["spec"]["containers"] for variable in one.get("env", ())[:1]]
    texts = {pod["metadata"]["annotations"].get("proxy.istio.io/config", ""), *values}
    return min(sum(map(len, texts)), MAX_DOCUMENTS * MAX_DOCUMENT_CHARACTERS)


def cost(pod: JSONObject, cluster: Cluster) -> float:
    """The instructions of a review, as a part of what it may take; it is ended where it takes more."""
    body = review_of(pod)
    most = most_for(body, pod)
    return Meter(most).run(lambda: reviewed(body, cluster)) / most


@pytest.fixture(autouse=True)
def _warm() -> None:
    """What is compiled once for the life of the service is not the cost of a pod."""
    for cluster in CLUSTERS:
        reviewed(review_of(pod(istio(), logs(0), cloud_sql(0), {"name": "a", "image": "b"})), cluster)


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pod_costs_no_more_than_its_size_allows(make: Callable[[], JSONObject]) -> None:
    for cluster in CLUSTERS:
        assert cost(make(), cluster) <= 1
    assert not parse_review(review_of(make())).is_too_large, "it would cost nothing"


TOO_LARGE: Final[dict[str, Callable[[], JSONObject]]] = {
    "candidates in a wrapper": lambda: pod(main={"command": [*WRAPPER, *["--try-entrypoint", "--end-try"] * 60_000, "--", "x"]}),
    "volumes": lambda: pod(*map(logs, range(190)), volumes=numbered(60_000)),
    "variables": lambda: pod(istio(env=numbered(100_000))),
    "labels": lambda: pod(metadata={"labels": {f"l{number}": "v" for number in range(100_000)}}),
}


@pytest.mark.parametrize("make", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_pod_of_more_items_than_any_task_pod_is_left_before_it_is_read(make: Callable[[], JSONObject]) -> None:
    body = review_of(make())
    outcomes: list[Outcome] = []

    assert Meter(PER_POD).run(lambda: outcomes.append(reviewed(body, ABLE_CLUSTER))) < PER_POD
    assert (outcomes[0].result, outcomes[0].reason) == ("skipped", "too-large")


def test_a_pod_of_the_most_containers_is_read_and_one_of_more_is_left() -> None:
    full = pod(*map(logs, range(MAX_CONTAINERS - 1)))

    assert cost(full, ABLE_CLUSTER) <= 1
    assert reviewed(review_of(full), ABLE_CLUSTER).result == "native"
    assert reviewed(review_of(pod(*map(logs, range(MAX_CONTAINERS)))), ABLE_CLUSTER).reason == "too-many-containers"


def test_a_pod_whose_text_is_large_is_treated_as_any_other() -> None:
    large = pod(istio(), main={"env": [{"name": f"E{number}", "value": "x" * 1000} for number in range(3000)]})

    assert reviewed(review_of(large), ABLE_CLUSTER).result == "native"


# A search for slow pods: Hypothesis mutates what made the last pod costly for its size.
TEXTS: Final = {
    "yaml": ("[", "]", "{", "}", "a: ", "- ", "? ", ",", "\n", "&a ", "*a", "'", '"', "statusPort: ", "#", "| ", "!t "),
    "image": ("/", ":", "@", "*", "a", ".", "proxyv2", "docker.io", "fluent-bit", "cloud-sql-proxy"),
    "argument": ("--quitquitquit", "=", "-c", "--a", " ", ";", "'", "&&", "sh", "--port=", "x"),
    "option": ("--try-entrypoint", "--end-try", "--sidecar", "--", "--entrypoint-source", "command", "-c", PREFIX, "sh", "x"),
    "json": ("[", "]", "{", "}", '"name"', ":", '"a"', ",", "1", '"quit"', "null"),
    "hook": ("kill", ":1", "/", "$", "{a}", "a://", "localhost", "GET ", " ", "quitquitquit", "?"),
}


def text(kind: str) -> st.SearchStrategy[str]:
    """Few pieces, repeated."""
    return st.builds(lambda pieces, times: "".join(pieces) * times, st.lists(st.sampled_from(TEXTS[kind]), max_size=5), st.integers(0, 400))


def words(kind: str) -> st.SearchStrategy[list[str]]:
    """Likewise, as a list."""
    return st.builds(
        lambda pieces, times: pieces * times, st.lists(st.sampled_from(TEXTS[kind]) | text(kind), max_size=5), st.integers(0, 60)
    )


NAMES: Final = st.sampled_from(("istio-proxy", "logs", "sql", "vault-agent", "daprd", "linkerd-proxy", "a"))
IMAGES: Final = text("image") | st.sampled_from(("istio/proxyv2:1.20", "fluent/fluent-bit:4", CLOUD_SQL, "daprio/daprd:1.14", "a"))
SIDECARS: Final = st.fixed_dictionaries(
    {"name": NAMES, "image": IMAGES},
    optional={
        "args": words("argument"),
        "command": words("argument"),
        "env": st.builds(lambda value: [{"name": "PROXY_CONFIG", "value": value}], text("yaml")),
        "lifecycle": st.builds(lambda command: {"preStop": {"exec": {"command": command}}}, words("hook")),
        "volumeMounts": st.integers(0, 300).map(lambda count: numbered(count, mountPath="/a")),
        "ports": st.integers(0, 300).map(lambda count: [{"containerPort": port} for port in range(1, count)]),
    },
)
PODS: Final = st.builds(
    lambda sidecars, times, command, args, annotations, volumes: pod(
        *(
            one | {"name": f"{one['name']}-{number}"[:MAX_NAME_CHARACTERS] if number else one["name"]}
            for one in sidecars
            for number in range(times)
        ),
        main={"command": [*WRAPPER, *command], "args": args},
        metadata={"annotations": annotations},
        volumes=numbered(volumes),
    ),
    st.lists(SIDECARS, max_size=4, unique_by=lambda one: one["name"]),
    st.integers(1, 10),
    words("option"),
    words("option"),
    st.fixed_dictionaries(
        {},
        optional={
            "proxy.istio.io/config": text("yaml"),
            "proxy.istio.io/overrides": text("json"),
            f"{PREFIX}/sidecars": text("json"),
            f"{PREFIX}/entrypoint": text("json"),
            "dag_id": text("image"),
        },
    ),
    st.integers(0, 3000),
)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(PODS, st.sampled_from(CLUSTERS))
def test_no_pod_is_found_that_costs_more_than_its_size_allows(pod: JSONObject, cluster: Cluster) -> None:
    found = cost(pod, cluster)
    target(found)

    assert found <= 1
