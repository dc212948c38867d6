"""``explain``: what the webhook would do to each pod of a file, and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from webhook.command.assumed_cluster import add_cluster_arguments, as_line, assumed_cluster, cluster_of
from webhook.command.command import Command, HelpExample
from webhook.command.errors import UnusableError
from webhook.command.exit_code import ExitCode
from webhook.command.explanation import explain, explain_live
from webhook.command.output import add_output_argument, write_json
from webhook.command.pod_file import DEFAULT_NAMESPACE, add_pod_arguments, read_pods
from webhook.command.terminal import stdout_palette
from webhook.policy_files import build_policy

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.command.explanation import Explanation
    from webhook.core import Policy
    from webhook.settings import Settings


LIVE: Final = "pod/"
"""What the name of a pod of the cluster starts with, as kubectl writes it."""


def _add_arguments(parser: ArgumentParser) -> None:
    add_pod_arguments(parser)
    parser.add_argument(
        "--context", metavar="NAME", help=f"context of the kubeconfig from which {LIVE}NAME is read (default: the current one)"
    )
    add_cluster_arguments(parser)
    add_output_argument(parser)


def _run(options: Namespace, settings: Settings) -> ExitCode:
    policy = build_policy(settings)
    cluster = assumed_cluster(options, settings, policy.catalogue)
    if options.file.startswith(LIVE) and not Path(options.file).exists():
        heads, explanations = [], [_explain_live(options, settings, policy)]
    else:
        place = options.namespace or DEFAULT_NAMESPACE
        heads = [as_line(cluster)]
        explanations = [explain(pod, policy, place, cluster_of(pod, cluster, policy.catalogue)) for pod in read_pods(options.file)]
    if options.output == "json":
        write_json([one.as_json() for one in explanations])
    else:
        palette = stdout_palette()
        sys.stdout.write("\n\n".join([*heads, *(one.as_text(palette) for one in explanations)]) + "\n")
    return ExitCode.DONE


def _explain_live(options: Namespace, settings: Settings, policy: Policy) -> Explanation:
    if options.cluster_version or options.injected_by:
        message = f"{options.file} is explained as in its cluster: --cluster-version and --injected-by are for pods of a file"
        raise UnusableError(message)
    # The Kubernetes client takes 35 MiB, which a pod of a file does not need.
    from webhook.command.live_pod import read_live_pod  # noqa: PLC0415

    live = read_live_pod(options.file.removeprefix(LIVE), options.namespace, options.context, settings, policy.catalogue)
    return explain_live(live.pod, policy, DEFAULT_NAMESPACE, live.cluster)


COMMAND: Final = Command(
    name="explain",
    summary="show what the webhook does to a pod, why, and what to do about it",
    description="Shows what the webhook would do to each pod of a file: the result, its reason, the pod's status, what to do where the pod "
    "may not end, with a line to paste, and the change as a diff. For a file it connects to no cluster: the options say what the cluster "
    "has. A pod that carries the webhook's status is explained as at its admission. pod/NAME instead of FILE is a pod of the kubeconfig's "
    "cluster. The values of env and args are not shown.",
    examples=(
        HelpExample("A pod of a file, on a cluster of which nothing is known:", "airflow-sidecar-webhook explain pod.yaml"),
        HelpExample(
            "A pod of your cluster, which runs Kubernetes 1.34 and Istio's injector:",
            "kubectl get pod my-task-pod -o yaml | airflow-sidecar-webhook explain --cluster-version 1.34 --injected-by istio -",
        ),
        HelpExample(
            "All pods of a namespace, with the webhook's settings, as JSON:",
            "kubectl get pods -n airflow -o json | airflow-sidecar-webhook explain --config settings.yaml -o json -",
        ),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
