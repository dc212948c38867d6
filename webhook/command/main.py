"""``airflow-sidecar-webhook``: serve, explain, patch, doctor.

Exit codes: 0 done; 1 a fault of the webhook's own, which is a bug; 2 a command line, file, setting, certificate or kubeconfig that cannot
be used; 3 the doctor found a problem.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from webhook import __version__
from webhook.command.assumed_cluster import cluster_version, suppose, told
from webhook.command.explanation import explain, wants_colour
from webhook.command.pod_file import ALLOWED, PodFileError, read_pods
from webhook.core import MalformedReviewError, RulesError, to_json
from webhook.policy_files import build_policy
from webhook.settings import CONFIG, Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webhook.core import Cluster, Policy

FAULT: Final = 1
UNUSABLE: Final = 2
PROBLEM: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (SettingsError, PodFileError, MalformedReviewError) as problem:
        return _say(problem, UNUSABLE)
    except RulesError as fault:
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
    settings = _settings(options)
    policy = build_policy(settings)
    cluster = _cluster(options, settings, policy)
    explanations = [explain(pod, policy, options.namespace, cluster) for pod in read_pods(options.file)]
    if options.output == "json":
        sys.stdout.write(msgspec.json.format(to_json([one.as_json() for one in explanations])).decode() + "\n")
        return 0
    colour = _wants_colour()
    sys.stdout.write("\n\n".join([told(cluster, settings), *(one.as_text(colour=colour) for one in explanations)]) + "\n")
    return 0


def _patch(options: argparse.Namespace) -> int:
    settings = _settings(options)
    policy = build_policy(settings)
    pods = read_pods(options.file)
    if len(pods) > 1:
        message = f"{options.file}: holds {len(pods)} pods; patch takes one, explain -o json takes any number"
        raise PodFileError(message)
    operations = explain(pods[0], policy, options.namespace, _cluster(options, settings, policy)).outcome.operations
    sys.stdout.write(msgspec.json.format(to_json(operations)).decode() + "\n")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    # The kubernetes client is 35 MiB that nothing else here has use for.
    from webhook.command.visit import visit  # noqa: PLC0415
    from webhook.kube.errors import KubeconfigError  # noqa: PLC0415

    settings = _settings(options)
    try:
        report = visit(settings, build_policy(settings).catalogue, options.context, options.namespace)
    except KubeconfigError as problem:
        return _say(problem, UNUSABLE)
    sys.stdout.write(report.as_json() if options.output == "json" else report.as_text(colour=_wants_colour()))
    return PROBLEM if report.has_problem else 0


def _cluster(options: argparse.Namespace, settings: Settings, policy: Policy) -> Cluster:
    return suppose(options.cluster_version, options.injected_by, settings, policy.catalogue)


def _wants_colour() -> bool:
    return wants_colour() and "NO_COLOR" not in os.environ


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
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: %(default)s")
    pods = [shared, _pod_arguments(), _cluster_arguments()]
    explaining = commands.add_parser("explain", parents=[*pods, output], help="say what would be done to each pod, and why")
    explaining.set_defaults(run=_explain)
    patching = commands.add_parser("patch", parents=pods, help="print the JSON patch for a pod")
    patching.set_defaults(run=_patch)
    examining = commands.add_parser(
        "doctor",
        parents=[shared, output, _access_arguments()],
        help="say what is wrong with the cluster of the current kubeconfig, and what to do about it",
        description=_DOCTOR,
        epilog=_DOCTOR_EPILOG,
    )
    examining.set_defaults(run=_doctor)
    return parser


def _pod_arguments() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(add_help=False)
    arguments.add_argument("file", metavar="FILE", help=f"{ALLOWED}; - is stdin")
    arguments.add_argument("-n", "--namespace", default="default", help="namespace of pods that do not say (default: %(default)s)")
    return arguments


def _cluster_arguments() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(add_help=False)
    arguments.add_argument(
        "--cluster-version",
        type=cluster_version,
        metavar="VERSION",
        help="Kubernetes version of the API server and all kubelets, like 1.34 (which is 1.34.0); without it nothing is known of the "
        "cluster, so no native sidecars are used unless native_sidecars is on",
    )
    arguments.add_argument(
        "--injected-by",
        action="append",
        default=[],
        metavar="ID",
        help="a sidecar of the catalogue whose injector is installed in that cluster, like istio; it need not have injected into this pod "
        "yet, and is called once; may be given again",
    )
    return arguments


def _access_arguments() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(add_help=False)
    arguments.add_argument("-n", "--namespace", help="namespace of the tasks (default: that of the context)")
    arguments.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    return arguments


_DESCRIPTION: Final = "Lets Airflow's task pods end beside injected sidecars."
_EPILOG: Final = (
    "Exit codes: 0 done; 1 a fault of the webhook's own, which is a bug; "
    "2 a command line, file, setting, certificate or kubeconfig that cannot be used; 3 the doctor found a problem."
)
_DOCTOR: Final = (
    "Looks at a cluster with your own credentials: what it can do, by versions and by a strict dry run of a pod with a native sidecar, "
    "which webhooks pods come to and in which order, whether the namespace has opted in, and which pods are stuck. Nothing is changed. "
    "The settings count as for serve: give it the same --config."
)
_DOCTOR_EPILOG: Final = (
    "Exit codes: 0 no problem, though there may be notes and warnings; 1 a fault of the program's own, which is a bug; 2 the kubeconfig, "
    "the API server or a setting cannot be used, so nothing was found out; 3 at least one problem."
)
