"""Lists of contents (SBOM) in CycloneDX 1.6: of the wheel with its pinned dependencies, and of the image.

They have the commit's time, and a serial number made from what they list, so that two runs write the same bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from manifests.rendering import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from release.checkout import Checkout

PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\\n]*))?", re.MULTILINE)
MARKER: Final = "python:marker"
"""The property with the environments in which a dependency is installed (https://peps.python.org/pep-0508/#environment-markers)."""


class ContentsError(Exception):
    """A list does not follow CycloneDX's schema."""


def wheel_contents(version: str, requirements: str, commit: Checkout) -> str:
    """What `pip install --require-hashes` installs beside the wheel. ``requirements``: the text of requirements/runtime.txt."""
    root = _python_package(NAME, version, ComponentType.APPLICATION)
    return _document(root, [_pinned(found) for found in PIN.finditer(requirements)], commit)


def image_contents(version: str, packages: Iterable[PackageURL], architecture: str, commit: Checkout) -> str:
    """What is in an image. ContentsError."""
    root = Component(type=ComponentType.CONTAINER, name=NAME, version=version, bom_ref=f"image-{architecture}")
    return _document(root, [_package(package) for package in packages], commit)


def _pinned(found: re.Match[str]) -> Component:
    component = _python_package(found["name"], found["version"])
    if found["marker"]:
        component.properties.add(Property(name=MARKER, value=found["marker"].strip()))
    return component


def _python_package(name: str, version: str, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    return _package(PackageURL("pypi", name=name, version=version), kind)


def _package(package: PackageURL, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    return Component(type=kind, name=package.name, version=package.version, purl=package, bom_ref=package.to_string())


def _document(root: Component, components: list[Component], commit: Checkout) -> str:
    listed = "\n".join([commit.commit, root.bom_ref.value or "", *sorted(component.bom_ref.value or "" for component in components)])
    bom = Bom(
        components=components, serial_number=uuid5(NAMESPACE_URL, listed), metadata=BomMetaData(component=root, timestamp=commit.time)
    )
    bom.register_dependency(root, components)
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    _validate(text)
    return text


def _validate(text: str) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        message = f"the list of contents is not valid: {error}"
        raise ContentsError(message)
