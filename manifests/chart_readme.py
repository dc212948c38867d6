"""The chart's ``README.md``: how to install it, and every value with its default and what it is for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from manifests.chart_values import groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from manifests.chart_values import ChartValue

HEAD: Final = """\
<!-- Made by `make docs` from manifests/chart_readme.py and manifests/values.schema.yaml. -->
# airflow-sidecar-webhook

For platform engineers who install the webhook with Helm.
It answers: how do I install it, and what does each value of the chart do?

A mutating admission webhook that lets Airflow's task pods end beside injected sidecars:
Istio, Linkerd, Vault and others.
A namespace opts in by a label.

## Install

The webhook needs Kubernetes 1.28 or newer, an image in a registry of yours,
and a namespace of its own.
[docs/install.md](../../../docs/install.md) has the whole way, with the upgrade and the removal.

```sh
kubectl apply --filename manifests/namespace.yaml
helm install airflow-sidecar-webhook manifests/chart/airflow-sidecar-webhook --namespace airflow-sidecar-webhook \\
  --set image.registry=registry.example
kubectl label namespace NAMESPACE airflow-sidecar-webhook=enabled
```

## Values

Helm refuses a value that is not listed here, and a setting that the service does not have.
Paths like `docs/reference.md` are those of the project.
"""


def chart_readme() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n### {heading}\n\n{_table(values)}" for heading, values in groups().items())


def _table(values: tuple[ChartValue, ...]) -> str:
    rows = (row for value in values for row in _rows(value))
    return "".join(f"{row}\n" for row in ("| value | default | what it is |", "|---|---|---|", *rows))


def _rows(value: ChartValue) -> Iterator[str]:
    for leaf in value.leaves():
        text = " ".join(filter(None, (leaf.summary, leaf.details))).replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{leaf.name}` | `{json.dumps(leaf.schema['default'], ensure_ascii=False)}` | {text} |"
