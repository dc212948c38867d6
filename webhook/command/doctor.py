"""``doctor``: what is wrong with a cluster for Airflow's task pods, and what to do about it."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final

from webhook.command.command import Command, HelpExample
from webhook.command.errors import UnusableError
from webhook.command.output import JSON, add_output_argument, write_json
from webhook.command.terminal import stdout_palette

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.command.checked_cluster import CheckResult
    from webhook.command.exit_code import ExitCode
    from webhook.doctor.snapshot import ReaperAccount
    from webhook.settings import Settings

MOST_SECONDS: Final = 86_400
"""A day."""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-n", "--namespace", help="namespace of the task pods (default: the namespace of the context)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    parser.add_argument(
        "--reaper",
        type=_account,
        metavar="NAMESPACE/NAME",
        help="also check the rights of the reaper's service account in the namespace of the task pods",
    )
    parser.add_argument(
        "-A",
        "--all-namespaces",
        action="store_true",
        help="list the stuck pods of all namespaces that have opted in, instead of checking one namespace",
    )
    parser.add_argument(
        "--wait",
        type=_seconds,
        metavar="SECONDS",
        help=f"check again until there is no problem any more, for at most so many seconds (1 to {MOST_SECONDS})",
    )
    parser.add_argument("--short", action="store_true", help="print one line for scripts: a word for the exit code, then counts")
    add_output_argument(parser)


def _run(options: Namespace, settings: Settings) -> ExitCode:
    _validate(options)
    # The Kubernetes client takes 35 MiB, which no other command but serve needs.
    from webhook.command.checked_cluster import checked_cluster_of, until_no_problem  # noqa: PLC0415

    cluster = checked_cluster_of(options.context, settings)

    def check() -> CheckResult:
        return cluster.fleet() if options.all_namespaces else cluster.namespace(options.namespace, options.reaper)

    result = check() if options.wait is None else until_no_problem(check, options.wait)
    if options.output == JSON:
        write_json(result.as_document())
    else:
        sys.stdout.write(f"{result.as_line()}\n" if options.short else result.as_text(stdout_palette()))
    return result.exit_code


def _validate(options: Namespace) -> None:
    """UnusableError: the arguments do not belong together."""
    if options.all_namespaces and (options.namespace or options.reaper):
        message = "--all-namespaces lists the stuck pods of all namespaces: --namespace and --reaper are for the checks of one"
    elif options.short and options.output == JSON:
        message = "--short prints a line of text: leave out --output json"
    else:
        return
    raise UnusableError(message)


def _seconds(text: str) -> int:
    is_short_number = text.isascii() and text.isdigit() and len(text) <= len(str(MOST_SECONDS))
    if not is_short_number or not 1 <= int(text) <= MOST_SECONDS:
        message = f"{text!r} is not a number of seconds from 1 to {MOST_SECONDS}"
        raise ArgumentTypeError(message)
    return int(text)


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
    "the namespace has opted in, which pods are stuck, and what to do about pods that may not end. It changes nothing. It goes by the "
    "settings of the installed webhook if you may read its Deployment and give none: native_sidecars and minimum_kubelet decide what "
    "counts as a problem. With -A it lists the stuck pods of all namespaces that have opted in, and the slot-hours that they waste.",
    examples=(
        HelpExample("Check the namespace of your task pods:", "airflow-sidecar-webhook doctor -n airflow"),
        HelpExample("The stuck pods of all namespaces that have opted in:", "airflow-sidecar-webhook doctor -A"),
        HelpExample("A line for a script, of another cluster:", "airflow-sidecar-webhook doctor -n airflow --context staging --short"),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
