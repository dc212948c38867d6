"""Writes the files that are made from the chart and the code: ``python -m manifests.generate``. Tests check that they are current."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from manifests.alerts import rule_file
from manifests.chart_readme import chart_readme
from manifests.dashboard import dashboard_json
from manifests.rendering import CHART, MANIFESTS, NAME, render
from manifests.values_file import values_file
from manifests.values_schema import values_schema
from webhook import __version__
from webhook.core import built_in_sidecars

if TYPE_CHECKING:
    from pathlib import Path

CHART_YAML: Final = CHART / "Chart.yaml"
ICON: Final = CHART / "icon.svg"
ICON_LINE: Final = re.compile(r"^icon: .*$", re.MULTILINE)
VERSION_LINES: Final = re.compile(r"^(version|appVersion): .*$", re.MULTILINE)
VALUES: Final = CHART / "values.yaml"
README: Final = CHART / "README.md"
VALUES_SCHEMA: Final = CHART / "values.schema.json"
INSTALL: Final = MANIFESTS / "install.yaml"
INSTALL_POLICY: Final = MANIFESTS / "install_policy.yaml"
POLICY_KUBERNETES: Final = "1.30.0"
"""The oldest version with ValidatingAdmissionPolicy in v1."""

NAMESPACE: Final = MANIFESTS / "namespace.yaml"
POLICY: Final = CHART / "templates" / "policy.yaml"
ALERTS: Final = CHART / "files" / "alerts.yaml"
DASHBOARD: Final = CHART / "files" / "dashboard.json"
INJECTED_NAMES: Final = re.compile(r"(?<=container\.name in \[)[^]]*(?=\])")
"""The one part of the policy that is made from the catalogue."""

LABELS_OF_HELM: Final = re.compile(r"^ +(?:app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n", re.MULTILINE)
"""They say that an object is part of a release. What kubectl applies is part of none."""

HEAD: Final = (
    "# Made by `python -m manifests.generate` from the chart with its default values, for Kubernetes 1.28 and later; edit there.\n"
)
POLICY_HEAD: Final = (
    "# Made by `python -m manifests.generate` from the chart, for Kubernetes 1.30 and later, beside install.yaml; edit there.\n"
)


def install(namespace: str = NAME, chart: Path = CHART) -> str:
    """The chart as one manifest, with its namespace."""
    return f"{HEAD}{NAMESPACE.read_text('utf-8')}{without_release(render({}, namespace=namespace, chart=chart))}"


def install_policy(namespace: str = NAME, chart: Path = CHART) -> str:
    """The policy that limits the service to its caBundle: install.yaml cannot have it, since Kubernetes 1.28 does not know such objects."""
    rendered = render({}, POLICY_KUBERNETES, namespace, "certificate_policy.yaml", chart)
    return f"{POLICY_HEAD}{_in_any_namespace(without_release(rendered), namespace)}"


def without_release(rendered: str) -> str:
    """What Helm rendered, without the labels that say that it is part of a release."""
    return LABELS_OF_HELM.sub("", rendered)


def _in_any_namespace(rendered: str, namespace: str) -> str:
    """A policy for the identity in whichever namespace it is: a tool that moves objects to another one changes no CEL. ValueError."""
    before, identity, after = rendered.partition(f"username == 'system:serviceaccount:{namespace}:{NAME}'")
    if not identity:
        message = "the policy does not name the service's identity"
        raise ValueError(message)
    return f"{before}username.matches('^system:serviceaccount:[^:]+:{NAME}$'){after}"


def chart_yaml() -> str:
    """The chart's metadata, with the version and with its icon: a file of the chart has no address that Artifact Hub could load."""
    icon = base64.b64encode(ICON.read_bytes()).decode()
    text = VERSION_LINES.sub(rf"\g<1>: {__version__}", CHART_YAML.read_text("utf-8"))
    return ICON_LINE.sub(f"icon: data:image/svg+xml;base64,{icon}", text)


def policy() -> str:
    """The admission policy's template, with the names of injected sidecars that need the webhook to end.

    Without globs, which CEL cannot compare.
    """
    rows = [row for row in built_in_sidecars() if row.injected_by and row.match and not row.ends_by_itself]
    names = sorted({name for row in rows if row.match for name in row.match.names if "*" not in name})
    return INJECTED_NAMES.sub(", ".join(f"'{name}'" for name in names), POLICY.read_text("utf-8"))


def main() -> None:
    """Write all files."""
    POLICY.write_text(policy(), "utf-8")
    ALERTS.write_text(rule_file(), "utf-8")
    DASHBOARD.write_text(dashboard_json(), "utf-8")
    CHART_YAML.write_text(chart_yaml(), "utf-8")
    VALUES.write_text(values_file(), "utf-8")
    README.write_text(chart_readme(), "utf-8")
    VALUES_SCHEMA.write_text(values_schema(), "utf-8")
    INSTALL.write_text(install(), "utf-8")
    INSTALL_POLICY.write_text(install_policy(), "utf-8")


if __name__ == "__main__":
    main()
