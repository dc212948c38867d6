"""``explain``: what the webhook would do to each pod of a file, and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from webhook.command.assumed_cluster import add_cluster_arguments, as_line, assumed_cluster, cluster_of
from webhook.command.command import Command, HelpExample
from webhook.command.exit_code import ExitCode
from webhook.command.explanation import explain
from webhook.command.output import add_output_argument, write_json
from webhook.command.pod_file import add_pod_arguments, read_pods
from webhook.command.terminal import stdout_palette
from webhook.policy_files import build_policy

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.settings import Settings


def _add_arguments(parser: ArgumentParser) -> None:
    add_pod_arguments(parser)
    add_cluster_arguments(parser)
    add_output_argument(parser)


def _run(options: Namespace, settings: Settings) -> ExitCode:
    policy = build_policy(settings)
    cluster = assumed_cluster(options, settings, policy.catalogue)
    pods = read_pods(options.file)
    explanations = [explain(pod, policy, options.namespace, cluster_of(pod, cluster, policy.catalogue)) for pod in pods]
    if options.output == "json":
        write_json([one.as_json() for one in explanations])
    else:
        palette = stdout_palette()
        sys.stdout.write("\n\n".join([as_line(cluster), *(one.as_text(palette) for one in explanations)]) + "\n")
    return ExitCode.DONE


COMMAND: Final = Command(
    name="explain",
    summary="show what the webhook would do to each pod of a file, and why",
    description="Shows what the webhook would do to each pod of a file: the result, its reason, the pod's status, and the change as a "
    "diff. It connects to no cluster: the options say what the cluster has. The values of env and args are not shown.",
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
