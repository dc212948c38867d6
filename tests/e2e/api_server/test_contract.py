"""What an API server does with a webhook's answers, good and bad: our own answers rely on it, so a Kubernetes that changes it is noticed.

The rows come from k8s.io/apiserver pkg/admission/plugin/webhook (mutating/dispatcher.go, request/admissionreview.go).
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest

from certs.authority import make_authority
from testbed.api_server import OLD
from testbed.binaries import KUBE_APISERVER
from testbed.webhook import client_config
from tests.e2e.api_server.scripted_webhook import ADDRESS, Call, ScriptedReply, ScriptedWebhook, allowed, patched
from tests.e2e.api_server.submission import comparable
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import registered, task_pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject

    Answer = Callable[[Call], ScriptedReply]

POLICIES: Final = ("Ignore", "Fail")
LABEL: Final = "reviewed-by"
"""The label of the pod says which webhook of the configuration it goes to: ``ENDPOINT-POLICY``."""

SECONDS: Final = 5
HURRIED_SECONDS: Final = 1
HELD_SECONDS: Final = 20
"""A script that waits longer than this has been forgotten."""

CREATED: Final = 201, ""
NOT_CALLED: Final = 500, "failed calling webhook"
"""What failurePolicy is about."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A namespace in which the label of a pod says which webhook reviews it.

    Args:
        api: An admin's client.
        namespace: Its name.
        webhook: Answers at the endpoints ``answering`` and ``hurried``.

    """

    api: ApiClient
    namespace: str
    webhook: ScriptedWebhook

    def send(self, policy: str = "Ignore", endpoint: str = "answering") -> httpx.Response:
        """The API server's reply to a pod that goes there."""
        pod = task_pod(self.namespace)
        pod["metadata"]["labels"][LABEL] = f"{endpoint}-{policy}"
        return self.api.request("POST", f"/api/v1/namespaces/{self.namespace}/pods", pod, dryRun="All")

    def is_called(self, _api: ApiClient) -> bool:
        """Whether the API server has taken up the configuration."""
        before = len(self.webhook.calls)
        self.send()
        return len(self.webhook.calls) > before

    @property
    def unpatched(self) -> JSONObject:
        """What is stored when no webhook has a say."""
        return comparable(self.api.create(task_pod(self.namespace), dryRun="All"))


def configuration(endpoints: dict[str, tuple[JSONObject, int]]) -> JSONObject:
    """A webhook for each endpoint, which is a clientConfig and a timeout in seconds, under each policy."""
    shared = {
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    }
    webhooks = [
        {
            **shared,
            "name": f"{endpoint}.{policy.lower()}.contract",
            "failurePolicy": policy,
            "timeoutSeconds": seconds,
            "clientConfig": client,
            "objectSelector": {"matchLabels": {LABEL: f"{endpoint}-{policy}"}},
        }
        for endpoint, (client, seconds) in endpoints.items()
        for policy in POLICIES
    ]
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": "contract"}, "webhooks": webhooks}


@pytest.fixture(scope="module")
def registered_contract(any_api_server: Level) -> Iterator[Contract]:
    api = any_api_server.api
    stranger = make_authority(datetime.now(UTC), "stranger").certificate_pem
    with ExitStack() as ends:
        webhook = ends.enter_context(ScriptedWebhook())
        # Bound and not listening: nobody else gets the port, and every connection is refused.
        closed = ends.enter_context(socket.socket())
        closed.bind((ADDRESS, 0))
        endpoints = {
            "answering": (webhook.client_config, SECONDS),
            "hurried": (webhook.client_config, HURRIED_SECONDS),
            "distrusted": (client_config(webhook.client_config["url"], stranger), SECONDS),
            "down": (client_config(f"https://{ADDRESS}:{closed.getsockname()[1]}/", stranger), SECONDS),
        }
        contract = Contract(api, ends.enter_context(new_namespace(api, "contract", **NOT_OPTED_IN)), webhook)
        ends.enter_context(registered(api, configuration(endpoints), contract.is_called))
        yield contract


@pytest.fixture
def contract(registered_contract: Contract) -> Iterator[Contract]:
    """With a webhook that allows every pod unchanged until a test sets another answer."""
    yield registered_contract
    registered_contract.webhook.answer = allowed


def operation(op: str, path: str, value: object = None) -> Answer:
    """Answer with a patch of one operation."""
    return lambda call: patched(call, [{"op": op, "path": path, "value": value}])


def raw_patch(patch: str) -> Answer:
    """Answer with this as the patch, in base64 or not."""
    return lambda call: allowed(call, patchType="JSONPatch", patch=patch)


def replied(body: bytes, status: int = 200) -> Answer:
    """Give this answer to every review."""
    return lambda _call: ScriptedReply(body, status)


def replaced(old: bytes, new: bytes) -> Answer:
    """Allow in other words."""
    return lambda call: ScriptedReply(allowed(call).body.replace(old, new))


def as_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


LABELLING: Final = [{"op": "add", "path": "/metadata/labels/added", "value": "x"}]

# (answer, status and words under Ignore, the same under Fail); a pod that is created is unchanged.
ANSWERS: Final[dict[str, tuple[Answer, tuple[int, str], tuple[int, str]]]] = {
    "nothing to do": (allowed, CREATED, CREATED),
    "an empty patch": (lambda call: patched(call, []), CREATED, CREATED),
    "JSON under another content type": (
        lambda call: ScriptedReply(allowed(call).body, headers={"Content-Type": "text/plain"}),
        CREATED,
        CREATED,
    ),
    "allowed, with a status of a failure": (
        lambda call: allowed(call, status={"code": 500, "status": "Failure"}),
        CREATED,
        CREATED,
    ),
    "an unknown field, which vanishes": (operation("add", "/spec/unknown", "x"), CREATED, CREATED),
    "a field with a wrong capital, which vanishes": (operation("add", "/spec/restartpolicy", "Always"), CREATED, CREATED),
    # Where failurePolicy has no say.
    "add below a missing parent": (
        operation("add", "/metadata/annotations/a", "x"),
        (500, "add operation does not apply"),
        (500, "add operation does not apply"),
    ),
    "remove of an absent path": (
        operation("remove", "/metadata/labels/absent"),
        (500, "error in remove for path"),
        (500, "error in remove for path"),
    ),
    "a test that fails": (operation("test", "/metadata/name", "another"), (500, "test failed"), (500, "test failed")),
    "a pod that does not decode": (operation("add", "/spec/containers", "x"), (500, "cannot unmarshal"), (500, "cannot unmarshal")),
    "a quantity that is none": (
        operation("add", "/spec/overhead", {"cpu": "much"}),
        (500, "quantities must match"),
        (500, "quantities must match"),
    ),
    "a pod that is not valid": (
        operation("add", "/spec/restartPolicy", "Sometimes"),
        (422, "spec.restartPolicy"),
        (422, "spec.restartPolicy"),
    ),
    "a label that is not valid": (operation("add", "/metadata/labels/added", "-"), (422, "metadata.labels"), (422, "metadata.labels")),
    "denied": (lambda call: allowed(call, allowed=False), (400, "without explanation"), (400, "without explanation")),
    "denied with a code": (
        lambda call: allowed(call, allowed=False, status={"code": 403, "message": "why"}),
        (403, "denied the request: why"),
        (403, "denied the request: why"),
    ),
    "neither allowed nor denied": (lambda call: allowed(call, allowed=None), (400, "without explanation"), (400, "without explanation")),
    # Where it has.
    "a patch type without a patch": (lambda call: allowed(call, patchType="JSONPatch"), CREATED, NOT_CALLED),
    "a patch without its type": (lambda call: patched(call, LABELLING, patchType=None), CREATED, NOT_CALLED),
    "a patch with an empty type": (lambda call: patched(call, LABELLING, patchType=""), CREATED, NOT_CALLED),
    "a patch of another type": (lambda call: patched(call, LABELLING, patchType="MergePatch"), CREATED, NOT_CALLED),
    "a patch that is no list": (raw_patch(as_base64('{"op": "add"}')), CREATED, NOT_CALLED),
    "a patch that is no JSON": (raw_patch(as_base64("patch")), CREATED, NOT_CALLED),
    "a patch that is no base64": (raw_patch("%%%"), CREATED, NOT_CALLED),
    "another uid": (lambda call: patched(call, LABELLING, uid="another"), CREATED, NOT_CALLED),
    "no uid": (lambda call: patched(call, LABELLING, uid=None), CREATED, NOT_CALLED),
    "no response": (replied(json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}).encode()), CREATED, NOT_CALLED),
    "another version": (replaced(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"), CREATED, NOT_CALLED),
    "another kind": (replaced(b"AdmissionReview", b"Review"), CREATED, NOT_CALLED),
    "no JSON": (replied(b"<html>"), CREATED, NOT_CALLED),
    "nothing at all": (replied(b""), CREATED, NOT_CALLED),
    "HTTP 404": (replied(b"there is nothing here", 404), CREATED, NOT_CALLED),
    "HTTP 500": (replied(b"a fault", 500), CREATED, NOT_CALLED),
    "HTTP 503 without Retry-After": (replied(b"too many requests at once", 503), CREATED, NOT_CALLED),
}


def is_outcome(response: httpx.Response, expected: tuple[int, str]) -> bool:
    """Whether the API server said so, in words that hold these."""
    return response.status_code == expected[0] and expected[1] in response.json().get("message", "")


@pytest.mark.parametrize("said", ANSWERS)
def test_an_answer_has_the_consequence_that_the_contract_names(contract: Contract, said: str) -> None:
    answer, *expected = ANSWERS[said]
    contract.webhook.answer = answer
    for policy, outcome in zip(POLICIES, expected, strict=True):
        before = len(contract.webhook.calls)
        response = contract.send(policy)

        assert is_outcome(response, outcome), (policy, response.status_code, response.text)
        assert len(contract.webhook.calls) == before + 1
        if outcome is CREATED:
            stored = comparable(response.json())
            assert stored["metadata"]["labels"].pop(LABEL)
            assert stored == contract.unpatched


@pytest.mark.parametrize(
    "applied",
    [
        pytest.param([{"op": "replace", "path": "/metadata/labels/added", "value": "x"}], id="replace of what is absent"),
        pytest.param([{"op": "add", "path": "/spec/containers/-1/tty", "value": True}, *LABELLING], id="an index from the end"),
    ],
)
def test_a_patch_that_rfc_6902_would_not_allow_is_applied_all_the_same(contract: Contract, applied: list[JSONObject]) -> None:
    contract.webhook.answer = lambda call: patched(call, applied)

    assert contract.send().json()["metadata"]["labels"]["added"] == "x"


def test_a_review_names_its_timeout_and_carries_the_pod_with_its_defaults(contract: Contract) -> None:
    contract.send()
    call = contract.webhook.calls[-1]

    assert call.path == f"/review?timeout={SECONDS}s"
    assert call.review["request"]["dryRun"] is True
    assert call.review["request"]["oldObject"] is None
    assert call.pod["spec"]["enableServiceLinks"] is True
    assert call.pod["metadata"]["managedFields"], "a large part of a review, and nothing we read"


def test_warnings_reach_the_client_once_each_and_without_those_that_no_header_can_hold(contract: Contract) -> None:
    warnings = ["first", "x" * 300, "two\nlines", "first", 'a "quote" and a \\']
    contract.webhook.answer = lambda call: allowed(call, warnings=warnings)

    assert contract.send().headers.get_list("warning") == [
        '299 - "first"',
        f'299 - "{"x" * 300}"',
        r'299 - "a \"quote\" and a \\"',
    ]


def test_warnings_of_more_than_4096_characters_are_cut_at_256_each_and_the_rest_is_lost(contract: Contract) -> None:
    warnings = [f"{number:02}{'y' * 298}" for number in range(20)]
    contract.webhook.answer = lambda call: allowed(call, warnings=warnings)

    assert contract.send().headers.get_list("warning") == [f'299 - "{warning[:256]}"' for warning in warnings[: 4096 // 256]]


@pytest.mark.parametrize("endpoint", ["down", "distrusted"])
def test_a_webhook_that_cannot_be_reached_or_trusted_stops_nothing_under_ignore_and_everything_under_fail(
    contract: Contract, endpoint: str
) -> None:
    assert is_outcome(contract.send("Ignore", endpoint), CREATED)
    assert is_outcome(contract.send("Fail", endpoint), NOT_CALLED)


def test_an_overload_answer_with_retry_after_is_followed_by_a_second_call_and_the_pod_is_patched(contract: Contract) -> None:
    replies = iter([ScriptedReply(b"too many requests at once", 503, {"Retry-After": "1"})] * 2)
    contract.webhook.answer = lambda call: next(replies, None) or patched(call, LABELLING)
    response = contract.send("Fail")
    times = [call.at for call in contract.webhook.calls[-3:]]

    assert response.json()["metadata"]["labels"]["added"] == "x"
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


@pytest.mark.parametrize(("policy", "outcome"), [("Ignore", CREATED), ("Fail", NOT_CALLED)])
def test_a_webhook_that_does_not_answer_in_time_is_given_up(contract: Contract, policy: str, outcome: tuple[int, str]) -> None:
    given_up = threading.Event()

    def held_up(call: Call) -> ScriptedReply:
        given_up.wait(HELD_SECONDS)
        return patched(call, LABELLING)

    contract.webhook.answer = held_up
    began = time.monotonic()
    response = contract.send(policy, "hurried")
    given_up.set()

    assert is_outcome(response, outcome)
    assert "added" not in response.text
    assert HURRIED_SECONDS <= time.monotonic() - began < HELD_SECONDS


NATIVE: Final = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}


@pytest.mark.parametrize(("server", "has_field"), [("api_server", True), ("old_api_server", False), ("newest_api_server", True)])
def test_a_cluster_without_native_sidecars_drops_their_mark_in_silence_even_under_strict_validation(
    server: str, has_field: bool, request: pytest.FixtureRequest
) -> None:
    level: Level = request.getfixturevalue(server)
    with new_namespace(level.api, "native") as namespace:
        pod = task_pod(namespace, initContainers=[NATIVE])
        response = level.api.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All", fieldValidation="Strict")

    assert response.is_success
    assert "warning" not in response.headers
    assert ("restartPolicy" in response.json()["spec"]["initContainers"][0]) == has_field


def test_a_probe_of_a_native_sidecar_has_the_pod_refused_where_there_are_none(old_api_server: Level) -> None:
    probed = {**NATIVE, "startupProbe": {"tcpSocket": {"port": 15021}}}
    with new_namespace(old_api_server.api, "native") as namespace:
        pod = task_pod(namespace, initContainers=[probed])
        response = old_api_server.api.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All")

    assert is_outcome(response, (422, "spec.initContainers[0].startupProbe"))


def test_an_emulated_version_is_reported_beside_the_real_one(old_api_server: Level) -> None:
    version = old_api_server.api.get("/version")

    assert f"1.{version['minor']}." == KUBE_APISERVER.minor
    assert f"--emulated-version=1.{version['emulationMinor']}" in OLD
