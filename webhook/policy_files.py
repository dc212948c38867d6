"""Makes the policy from the settings, the data that comes with the package, and the admin's own files."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

import yaml

from webhook.core import (
    Catalogue,
    Policy,
    ShortNamePolicy,
    built_in_entrypoints,
    built_in_script,
    built_in_sidecars,
    parse_entrypoints,
    parse_sidecars,
)
from webhook.settings import SettingsError
from webhook.yaml_problem import yaml_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from webhook.settings import Settings

T = TypeVar("T")

NO_TEXTS: Final[Mapping[Path, str]] = MappingProxyType({})


def build_policy(settings: Settings, texts: Mapping[Path, str] = NO_TEXTS) -> Policy:
    """Read what the settings name and what comes with the package.

    ``texts``: of files that were read elsewhere.

    Raises:
        SettingsError: Names the file, the field and what is wrong with it.

    """
    sidecars, entrypoints = built_in_sidecars(), built_in_entrypoints()
    if settings.sidecars_file:
        sidecars = _load(settings.sidecars_file, parse_sidecars, texts) + sidecars
    if settings.entrypoints_file:
        entrypoints = _load(settings.entrypoints_file, parse_entrypoints, texts).before(entrypoints)
    catalogue = Catalogue(sidecars)
    _check_injectors(settings, catalogue)
    return Policy(
        catalogue=catalogue,
        entrypoints=entrypoints,
        script=built_in_script(),
        enforcement=settings.enforcement,
        mode=settings.mode,
        wait_seconds=settings.wait_seconds,
        when_not_ready=settings.when_not_ready,
        guesses_entrypoint=settings.entrypoint_guess == "allow",
        helper_image=settings.helper_image,
        injectors=frozenset(settings.injectors),
        short_name=ShortNamePolicy(settings.short_name_key, settings.short_name_value, settings.short_name_fixed),
    )


def _load(path: Path, parse: Callable[[object], T], texts: Mapping[Path, str]) -> T:
    try:
        return parse(yaml.safe_load(texts[path] if path in texts else path.read_text("utf-8")))
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise SettingsError(message) from error
    except (UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        message = f"{path}: {yaml_problem(error)}"
        raise SettingsError(message) from error


def _check_injectors(settings: Settings, catalogue: Catalogue) -> None:
    known = [sidecar.id for sidecar in catalogue.with_hints]
    unknown = [name for name in settings.injectors if name not in known]
    if unknown:
        message = f"injectors: {', '.join(unknown)}: no sidecar with an injector that reads annotations; allowed are {', '.join(known)}"
        raise SettingsError(message)
