"""Annotations of a pod that look like one of the webhook's, and are none."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from webhook.core import POD_OPTIONS, PREFIX, STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAMES: Final = {key.partition("/")[2]: key for key in POD_OPTIONS}

SAME_PREFIX: Final = 0.6
"""How close a name is that is meant (`difflib`, from 0 to 1), behind the right prefix."""

OTHER_PREFIX: Final = 0.9
"""The same of a whole key."""


def misspelt(pod: Mapping[str, Any]) -> Iterator[str]:
    """A line for each annotation that looks like one of the webhook's; the pod's fields may have any type."""
    metadata = pod.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    for key in annotations if isinstance(annotations, dict) else ():
        meant = _meant(str(key))
        if meant is not None:
            yield f"annotation {key}: there is no such annotation; did you mean {meant}?"


def _meant(key: str) -> str | None:
    if key in POD_OPTIONS or key == STATUS_ANNOTATION:
        return None
    prefix, _, name = key.partition("/")
    if prefix == PREFIX:
        return next((NAMES[near] for near in get_close_matches(name, NAMES, 1, SAME_PREFIX)), None)
    return next(iter(get_close_matches(key, POD_OPTIONS, 1, OTHER_PREFIX)), None)
