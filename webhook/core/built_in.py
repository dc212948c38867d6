"""The data that comes with the package: catalogue, entrypoint table and wrapper. It is all that the rules read by themselves."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

import yaml

from webhook.core.catalogue import Catalogue
from webhook.core.entrypoint import EntrypointTable, parse_entrypoints
from webhook.core.policy import Policy
from webhook.core.sidecar import Sidecar, parse_sidecars
from webhook.core.wrapper import wrapper_script

if TYPE_CHECKING:
    from webhook.core.pre_encoded import PreEncoded

_DATA: Final = resources.files("webhook") / "data"


@cache
def built_in_sidecars() -> tuple[Sidecar, ...]:
    """The rows of the catalogue: a file for each product, in the order of the files' names. A process reads them once."""
    files = sorted([file.name for file in (_DATA / "sidecars").iterdir()])
    return tuple(row for file in files for row in parse_sidecars(_first_document(_text("sidecars", file))))


def _text(*path: str) -> str:
    return _DATA.joinpath(*path).read_bytes().decode()


def _first_document(text: str) -> object:
    """The rows of a file; their examples are a second document, which is not parsed."""
    return _parsed(text.partition("\n---\n")[0])


def _parsed(text: str) -> object:
    """YAML, by the parser in C: the one in Python would take 80 ms of each start of the program."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def built_in_entrypoints() -> EntrypointTable:
    """The entrypoint table."""
    return parse_entrypoints(_parsed(_text("entrypoints.yaml")))


def built_in_script() -> PreEncoded:
    """The wrapper's script."""
    return wrapper_script(_text("wrapper.sh"))


def default_policy() -> Policy:
    """The policy of an installation that sets nothing; `dataclasses.replace` changes parts of it."""
    return Policy(Catalogue(built_in_sidecars()), built_in_entrypoints(), built_in_script())
