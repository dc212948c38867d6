"""Settings: the environment and a file, checked together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from webhook.core import built_in_sidecars
from webhook.core.cluster import NativeSwitch
from webhook.core.condition import SUBJECTS
from webhook.core.pod_options import Mode
from webhook.core.version import Version
from webhook.policy_files import build_policy
from webhook.settings import PREFIX, Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from pathlib import Path


def problems(environ: dict[str, str], config: Path | None = None) -> list[str]:
    """What is wrong with these settings, a line each."""
    with pytest.raises(SettingsError) as refusal:
        build_policy(read_settings(environ, config))
    return str(refusal.value).splitlines()


def test_nothing_set_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("mode: off\nwait_seconds: 5\n")
    read = read_settings({f"{PREFIX}CONFIG": str(config), f"{PREFIX}WAIT_SECONDS": "7", "PATH": "/bin"})

    assert (read.mode, read.wait_seconds) == (Mode.OFF, 7)


def test_the_variables_that_kubernetes_sets_for_a_service_of_our_name_are_none_of_ours() -> None:
    assert (
        read_settings({"AIRFLOW_SIDECAR_WEBHOOK_PORT": "tcp://10.0.0.1:443", "AIRFLOW_SIDECAR_WEBHOOK_SERVICE_HOST": "10.0.0.1"})
        == Settings()
    )


def test_all_problems_are_reported_at_once_each_with_its_place(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("wait_secs: 5\nread_seconds: 99\n")
    found = problems({f"{PREFIX}PORT": "many", f"{PREFIX}MODE": "never", f"{PREFIX}SHORT_NAME_FIXED": "a b"}, config)

    assert found == [
        f"{PREFIX}PORT: Input should be a valid integer, unable to parse string as an integer",
        f"{config}: read_seconds: Input should be less than or equal to 30",
        f"{PREFIX}MODE: Input should be 'auto', 'native', 'wrap', 'label-only' or 'off'",
        f"{PREFIX}SHORT_NAME_FIXED: Value error, must be a valid label value: at most 63 of A-Z a-z 0-9 - _ . , with a letter or digit at both ends",
        f"{config}: wait_secs: there is no such setting; did you mean wait_seconds?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"), [("- a\n", "must be a mapping"), ("a: [\n", "cannot be read as YAML"), ("\xff", "cannot be read as YAML")]
)
def test_a_file_that_is_no_mapping_is_reported(text: str, problem: str, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(text, "latin-1")

    assert problems({}, config)[0].startswith(f"{config}: {problem}")


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    assert "No such file" in problems({}, tmp_path / "none.yaml")[0]


@pytest.mark.parametrize("nothing", ["", "~", "null", '""'])
def test_a_value_that_is_nothing_leaves_the_default(nothing: str, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(f"helper_image: {nothing}\nsidecars_file: {nothing}\nwait_seconds: {nothing}\n")

    assert read_settings({}, config) == Settings()


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("# nothing yet\n")

    assert read_settings({}, config) == Settings()


DATA_FILES = {
    "a field that is not known": (
        "SIDECARS_FILE",
        "- {id: x, title: x, sources: [x], stop: 1}",
        "Object contains unknown field `stop` - at `$[0]`",
    ),
    "a port out of range": (
        "SIDECARS_FILE",
        "- {id: x, title: x, sources: [x], quit: {port: 70000, path: /q}}",
        "Expected `int` <= 65535 - at `$[0].quit.port`",
    ),
    "a condition on two things": (
        "SIDECARS_FILE",
        "- {id: x, title: x, sources: [x], match: {markers: [{env: A, label: b}]}}",
        f"a condition names exactly one of {', '.join(SUBJECTS)} - at `$[0].match.markers[0]`",
    ),
    "a sidecar that nothing identifies": (
        "SIDECARS_FILE",
        "- {id: x, title: x, sources: [x], match: {}}",
        "sidecar x: match needs names or markers - at `$[0]`",
    ),
    "an id twice": ("SIDECARS_FILE", "- {id: x, title: x, sources: [x]}\n- {id: x, title: x, sources: [x]}", 'two rows have the id "x"'),
    "an entrypoint that is no list": (
        "ENTRYPOINTS_FILE",
        "images: [{image: x, entrypoint: /run}]",
        "Expected `array | null`, got `str` - at `$.images[0].entrypoint`",
    ),
    "names that are no list": (
        "SIDECARS_FILE",
        "- id: mine\n  match: {names: 7}\n",
        "Expected `array`, got `int` - at `$[0].match.names`",
    ),
    "a misspelt field of a row": (
        "SIDECARS_FILE",
        "- id: mine\n  quitt: {port: 1, path: /}\n",
        "Object contains unknown field `quitt` - at `$[0]`",
    ),
    "an entrypoint that is a number": (
        "ENTRYPOINTS_FILE",
        "images: [{image: a, entrypoint: 7}]\n",
        "Expected `array | null`, got `int` - at `$.images[0].entrypoint`",
    ),
    "a misspelt field of the entrypoints": ("ENTRYPOINTS_FILE", "imges: []\n", "Object contains unknown field `imges`"),
    "a candidate of no words": ("ENTRYPOINTS_FILE", "candidates: [[]]\n", "Expected `array` of length >= 1 - at `$.candidates[0]`"),
    "no YAML": ("ENTRYPOINTS_FILE", "images: [", "line 1, column 10: "),
}


@pytest.mark.parametrize(("setting", "text", "problem"), DATA_FILES.values(), ids=DATA_FILES)
def test_a_data_file_that_cannot_be_used_is_reported_with_its_field(setting: str, text: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "data.yaml"
    file.write_text(text)
    found = "\n".join(problems({f"{PREFIX}{setting}": str(file)}))

    assert found.startswith(f"{file}: {problem}")


@pytest.mark.parametrize("setting", ["SIDECARS_FILE", "ENTRYPOINTS_FILE"])
def test_a_data_file_that_is_not_there_is_reported(setting: str, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yaml"

    assert problems({f"{PREFIX}{setting}": str(missing)}) == [f"{missing}: cannot be read: No such file or directory"]


def test_the_buffer_must_hold_one_body() -> None:
    assert problems({f"{PREFIX}MAX_BUFFERED_BYTES": "1048576"}) == [
        "max_buffered_bytes: must be at least max_body_bytes, or an allowed body would never be accepted"
    ]


def test_an_admins_own_rows_are_tried_first(tmp_path: Path) -> None:
    sidecars, entrypoints = tmp_path / "sidecars.yaml", tmp_path / "entrypoints.yaml"
    sidecars.write_text("- {id: ours, title: Ours, sources: [us], match: {names: [istio-proxy], markers: [{image: '*'}]}}")
    entrypoints.write_text("images: [{image: apache/airflow, entrypoint: [/ours]}]\ncandidates: [[/ours]]")
    policy = build_policy(read_settings({f"{PREFIX}SIDECARS_FILE": str(sidecars), f"{PREFIX}ENTRYPOINTS_FILE": str(entrypoints)}))

    assert policy.catalogue.sidecars[0].id == "ours"
    assert policy.entrypoints.candidates[0] == ("/ours",)
    row = policy.entrypoints.entrypoint_of("mirror.example.com/apache/airflow:3")
    assert row is not None
    assert row.entrypoint == ("/ours",)


def test_an_injector_that_reads_no_annotation_is_refused_with_those_that_do() -> None:
    known = ", ".join(row.id for row in built_in_sidecars() if row.hint or (row.native and row.native.hint))

    assert problems({f"{PREFIX}INJECTORS": "linkerd, kuma"}) == [
        f"injectors: kuma: no sidecar with an injector that reads annotations; allowed are {known}"
    ]


@pytest.mark.parametrize("text", ["1.29.x", "newest", "1", "-1.29", "29"])
def test_a_minimum_that_is_no_version_is_reported(text: str) -> None:
    assert problems({f"{PREFIX}MINIMUM_KUBELET": text}) == [f"{PREFIX}MINIMUM_KUBELET: Value error, must be a version like 1.29.3"]


@pytest.mark.parametrize(
    ("text", "version"), [("1.33.1", Version(1, 33, 1)), ("v1.30", Version(1, 30)), ("v1.31.2-eks-7f9249a", Version(1, 31, 2))]
)
def test_the_minimum_is_a_version_as_a_kubelet_reports_it(text: str, version: Version) -> None:
    assert read_settings({f"{PREFIX}MINIMUM_KUBELET": text}).minimum_kubelet == version


def test_off_in_a_file_is_the_word_and_no_boolean(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("native_sidecars: off\n")

    assert read_settings({}, config).native_sidecars is NativeSwitch.OFF
