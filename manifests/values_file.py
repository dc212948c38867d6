"""The chart's ``values.yaml``: every value with its default, below headings, each with a line that says what it is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import yaml

from manifests.chart_values import groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from manifests.chart_values import ChartValue

HEAD: Final = """\
# All values of the chart with their defaults. Helm refuses other names and types (values.schema.json). README.md says more about them.
# Made by `python -m manifests.generate` from manifests/values.schema.yaml; edit there.
"""


def values_file() -> str:
    """The whole file."""
    return HEAD + "".join(f"\n# --- {heading} ---\n\n{_group(values)}" for heading, values in groups().items())


def _group(values: tuple[ChartValue, ...]) -> str:
    """Objects are apart from what is beside them; single values follow one another."""
    blocks = ["".join(f"{line}\n" for line in _lines(value)) for value in values]
    parted = ["\n" if value.parts or before.parts else "" for before, value in pairwise(values)]
    return blocks[0] + "".join(part + block for part, block in zip(parted, blocks[1:], strict=True))


def _lines(value: ChartValue) -> Iterator[str]:
    if value.summary:
        yield f"# {value.summary}"
    if value.parts:
        yield f"{value.path[-1]}:"
        for part in value.parts:
            yield from (f"  {line}" for line in _lines(part))
    else:
        yield from _dumped({value.path[-1]: value.schema["default"]}).splitlines()


def _dumped(default: dict[str, Any]) -> str:
    """Mappings and lists of plain values on one line. Texts that need quotes have double ones, as people write them."""
    has_parts = any(isinstance(value, dict | list) for value in default.values())
    return yaml.dump(
        default, Dumper=_Dumper, default_flow_style=None if has_parts else False, sort_keys=False, width=1000, allow_unicode=True
    )


class _Dumper(yaml.SafeDumper):
    def choose_scalar_style(self) -> str:
        style = str(super().choose_scalar_style())
        return '"' if style == "'" else style
