"""What the chart says only once it is published: its image by digest, and the addresses that Helm, registries and Artifact Hub show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from release.published_image import PublishedImage

METADATA: Final = "Chart.yaml"
VALUES: Final = "values.yaml"
ADDRESS: Final = re.compile(r"https://[\w.-]+(?:/[\w.-]+)+")
ANNOTATIONS: Final = re.compile(r"^annotations:\n", re.MULTILINE)


def name_image(chart: Path, image: PublishedImage) -> None:
    """Make an image the default of the values of a chart, which keep their comments, and list it. ValueError: there is no such value."""
    values = (chart / VALUES).read_text("utf-8")
    for key in ("registry", "repository", "digest"):
        line = re.compile(rf"(?<=^image:\n)((?:  .*\n)*?  {key}: ).*$", re.MULTILINE)
        values, count = line.subn(rf"\g<1>{getattr(image, key)}", values)
        if not count:
            message = f"{VALUES} has no image.{key}"
            raise ValueError(message)
    (chart / VALUES).write_text(values, "utf-8")
    # https://artifacthub.io/docs/topics/annotations/helm/: it scans these images.
    listed = f"  artifacthub.io/images: |\n    - name: {chart.name}\n      image: {image.reference}\n"
    metadata = ANNOTATIONS.sub(lambda found: found[0] + listed, (chart / METADATA).read_text("utf-8"))
    (chart / METADATA).write_text(metadata, "utf-8")


def name_repository(chart: Path, address: str) -> None:
    """Write the address of the source repository into a chart's metadata. ValueError: it is no such address.

    Helm's push makes annotations of the OCI manifest of them, by which a registry shows a package beside its repository.
    """
    if not ADDRESS.fullmatch(address):
        message = f"{address} is not the address of a repository, like https://github.com/OWNER/airflow-sidecar-webhook"
        raise ValueError(message)
    with (chart / METADATA).open("a", encoding="utf-8") as metadata:
        metadata.write(f"home: {address}\nsources:\n  - {address}\n")
