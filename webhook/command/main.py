"""``airflow-sidecar-webhook``: serve, explain, patch.

Exit codes: 0 done; 1 a fault of the webhook's own, which is a bug; 2 a command line, file, setting or certificate that cannot be used.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from webhook import __version__
from webhook.command.explanation import explain, wants_colour
from webhook.command.pod_file import ALLOWED, PodFileError, read_pods
from webhook.core.errors import MalformedReviewError, WebhookError
from webhook.core.prepared import to_json
from webhook.policy_files import build_policy
from webhook.settings import CONFIG, Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

FAULT: Final = 1
UNUSABLE: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (SettingsError, PodFileError, MalformedReviewError) as problem:
        return _say(problem, UNUSABLE)
    except WebhookError as fault:
        return _say(fault, FAULT)
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _serve(options: argparse.Namespace) -> int:
    # The server's libraries are 20 MiB that explain and patch have no use for.
    from webhook.server.certificate import CertificateError  # noqa: PLC0415
    from webhook.server.serve import serve  # noqa: PLC0415

    try:
        serve(_settings(options))
    except CertificateError as problem:
        return _say(problem, UNUSABLE)
    return 0


def _explain(options: argparse.Namespace) -> int:
    policy = build_policy(_settings(options))
    explanations = [explain(pod, policy, options.namespace) for pod in read_pods(options.file)]
    if options.output == "json":
        sys.stdout.write(msgspec.json.format(to_json([one.as_json() for one in explanations])).decode() + "\n")
        return 0
    colour = wants_colour() and "NO_COLOR" not in os.environ
    sys.stdout.write("\n\n".join(one.as_text(colour=colour) for one in explanations) + "\n")
    return 0


def _patch(options: argparse.Namespace) -> int:
    policy = build_policy(_settings(options))
    pods = read_pods(options.file)
    if len(pods) > 1:
        message = f"{options.file}: holds {len(pods)} pods; patch takes one, explain -o json takes any number"
        raise PodFileError(message)
    operations = explain(pods[0], policy, options.namespace).outcome.operations
    sys.stdout.write(msgspec.json.format(to_json(operations)).decode() + "\n")
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    return read_settings(os.environ, options.config)


def _say(problem: Exception, code: int) -> int:
    for line in str(problem).splitlines():
        sys.stderr.write(f"airflow-sidecar-webhook: {line}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airflow-sidecar-webhook",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, metavar="FILE", help=f"settings as YAML (default: ${CONFIG})")
    serving = commands.add_parser("serve", parents=[shared], help="serve the webhook over HTTPS, and health and metrics over HTTP")
    serving.set_defaults(run=_serve)
    explaining = commands.add_parser("explain", parents=[shared, _pod_arguments()], help="say what would be done to each pod, and why")
    explaining.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: %(default)s")
    explaining.set_defaults(run=_explain)
    patching = commands.add_parser("patch", parents=[shared, _pod_arguments()], help="print the JSON patch for a pod")
    patching.set_defaults(run=_patch)
    return parser


def _pod_arguments() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(add_help=False)
    arguments.add_argument("file", metavar="FILE", help=f"{ALLOWED}; - is stdin")
    arguments.add_argument("-n", "--namespace", default="default", help="namespace of pods that do not say (default: %(default)s)")
    return arguments


_DESCRIPTION: Final = "Lets Airflow's task pods end beside injected sidecars."
_EPILOG: Final = (
    "Exit codes: 0 done; 1 a fault of the webhook's own, which is a bug; "
    "2 a command line, file, setting or certificate that cannot be used."
)
