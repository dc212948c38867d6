"""Settings for a bug report: values of which there is a closed list, numbers and switches; of any other value only whether it is set."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, get_origin

from webhook.core import Version

if TYPE_CHECKING:
    from webhook.settings import Settings

NOT_SHOWN: Final = "(set, and not shown)"
DEFAULT: Final = "(the default)"

CLOSED: Final = (bool, int, float, Enum, Version)
"""Types whose values can hold no text of somebody's own."""


def redacted_settings(settings: Settings) -> dict[str, object]:
    """Each setting, as far as it may be shown."""
    return {name: _shown(settings, name) for name in type(settings).model_fields}


def _shown(settings: Settings, name: str) -> object:
    field, value = type(settings).model_fields[name], getattr(settings, name)
    if isinstance(value, Version):
        return str(value)
    if isinstance(value, CLOSED) or get_origin(field.annotation) is Literal:
        return value
    return DEFAULT if value == field.default else NOT_SHOWN
