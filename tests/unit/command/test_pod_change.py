"""What ``explain`` shows of a change: each container in a line, then diffs that compare a container with itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import jsonpatch

from demo.simulated_injectors import inject_istio
from tests.support.pods import load

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram

NATIVE: Final = ("--cluster-version", "1.34")
HELPER: Final = {"HELPER_IMAGE": "registry.example.com/webhook:1"}
INJECTED: Final = inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))


def lines(program: InProcessProgram, pod: JSONObject, *options: str, **settings: str) -> list[str]:
    """The text, without its indentation."""
    return [line.removeprefix("  ") for line in program("explain", *options, "-", stdin=json.dumps(pod), **settings).splitlines()]


def changes(program: InProcessProgram, pod: JSONObject, *options: str, **settings: str) -> list[tuple[str | None, ...]]:
    """The changes in JSON."""
    (one,) = program.explained(*options, "-", stdin=json.dumps(pod), **settings)
    return [tuple(change.values()) for change in one["changes"]]


def test_a_container_that_moves_is_said_in_a_line_before_any_diff(program: InProcessProgram) -> None:
    text = lines(program, INJECTED, *NATIVE)

    assert text.index("change       istio-proxy: containers[1] -> initContainers[1], native") < text.index("--- pod as created")
    assert changes(program, INJECTED, *NATIVE) == [("istio-proxy", "containers[1]", "initContainers[1]", "native")]


def test_a_container_that_moves_is_compared_with_itself_and_no_other_one_is_shown(program: InProcessProgram) -> None:
    text = lines(program, INJECTED, *NATIVE)
    diffs = text[text.index("--- istio-proxy in containers[1]") :]

    assert "+restartPolicy: Always" in diffs
    assert [line for line in diffs if line.startswith("-") and not line.startswith("---")] == []
    assert [line for line in diffs if "name: base" in line or "image: " in line] == []


def test_a_wrapped_container_is_said_to_be(program: InProcessProgram) -> None:
    text = lines(program, INJECTED)

    assert "change       base: containers[0], wrapped" in text
    assert "+- airflow-sidecar-webhook" in text
    assert changes(program, INJECTED) == [("base", "containers[0]", "containers[0]", "wrapped")]


def test_a_container_that_is_added_is_said_to_be(program: InProcessProgram) -> None:
    pod = json.loads(json.dumps(INJECTED))
    pod["spec"]["containers"][0] |= {"image": "registry.example.com/distroless:1", "command": ["/app"]}
    (added, _) = changes(program, pod, **HELPER)

    assert added == ("airflow-sidecar-webhook-helper", None, "initContainers[0]", "added")
    assert "--- (none)" in lines(program, pod, **HELPER)


def test_a_native_sidecar_that_gets_its_mark_back_is_said_to_be_native(program: InProcessProgram) -> None:
    pod = jsonpatch.apply_patch(INJECTED, json.loads(program("patch", *NATIVE, "-", stdin=json.dumps(INJECTED))))
    del pod["spec"]["initContainers"][1]["restartPolicy"]

    assert changes(program, pod, *NATIVE) == [("istio-proxy", "initContainers[1]", "initContainers[1]", "native")]


def test_a_pod_that_stays_as_it_is_has_no_change(program: InProcessProgram) -> None:
    assert changes(program, load("helm-chart/chart-1.19.0-kubernetes-all/deployment-prod-scheduler.json")) == []
