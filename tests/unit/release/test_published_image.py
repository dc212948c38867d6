"""An image is named with its registry and its digest."""

from __future__ import annotations

import pytest

from release.published_image import PublishedImage

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "registry", "repository"),
    [
        (f"registry.example/airflow-sidecar-webhook@{DIGEST}", "registry.example", "airflow-sidecar-webhook"),
        (f"registry.example:5000/team/data/webhook:1.2.3@{DIGEST}", "registry.example:5000", "team/data/webhook"),
        (f"localhost/webhook@{DIGEST}", "localhost", "webhook"),
        (f"localhost:5000/webhook@{DIGEST}", "localhost:5000", "webhook"),
    ],
)
def test_an_image_with_a_digest_is_split_into_what_the_chart_takes(text: str, registry: str, repository: str) -> None:
    assert PublishedImage.parse(text) == PublishedImage(registry, repository, DIGEST)


@pytest.mark.parametrize(
    "text",
    ["", "webhook", f"webhook@{DIGEST}", f"team/webhook@{DIGEST}", "registry.example/webhook:1.2.3", f"registry.example/webhook@{DIGEST}0"],
)
def test_one_without_a_registry_or_a_whole_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an image with its registry and its digest"):
        PublishedImage.parse(text)
