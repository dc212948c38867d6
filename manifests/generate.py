"""Writes what follows from the chart and the code: ``python -m manifests.generate``. Tests compare."""

from __future__ import annotations

from typing import Final

from manifests.rendering import CHART, MANIFESTS, render
from manifests.values_schema import values_schema

VALUES_SCHEMA: Final = CHART / "values.schema.json"
INSTALL: Final = MANIFESTS / "install.yaml"
NAMESPACE: Final = MANIFESTS / "namespace.yaml"
HEAD: Final = (
    "# Made by `python -m manifests.generate` from the chart with its default values, for Kubernetes 1.28 and later; edit there.\n"
)


def install() -> str:
    """The chart as one manifest, with its namespace."""
    return f"{HEAD}{NAMESPACE.read_text('utf-8')}{render({})}"


def main() -> None:
    """Write both files."""
    VALUES_SCHEMA.write_text(values_schema(), "utf-8")
    INSTALL.write_text(install(), "utf-8")


if __name__ == "__main__":
    main()
