"""JSON as deep as the API server stores it: `managedFields`, which who may update an object may write."""

from __future__ import annotations

from typing import Final

DEEPEST: Final = 10_000
"""The API server reads no deeper JSON (sigs.k8s.io/json and structured-merge-diff)."""


def nested(brackets: str, levels: int, innermost: bytes = b"1") -> bytes:
    """So many objects (``{}``) or lists (``[]``), each within the one before."""
    begin = b'{"f:a":' if brackets == "{}" else b"["
    return begin * levels + innermost + brackets[1].encode() * levels
