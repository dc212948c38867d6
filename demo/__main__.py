"""``make demo``: the webhook patches two real Airflow pods, and each patched command runs to its end beside a proxy.

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

from demo.simulated_injectors import inject_istio
from demo.stand_in_istio_agent import StandInIstioAgent, reserved_ports
from demo.webhook import ENTRYPOINTS, DemoWebhook
from webhook.command.explainer import Explainer
from webhook.command.terminal import Style, stdout_palette
from webhook.policy_files import build_policy
from webhook.settings import Settings

HERE = Path(__file__).parent
PODS = HERE.parent / "tests" / "fixtures" / "airflow-pods" / "admission-simulated" / "airflow-3.3.2-provider-10.25.0"
PALETTE = stdout_palette()
READY_AFTER_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class DemoPod:
    """A pod of the demo.

    Args:
        title: The heading.
        file: Its review, among the fixtures.
        exit_code: The exit code of its task.

    """

    title: str
    file: str
    exit_code: int


DEMO_PODS = (
    DemoPod("1. A pod of the KubernetesExecutor: it sets no command, only args", "ke_pod_override.json", 0),
    DemoPod("2. A pod of the KubernetesPodOperator: its task fails with exit code 3", "kpo_cmds_args.json", 3),
)


def main() -> int:
    """Run the demo; 0 when every pod ended with the exit code of its task."""
    heading("airflow-sidecar-webhook: task pods that end")
    say("An Airflow task pod with an injected sidecar stays Running after its task: the sidecar never ends.")
    say("The webhook changes such a pod when it is created. Here it changes two pods, and both run to their end.")
    with DemoWebhook() as webhook:
        say(f"The webhook listens on https://127.0.0.1:{webhook.port}/mutate, with a throwaway certificate.")
        ended_well = [demonstrate(demo_pod, webhook) for demo_pod in DEMO_PODS]
    heading("What was real, and what was not")
    say("Real: the webhook and its TLS, both pods (as Airflow 3.3.2 sent them), the patch, the wrapper, the shell, the exit codes.")
    say("Stand-ins: Istio's injector, its proxy (two HTTP ports, no traffic), and Airflow's own module in the first pod.")
    say("Try it on a real Kubernetes with Istio on this machine: make cluster (needs root)")
    return 0 if all(ended_well) else 1


def demonstrate(demo_pod: DemoPod, webhook: DemoWebhook) -> bool:
    """Send one pod to the webhook, show the patch, and run the patched command; whether it ended as the task did."""
    heading(demo_pod.title)
    # Not 15020 and 15021, which may be in use on this machine.
    with reserved_ports(2) as (status_port, ready_port):
        return demonstrate_with_ports(demo_pod, webhook, status_port, ready_port)


def demonstrate_with_ports(demo_pod: DemoPod, webhook: DemoWebhook, status_port: int, ready_port: int) -> bool:
    """The same, with the ports of the pod's proxy."""
    review = json.loads((PODS / demo_pod.file).read_text("utf-8"))
    pod = review["request"]["object"] = with_proxy_ports(inject_istio(review["request"]["object"]), status_port, ready_port)
    answer = webhook.review(json.dumps(review).encode())["response"]
    patch = json.loads(base64.b64decode(answer["patch"]))
    explanation = Explainer(build_policy(Settings(entrypoints_file=ENTRYPOINTS)), namespace="airflow").of_pod(pod)
    say("The webhook's decision, its status, and the patch (lines with + are new):")
    print()
    print(explanation.as_text(PALETTE))
    print()
    if patch != list(explanation.outcome.operations):
        say("Failed: the webhook answered with another patch than the command line explains.")
        return False
    line = webhook.log_line("review")
    say(f"The webhook logged: result {line['result']}, reason {line['reason']}, {line['duration_seconds'] * 1000:.1f} ms.")
    with StandInIstioAgent(ready_after_seconds=READY_AFTER_SECONDS, status_port=status_port, ready_port=ready_port) as agent:
        return run(demo_pod, jsonpatch.apply_patch(pod, patch), agent)


def with_proxy_ports(pod: dict[str, Any], status_port: int, ready_port: int) -> dict[str, Any]:
    """The pod with these ports of its proxy, where Istio's own settings have them."""
    pod["metadata"]["annotations"]["status.sidecar.istio.io/port"] = str(status_port)
    proxy = next(container for container in pod["spec"]["containers"] if container["name"] == "istio-proxy")
    proxy["env"].append({"name": "ENVOY_STATUS_PORT", "value": str(ready_port)})
    return pod


def run(demo_pod: DemoPod, pod: dict[str, Any], agent: StandInIstioAgent) -> bool:
    """Run the patched command of the main container beside the proxy, and print what happened when."""
    main_container = next(container for container in pod["spec"]["containers"] if container["name"] == "base")
    argv = [*main_container["command"], *main_container["args"]]
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(HERE / "stand_in_airflow")}
    say(f"Now the patched command runs: {argv[0]} {argv[1]} <the wrapper> … and {len(argv) - 3} more words. The proxy is not ready yet.")
    started = time.monotonic()
    moments = [(started, "the main container starts")]
    task = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    moments += [(time.monotonic(), f"the task prints: {line.rstrip()}") for line in task.stdout or ()]
    code = task.wait()
    moments.append((time.monotonic(), f"the main container ends with exit code {code}, as its task did"))
    moments.append((time.monotonic(), f"the proxy ends with exit code {agent.wait_exit(60)}, as requested"))
    sent = [event for event in agent.events if event.name == "request"]
    requests = [(event.at, f"the wrapper sends {event.method} {event.path} to the proxy") for event in sent]
    for at, what in sorted(moments + first_and_last(requests)):
        print(f"  {dim(f'{at - started:6.2f} s')}  {what}")
    return code == demo_pod.exit_code


def first_and_last(moments: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """The first and the last of equal moments, with their number."""
    shown = []
    for what in dict.fromkeys(text for _, text in moments):
        times = [at for at, text in moments if text == what]
        shown.append((times[0], what))
        if len(times) > 1:
            shown.append((times[-1], f"{what}, {len(times)} times so far"))
    return shown


def heading(text: str) -> None:
    """Print the heading of a part."""
    print(f"\n{PALETTE.paint(text, Style.BOLD)}" if PALETTE.is_coloured else f"\n{text}\n{'-' * len(text)}")


def say(text: str) -> None:
    """Print a sentence."""
    print(f"  {text}")


def dim(text: str) -> str:
    """Text in a fainter colour, on a terminal."""
    return PALETTE.paint(text, Style.DIM)


if __name__ == "__main__":
    sys.exit(main())
