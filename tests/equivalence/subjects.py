"""The pods whose decisions are compared: real ones, injected ones, the catalogue's examples, and generated ones."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Final

from hypothesis import HealthCheck, given, settings

from demo.simulated_injectors import (
    inject_dapr,
    inject_istio,
    inject_istio_native,
    inject_istio_with_hold,
    inject_linkerd,
    inject_vault,
)
from tests.support.examples import EXAMPLES
from tests.support.pods import pods_in
from tests.support.strategies import airflow_pods

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject

INJECTORS: Final[tuple[tuple[Injector, dict[str, str]], ...]] = (
    (inject_istio, {}),
    (inject_istio_with_hold, {}),
    (inject_istio_native, {}),
    (inject_vault, {"vault.hashicorp.com/agent-inject": "true"}),
    (inject_linkerd, {"linkerd.io/inject": "enabled"}),
    (inject_dapr, {"dapr.io/enabled": "true", "dapr.io/app-id": "task"}),
)
"""Each simulated injector, and the annotations by which it injects into a pod."""

GENERATED: Final = 1500


def subjects() -> Iterator[tuple[str, JSONObject]]:
    """(name, pod) of each."""
    yield from known_pods()
    for number, pod in enumerate(_generated()):
        yield f"generated {number}", pod


def known_pods() -> Iterator[tuple[str, JSONObject]]:
    """(name, pod) of each that is not generated."""
    for path, pod in pods_in("."):
        yield path, pod
        for inject, requested in INJECTORS:
            wanted = copy.deepcopy(pod)
            wanted["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **requested}
            yield f"{inject.__name__} before {path}", wanted
            yield f"{inject.__name__} {path}", inject(wanted)
    for example in EXAMPLES:
        yield f"example {example}", example.pod


def _generated() -> list[JSONObject]:
    found: list[JSONObject] = []

    @settings(max_examples=GENERATED, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(airflow_pods())
    def collect(pod: JSONObject) -> None:
        found.append(json.loads(json.dumps(pod)))

    collect()
    return found
