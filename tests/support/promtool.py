"""Prometheus' own tool checks rules and evaluates them on made-up series (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/)."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class AlertSituation:
    """Series, and the alerts that fire.

    Args:
        series: The values of each series, minute by minute from time 0, in promtool's notation.
        at: The minute in which the alerts are looked up.
        firing: The labels of each alert that fires then, beside its name and severity; nothing: none fires.

    """

    series: Mapping[str, str]
    at: int
    firing: Sequence[Mapping[str, str]] = field(default=())


def promtool(*arguments: str | Path) -> str:
    """The output of the tool, which must succeed; without it the test is skipped, with the remedy."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("there is no promtool: on Debian and Ubuntu apt-get install prometheus, elsewhere it comes with Prometheus")
    done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evaluate(rules: Path, situations: Mapping[str, Sequence[AlertSituation]], severities: Mapping[str, str], directory: Path) -> None:
    """Let the tool compare what fires in each situation, by alert, in one run: it names the alert and the minute of each difference."""
    tests = [_test_of(one, alert, severities[alert]) for alert, ones in situations.items() for one in ones]
    document = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}
    file = directory / "test.yaml"
    file.write_text(yaml.safe_dump(document))
    promtool("test", "rules", file)


def _test_of(situation: AlertSituation, alert: str, severity: str) -> dict[str, Any]:
    always = {"__name__": "ALERTS", "alertname": alert, "alertstate": "firing", "severity": severity}
    return {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in situation.series.items()],
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{alert}", alertstate="firing"}}',
                "eval_time": f"{situation.at}m",
                "exp_samples": [{"labels": _selector(always | dict(labels)), "value": 1} for labels in situation.firing],
            }
        ],
    }


def _selector(labels: Mapping[str, str]) -> str:
    pairs = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels['__name__']}{{{pairs}}}"
