"""The real pods of `tests/fixtures`, and what a test does with one: it has the webhook review it, and takes the answer as the API server would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.support.oracles.admission import verify
from webhook.core.admission import Outcome, admit
from webhook.core.cluster import UNKNOWN_CLUSTER, Cluster, NativeSupport
from webhook.core.review import parse_review, render_review
from webhook.core.version import Version
from webhook.core.wrapper import original_argv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


FIXTURES = Path(__file__).parents[1] / "fixtures" / "airflow-pods"
SIMULATED = FIXTURES / "admission-simulated"

ABLE_CLUSTER = Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), frozenset())
"""A cluster with native sidecars, of which nothing else is known."""


def pods_in(folder: str, pattern: str = "*.json") -> Iterator[tuple[str, JSONObject]]:
    """(path below the fixtures, pod) of every pod in a folder: pod bodies, pods in reviews, pod templates of workloads."""
    for path in sorted((FIXTURES / folder).rglob(pattern)):
        if path.name == "INDEX.json":
            continue
        yield str(path.relative_to(FIXTURES)), pod_of(json.loads(path.read_text("utf-8")))


def load(path: str) -> JSONObject:
    """One pod of the fixtures."""
    return pod_of(json.loads((FIXTURES / path).read_text("utf-8")))


def pod_of(document: JSONObject) -> JSONObject:
    """The pod in a document: itself, a review's object, or the template of a workload as its controller would create it."""
    if document["kind"] == "AdmissionReview":
        return pod_of(document["request"]["object"])
    if document["kind"] == "Pod":
        return document
    spec = document["spec"]["jobTemplate"]["spec"] if document["kind"] == "CronJob" else document["spec"]
    name = f"{document['metadata']['name']}-"
    template = spec["template"]
    metadata = {"generateName": name, "namespace": "airflow", **(template.get("metadata") or {})}
    claimed = [{"name": claim["metadata"]["name"], "emptyDir": {}} for claim in spec.get("volumeClaimTemplates") or ()]
    volumes = [*(template["spec"].get("volumes") or ()), *claimed]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**template["spec"], "volumes": volumes}}


def review_of(pod: object, **request: object) -> bytes:
    """The API server's question about this pod."""
    body = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "namespace": "airflow",
        "dryRun": False,
        "object": pod,
        "oldObject": None,
        **request,
    }
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": body})


def admitted(pod: JSONObject, policy: Policy, cluster: Cluster = UNKNOWN_CLUSTER) -> tuple[Outcome, JSONObject]:
    """What the webhook decides about a pod on this cluster, and the pod that the API server would store."""
    question = review_of(pod)
    request = parse_review(question)
    outcome = admit(request, policy, cluster)
    return outcome, verify(question, render_review(request.uid, outcome.operations, outcome.warnings))


def container(pod: JSONObject, name: str) -> JSONObject:
    """A regular container by its name."""
    found: JSONObject = next(one for one in pod["spec"]["containers"] if one["name"] == name)
    return found


def own_command(command: list[str] | None) -> list[str] | None:
    """The command without the wrapper; None where the pod set none."""
    return original_argv(command, None).unwrapped()[0] or None


def reviewed(body: bytes, policy: Policy, cluster: Cluster) -> Outcome:
    """All that the service does with a body."""
    request = parse_review(body)
    outcome = admit(request, policy, cluster)
    render_review(request.uid, outcome.operations, outcome.warnings)
    return outcome
