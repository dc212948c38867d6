"""Images whose entrypoint is guessed or not known, with the rows of the entrypoint table that would say it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from webhook.core import EntrypointSource, Reason
from webhook.doctor.finding import Finding, FindingId, found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from webhook.core import Progress

MAX_IMAGES: Final = 8
"""Images in one finding; of the others only the number is reported."""

NAME: Final = re.compile(r"[\w./:@-]+", re.ASCII)
"""A reference to an image (github.com/distribution/reference). The API server takes any text, and a row's image may have wildcards."""

AIRFLOW_ENTRYPOINT: Final = ("/usr/bin/dumb-init", "--", "/entrypoint")
"""What an image built from apache/airflow runs that sets no ENTRYPOINT of its own (apache/airflow Dockerfile)."""


def check_entrypoints(task_pods: Sequence[Progress]) -> Iterator[Finding]:
    """The images of these pods whose entrypoint is guessed, and those whose entrypoint is unknown; nothing where there are none."""
    guessed = {pod.main_image for pod in task_pods if pod.recorded.entrypoint == EntrypointSource.GUESSED}
    unknown = {pod.main_image for pod in task_pods if pod.recorded.reason == Reason.ENTRYPOINT_UNKNOWN}
    for id_, images in ((FindingId.ENTRYPOINTS_GUESSED, guessed), (FindingId.ENTRYPOINTS_UNKNOWN, unknown)):
        named = sorted(image for image in images if image)
        if named:
            yield found(id_, images=_listed(named), rows=_rows(named))


def _listed(images: list[str]) -> str:
    more = len(images) - MAX_IMAGES
    return ", ".join(images[:MAX_IMAGES]) + (f" and {more} more" if more > 0 else "")


def _rows(images: list[str]) -> str:
    """The rows as a value of the chart: JSON, which is YAML in one line."""
    names = dict.fromkeys(_without_tag(image) for image in images[:MAX_IMAGES] if NAME.fullmatch(image))
    rows = [{"image": name, "entrypoint": AIRFLOW_ENTRYPOINT, "cmd": (), "shell": True} for name in names]
    return f'entrypoints: {{"images": {json.dumps(rows)}}}'


def _without_tag(image: str) -> str:
    head, slash, tail = image.partition("@")[0].rpartition("/")
    return head + slash + tail.partition(":")[0]
