"""What a text of any length in a pod takes: its memory, and how much of it is searched. Neither shows in instructions.

A field of the API has a type, but no length: whoever dry-runs a pod can have 3 MiB in any text of it.
"""

from __future__ import annotations

import gc
import pkgutil
import re
import tracemalloc
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest

import webhook.core
from tests.support.hostile_pods import istio, logs, pod
from tests.support.pods import ABLE_CLUSTER, review_of, reviewed
from webhook.core.built_in import default_policy
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.errors import MalformedReviewError
from webhook.core.pod import MAX_BRACKETS, MAX_SCRIPT_CHARACTERS
from webhook.core.review import parse_review

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject

CLUSTERS: Final = (UNKNOWN_CLUSTER, ABLE_CLUSTER)
POLICY: Final = default_policy()

CHARACTERS: Final = 400_000
"""More than all annotations of a pod may have."""
WIDE: Final = "\U0001f600" + "A" * CHARACTERS
"""One character beyond the Basic Multilingual Plane makes each of a text take four bytes."""

BYTES_OF_TEXT: Final = 4 * len(WIDE)
FEW: Final = 300_000
"""Bytes of all else that a review of a small pod allocates."""


def peak(call: Callable[[], object]) -> int:
    """The most bytes that were allocated at once."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """What is compiled once for the life of the service is not the cost of a pod."""
    for cluster in CLUSTERS:
        reviewed(review_of(pod(istio(), logs(0))), POLICY, cluster)


NESTED: Final = {
    "lists": lambda depth: "[" * depth + "]" * depth,
    "objects": lambda depth: '{"":' * depth + "0" + "}" * depth,
}
DEPTH: Final = 500


def repeated(shape: str, brackets: int) -> bytes:
    """A list with so many opening brackets, and few commas."""
    return f"[{','.join([NESTED[shape](DEPTH)] * (brackets // DEPTH))}]".encode()


@pytest.mark.parametrize("shape", NESTED)
def test_a_body_that_is_no_review_is_refused_without_its_values_being_built(shape: str) -> None:
    body = b'{"a":%b}' % repeated(shape, 4 * MAX_BRACKETS)

    def refuse() -> None:
        with pytest.raises(MalformedReviewError):
            parse_review(body)

    assert peak(refuse) < FEW


PLACEHOLDER: Final = "placeholder"
UNTYPED: Final[dict[str, Callable[[], JSONObject]]] = {
    "lifecycle": lambda: pod(istio(lifecycle={"postStart": PLACEHOLDER})),
    "resources": lambda: pod(istio(resources={"limits": PLACEHOLDER})),
    "securityContext": lambda: pod(istio(securityContext={"windowsOptions": PLACEHOLDER})),
    "readinessProbe": lambda: pod(istio(readinessProbe={"httpGet": PLACEHOLDER})),
    "the pod's securityContext": lambda: pod(istio(), securityContext={"windowsOptions": PLACEHOLDER}),
    "a volume's driver": lambda: pod(istio(), volumes=[{"name": "v", "csi": {"driver": PLACEHOLDER}}]),
}


@pytest.mark.parametrize("shape", NESTED)
@pytest.mark.parametrize("make", UNTYPED.values(), ids=UNTYPED)
def test_a_field_of_many_nested_values_leaves_the_pod_before_any_is_built(make: Callable[[], JSONObject], shape: str) -> None:
    body = review_of(make()).replace(f'"{PLACEHOLDER}"'.encode(), repeated(shape, 2 * MAX_BRACKETS))

    for cluster in CLUSTERS:
        assert peak(partial(reviewed, body, POLICY, cluster)) < FEW
        assert reviewed(body, POLICY, cluster).reason == "too-large"


def selecting(text: str, **more: str) -> JSONObject:
    """A pod whose node selector has this text."""
    return pod(istio(), nodeSelector={"kubernetes.azure.com/os-sku": text, **more})


def fluent_bit(*words: str) -> JSONObject:
    """A pod with a Fluent Bit of this command."""
    return pod({"name": "logs", "image": "fluent/fluent-bit:1", "command": ["fluent-bit", *words]})


def stopping(**hook: Any) -> JSONObject:
    """A pod whose proxy has this preStop hook."""
    return pod(istio(lifecycle={"preStop": hook}))


LONG: Final[dict[str, Callable[[str], JSONObject]]] = {
    "a node selector": selecting,
    "a toleration": lambda text: pod(istio(), tolerations=[{"key": text}]),
    "a toleration beside one of a virtual node": lambda text: pod(istio(), tolerations=[{"key": "azure.com/aci"}, {"key": text}]),
    "an affinity": lambda text: pod(istio(), affinity={"nodeAffinity": {"x": text}}),
    "a runtime class": lambda text: pod(istio(), runtimeClassName=text),
    "a security context": lambda text: pod(istio(securityContext={"x": text}), securityContext={"x": text}),
    "a word": fluent_bit,
    "a property": lambda text: fluent_bit(f"{text}=x"),
    "a property's value": lambda text: fluent_bit(f"-pa={text}"),
    "a flag": lambda text: fluent_bit(f"--a={text}"),
    "a script": lambda text: fluent_bit("sh", "-c", text),
    "a hook's script": lambda text: stopping(exec={"command": ["sh", "-c", text]}),
    "a hook's program": lambda text: stopping(exec={"command": [f"/{text}"]}),
    "a hook's path": lambda text: stopping(httpGet={"path": text}),
    "the task's program": lambda text: pod(istio(), main={"image": "zz", "command": [f"/{text}"]}),
    "an annotation": lambda text: pod(istio(), metadata={"annotations": {"a": text}}),
    "an annotation's key": lambda text: pod(istio(), metadata={"annotations": {text: "a"}}),
    "a DAG": lambda text: pod(istio(), metadata={"annotations": {"dag_id": text, "task_id": "t"}}),
    "a port in an annotation": lambda text: pod(istio(), metadata={"annotations": {"status.sidecar.istio.io/port": text}}),
    "settings of the proxy": lambda text: pod(istio(env=[{"name": "PROXY_CONFIG", "value": text}])),
    "a name": lambda text: pod(istio(), metadata={"generateName": text}),
}

COPIES: Final = {"an annotation's key": 2, "the task's program": 2}
"""All keys are joined: that is the fastest search of the few short ones that a pod has. A wrapped command is in the answer."""


@pytest.mark.parametrize("field", LONG)
def test_a_long_text_is_not_copied_without_need(field: str) -> None:
    body = review_of(LONG[field](WIDE))
    texts = body.count(b"A" * CHARACTERS)
    for cluster in CLUSTERS:
        assert peak(partial(reviewed, body, POLICY, cluster)) < (COPIES.get(field, 1) + 0.5) * texts * BYTES_OF_TEXT + FEW


class _Recorder:
    """A pattern that notes the longest text that it searches."""

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        self._pattern = pattern
        self.longest = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._pattern, name)
        return self._noting(found) if name in {"search", "findall", "finditer", "split", "sub"} else found

    def _noting(self, search: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            self.longest = max(self.longest, *[len(one) for one in arguments if not isinstance(one, int)])
            return search(*arguments)

        return noting


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> dict[str, _Recorder]:
    """Every regular expression of the rules, by its module and name."""
    found = {}
    for module in [import_module(one.name) for one in pkgutil.iter_modules(webhook.core.__path__, "webhook.core.")]:
        for name, value in vars(module).copy().items():
            if isinstance(value, re.Pattern):
                found[f"{module.__name__}.{name}"] = recorder = _Recorder(value)
                monkeypatch.setattr(module, name, recorder)
    return found


@pytest.mark.parametrize("field", LONG)
def test_no_regular_expression_searches_more_than_the_beginning_of_a_long_text(field: str, recorders: dict[str, _Recorder]) -> None:
    body = review_of(LONG[field]("v" * CHARACTERS))
    for cluster in CLUSTERS:
        reviewed(body, POLICY, cluster)

    assert recorders
    assert {name for name, recorder in recorders.items() if recorder.longest > MAX_SCRIPT_CHARACTERS} == set()
