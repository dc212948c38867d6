"""Renders the chart with the Helm version that the test bed pins."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from testbed import binaries

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFESTS: Final = Path(__file__).parent
CHART: Final = MANIFESTS / "chart" / "airflow-sidecar-webhook"
NAME: Final = "airflow-sidecar-webhook"
"""Name of the release and of its namespace."""

KUBERNETES: Final = "1.28.0"
"""The oldest version for which install.yaml is rendered. For older ones the chart leaves out fields that they do not know."""


class RenderingError(Exception):
    """Helm failed; the text is its message."""


def helm(*arguments: str | Path, given: str | None = None) -> str:
    """The output of a Helm command. ``given`` is its standard input. RenderingError; NoGoError, BuildError: there is no Helm."""
    command = [binaries.find(binaries.HELM), *arguments]
    done = subprocess.run(command, input=given, check=False, capture_output=True, text=True, timeout=120)  # noqa: S603  ours
    if done.returncode:
        raise RenderingError(done.stderr.strip())
    return done.stdout


def render(values: Mapping[str, object], kubernetes: str = KUBERNETES, namespace: str = NAME, only: str = "", chart: Path = CHART) -> str:
    """The chart's objects but those of ``helm test``, as YAML text, or those of one template alone. RenderingError.

    ``chart``: its folder, or its archive.
    """
    where = ("--namespace", namespace, "--kube-version", kubernetes, "--values", "-")
    shown = ("--show-only", f"templates/{only}") if only else ()
    return helm("template", NAME, chart, "--skip-tests", *where, *shown, given=yaml.safe_dump(dict(values)))
