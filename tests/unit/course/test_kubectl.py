"""The lines of kubectl that ``explain`` prints about a stuck pod."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.live_pods import CLOUD_SQL, FLUENT_BIT, ISTIO, RUNNING, UPLOADER, WAITING, ended, live_pod
from webhook.course.kubectl import LOCAL_PORTS

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
                *("port-forward", "pod/sales", "24202:15020"),
                *("&", "curl", "--silent", "--retry", "5", "--retry-delay", "1", "--retry-connrefused"),
                *("--write-out", r" HTTP %{http_code}\n"),
                *("--request", "POST", "http://127.0.0.1:24202/quitquitquit;", "kill", "$!"),
            ]
        ],
    ),
    "a signal": (
        live_pod({"base": ended(), "logs": RUNNING}, FLUENT_BIT),
        [[*NAMESPACE, "exec", "sales", "--container", "logs", "--", "/bin/sh", "-c", "kill -TERM 1"]],
    ),
    "a container that the kubelet cannot start": (
        live_pod({"base": ended(), "istio-proxy": WAITING}, ISTIO),
        [[*NAMESPACE, "describe", "pod", "sales"], [*NAMESPACE, "delete", "pod", "sales"]],
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


def test_each_pod_has_a_local_port_of_its_own_so_that_no_other_pods_sidecar_gets_the_request(program: InProcessProgram) -> None:
    pods = [live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO) for _ in range(3)]
    pods[1]["metadata"]["name"] = "visits"
    pods[2]["metadata"]["namespace"] = "data"
    ports = []
    for pod in pods:
        (step,) = steps_of(program, pod)
        (forward,) = re.findall(r" port-forward pod/\w+ (\d+):15020 & curl ", step)
        assert f" http://127.0.0.1:{forward}/quitquitquit; kill $!" in step
        ports.append(int(forward))

    assert len(set(ports)) == len(pods)
    assert all(port in LOCAL_PORTS for port in ports)


def test_names_of_a_hostile_file_cannot_leave_their_place_in_a_line(program: InProcessProgram) -> None:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    pod["metadata"] |= {"name": "a; rm -rf ~", "namespace": "$(reboot)\x1b[2J"}
    (step,) = steps_of(program, pod)

    assert shlex.split(step)[2:5] == ["$(reboot)\x1b[2J", "port-forward", "pod/a; rm -rf ~"]
    assert all(line.isprintable() for line in text_of(program, pod).split("\n"))
