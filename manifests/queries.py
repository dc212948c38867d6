"""The queries that alerts and dashboard share, in PromQL (https://prometheus.io/docs/prometheus/latest/querying/)."""

from __future__ import annotations

from typing import Final

from webhook.doctor.registration import OWN_WEBHOOK
from webhook.reaper.metrics import PREFIX as REAPER
from webhook.server.metrics import PREFIX as SERVICE

API_SERVER: Final = f'name="{OWN_WEBHOOK}"'
"""Of the API server's metrics of its calls to webhooks: those of calls to this one."""

FAIL_OPEN: Final = f"apiserver_admission_webhook_fail_open_count{{{API_SERVER}}}"
"""Pods that were created without the webhook, since a call to it failed (k8s.io/apiserver pkg/admission/metrics)."""

REFUSED: Final = f'apiserver_admission_webhook_rejection_count{{{API_SERVER},error_type!="no_error"}}'
"""Pods that were refused since a call failed, or since its patch did not apply; the webhook itself refuses none."""

API_SERVER_SECONDS: Final = f"apiserver_admission_webhook_admission_duration_seconds_bucket{{{API_SERVER}}}"
REVIEW_SECONDS: Final = f"{SERVICE}_review_duration_seconds_bucket"


def stuck(matchers: str = "") -> str:
    """Pods that stay Running after their task, by namespace: as the reaper counts them, or where none runs by kube-state-metrics.

    Of the reaper's replicas only the one that acts shows any, with the reason. Without it they are the Running pods whose container
    ``base``, Airflow's name for the task's, has ended.
    """
    of_reaper = f"{REAPER}_stuck_pods{{{matchers}}}" if matchers else f"{REAPER}_stuck_pods"
    more = f",{matchers}" if matchers else ""
    return (
        f"max by (namespace, reason) ({of_reaper})"
        f' or count by (namespace) (max by (namespace, pod) (kube_pod_container_status_terminated{{container="base"{more}}} == 1)'
        f' and on (namespace, pod) (kube_pod_status_phase{{phase="Running"{more}}} == 1))'
        f" unless on () {REAPER}_is_leader"
    )


def growth(counter: str, window: str) -> str:
    """How much each series of a counter grew in a window.

    A series begins with its first event, and ``increase`` begins with the second sample: it would miss the first pod of a namespace. So a
    series that was not there before the window counts whole.
    """
    return f"(({counter} unless {counter} offset {window}) or increase({counter}[{window}]))"


def pods(by: str, window: str, matchers: str = "") -> str:
    """Pods in a window by these labels, each once, for its final treatment: see `webhook.server.pod_counter`."""
    return _once("pods", by, window, matchers)


def audited_pods(by: str, window: str, matchers: str = "") -> str:
    """The same of pods that were not changed because enforcement is audit, by the treatment that they would get."""
    return _once("audited_pods", by, window, matchers)


def _once(counter: str, by: str, window: str, matchers: str) -> str:
    selector = f"{{{matchers}}}" if matchers else ""
    names = (f"{SERVICE}_{name}_total{selector}" for name in (counter, f"reclassified_{counter}"))
    first, moved = (f"sum by ({by}) ({growth(name, window)})" for name in names)
    return f"{first} - {moved}"


def quantile(share: float, buckets: str, window: str) -> str:
    """The seconds within which this share of the observations of a histogram were."""
    return f"histogram_quantile({share}, sum by (le) (rate({buckets}[{window}])))"
