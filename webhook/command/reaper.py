"""``reaper``: ends pods whose task has ended and whose sidecars run on."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from webhook.command.command import Command, HelpExample
from webhook.command.errors import UnusableError
from webhook.command.exit_code import ExitCode
from webhook.command.output import add_output_argument, write_json
from webhook.command.terminal import stdout_palette
from webhook.core import OPT_IN
from webhook.policy_files import build_policy
from webhook.reaper.act import Method
from webhook.reaper.decision import DEFAULT_GRACE, ReaperPolicy

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.command.cluster_client import ClusterConnection
    from webhook.command.reaper_report import ReaperReport
    from webhook.settings import Settings

MAX_GRACE_SECONDS: Final = 3600
DEFAULT_LEASE: Final = "airflow-sidecar-webhook-reaper"
DRY_RUN_LEASE: Final = f"{DEFAULT_LEASE}-dry-run"
"""Another one, as while a controller that only reports holds the Lease, no other one acts."""

DEFAULT_METHODS: Final = ",".join(method for method in Method if method in ReaperPolicy().methods)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="make one pass over the pods, and end; without it, watch them until SIGTERM")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="change no pod, and report what would be done, also by Events on the pods",
    )
    namespaces = parser.add_mutually_exclusive_group()
    namespaces.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        help="namespace of task pods; can be repeated (default: the namespace of the context or of the pod)",
    )
    namespaces.add_argument(
        "-A", "--all-namespaces", action="store_true", help=f"every namespace with the label {OPT_IN}, also those that get it later"
    )
    parser.add_argument(
        "--context", metavar="NAME", help="context of the kubeconfig (default: the service account in a pod, else the current one)"
    )
    parser.add_argument(
        "--methods",
        type=_methods,
        default=DEFAULT_METHODS,
        metavar="LIST",
        help=f"allowed methods, separated by commas, from {', '.join(Method)} (default: %(default)s)",
    )
    parser.add_argument(
        "--grace",
        type=_grace,
        default=str(int(DEFAULT_GRACE.total_seconds())),
        metavar="SECONDS",
        help="seconds from the end of the last container that is not a sidecar to the first act (default: %(default)s)",
    )
    parser.add_argument("--unmarked", action="store_true", help="also end pods that do not carry the webhook's status")
    parser.add_argument(
        "--end-successful",
        action="store_true",
        help="also set the deadline of a pod whose task succeeded; the pod is then Failed, and Airflow may count the task as failed",
    )
    parser.add_argument(
        "--lease",
        metavar="NAME",
        help="without --once: the Lease that one of the replicas holds, in the namespace of the context or the pod "
        f"(default: {DEFAULT_LEASE}; with --dry-run {DRY_RUN_LEASE})",
    )
    add_output_argument(parser)


def _run(options: Namespace, settings: Settings) -> ExitCode:
    if not options.once:
        _watch(options, settings)
        return ExitCode.DONE
    report = _sweep(options, settings)
    if options.output == "json":
        write_json(report.as_json())
    else:
        sys.stdout.write(report.as_text(stdout_palette()))
    return ExitCode.PROBLEM if report.has_problem else ExitCode.DONE


def _sweep(options: Namespace, settings: Settings) -> ReaperReport:
    # The Kubernetes client takes 35 MiB, which explain and patch do not need.
    from webhook.command.cluster_client import connect  # noqa: PLC0415
    from webhook.command.reaper_report import ReaperReport  # noqa: PLC0415
    from webhook.kube.errors import ClusterError  # noqa: PLC0415
    from webhook.reaper.namespaces import list_opted_in  # noqa: PLC0415
    from webhook.reaper.sweep import Sweep  # noqa: PLC0415

    connection = connect(os.environ, options.context)
    catalogue, policy = build_policy(settings).catalogue, _policy(options)
    try:
        if options.all_namespaces:
            policy = replace(policy, opted_in=frozenset(list_opted_in(connection.client)))
        namespaces = _namespaces(options, connection) if policy.opted_in is None else sorted(policy.opted_in)
        return ReaperReport(Sweep(connection.client, catalogue, policy, options.dry_run).run(namespaces), options.dry_run)
    except ClusterError as error:
        message = f"cannot read from the API server {connection.server}: {error}"
        raise UnusableError(message) from error


def _watch(options: Namespace, settings: Settings) -> None:
    from webhook.command.cluster_client import connect  # noqa: PLC0415
    from webhook.command.reaper_service import LeasePlace, run_controller  # noqa: PLC0415
    from webhook.reaper.scope import ReaperScope  # noqa: PLC0415

    connection = connect(os.environ, options.context)
    namespaces = () if options.all_namespaces else _namespaces(options, connection)
    scope = ReaperScope(namespaces, build_policy(settings).catalogue, _policy(options), options.dry_run)
    lease = options.lease or (DRY_RUN_LEASE if options.dry_run else DEFAULT_LEASE)
    run_controller(connection.client, scope, LeasePlace(connection.namespace, lease), settings)


def _namespaces(options: Namespace, connection: ClusterConnection) -> tuple[str, ...]:
    return tuple(dict.fromkeys(options.namespace or [connection.namespace]))


def _policy(options: Namespace) -> ReaperPolicy:
    return ReaperPolicy(options.grace, options.unmarked, options.methods, options.end_successful)


def _methods(text: str) -> frozenset[Method]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if unknown := [word for word in words if word not in set(Method)]:
        message = f"{', '.join(unknown)}: allowed are {', '.join(Method)}"
        raise ArgumentTypeError(message)
    return frozenset(map(Method, words))


def _grace(text: str) -> timedelta:
    if not text.isascii() or not text.isdigit() or int(text[:5]) > MAX_GRACE_SECONDS:
        message = f"{text!r} is not a number of seconds from 0 to {MAX_GRACE_SECONDS}"
        raise ArgumentTypeError(message)
    return timedelta(seconds=int(text))


COMMAND: Final = Command(
    name="reaper",
    summary="end pods whose task has ended and whose sidecars run on",
    description="Reads the Running task pods of the namespaces, and ends those whose task has ended while sidecars keep them Running: by "
    "the sidecar's quit request over a port-forward, or, where the task has failed and nothing else ends a sidecar, by the pod's "
    "activeDeadlineSeconds. It says what it did and why (docs/reaper.md). With --once it makes one pass, waits until each pod has ended, "
    "and prints a report. Without it, it watches the pods until SIGTERM, and writes log lines and metrics. Both write Events on the pods, "
    "also with --dry-run. Give it the settings of serve, for the sidecars that your own rows describe.",
    examples=(
        HelpExample("What it would do in the namespace of your task pods:", "airflow-sidecar-webhook reaper --once --dry-run -n airflow"),
        HelpExample(
            "Do it, in two namespaces, also for pods from before the webhook was installed:",
            "airflow-sidecar-webhook reaper --once --unmarked -n airflow -n data",
        ),
        HelpExample(
            "Watch the pods, and report what would be done by log lines and Events:", "airflow-sidecar-webhook reaper --dry-run -n airflow"
        ),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
