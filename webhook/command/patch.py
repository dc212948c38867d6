"""``patch``: the JSON patch for a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.command.assumed_cluster import add_cluster_arguments, assumed_cluster, cluster_of
from webhook.command.command import FILE, Command, HelpExample
from webhook.command.exit_code import ExitCode
from webhook.command.output import write_json
from webhook.command.pod_file import ALLOWED, DEFAULT_NAMESPACE, read_one_pod
from webhook.core import treat
from webhook.policy_files import build_policy

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.settings import Settings


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar=FILE, help=f"{ALLOWED}; - is stdin")
    parser.add_argument("-n", "--namespace", help=f"namespace of pods that name none (default: {DEFAULT_NAMESPACE})")
    add_cluster_arguments(parser)


def _run(options: Namespace, settings: Settings) -> ExitCode:
    policy = build_policy(settings)
    pod = read_one_pod(options.file)
    cluster = cluster_of(pod, assumed_cluster(options, settings, policy.catalogue), policy.catalogue)
    write_json(treat(pod, policy, cluster).operations)
    return ExitCode.DONE


COMMAND: Final = Command(
    name="patch",
    summary="print the webhook's JSON patch for a pod",
    description="Prints the JSON patch (RFC 6902) that the webhook would answer with for the one pod of a file; [] if nothing changes. It "
    "connects to no cluster: the options say what the cluster has.",
    examples=(
        HelpExample("The patch for a pod on Kubernetes 1.34:", "airflow-sidecar-webhook patch --cluster-version 1.34 pod.yaml"),
        HelpExample("The same for a pod of your cluster:", "kubectl get pod my-task-pod -o json | airflow-sidecar-webhook patch -"),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
