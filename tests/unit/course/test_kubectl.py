"""The lines of kubectl that ``explain`` prints about a stuck pod."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.live_pods import CLOUD_SQL, FLUENT_BIT, ISTIO, RUNNING, UPLOADER, ended, live_pod

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from tests.support.program import InProcessProgram


def steps_of(program: InProcessProgram, pod: JSONObject) -> list[str]:
    """The lines in JSON."""
    (one,) = program.explained("-", stdin=json.dumps({"kind": "Pod", **pod}))
    return [step["line"] for step in one["course"]["now"] if step["line"]]


def text_of(program: InProcessProgram, pod: JSONObject) -> str:
    """The explanation for people."""
    return program.run("explain", "-", stdin=json.dumps({"kind": "Pod", **pod})).stdout


Line = list[str]
NAMESPACE: Final = ["kubectl", "--namespace", "airflow"]
ENDS: Final[dict[str, tuple[JSONObject, list[Line]]]] = {
    "a quit request": (
        live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO),
        [
            [
                *NAMESPACE,
                *("port-forward", "pod/sales", "15020"),
                *("&", "curl", "--retry", "5", "--retry-delay", "1", "--retry-connrefused"),
                *("--request", "POST", "http://127.0.0.1:15020/quitquitquit;", "kill", "$!"),
            ]
        ],
    ),
    "a signal": (
        live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT),
        [[*NAMESPACE, "exec", "sales", "--container", "logs", "--", "/bin/sh", "-c", "kill -TERM 1"]],
    ),
    "a deadline after a task that failed": (
        live_pod({"base": ended(1), "db": RUNNING}, CLOUD_SQL),
        [[*NAMESPACE, "patch", "pod", "sales", "--type", "merge", "--patch", '{"spec":{"activeDeadlineSeconds":600}}']],
    ),
    "nothing that keeps a success": (live_pod({"base": ended(), "db": RUNNING}, CLOUD_SQL), [[*NAMESPACE, "delete", "pod", "sales"]]),
    "an unknown container": (
        live_pod({"base": ended(), "uploader": RUNNING}, UPLOADER),
        [[*NAMESPACE, "logs", "sales", "--container", "uploader", "--tail", "20"], [*NAMESPACE, "delete", "pod", "sales"]],
    ),
}


@pytest.mark.parametrize(("pod", "lines"), ENDS.values(), ids=ENDS)
def test_what_ends_the_pod_now_is_a_line_to_paste(program: InProcessProgram, pod: JSONObject, lines: list[Line]) -> None:
    steps = steps_of(program, pod)

    assert [shlex.split(step) for step in steps] == lines
    assert [f"\n                 {step}\n" in text_of(program, pod) for step in steps] == [True] * len(steps)


def test_names_of_a_hostile_file_cannot_leave_their_place_in_a_line(program: InProcessProgram) -> None:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    pod["metadata"] |= {"name": "a; rm -rf ~", "namespace": "$(reboot)\x1b[2J"}
    (step,) = steps_of(program, pod)

    assert shlex.split(step)[2:5] == ["$(reboot)\x1b[2J", "port-forward", "pod/a; rm -rf ~"]
    assert all(line.isprintable() for line in text_of(program, pod).split("\n"))
