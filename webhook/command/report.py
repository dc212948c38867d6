"""``report``: what became of the task pods of a whole cluster, as text, JSON or a page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from webhook.command.command import Command, HelpExample
from webhook.command.exit_code import ExitCode
from webhook.command.output import JSON, add_output_argument, write_json
from webhook.command.terminal import stdout_palette

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.settings import Settings

HTML: Final = "html"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-A", "--all-namespaces", action="store_true", required=True, help="of all namespaces that have opted in; there is no other report"
    )
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    add_output_argument(parser, HTML)


def _run(options: Namespace, settings: Settings) -> ExitCode:
    # The Kubernetes client takes 35 MiB, which no other command but serve needs.
    from webhook.command.checked_cluster import checked_cluster_of  # noqa: PLC0415

    report = checked_cluster_of(options.context, settings).report()
    if options.output == JSON:
        write_json(report)
    elif options.output == HTML:
        from webhook.report.page import write_page  # noqa: PLC0415  Jinja takes a tenth of a second

        sys.stdout.write(write_page(report))
    else:
        from webhook.command.report_text import report_text  # noqa: PLC0415  no other command needs it

        sys.stdout.write(report_text(report, stdout_palette()))
    return ExitCode.DONE if report.is_complete else ExitCode.INCOMPLETE


COMMAND: Final = Command(
    name="report",
    summary="what became of the task pods of a cluster, for whoever runs the webhook for others",
    description="Reads all task pods of the namespaces that have opted in with your own credentials, and adds them up: how the webhook "
    "treated them and why, which it left or never saw, which are stuck, how many slot-hours pods wasted in each week, which sidecars it "
    "met, which versions of it are in use, and what doctor finds in each namespace. It changes nothing. Pods that somebody has deleted "
    "are not counted; Airflow deletes most of its own pods when they have ended.",
    examples=(
        HelpExample("As text:", "airflow-sidecar-webhook report -A"),
        HelpExample("As a page that needs nothing else, to send to others:", "airflow-sidecar-webhook report -A -o html > report.html"),
        HelpExample("As JSON:", "airflow-sidecar-webhook report -A -o json"),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
