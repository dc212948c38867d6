"""The annotations by which a user changes the treatment of one pod: what they may hold, and what is said of the others."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from webhook.core.misspelling import NearAnnotations
from webhook.core.names import PREFIX, STATUS_ANNOTATION
from webhook.core.pod_options import (
    MAX_DESCRIBED_SIDECARS,
    MAX_KEY_CHARACTERS,
    MAX_NAMED,
    MAX_OPTION_CHARACTERS,
    MAX_OPTION_COMMAS,
    POD_OPTIONS,
    Mode,
    PodOptions,
    ShellSource,
    WhenNotReady,
    is_container_name,
    misspelt_annotations,
    read_pod_options,
)

KEYS: Final = ", ".join(POD_OPTIONS)
SIDECARS: Final = 'a JSON list like [{"name": "cache", "quit": {"port": 9091, "path": "/quit", "method": "POST"}}]'
WORDS: Final = 'a JSON list of words, like ["/usr/bin/tini", "--", "/run.sh"]'
SECONDS: Final = "a whole number of seconds from 0 to 540"

READ: Final[tuple[tuple[str, str, str, Any], ...]] = (
    *(("mode", str(mode), "mode", mode) for mode in Mode),
    *(("shell", str(source), "shell", source) for source in ShellSource),
    *(("when-not-ready", str(what), "when_not_ready", what) for what in WhenNotReady),
    ("main-container", "base", "main_container", "base"),
    ("main-container", "a" * 63, "main_container", "a" * 63),
    ("entrypoint", '["/tini", "--"]', "entrypoint", ("/tini", "--")),
    ("wait-seconds", "0", "wait_seconds", 0),
    ("wait-seconds", "540", "wait_seconds", 540),
)


@pytest.mark.parametrize(("name", "text", "field", "value"), READ)
def test_a_pod_option_is_read(name: str, text: str, field: str, value: Any) -> None:
    options, invalid = read_pod_options({f"{PREFIX}/{name}": text, "other": "x"})

    assert options == PodOptions(**{field: value})
    assert invalid.warnings == []


REFUSED: Final[tuple[tuple[str, str, str], ...]] = (
    ("mode", "always", "auto, native, wrap, label-only, off"),
    ("shell", "bash", "image, helper"),
    ("when-not-ready", "maybe", "fail, run"),
    ("main-container", "Not A Name", "the name of a container of the pod"),
    ("main-container", "a" * 64, "the name of a container of the pod"),
    ("entrypoint", "/run.sh", WORDS),
    ("wait-seconds", "541", SECONDS),
    ("wait-seconds", "1.5", SECONDS),
    ("wait-seconds", "\u0661", SECONDS),
    ("wait-seconds", "²", SECONDS),
    ("wait-seconds", "", SECONDS),
    ("sidecars", "[" * 100_000, SIDECARS),
    ("sidecars", json.dumps([{"name": "a"}] * (MAX_DESCRIBED_SIDECARS + 1)), SIDECARS),
    ("sidecars", '[{"name": "a"}]' + " " * MAX_OPTION_CHARACTERS, SIDECARS),
    (
        "outlives-task",
        ",".join(f"a{number}" for number in range(MAX_OPTION_COMMAS + 2)),
        "names of containers of the pod, separated by commas",
    ),
)


@pytest.mark.parametrize(("name", "text", "allowed"), REFUSED, ids=lambda text: repr(text)[:40])
def test_a_value_that_is_not_allowed_is_ignored_with_what_is_allowed(name: str, text: str, allowed: str) -> None:
    options, invalid = read_pod_options({f"{PREFIX}/{name}": text})

    assert options == PodOptions()
    assert invalid.warnings == [f"annotation {PREFIX}/{name} is ignored: allowed is {allowed}"]


def test_one_value_that_is_not_allowed_leaves_the_others() -> None:
    options, invalid = read_pod_options({f"{PREFIX}/mode": "always", f"{PREFIX}/shell": "image", f"{PREFIX}/wait-seconds": "many"})

    assert options == PodOptions(shell=ShellSource.IMAGE)
    assert [one.key for one in invalid.named] == [f"{PREFIX}/mode", f"{PREFIX}/wait-seconds"]


def test_names_may_be_separated_by_as_many_commas_as_are_read() -> None:
    names = [f"a{number}" for number in range(MAX_OPTION_COMMAS + 1)]

    assert read_pod_options({f"{PREFIX}/outlives-task": ",".join(names)})[0].outlives_task == frozenset(names)


def test_an_option_may_be_as_long_as_all_annotations_of_a_pod() -> None:
    described = [{"name": f"a{number}"} for number in range(MAX_DESCRIBED_SIDECARS)]
    text = json.dumps(described)
    options, invalid = read_pod_options({f"{PREFIX}/sidecars": text + " " * (MAX_OPTION_CHARACTERS - len(text))})

    assert [one.id for one in options.sidecars] == [one["name"] for one in described]
    assert invalid.warnings == []


def test_the_status_and_annotations_of_others_are_no_options() -> None:
    others = {f"xyz{PREFIX}/mode": "off", f"example.com/{PREFIX}": "off", PREFIX: "off", f"{PREFIX}-reaper/mode": "off"}

    assert read_pod_options({STATUS_ANNOTATION: "{}", **others}) == read_pod_options({})


@pytest.mark.parametrize("count", [1, MAX_NAMED, MAX_NAMED + 1, MAX_NAMED + 5])
def test_a_few_unknown_options_are_named_and_the_others_counted(count: int) -> None:
    warnings = read_pod_options({f"{PREFIX}/x{number}": "" for number in range(count)})[1].warnings

    assert warnings[:MAX_NAMED] == [
        f"annotation {PREFIX}/x{number} is ignored: allowed is one of {KEYS}" for number in range(min(count, MAX_NAMED))
    ]
    assert warnings[MAX_NAMED:] == (
        [f"{count - MAX_NAMED} more annotations that start with {PREFIX}/ are ignored: there are no such annotations"]
        if count > MAX_NAMED
        else []
    )


MISSPELT: Final = [f"{PREFIX}/main-conatiner", "airflow-sidecar-webhok/mode", "airflow-sidecar-webhook.io/wait-seconds"]


@pytest.mark.parametrize("key", MISSPELT)
def test_an_annotation_that_is_misspelt_changes_nothing_and_is_warned_of_with_the_one_that_is_meant(key: str) -> None:
    options, invalid = read_pod_options({key: "off"})
    (one,) = invalid.named

    assert options == PodOptions()
    assert one.meant in POD_OPTIONS
    assert invalid.warnings == [f"annotation {key} is ignored: there is no such annotation; did you mean {one.meant}?"]


def test_of_sixty_thousand_misspelt_annotations_sixteen_of_each_kind_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(NearAnnotations, "nearest", lambda _, key: compared.append(key))
    own = [f"{PREFIX}/mode{number}" for number in range(30_000)]
    strange = [f"airflow-sidecar-webhok/mode{number}" for number in range(30_000)]
    invalid = read_pod_options(dict.fromkeys([*own, *strange], "off"))[1]

    assert compared == [*own[:MAX_NAMED], *strange[:MAX_NAMED]]
    assert (len(invalid.named), invalid.more) == (MAX_NAMED, len(own) - MAX_NAMED)


@pytest.mark.parametrize("key", [f"{PREFIX}/{'x' * 1000}", f"{PREFIX}.{'x' * 1000}/mode"], ids=["own", "misspelt"])
def test_a_key_is_named_up_to_the_length_that_a_key_may_have(key: str) -> None:
    (named,) = read_pod_options({key: ""})[1].named

    assert named.key == key[:MAX_KEY_CHARACTERS]


@pytest.mark.parametrize("fields", [{}, {"native": True}, {"native": True, "ready": {"port": 1, "path": "/r"}}], ids=str)
def test_a_described_sidecar_is_a_row_of_its_pod_alone(fields: dict[str, Any]) -> None:
    described = {"name": "cache", "quit": {"port": 2, "path": "/q", "method": "GET"}, **fields}
    (row,) = read_pod_options({f"{PREFIX}/sidecars": json.dumps([described])})[0].sidecars

    assert (row.id, row.title, row.sources) == ("cache", "cache", (f"{PREFIX}/sidecars",))
    assert row.match is not None
    assert (row.match.names, [one.annotation for one in row.match.markers]) == (("cache",), [f"{PREFIX}/sidecars"])
    assert row.quit is not None
    assert (row.quit.port, row.quit.path, row.quit.method) == (2, "/q", "GET")
    assert (row.ready and (row.ready.port, row.ready.path)) == ((1, "/r") if "ready" in fields else None)
    convert = row.native.convert if row.native else None
    assert (convert is not None) is fields.get("native", False)
    if convert is not None:
        assert convert.startup_probe_from_readiness is ("ready" in fields)
        assert convert.requires_startup_probe is ("ready" in fields)


def test_a_container_may_have_a_dns_label_as_its_name() -> None:
    assert is_container_name("a" * 63)
    assert not is_container_name("a" * 64)
    assert not is_container_name("Base")


def test_of_any_keys_those_that_misspell_an_annotation_are_found() -> None:
    found = misspelt_annotations([*MISSPELT, "example.com/mode", f"{PREFIX}/mode", f"{PREFIX}/unheard-of"])

    assert {one.key for one in found} == set(MISSPELT)
    assert [one.allowed for one in found if not one.key.startswith(f"{PREFIX}/")] == ["", ""]
    assert misspelt_annotations(["example.com/mode"]) == []
