"""``make demo``: a real Airflow pod goes in, the patch comes out, and the patched command runs to its end beside a proxy.

Real: the service, TLS, the pods (bodies that Airflow's own code sent), the wrapper and the shell that runs it, the exit codes.
Stand-ins: Istio's injector (`demo.simulated_injectors`), its proxy (`demo.stand_in_istio_agent`) and, for the executor's pod, Airflow's
own module (`demo/stand_in_airflow`).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch

from demo.service import Service
from demo.simulated_injectors import inject_istio
from demo.stand_in_istio_agent import StandInIstioAgent
from webhook.command.explanation import BOLD, DIM, PLAIN, explain
from webhook.policy_files import build_policy
from webhook.settings import Settings

HERE = Path(__file__).parent
PODS = HERE.parent / "tests" / "fixtures" / "airflow-pods" / "admission-simulated" / "airflow-3.3.2-provider-10.25.0"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
READY_AFTER_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class Case:
    """One pod of the story.

    Args:
        title: What it is.
        file: Its review among the fixtures.
        exit_code: What its task ends with.

    """

    title: str
    file: str
    exit_code: int


CASES = (
    Case("A pod of the KubernetesExecutor: args alone, in an image of the team's own", "ke_pod_override.json", 0),
    Case("A pod of the KubernetesPodOperator: a task that fails with code 3", "kpo_cmds_args.json", 3),
)


def main() -> int:
    """Tell the story; 0 when it ended as it should."""
    heading("airflow-sidecar-webhook: task pods that end")
    say("A throwaway CA, a certificate, and the real service on the loopback over TLS.")
    with Service() as service:
        say(f"Listening on https://127.0.0.1:{service.port}/mutate")
        ended_well = [demonstrate(case, service) for case in CASES]
    heading("What was real, and what was not")
    say("Real: the service and its TLS, both pods (as Airflow 3.3.2 sent them), the patch, the wrapper, the shell, the exit codes.")
    say("Stand-ins: Istio's injector, its proxy (the two HTTP ports only, no traffic), and Airflow's own module in the first pod.")
    return 0 if all(ended_well) else 1


def demonstrate(case: Case, service: Service) -> bool:
    """One pod: in, out, run."""
    heading(case.title)
    with StandInIstioAgent(ready_after_seconds=READY_AFTER_SECONDS) as agent:
        started = time.monotonic()
        review = json.loads((PODS / case.file).read_text("utf-8"))
        pod = review["request"]["object"] = with_proxy_on(inject_istio(review["request"]["object"]), agent)
        answer = service.review(json.dumps(review).encode())["response"]
        patch = json.loads(base64.b64decode(answer["patch"]))
        explanation = explain(pod, build_policy(Settings()), "airflow")
        print(explanation.as_text(colour=COLOUR))
        if patch != list(explanation.outcome.operations):
            say("The service and the command line disagree.")
            return False
        line = service.log_line("review")
        say(f"Its log line: result {line['result']}, reason {line['reason']}, {line['duration_seconds'] * 1000:.1f} ms.")
        return run(case, jsonpatch.apply_patch(pod, patch), agent, started)


def with_proxy_on(pod: dict[str, Any], agent: StandInIstioAgent) -> dict[str, Any]:
    """Tell the pod where this proxy listens, as Istio's own settings would: 15020 and 15021 may be taken on this machine."""
    pod["metadata"]["annotations"]["status.sidecar.istio.io/port"] = str(agent.status_port)
    proxy = next(container for container in pod["spec"]["containers"] if container["name"] == "istio-proxy")
    proxy["env"].append({"name": "ENVOY_STATUS_PORT", "value": str(agent.ready_port)})
    return pod


def run(case: Case, pod: dict[str, Any], agent: StandInIstioAgent, started: float) -> bool:
    """Execute the patched command line of the main container beside the proxy, and show what happened when."""
    main_container = next(container for container in pod["spec"]["containers"] if container["name"] == "base")
    argv = [*main_container["command"], *main_container["args"]]
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(HERE / "stand_in_airflow")}
    say(f"Now {argv[0]} {argv[1]} <the wrapper> … runs, {len(argv)} words in all. The proxy is not ready yet.")
    moments = [(time.monotonic(), "the container's command is started")]
    task = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    moments += [(time.monotonic(), f"the task says: {line.rstrip()}") for line in task.stdout or ()]
    code = task.wait()
    moments.append((time.monotonic(), f"the container ends with code {code}"))
    moments.append((time.monotonic(), f"the proxy ended with code {agent.wait_exit(5)}"))
    asked = [(event.at, f"the proxy is asked: {event.method} {event.path}") for event in agent.events if event.name == "request"]
    for at, what in sorted(moments + firsts(asked)):
        print(f"  {dim(f'{at - started:6.2f} s')}  {what}")
    return code == case.exit_code


def firsts(moments: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """The first and the last of equal things, with how many there were between."""
    shown = []
    for what in dict.fromkeys(text for _, text in moments):
        times = [at for at, text in moments if text == what]
        shown.append((times[0], what))
        if len(times) > 1:
            shown.append((times[-1], f"{what}, {len(times)} times by now"))
    return shown


def heading(text: str) -> None:
    """A line that begins a part."""
    print(f"\n{BOLD}{text}{PLAIN}" if COLOUR else f"\n{text}\n{'-' * len(text)}")


def say(text: str) -> None:
    """A sentence."""
    print(f"  {text}")


def dim(text: str) -> str:
    """A figure beside a sentence."""
    return f"{DIM}{text}{PLAIN}" if COLOUR else text


if __name__ == "__main__":
    sys.exit(main())
