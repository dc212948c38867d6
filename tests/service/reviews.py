"""The reviews that are sent: Airflow's real ones, one with Istio's sidecar, and what of them must never show in a log."""

from __future__ import annotations

import base64
import copy
import json
import uuid
from typing import TYPE_CHECKING, Final

from tests.support.oracles.admission import verify
from tests.support.pods import FIXTURES, SIMULATED, load, pods_in, review_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.service.running_service import Reply, RunningService
    from tests.support.json_object import JSONObject


PATHS: Final = sorted(SIMULATED.rglob("*.json"))
IDS: Final = [str(path.relative_to(SIMULATED)) for path in PATHS]
MIN_SECRET_CHARACTERS: Final = 13
"""Shorter values, like "True" or "airflow", stand in a log for many reasons."""


def new_uid() -> str:
    """A uid that no other review of this run has."""
    return str(uuid.uuid4())


def injected_pod() -> JSONObject:
    """A task of the KubernetesExecutor with Istio's sidecar as a regular container: most rules apply to it."""
    pod = copy.deepcopy(load("admission-simulated/airflow-3.3.2-provider-10.25.0/ke_default.json"))
    pod["metadata"].setdefault("annotations", {})["sidecar.istio.io/status"] = "{}"
    pod["spec"]["containers"].append({"name": "istio-proxy", "image": "istio/proxyv2:1.20.0", "args": ["proxy", "sidecar"]})
    return pod


def injected_review(**request: object) -> bytes:
    """A review of that pod, with a uid of its own."""
    return review_of(injected_pod(), **{"uid": new_uid(), **request})


def is_answered(service: RunningService) -> Reply:
    """The service answers a normal review as it should: the pod is wrapped, and the API server would take the patch."""
    review = injected_review()
    reply = service.post(review)
    assert reply.status == 200
    assert "airflow-sidecar-webhook" in verify(review, reply.body)["spec"]["containers"][0]["command"]
    return reply


def is_left_alone(reply: Reply) -> bool:
    """Whether a pod was allowed without a patch, and without a patch type, which the API server takes for an error."""
    response = reply.response
    return reply.status == 200 and response["allowed"] is True and not {"patch", "patchType"} & response.keys()


def patch_of(reply: Reply) -> list[JSONObject]:
    """The operations of a reply; none where the pod is left alone."""
    operations: list[JSONObject] = json.loads(base64.b64decode(reply.response.get("patch", "W10=")))
    return operations


def secrets_of(pod: JSONObject) -> Iterator[str]:
    """Every arg and every literal value of an environment variable that is too long to be an ordinary word."""
    spec = pod["spec"]
    for container in (*spec["containers"], *(spec.get("initContainers") or ())):
        values = [variable.get("value") for variable in container.get("env") or ()]
        yield from (value for value in (*(container.get("args") or ()), *values) if value and len(value) >= MIN_SECRET_CHARACTERS)


def all_secrets() -> set[str]:
    """Those of every pod in the fixtures."""
    return {secret for _path, pod in pods_in(str(FIXTURES)) for secret in secrets_of(pod)}


def texts_of(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from texts_of(item)
        case list():
            for item in value:
                yield from texts_of(item)
