"""Lists of contents are valid CycloneDX, complete, and the same each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from packageurl import PackageURL

from release.checkout import Checkout
from release.contents import image_contents, wheel_contents

REQUIREMENTS: Final = (Path(__file__).parents[3] / "requirements" / "runtime.txt").read_text("utf-8")
COMMIT: Final = Checkout("0" * 40, 1_800_000_000, is_changed=False)


def test_the_wheels_list_has_each_pinned_dependency_and_when_it_is_installed() -> None:
    pins = [line for line in REQUIREMENTS.splitlines() if "==" in line.split(";")[0]]
    document = json.loads(wheel_contents("1.2.3", REQUIREMENTS, COMMIT))
    names = [f"{component['name']}=={component['version']}" for component in document["components"]]
    conditional = [component["name"] for component in document["components"] if "properties" in component]

    assert sorted(names) == sorted(pin.split(";")[0].removesuffix("\\").strip() for pin in pins)
    assert sorted(conditional) == sorted(pin.split("==")[0] for pin in pins if " ; " in pin)
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/airflow-sidecar-webhook@1.2.3"
    assert document["metadata"]["timestamp"] == "2027-01-15T08:00:00+00:00"


def test_a_list_is_the_same_each_time_in_whatever_order_its_parts_come() -> None:
    packages = [PackageURL("pypi", name=name, version="1") for name in ("a", "b", "c")]

    assert image_contents("1", packages, "arm64", COMMIT) == image_contents("1", packages[::-1], "arm64", COMMIT)


def test_the_list_of_another_content_or_commit_has_another_serial_number() -> None:
    one, other = (PackageURL("pypi", name=name, version="1") for name in ("a", "b"))
    later = Checkout("1" * 40, COMMIT.seconds, is_changed=False)
    documents = [
        image_contents("1", [one], "arm64", COMMIT),
        image_contents("1", [one, other], "arm64", COMMIT),
        image_contents("1", [one], "amd64", COMMIT),
        image_contents("1", [one], "arm64", later),
    ]

    assert len({json.loads(document)["serialNumber"] for document in documents}) == len(documents)
