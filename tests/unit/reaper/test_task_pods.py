"""How task pods are listed: in pages that are small enough for the largest pods, of which one is in memory at a time."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from tests.support.live_pods import ISTIO, RUNNING, ended, live_pod
from webhook.core import default_policy
from webhook.reaper.task_pods import PODS_PAGE, TaskPods

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject

VALUES: Final = Path(__file__).parents[3] / "manifests/chart/airflow-sidecar-webhook/values.yaml"
CATALOGUE: Final = default_policy().catalogue
POD_BYTES: Final = 40_000
PAGES: Final = 4

ETCD_LIMIT: Final = 1536 * 1024
"""The largest object that etcd takes by default (``--max-request-bytes``)."""

PASS_BYTES: Final = 76 * 1024 * 1024
"""What a pass takes over 10,000 small pods (docs/benchmarks.md)."""


def large_pod() -> bytes:
    pod: JSONObject = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    pod["metadata"]["annotations"]["large"] = ""
    pod["metadata"]["annotations"]["large"] = "x" * (POD_BYTES - len(json.dumps(pod)))
    return json.dumps(pod).encode()


@dataclass
class LargePods:
    """An API server with pages of large pods; it makes a page when it is requested."""

    pod: bytes = field(default_factory=large_pod)
    limits: list[str] = field(default_factory=list)

    def get(self, path: str, **parameters: str) -> bytes:
        assert path == "/api/v1/namespaces/airflow/pods"
        self.limits.append(parameters["limit"])
        following = b"more" if len(self.limits) < PAGES else b""
        count = int(parameters["limit"])
        head = b'{"metadata": {"resourceVersion": "1", "continue": "%b"}, "items": [' % following
        return b"".join([head, self.pod, *[b"," + self.pod] * (count - 1), b"]}"])

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        raise NotImplementedError


def test_pods_are_listed_page_by_page_with_one_page_in_memory() -> None:
    api = LargePods()
    pods = TaskPods(api, CATALOGUE)
    tracemalloc.start()
    try:
        count = sum(1 for _ in pods.running("airflow"))
        _left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (count, api.limits) == (PAGES * PODS_PAGE, [str(PODS_PAGE)] * PAGES)
    assert peak < 1.5 * PODS_PAGE * POD_BYTES


def test_a_page_of_the_largest_pods_fits_into_the_memory_of_the_chart_while_its_parts_are_joined() -> None:
    limit = yaml.safe_load(VALUES.read_text("utf-8"))["reaper"]["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    assert int(limit.removesuffix("Mi")) * 1024 * 1024 > PASS_BYTES + 2 * PODS_PAGE * ETCD_LIMIT
