"""Versions as they stand in a node's status, in an answer to ``/version`` and in an image's tag."""

from __future__ import annotations

import pytest

from webhook.core.version import Version, image_version, read_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.34", Version(1, 34, 0)),
        ("1.34.2", Version(1, 34, 2)),
        ("v1.34.2", Version(1, 34, 2)),
        ("V1.34.2", Version(1, 34, 2)),
        ("v1.34.2-eks-1234", Version(1, 34, 2)),
        ("v1.34.2+k3s1", Version(1, 34, 2)),
        ("1.24.0-distroless", Version(1, 24, 0)),
        ("1.24-alpine", Version(1, 24, 0)),
        ("1", None),
        ("1.2.3.4", None),
        ("1234567.1", None),
        ("1.1234567", None),
        ("latest", None),
        ("", None),
        ("\u0663.\u0661", None),
    ],
)
def test_a_version_is_what_a_text_begins_with(text: str, version: Version | None) -> None:
    assert read_version(text) == version


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("istio/proxyv2:1.24.0", Version(1, 24, 0)),
        ("registry.example.com:5000/istio/proxyv2:1.24.0-distroless", Version(1, 24, 0)),
        ("registry.example.com:5000/istio/proxyv2", None),
        ("proxyv2:1.24@sha256:00", Version(1, 24, 0)),
        ("proxyv2@sha256:1.24", None),
        ("proxyv2:latest", None),
        ("proxyv2", None),
        ("registry.example.com/1.24.0", None),
        ("", None),
    ],
)
def test_the_version_of_an_image_is_that_of_its_tag(image: str, version: Version | None) -> None:
    assert image_version(image) == version


def test_versions_are_ordered_by_number_and_written_with_three() -> None:
    assert Version(1, 9, 9) < Version(1, 10) < Version(1, 10, 1) < Version(2, 0)
    assert str(Version(1, 34)) == "1.34.0"
