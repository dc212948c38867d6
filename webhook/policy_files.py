"""Makes the policy from the settings, the data files of this package and the admin's own."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, TypeVar

import msgspec
import yaml

from webhook.core.entrypoint import parse_entrypoints
from webhook.core.policy import Policy
from webhook.core.short_name import ShortNamePolicy
from webhook.core.sidecar import Catalogue, parse_sidecars
from webhook.core.wrapper import wrapper_script
from webhook.settings import SettingsError
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from webhook.core.sidecar import Sidecar
    from webhook.settings import Settings

T = TypeVar("T")

DATA = resources.files("webhook") / "data"


def build_policy(settings: Settings) -> Policy:
    """Read what the settings name and what comes with the package.

    Raises:
        SettingsError: Names the file, the field and what is wrong with it.

    """
    sidecars = built_in_sidecars()
    if settings.sidecars_file:
        sidecars = _load(settings.sidecars_file, parse_sidecars) + sidecars
    catalogue = Catalogue(sidecars)
    _check_injectors(settings, catalogue)
    entrypoints = _load(DATA / "entrypoints.yaml", parse_entrypoints)
    if settings.entrypoints_file:
        entrypoints = _load(settings.entrypoints_file, parse_entrypoints).before(entrypoints)
    return Policy(
        catalogue=catalogue,
        entrypoints=entrypoints,
        script=wrapper_script((DATA / "wrapper.sh").read_text("utf-8")),
        mode=settings.mode,
        wait_seconds=settings.wait_seconds,
        when_not_ready=settings.when_not_ready,
        helper_image=settings.helper_image,
        injectors=frozenset(settings.injectors),
        short_name=ShortNamePolicy(settings.short_name_key, settings.short_name_value, settings.short_name_fixed),
    )


def built_in_sidecars() -> tuple[Sidecar, ...]:
    """The catalogue's rows, a file for each product, in the order of the files' names."""
    files = sorted((DATA / "sidecars").iterdir(), key=lambda file: file.name)
    return tuple(row for file in files for row in _load(file, parse_sidecars, _first_document))


def _first_document(text: str) -> object:
    """The rows; the examples behind them, in a document of their own, are neither parsed nor kept."""
    return yaml.safe_load(text.partition("\n---\n")[0])


def _load(path: Path | Traversable, parse: Callable[[object], T], decode: Callable[[str], object] = yaml.safe_load) -> T:
    try:
        return parse(decode(path.read_text("utf-8")))
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise SettingsError(message) from error
    except (UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError, ValueError) as error:
        message = f"{path}: {yaml_problem(error)}"
        raise SettingsError(message) from error


def _check_injectors(settings: Settings, catalogue: Catalogue) -> None:
    known = [sidecar.id for sidecar in catalogue.hinting]
    unknown = [name for name in settings.injectors if name not in known]
    if unknown:
        message = f"injectors: {', '.join(unknown)}: not the id of a sidecar whose injector can be asked; allowed are {', '.join(known)}"
        raise SettingsError(message)
