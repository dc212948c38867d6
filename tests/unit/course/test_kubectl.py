"""The lines of kubectl that ``explain`` prints about a stuck pod."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.live_pods import CLOUD_SQL, FLUENT_BIT, ISTIO, RUNNING, UPLOADER, WAITING, ended, live_pod
from tests.wrapper.requirements import require_program

if TYPE_CHECKING:
    from pathlib import Path

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
                *("sh", "-c", 'echo $$; exec "$@"', "-", *NAMESPACE, "port-forward", "pod/sales", ":15020"),
                *("|", "if", "read", "-r", "pid", "&&", "read", "-r", "word", "word", "at", "word;"),
                *("then", "curl", "--silent", "--write-out", r" HTTP %{http_code}\n", "--request", "POST", "http://$at/quitquitquit;"),
                *("kill", "$pid;", "fi"),
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


KUBECTL_THAT_LISTENS: Final = """
echo "kubectl $*" >&2
trap 'echo "kubectl was ended" >&2; exit' TERM
echo "Forwarding from 127.0.0.1:40123 -> 15020"
echo "Forwarding from [::1]:40123 -> 15020"
while :; do sleep 0.05; done
"""
KUBECTL_THAT_FAILS: Final = "echo 'kubectl cannot listen' >&2; exit 1"
CURL: Final = """for last; do :; done; echo "curl $last" >&2"""


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh"])
@pytest.mark.parametrize(
    ("kubectl", "done"),
    [
        (
            KUBECTL_THAT_LISTENS,
            [
                "kubectl --namespace airflow port-forward pod/sales :15020",
                "curl http://127.0.0.1:40123/quitquitquit",
                "kubectl was ended",
            ],
        ),
        (KUBECTL_THAT_FAILS, ["kubectl cannot listen"]),
    ],
    ids=["listens", "fails"],
)
def test_a_quit_request_goes_to_the_port_on_which_kubectl_listens_or_nowhere(
    program: InProcessProgram, tmp_path: Path, shell: str, kubectl: str, done: Line
) -> None:
    require_program(shell)
    for name, text in {"kubectl": kubectl, "curl": CURL}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}", "utf-8")
        (tmp_path / name).chmod(0o755)
    (step,) = steps_of(program, live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run([shell, "-c", step], env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert (ran.stdout, ran.stderr.splitlines()) == ("", done)


def test_names_of_a_hostile_file_cannot_leave_their_place_in_a_line(program: InProcessProgram) -> None:
    pod = live_pod({"base": ended(), "istio-proxy": RUNNING}, ISTIO)
    pod["metadata"] |= {"name": "a; rm -rf ~", "namespace": "$(reboot)\x1b[2J"}
    (step,) = steps_of(program, pod)

    assert shlex.split(step)[6:9] == ["$(reboot)\x1b[2J", "port-forward", "pod/a; rm -rf ~"]
    assert all(line.isprintable() for line in text_of(program, pod).split("\n"))
