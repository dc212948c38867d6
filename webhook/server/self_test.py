"""The self-test at start: a service that cannot treat a plain pod must not start. It also warms up the first real review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from webhook.core import API_VERSION, KIND, UNKNOWN_CLUSTER, Cluster, NativeSupport, admit, parse_review, render_review

if TYPE_CHECKING:
    from webhook.core import Policy

SAMPLE: Final = msgspec.json.encode(
    {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "request": {
            "uid": "self-test",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "object": {
                "metadata": {
                    "name": "self-test",
                    "labels": {"kubernetes_executor": "True"},
                    "annotations": {"sidecar.istio.io/status": "{}"},
                },
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [
                        {"name": "base", "image": "apache/airflow", "args": ["airflow", "version"]},
                        {"name": "istio-proxy", "image": "istio/proxyv2", "args": ["proxy", "sidecar"]},
                    ],
                },
            },
        },
    }
)
"""A pod of the KubernetesExecutor beside Istio's proxy."""


def self_test(policy: Policy) -> None:
    """Answer the sample as any review is answered, without native sidecars and with them.

    Raises:
        Exception: Whatever a review would have failed with.

    """
    request = parse_review(SAMPLE)
    for cluster in (UNKNOWN_CLUSTER, Cluster(NativeSupport.READY)):
        outcome = admit(request, policy, cluster)
        render_review(request.uid, outcome.operations, outcome.warnings)
