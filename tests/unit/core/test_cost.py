"""What a review costs, whatever is in the pod: a bound that is linear in the body, counted in instructions and not by the clock."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

from tests.support.cost import Meter
from tests.support.hostile_pods import CLOUD_SQL, HOSTILE_PODS, WRAPPER, cloud_sql, istio, logs, nested, numbered, pod
from tests.support.pods import ABLE_CLUSTER, review_of, reviewed
from tests.support.search import examples
from webhook.core.built_in import default_policy
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.decision import MAX_CONTAINERS
from webhook.core.document import MAX_DOCUMENT_CHARACTERS, MAX_DOCUMENTS
from webhook.core.names import PREFIX
from webhook.core.review import parse_review
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
    return Meter(most).run(lambda: reviewed(body, POLICY, cluster)) / most


@pytest.fixture(autouse=True)
def _warm() -> None:
    """What is compiled once for the life of the service is not the cost of a pod."""
    for cluster in CLUSTERS:
        reviewed(review_of(pod(istio(), logs(0), cloud_sql(0), {"name": "a", "image": "b"})), POLICY, cluster)


@pytest.mark.parametrize("make", HOSTILE_PODS.values(), ids=HOSTILE_PODS)
def test_a_hostile_pod_costs_no_more_than_its_size_allows(make: Callable[[], JSONObject]) -> None:
    hostile = make()

    for cluster in CLUSTERS:
        assert cost(hostile, cluster) <= 1
    assert not parse_review(review_of(hostile)).is_too_large, "it would cost nothing"


TOO_LARGE: Final[dict[str, Callable[[], JSONObject]]] = {
    "candidates in a wrapper": lambda: pod(main={"command": [*WRAPPER, *["--try-entrypoint", "--end-try"] * 60_000, "--", "x"]}),
    "volumes": lambda: pod(*map(logs, range(60)), volumes=numbered(60_000)),
    "variables": lambda: pod(istio(env=numbered(100_000))),
    "labels": lambda: pod(metadata={"labels": {f"l{number}": "v" for number in range(100_000)}}),
    "objects of one field in a hook": lambda: pod(logs(0, lifecycle={"a": [nested(50)] * 10_000})),
}


@pytest.mark.parametrize("make", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_pod_of_more_items_than_any_task_pod_is_left_before_it_is_read(make: Callable[[], JSONObject]) -> None:
    body = review_of(make())
    outcomes: list[Outcome] = []

    assert Meter(PER_POD).run(lambda: outcomes.append(reviewed(body, POLICY, ABLE_CLUSTER))) < PER_POD
    assert (outcomes[0].result, outcomes[0].reason) == ("skipped", "too-large")


def test_a_pod_of_the_most_containers_is_read_and_one_of_more_is_left() -> None:
    full = pod(*map(logs, range(MAX_CONTAINERS - 1)))

    assert cost(full, ABLE_CLUSTER) <= 1
    assert reviewed(review_of(full), POLICY, ABLE_CLUSTER).result == "native"
    assert reviewed(review_of(pod(*map(logs, range(MAX_CONTAINERS)))), POLICY, ABLE_CLUSTER).reason == "too-many-containers"


def test_a_pod_whose_text_is_large_is_treated_as_any_other() -> None:
    large = pod(istio(), main={"env": [{"name": f"E{number}", "value": "x" * 1000} for number in range(3000)]})

    assert reviewed(review_of(large), POLICY, ABLE_CLUSTER).result == "native"


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
