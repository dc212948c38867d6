"""A line to paste, as it is written in each place."""

from __future__ import annotations

import pytest

from webhook.core.remedy_line import PATCH_COMMAND, LinePlace, RemedyLine


@pytest.mark.parametrize(
    ("place", "key", "value", "line"),
    [
        (LinePlace.ANNOTATIONS, "a/b", "{name}", "\"a/b\": 'etl'"),
        (LinePlace.ANNOTATIONS, "a/b", "it's {name}", '"a/b": "it\'s etl"'),
        (LinePlace.LABELS, "a", "on", "\"a\": 'on'"),
        (LinePlace.SPEC, "hostNetwork", False, '"hostNetwork": false'),
        (LinePlace.CONTAINER, "probe", {"port": "PORT"}, '"probe": {"port": "PORT"}'),
        (LinePlace.ARGS, "", "--quit={name}", '"--quit=etl"'),
        (LinePlace.ENV, "QUIT", "{name}", '{"name": "QUIT", "value": "etl"}'),
        (LinePlace.SPARK_CONF, "one two", "{name}", "--conf one=etl --conf two=etl"),
        (LinePlace.SETTINGS, "native_sidecars", "on", "native_sidecars: 'on'"),
        (LinePlace.SETTINGS, "native_sidecars", True, "native_sidecars: true"),
        (LinePlace.CLUSTER, "", "kubectl get {name}", "kubectl get etl"),
        (LinePlace.MANIFEST, "", "{name} it's", f"{PATCH_COMMAND}'etl it'\"'\"'s'"),
    ],
)
def test_a_line_is_written_as_its_place_reads_it(place: LinePlace, key: str, value: str | bool | dict[str, object], line: str) -> None:
    assert RemedyLine(place, key, value).filled({"name": "etl"}) == line
