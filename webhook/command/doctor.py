"""``doctor``: what is wrong with a cluster for Airflow's task pods, and what to do about it."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final

from webhook.command.command import Command, HelpExample
from webhook.command.exit_code import ExitCode
from webhook.command.output import add_output_argument, write_json
from webhook.command.terminal import stdout_palette
from webhook.policy_files import build_policy

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.doctor.snapshot import ReaperAccount
    from webhook.settings import Settings


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-n", "--namespace", help="namespace of the task pods (default: the namespace of the context)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    parser.add_argument(
        "--reaper",
        type=_account,
        metavar="NAMESPACE/NAME",
        help="also check the rights of the reaper's service account in the namespace of the task pods",
    )
    add_output_argument(parser)


def _run(options: Namespace, settings: Settings) -> ExitCode:
    # The Kubernetes client takes 35 MiB, which no other command but serve needs.
    from webhook.command.doctor_report import diagnose  # noqa: PLC0415

    report = diagnose(settings, build_policy(settings), options.context, options.namespace, options.reaper)
    if options.output == "json":
        write_json(report.as_json())
    else:
        sys.stdout.write(report.as_text(stdout_palette()))
    return ExitCode.PROBLEM if report.has_problem else ExitCode.DONE


def _account(text: str) -> ReaperAccount:
    from webhook.doctor.snapshot import ReaperAccount  # noqa: PLC0415  no other command needs it

    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        message = f"{text!r} is not NAMESPACE/NAME"
        raise ArgumentTypeError(message)
    return ReaperAccount(namespace, name)


COMMAND: Final = Command(
    name="doctor",
    summary="check a cluster for problems with task pods, and say how to fix them",
    description="Checks the cluster of the current kubeconfig with your own credentials: whether it supports native sidecars (by versions, "
    "and by a strict dry run of a pod with one), which mutating webhooks are called for pods of the namespace and in which order, whether "
    "the namespace has opted in, which pods are stuck, and what to do about pods that may not end. It changes nothing. Give it "
    "the settings of serve: native_sidecars and minimum_kubelet decide what counts as a problem.",
    examples=(
        HelpExample("Check the namespace of your task pods:", "airflow-sidecar-webhook doctor -n airflow"),
        HelpExample("The same in another cluster of the kubeconfig:", "airflow-sidecar-webhook doctor -n airflow --context staging"),
        HelpExample("With the webhook's settings, as JSON:", "airflow-sidecar-webhook doctor -n airflow --config settings.yaml -o json"),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
