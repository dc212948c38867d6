"""``explain``: what it shows, for people and for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import jsonpatch
import pytest
import yaml

from demo.simulated_injectors import inject_istio
from tests.support.pods import FIXTURES, load
from webhook.core import Reason

if TYPE_CHECKING:
    from tests.support.program import InProcessProgram

FOLDER: Final = "airflow-3.3.2-provider-10.25.0"
INJECTED: Final = json.dumps(inject_istio(load(f"{FOLDER}/kpo_cmds_args.json")))


def test_the_text_has_result_reason_status_and_the_change_as_a_diff(program: InProcessProgram) -> None:
    text = program("explain", "-", stdin=INJECTED)

    assert "airflow/hello-world-1-v6bc1e7o" in text
    assert f"wrapped (sidecars-quit): {Reason.SIDECARS_QUIT.sentence}" in text
    assert "sidecars     istio-proxy: quit" in text
    assert "  +- airflow-sidecar-webhook\n" in text
    assert "\x1b" not in text


def test_the_text_has_only_printable_characters_whatever_a_pod_is_called(program: InProcessProgram) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07\u202e\nok everything"
    pod = json.loads(INJECTED)
    pod["metadata"] |= {"name": hostile, "namespace": hostile}
    pod["metadata"]["annotations"] |= {"airflow-sidecar-webhook/mode": hostile, f"airflow-sidecar-webhook/{hostile}": hostile}
    pod["spec"]["containers"] += [{"name": hostile, "image": hostile}]
    text = program("explain", "-", stdin=json.dumps(pod))
    assert all(line.isprintable() for line in text.split("\n"))
    assert not any(line.startswith("ok") for line in text.split("\n"))


def test_so_has_the_json_which_holds_the_same_names(program: InProcessProgram) -> None:
    hostile = "\x1b[2J\x7f\x9b31m\u202e\U000e0001\nok"
    text = program("explain", "-o", "json", "-", stdin=json.dumps(json.loads(INJECTED) | {"metadata": {"name": hostile}}))
    assert all(line.isprintable() for line in text.split("\n"))
    assert json.loads(text)["pods"][0]["pod"] == f"default/{hostile}"


def test_the_text_of_the_wrapper_is_not_shown(program: InProcessProgram) -> None:
    assert "asw_" not in program("explain", "-", stdin=INJECTED)


def test_values_of_env_and_args_are_not_shown(program: InProcessProgram) -> None:
    pod = json.loads(INJECTED)
    pod["spec"]["containers"][0] |= {"env": [{"name": "A", "value": "s3cr3t"}], "args": ["--password", "s3cr3t"]}

    assert "s3cr3t" not in program("explain", "-", stdin=json.dumps(pod))


def test_several_pods_are_explained_in_their_order(program: InProcessProgram) -> None:
    given = "---\n".join(yaml.safe_dump(load(f"{FOLDER}/{name}.json")) for name in ("ke_default", "kpo_hostnetwork"))
    explanations = program.explained("-", stdin=given)

    assert [one["reason"] for one in explanations] == ["no-sidecar", "not-in-mesh"]


def test_the_settings_count(program: InProcessProgram) -> None:
    text = program("explain", str(FIXTURES / FOLDER / "kpo_cmds_args.json"), MODE="off")

    assert "skipped (switched-off)" in text


def test_a_pod_with_a_field_of_a_wrong_type_is_explained_as_malformed(program: InProcessProgram) -> None:
    (one,) = program.explained("-", stdin='{"kind": "Pod", "metadata": {"labels": [1]}}')

    assert one["reason"] == "malformed-pod"
    assert one["warnings"] == [
        "airflow-sidecar-webhook leaves the pod unchanged: Expected `object | null`, got `array` - at `$.metadata.labels`"
    ]


STRANGER: Final = {"name": "uploader", "image": "registry.example.com/uploader:1"}
WITH_STRANGER: Final = json.loads(INJECTED)
WITH_STRANGER["spec"]["containers"].append(STRANGER)


def test_what_to_do_is_shown_with_the_line_to_paste_on_a_line_of_its_own(program: InProcessProgram) -> None:
    text = program("explain", "--cluster-version", "1.34", "-", stdin=json.dumps(WITH_STRANGER))

    assert "  what to do   uploader (not-in-catalogue): A container that is neither the task's nor a known sidecar: " in text
    assert "\n               Add to annotations of the operator (KubernetesPodOperator):\n" in text
    assert '\n                 "airflow-sidecar-webhook/sidecars": \'[{"name": "uploader", "native": true}]\'\n' in text


def test_the_json_has_the_line_to_paste_and_where_it_belongs(program: InProcessProgram) -> None:
    (one,) = program.explained("--cluster-version", "1.34", "-", stdin=json.dumps(WITH_STRANGER))
    (remedy,) = one["remedies"]

    assert (remedy["reason"], remedy["containers"], remedy["place"]) == ("not-in-catalogue", ["uploader"], "annotations")
    assert yaml.safe_load(remedy["line"]) == {"airflow-sidecar-webhook/sidecars": '[{"name": "uploader", "native": true}]'}


@pytest.mark.parametrize("cluster", [(), ("--cluster-version", "1.34"), ("--cluster-version", "1.28")])
def test_a_pod_that_lives_is_explained_as_at_its_admission(program: InProcessProgram, cluster: tuple[str, ...]) -> None:
    at_admission = program.explained(*cluster, "-", stdin=json.dumps(WITH_STRANGER))[0]
    live = jsonpatch.apply_patch(WITH_STRANGER, at_admission["patch"])
    later = program.explained("-", stdin=json.dumps(live))[0]
    same = ("reason", "status", "remedies", "warnings")

    assert [later[member] for member in same] == [at_admission[member] for member in same]
    assert (later["result"], later["patch"]) == ("unchanged", [])
