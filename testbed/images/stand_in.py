"""The layer with the stand-in for Istio's agent, for tests of what a real one seldom does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from testbed.images.layer import Layer, put

PATH: Final = "usr/local/lib/stand_in_istio_agent.py"
SOURCE: Final = Path(__file__).parents[2] / "demo" / "stand_in_istio_agent.py"


def stand_in_istio_agent() -> Layer:
    """The demo's module, as a file that Python runs."""
    return Layer("stand-in-istio-agent", (Path(__file__), SOURCE), lambda root: put(root, PATH, SOURCE.read_bytes()))
