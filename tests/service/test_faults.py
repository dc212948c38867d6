"""A fault of the webhook's own: it stops no pod, is counted, and its traceback says where it happened and holds no value of a pod."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import logging
from typing import TYPE_CHECKING, Any, Literal, cast

import httpx
import msgspec
import pytest

from tests.service.reviews import all_secrets, injected_pod, injected_review, new_uid, secrets_of, texts_of
from tests.support.faulty_pods import FAULTY_PODS
from tests.support.oracles.admission import verify
from tests.support.pods import ABLE_CLUSTER, load, review_of
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.pod_options import Mode
from webhook.core.short_name import ShortNamePolicy
from webhook.server.app import create_app
from webhook.server.json_log import JsonFormatter
from webhook.server.metrics import Metrics
from webhook.server.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.json_object import JSONObject
    from webhook.core.catalogue import Catalogue
    from webhook.core.cluster import Cluster
    from webhook.core.policy import Policy

KE_DEFAULT = "admission-simulated/airflow-3.3.2-provider-10.25.0/ke_default.json"


class FaultyCatalogue:
    """A fake catalogue that fails on every pod and quotes the whole of it. It shows nothing about real catalogues."""

    def find(self, pod: object, _container: object) -> None:
        raise RuntimeError(msgspec.json.encode(pod).decode())


@dataclasses.dataclass
class Faulty:
    """An application in this process whose policy makes every review fail."""

    policy: Policy
    on_fault: Literal["allow", "error"]
    metrics: Metrics = dataclasses.field(default_factory=Metrics)
    cluster: Cluster = UNKNOWN_CLUSTER

    def post(self, review: bytes) -> httpx.Response:
        app = create_app(self.policy, lambda: self.cluster, Observation(self.metrics, lambda _logger, _event, _fields: None), self.on_fault)

        async def post() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://webhook") as client:
                return await client.post("/mutate", content=review, headers={"Content-Type": "application/json"})

        return asyncio.run(post())

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"airflow_sidecar_webhook_{name}", labels) or 0.0


@pytest.fixture
def faulty_policy(policy: Policy) -> Policy:
    return dataclasses.replace(policy, catalogue=cast("Catalogue", FaultyCatalogue()))


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("webhook.review")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)


def _lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_fault_lets_the_pod_pass_unchanged_with_a_warning(faulty_policy: Policy, log: io.StringIO) -> None:
    faulty = Faulty(faulty_policy, "allow")
    review = injected_review()
    reply = faulty.post(review)
    assert reply.status_code == 200
    assert verify(review, reply.content) == json.loads(review)["request"]["object"]
    response = reply.json()["response"]
    assert response.keys() == {"uid", "allowed", "warnings"}
    assert response["warnings"] == ["airflow-sidecar-webhook failed while it reviewed this pod, and left the pod unchanged; see its log"]
    assert len(_lines(log)) == 1


def test_with_on_fault_error_a_fault_is_a_500_so_that_the_failure_policy_decides(faulty_policy: Policy, log: io.StringIO) -> None:
    faulty = Faulty(faulty_policy, "error")
    reply = faulty.post(injected_review())
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert faulty.count("faults_total") == 1
    assert faulty.count("refused_requests_total", status="500") == 0, "it was a review, and nothing was wrong with it"
    assert len(_lines(log)) == 1


@pytest.mark.parametrize("on_fault", ["allow", "error"])
def test_a_fault_is_counted_once_and_not_as_a_review(faulty_policy: Policy, on_fault: Literal["allow", "error"]) -> None:
    faulty = Faulty(faulty_policy, on_fault)
    faulty.post(injected_review())
    faulty.post(injected_review())
    assert faulty.count("faults_total") == 2
    assert not [s for m in faulty.metrics.registry.collect() for s in m.samples if s.name.endswith("_reviews_total")]


@pytest.mark.parametrize("on_fault", ["allow", "error"])
def test_the_log_says_where_a_fault_happened_and_to_which_pod(
    faulty_policy: Policy, log: io.StringIO, on_fault: Literal["allow", "error"]
) -> None:
    uid = new_uid()
    Faulty(faulty_policy, on_fault).post(injected_review(uid=uid, name="a-pod", dryRun=True))
    (line,) = _lines(log)
    assert (line["level"], line["event"], line["uid"], line["name"], line["namespace"]) == ("error", "fault", uid, "a-pod", "airflow")
    assert line["dry_run"] is True
    assert line["traceback"][0] == "RuntimeError"
    assert line["traceback"][-1].endswith(" find")
    assert any("webhook/core/facts.py:" in place for place in line["traceback"])


@pytest.mark.parametrize("on_fault", ["allow", "error"])
def test_no_value_of_the_pod_shows_in_the_traceback_or_the_answer(
    faulty_policy: Policy, log: io.StringIO, on_fault: Literal["allow", "error"]
) -> None:
    reply = Faulty(faulty_policy, on_fault).post(injected_review(name="a-pod"))
    pod = injected_pod()
    assert set(secrets_of(pod)) <= all_secrets()
    shown = log.getvalue() + reply.text
    assert not [text for text in texts_of(pod) if len(text) > 12 and text in shown]


def test_a_field_of_the_policy_that_is_of_the_wrong_type_is_a_fault_like_any_other(policy: Policy, log: io.StringIO) -> None:
    broken = dataclasses.replace(policy, short_name=cast("Any", "dag"))
    review = review_of(load(KE_DEFAULT), uid=new_uid())
    faulty = Faulty(broken, "allow")
    verify(review, faulty.post(review).content)
    assert faulty.count("faults_total") == 1
    assert _lines(log)[0]["traceback"][0] == "AttributeError"


def test_a_patch_that_would_not_be_sound_never_leaves(policy: Policy, log: io.StringIO) -> None:
    review = injected_review()
    faulty = Faulty(dataclasses.replace(policy, short_name=ShortNamePolicy("no key")), "allow")
    assert verify(review, faulty.post(review).content) == json.loads(review)["request"]["object"]
    problem = "UnsoundPatchError: the patch makes the pod invalid: label no key has an invalid key or value"
    assert _lines(log)[0]["traceback"][0] == problem


@pytest.mark.parametrize("cluster", [UNKNOWN_CLUSTER, ABLE_CLUSTER], ids=["old", "able"])
@pytest.mark.parametrize(("pod", "reason"), FAULTY_PODS.values(), ids=FAULTY_PODS)
def test_a_fault_of_others_is_a_reason_and_no_fault_of_the_webhooks(policy: Policy, pod: JSONObject, reason: str, cluster: Cluster) -> None:
    faulty = Faulty(dataclasses.replace(policy, helper_image="helper:1", mode=Mode.WRAP), "error", cluster=cluster)
    reply = faulty.post(review_of(pod, uid=new_uid()))
    assert reply.status_code == 200
    assert faulty.count("faults_total") == 0
    counted = [
        sample for metric in faulty.metrics.registry.collect() for sample in metric.samples if sample.name.endswith("_reviews_total")
    ]
    assert [sample.labels["reason"] for sample in counted] == [reason]
