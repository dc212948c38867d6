"""Which images the doctor names, and the rows that it gives for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.cluster_snapshots import GUESSED, HEALTHY, UNKNOWN, findings, recorded
from webhook.core import parse_entrypoints

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core import Progress
    from webhook.doctor.finding import Finding


def found(*pods: Progress) -> dict[str, Finding]:
    """The findings on a cluster with these pods."""
    return findings(replace(HEALTHY, task_pods=pods))


@pytest.mark.parametrize(("status", "id_"), [(GUESSED, "entrypoints-guessed"), (UNKNOWN, "entrypoints-unknown")])
def test_each_image_is_named_once_with_a_row_that_the_entrypoint_table_takes(status: JSONObject, id_: str) -> None:
    images = ("registry.example.com:5000/team/airflow:1", "registry.example.com:5000/team/airflow:2", "etl@sha256:00")
    finding = found(*(recorded(image, status) for image in (*images, images[0])))[id_]

    assert finding.sentence.endswith(f": {', '.join(sorted(images))}.")
    table = parse_entrypoints(yaml.safe_load(finding.remedy[finding.remedy.index("entrypoints: ") :].removesuffix("."))["entrypoints"])
    assert [row.image for row in table.images] == ["etl", "registry.example.com:5000/team/airflow"]
    for image in images:
        row = table.entrypoint_of(image)
        assert row is not None
        assert (row.words(has_args=True), table.has_shell(image)) == (("/usr/bin/dumb-init", "--", "/entrypoint"), True)


def test_of_many_images_the_first_eight_are_named_and_the_others_counted() -> None:
    finding = found(*(recorded(f"team/airflow-{number}", UNKNOWN) for number in range(10)))["entrypoints-unknown"]

    assert "team/airflow-7 and 2 more" in finding.sentence
    assert "team/airflow-8" not in finding.sentence + finding.remedy


@pytest.mark.parametrize("status", [GUESSED | {"entrypoint": "table"}, {"treatment": "labelled", "reason": "no-sidecar"}, {}])
def test_an_image_whose_entrypoint_is_known_or_not_needed_is_not_named(status: JSONObject) -> None:
    assert not {"entrypoints-guessed", "entrypoints-unknown"} & found(recorded("team/airflow:1", status)).keys()


def test_a_pod_without_an_image_names_none() -> None:
    assert "entrypoints-guessed" not in found(recorded(None, GUESSED))


def test_what_is_no_name_of_an_image_has_no_row() -> None:
    finding = found(*(recorded(image, UNKNOWN) for image in ("*", "a\nb", "team/airflow:1")))["entrypoints-unknown"]
    table = parse_entrypoints(yaml.safe_load(finding.remedy[finding.remedy.index("entrypoints: ") :].removesuffix("."))["entrypoints"])
    assert [row.image for row in table.images] == ["team/airflow"]
