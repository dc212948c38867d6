"""``explain``: what it shows, for people and for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

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
    assert "  +    - airflow-sidecar-webhook\n" in text
    assert "\x1b" not in text


def test_the_text_of_the_wrapper_is_not_shown(program: InProcessProgram) -> None:
    assert "asw_" not in program("explain", "-", stdin=INJECTED)


def test_values_of_env_and_args_are_not_shown(program: InProcessProgram) -> None:
    pod = json.loads(INJECTED)
    pod["spec"]["containers"][0] |= {"env": [{"name": "A", "value": "s3cr3t"}], "args": ["--password", "s3cr3t"]}

    assert "s3cr3t" not in program("explain", "-", stdin=json.dumps(pod))


def test_several_pods_are_explained_in_their_order(program: InProcessProgram) -> None:
    given = "---\n".join(yaml.safe_dump(load(f"{FOLDER}/{name}.json")) for name in ("ke_default", "kpo_hostnetwork"))
    explanations = json.loads(program("explain", "-o", "json", "-", stdin=given))

    assert [one["reason"] for one in explanations] == ["no-sidecar", "not-in-mesh"]


def test_the_settings_count(program: InProcessProgram) -> None:
    text = program("explain", str(FIXTURES / FOLDER / "kpo_cmds_args.json"), MODE="off")

    assert "skipped (switched-off)" in text


def test_a_pod_with_a_field_of_a_wrong_type_is_explained_as_malformed(program: InProcessProgram) -> None:
    (one,) = json.loads(program("explain", "-o", "json", "-", stdin='{"kind": "Pod", "metadata": {"labels": [1]}}'))

    assert one["reason"] == "malformed-pod"
    assert one["warnings"] == [
        "airflow-sidecar-webhook leaves the pod unchanged: Expected `object | null`, got `array` - at `$.metadata.labels`"
    ]
