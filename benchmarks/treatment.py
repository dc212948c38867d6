"""What the webhook did to the pod, read from its answer, so that peers make the same change."""

from __future__ import annotations

import base64
import json
import ssl
from copy import deepcopy
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, Final, Self

import jsonpatch

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.server import RunningServer
    from tests.support.json_object import JSONObject


ANSWER_DEADLINE_SECONDS: Final = 10.0


class AnswerError(Exception):
    """A contestant's answer is not what a fair comparison needs."""


@dataclass(frozen=True)
class ObservedTreatment:
    """The change: the command of the container named base, and the labels and annotations set."""

    command: list[str]
    labels: dict[str, str]
    annotations: dict[str, str]

    def write(self, path: Path) -> None:
        """Write it as the JSON object that the peers read."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it back."""
        return cls(**json.loads(path.read_bytes()))


def send_review(server: RunningServer, body: bytes, authority: Path) -> bytes:
    """Send one review over TLS 1.3 and return the answer's body.

    Raises:
        AnswerError: The status is not 200, or the connection is not TLS 1.3.

    """
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    connection = HTTPSConnection("127.0.0.1", server.port, context=context, timeout=ANSWER_DEADLINE_SECONDS)
    try:
        connection.request("POST", "/mutate", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        message = f"{server.name} answered {response.status}: {answer[:400]!r}"
        raise AnswerError(message)
    return answer


def treated_pod(name: str, review: JSONObject, answer: bytes) -> JSONObject:
    """Return the pod of the review as the answer's patch leaves it.

    Raises:
        AnswerError: It is for another review, does not allow the pod, or has no patch that applies.

    """
    response = json.loads(answer)["response"]
    if response["uid"] != review["request"]["uid"] or response["allowed"] is not True:
        message = f"{name} did not allow this review: {answer[:400]!r}"
        raise AnswerError(message)
    if response.get("patchType") != "JSONPatch":
        message = f"{name} left the pod as it was: {answer[:400]!r}"
        raise AnswerError(message)
    operations = json.loads(base64.b64decode(response["patch"]))
    try:
        pod: JSONObject = jsonpatch.apply_patch(review["request"]["object"], operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        message = f"the patch of {name} does not apply: {error}"
        raise AnswerError(message) from error
    return pod


def treatment_of(before: JSONObject, after: JSONObject) -> ObservedTreatment:
    """Return the change from one pod to the other.

    Raises:
        AnswerError: More than a command, labels and annotations changed: the peers would do less.

    """
    treatment = ObservedTreatment(
        command=base_container(after).get("command", []),
        labels=added(before["metadata"]["labels"], after["metadata"]["labels"]),
        annotations=added(before["metadata"]["annotations"], after["metadata"]["annotations"]),
    )
    if treat(before, treatment) != after:
        message = "the webhook changed something that the peers do not change"
        raise AnswerError(message)
    return treatment


def treat(pod: JSONObject, treatment: ObservedTreatment) -> JSONObject:
    """Return a changed copy of a pod."""
    treated = deepcopy(pod)
    treated["metadata"]["labels"].update(treatment.labels)
    treated["metadata"]["annotations"].update(treatment.annotations)
    base_container(treated)["command"] = treatment.command
    return treated


def check_treatment(name: str, before: JSONObject, after: JSONObject, treatment: ObservedTreatment) -> None:
    """Raise AnswerError unless a contestant's pod got the treatment.

    Elsewhere its pod may differ: a typed client drops `creationTimestamp: null` and the like.
    """
    expected = treat(before, treatment)
    for kind in ("labels", "annotations"):
        if after["metadata"][kind] != expected["metadata"][kind]:
            message = f"{name} set other {kind}: {after['metadata'][kind]}"
            raise AnswerError(message)
    if base_container(after)["command"] != treatment.command:
        message = f"{name} set another command"
        raise AnswerError(message)


def base_container(pod: JSONObject) -> JSONObject:
    """Return the container that runs the task."""
    container: JSONObject = next(it for it in pod["spec"]["containers"] if it["name"] == "base")
    return container


def added(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """Return the entries that are new or have another value."""
    return {key: value for key, value in after.items() if before.get(key) != value}
