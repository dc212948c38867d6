"""The index of a chart repository that has this one chart."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from release.checkout import Checkout


def index_of(archive: Path, metadata: str, commit: Checkout) -> str:
    """The ``index.yaml`` of a repository with this archive alone. ``metadata``: the text of its Chart.yaml."""
    time = commit.time.isoformat().replace("+00:00", "Z")
    entry = {
        **yaml.safe_load(metadata),
        "created": time,
        "digest": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "urls": [archive.name],
    }
    return yaml.safe_dump({"apiVersion": "v1", "entries": {entry["name"]: [entry]}, "generated": time}, width=1000, allow_unicode=True)
