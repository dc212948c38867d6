"""``serve``: the webhook itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.command.command import Command, HelpExample
from webhook.command.errors import UnusableError
from webhook.command.exit_code import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from webhook.settings import Settings


def _add_arguments(_: ArgumentParser) -> None:
    """The settings say everything."""


def _run(_: Namespace, settings: Settings) -> ExitCode:
    # The server's libraries take 20 MiB, which no other command needs.
    from webhook.server.certificate import CertificateError  # noqa: PLC0415
    from webhook.server.serve import serve  # noqa: PLC0415

    try:
        serve(settings)
    except CertificateError as problem:
        raise UnusableError(str(problem)) from problem
    return ExitCode.DONE


COMMAND: Final = Command(
    name="serve",
    summary="serve the webhook over HTTPS, and health and metrics over HTTP",
    description="Serves the webhook over HTTPS, and health and metrics over HTTP, until it gets SIGTERM. Every option is a setting "
    "(docs/reference.md#settings): a key of the file that --config names, or an environment variable, which takes precedence.",
    examples=(
        HelpExample("With the settings of a file:", "airflow-sidecar-webhook serve --config settings.yaml"),
        HelpExample(
            "With one of them set by the environment:",
            "AIRFLOW_SIDECAR_WEBHOOK__MODE=off airflow-sidecar-webhook serve --config settings.yaml",
        ),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
