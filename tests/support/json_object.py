"""The type of a Kubernetes object in tests, demo and benchmarks."""

from __future__ import annotations

from typing import Any, TypeAlias

JSONObject: TypeAlias = dict[str, Any]
