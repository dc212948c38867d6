"""What the dry runs send, and how their responses are read."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from webhook.core import MODE_ANNOTATION, STATUS_ANNOTATION, TREATMENT_LABEL, default_policy
from webhook.doctor import dry_run
from webhook.doctor.dry_run import DryRunResult

ANNOTATIONS: Final = default_policy().catalogue.native_annotations


def answer(kind: str, **changes: Any) -> bytes:
    """The API server's response to a dry run: what was sent, with changes to the sidecar and maybe annotations."""
    sent = dry_run.pod(ANNOTATIONS) if kind == "pod" else dry_run.pod_template()
    inside = sent if kind == "pod" else sent["template"]
    inside["spec"]["initContainers"][0] |= changes.pop("container", {})
    inside["metadata"] |= changes
    return msgspec.json.encode(sent)


def refusal(message: str) -> bytes:
    return msgspec.json.encode({"kind": "Status", "message": message})


RESPONSES: Final[dict[str, tuple[int, bytes, DryRunResult]]] = {
    "a pod that passes": (201, answer("pod"), DryRunResult.PASSED),
    "a template that passes": (201, answer("template"), DryRunResult.PASSED),
    "a pod without the restartPolicy": (201, answer("pod", container={"restartPolicy": None}), DryRunResult.DROPPED),
    "another policy": (201, answer("pod", container={"restartPolicy": "Never"}), DryRunResult.DROPPED),
    "the container gone": (201, answer("pod", container={"name": "other"}), DryRunResult.DROPPED),
    "1.28 and later": (422, refusal("x: Forbidden: may not be set for init containers without restartPolicy=Always"), DryRunResult.DROPPED),
    "before 1.28": (422, refusal("x: Forbidden: may not be set for init containers"), DryRunResult.DROPPED),
    "strict, before 1.28": (
        400,
        refusal('strict decoding error: unknown field "spec.initContainers[0].restartPolicy"'),
        DryRunResult.DROPPED,
    ),
    "strict, a template": (400, refusal('unknown field "template.spec.initContainers[0].restartPolicy"'), DryRunResult.DROPPED),
    "two containers of one name": (
        422,
        refusal('Pod "x" is invalid: spec.initContainers[1].name: Duplicate value: "istio-proxy"'),
        DryRunResult.DUPLICATE,
    ),
    "two volumes of one name": (
        422,
        refusal('Pod "x" is invalid: spec.volumes[1].name: Duplicate value: "logs"'),
        DryRunResult.INCONCLUSIVE,
    ),
    "no right": (403, refusal('pods is forbidden: User "x" cannot create resource "pods"'), DryRunResult.INCONCLUSIVE),
    "a policy": (400, refusal('admission webhook "x" denied the request'), DryRunResult.INCONCLUSIVE),
    "a proxy that answers in HTML": (502, b"<html>", DryRunResult.INCONCLUSIVE),
    "nothing": (500, b"", DryRunResult.INCONCLUSIVE),
}


@pytest.mark.parametrize(("status", "body", "result"), RESPONSES.values(), ids=RESPONSES)
def test_the_response_to_a_dry_run_is_read(status: int, body: bytes, result: DryRunResult) -> None:
    assert dry_run.read_dry_run(status, body).result is result


def test_the_webhooks_status_on_the_pod_is_seen() -> None:
    assert dry_run.read_dry_run(201, answer("pod", annotations={STATUS_ANNOTATION: "{}"})).has_status is True
    assert dry_run.read_dry_run(201, answer("pod", annotations={MODE_ANNOTATION: "auto"})).has_status is False
    assert dry_run.read_dry_run(403, refusal("no")).has_status is None


@pytest.mark.parametrize(("label", "is_audited"), [("audited", True), ("native", False), (None, False)])
def test_a_pod_that_the_webhook_only_audits_is_seen(label: str | None, is_audited: bool) -> None:
    labels = {} if label is None else {TREATMENT_LABEL: label}

    assert dry_run.read_dry_run(201, answer("pod", annotations={STATUS_ANNOTATION: "{}"}, labels=labels)).is_audited is is_audited


def test_both_dry_runs_have_the_same_pod() -> None:
    assert dry_run.pod(ANNOTATIONS)["spec"] == dry_run.pod_template()["template"]["spec"]


def test_the_pod_has_the_annotations_for_native_sidecars_that_the_webhook_would_set() -> None:
    """So that the dry run shows what comes of them with templates of the mesh's own."""
    annotations = dry_run.pod(ANNOTATIONS)["metadata"]["annotations"]

    assert annotations["sidecar.istio.io/nativeSidecar"] == "true"
    assert "metadata" not in dry_run.pod_template()["template"] or "annotations" not in dry_run.pod_template()["template"]["metadata"]
