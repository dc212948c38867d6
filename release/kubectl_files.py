"""What kubectl applies without Helm, rendered from the archive of the chart, so that it has the image that the chart has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from manifests.generate import ALERTS, POLICY_KUBERNETES, install, install_policy, without_release
from manifests.rendering import render

if TYPE_CHECKING:
    from pathlib import Path

REAPER_HEAD: Final = """\
# The reaper for every namespace with the label airflow-sidecar-webhook=enabled, beside install.yaml, for Kubernetes 1.30 and later.
# Its mode is observe: it changes no pod, and reports what it would do.
"""
ALERTS_HEAD: Final = """\
# The alerts as a PrometheusRule, for the Prometheus operator. alerts.yaml has the same as a rule file.
"""


def kubectl_files(chart: Path) -> dict[str, str]:
    """Each file's text, by its name. ``chart``: the archive of the chart. RenderingError."""
    reaper = render({"reaper": {"enabled": True, "allNamespaces": True}}, POLICY_KUBERNETES, only="reaper.yaml", chart=chart)
    alerts = render({"prometheusRule": {"enabled": True}}, only="prometheus_rule.yaml", chart=chart)
    return {
        "install.yaml": install(chart=chart),
        "install_policy.yaml": install_policy(chart=chart),
        "reaper.yaml": REAPER_HEAD + without_release(reaper),
        "alerts.yaml": ALERTS.read_text("utf-8"),
        "alerts_prometheus_operator.yaml": ALERTS_HEAD + without_release(alerts),
    }
