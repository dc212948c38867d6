"""A fake of the reading part of the Kubernetes client, and the objects that it answers with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.support.json_object import JSONObject
    from webhook.core.cluster import Cluster, NativeSupport
    from webhook.kube.nodes import ClusterNode
    from webhook.kube.view import ClusterResource


NEW, OLD = "v1.34.2", "v1.28.15"


def node_object(name: str, kubelet: str = NEW, at: int = 0, labels: Mapping[str, str] | None = None) -> JSONObject:
    """The fields of a ClusterNode that are read, and some that are not."""
    return {
        "metadata": {"name": name, "resourceVersion": str(at), "labels": labels, "annotations": {"a": "b"}},
        "spec": {"podCIDR": "10.0.0.0/24"},
        "status": {"nodeInfo": {"kubeletVersion": kubelet, "architecture": "amd64"}, "images": [{"names": ["a"]}]},
    }


def event(kind: str, about: JSONObject) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": about}).encode()


def page(*items: object, at: int = 1, following: str = "") -> JSONObject:
    """An answer to a list."""
    return {"metadata": {"resourceVersion": str(at), "continue": following}, "items": items}


@dataclass
class FakeApiReader:
    """A fake API server: it answers by a script, and shows nothing about a real one.

    Args:
        answers: The answers of each path in turn, the last one repeated; an exception is raised.
        watches: The lines of each watch in turn; the last one may be an exception.
        requests: The path and the parameters of every request.

    """

    answers: dict[str, list[object]] = field(default_factory=dict)
    watches: list[Iterable[bytes | Exception]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def get(self, path: str, **parameters: str) -> bytes:
        self.requests.append((path, parameters))
        script = self.answers[path]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        assert read_seconds > float(parameters["timeoutSeconds"]), "the server ends its watch before the client gives up"
        self.requests.append((path, parameters))
        for line in self.watches.pop(0):
            if isinstance(line, Exception):
                raise line
            yield line


@dataclass
class RecordingClusterListener:
    """A `webhook.kube.view.ClusterListener` that records its calls."""

    changes: list[tuple[NativeSupport, NativeSupport, str | None]] = field(default_factory=list)
    counts: tuple[int, int] | None = None
    injectors: list[frozenset[str]] = field(default_factory=list)
    reads: list[ClusterResource] = field(default_factory=list)
    failures: list[tuple[ClusterResource, str]] = field(default_factory=list)

    def support_changed(self, before: NativeSupport, after: Cluster, oldest: ClusterNode | None) -> None:
        self.changes.append((before, after.support, oldest.name if oldest else None))

    def nodes_counted(self, nodes: int, virtual: int) -> None:
        self.counts = (nodes, virtual)

    def injectors_changed(self, injectors: frozenset[str]) -> None:
        self.injectors.append(injectors)

    def read(self, resource: ClusterResource) -> None:
        self.reads.append(resource)

    def read_failed(self, resource: ClusterResource, problem: Exception) -> None:
        self.failures.append((resource, f"{type(problem).__name__}: {problem}"))
