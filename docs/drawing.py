"""What the pictures of the docs share: how a template of `pictures` becomes SVG, in the same colours, in light and in dark."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

PICTURES: Final = Path(__file__).parent / "pictures"


def drawn(template: str, **values: object) -> str:
    """The picture that a template makes of the values."""
    templates = Environment(
        loader=FileSystemLoader(PICTURES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return templates.get_template(template).render(**values)
