"""``explain``: what has happened to a pod, what the webhook does to it, and why."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from webhook.command.airflow_template import TemplateUser, as_made_by
from webhook.command.assumed_cluster import add_cluster_arguments, as_line, assumed_cluster
from webhook.command.command import FILE, PROGRAM, Command, HelpExample
from webhook.command.errors import UnusableError
from webhook.command.exit_code import ExitCode
from webhook.command.explain_document import VERSION, ExplainDocument
from webhook.command.explainer import Explainer
from webhook.command.output import JSON, add_output_argument, write_json
from webhook.command.pod_file import ALLOWED, DEFAULT_NAMESPACE, ENDINGS, STDIN, FoundPod, no_pod, read_files
from webhook.command.pod_summary import PodSummary
from webhook.command.terminal import printable, stdout_palette
from webhook.policy_files import build_policy

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator, Sequence

    from webhook.command.explanation import Explanation
    from webhook.command.pod_file import SkippedDocument
    from webhook.core import Policy
    from webhook.settings import Settings


LIVE: Final = ("pod/", "pods/", "po/")
"""What the name of a pod of the cluster starts with, as kubectl takes it."""

MAY_BE_POD: Final = re.compile(r"([-a-z0-9]+/)?[-.a-z0-9]+")
"""NAME, or NAMESPACE/NAME as the tables of pods have it."""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar=FILE,
        nargs="*",
        help=f"{ALLOWED}; - is stdin, a folder is all its files; pod/NAME is a pod of the cluster",
    )
    parser.add_argument(
        "-n",
        "--namespace",
        help="namespace of the pods of the cluster (default: that of the context), "
        f"or of pods of a file that name none (default: {DEFAULT_NAMESPACE})",
    )
    parser.add_argument(
        "--as",
        dest="made_by",
        type=TemplateUser,
        choices=tuple(TemplateUser),
        help="explain Airflow's pod template as the pod that this makes of it: Airflow adds the labels then "
        "(default: kubernetes-executor for the template in the ConfigMap of Airflow's chart)",
    )
    parser.add_argument(
        "-l", "--selector", metavar="SELECTOR", default="", help="pods of the cluster with these labels, as kubectl takes them"
    )
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="task pods of the cluster in all namespaces")
    parser.add_argument(
        "--context", metavar="NAME", help="context of the kubeconfig from which pods of the cluster are read (default: the current one)"
    )
    parser.add_argument("--summary", action="store_true", help="only count the pods, and list those that stay Running after their task")
    add_cluster_arguments(parser)
    add_output_argument(parser)


def _run(options: Namespace, settings: Settings) -> ExitCode:
    policy = build_policy(settings)
    names = tuple([one.partition("/")[2] for one in options.file if one.startswith(LIVE) and not Path(one).exists()])
    write = _sum_up if options.summary else _show
    if options.file and not names:
        return write(options, *_of_files(options, settings, policy))
    return write(options, (), _of_cluster(options, settings, policy, names), [])


def _show(options: Namespace, heads: Iterable[str], explanations: Iterable[Explanation], skipped: list[SkippedDocument]) -> ExitCode:
    """Write the explanations; what is skipped is known once all of them are read."""
    found = list(explanations)
    if skipped and not found:
        raise no_pod(options.file, skipped)
    if options.output == JSON:
        write_json(ExplainDocument(VERSION, tuple([one.as_document() for one in found]), tuple(skipped)))
    else:
        palette = stdout_palette()
        texts = [one.as_text(palette) for one in found] or [_nothing(options)]
        sys.stdout.write("\n\n".join([*heads, *texts]) + "\n")
        sys.stderr.write("".join(f"{PROGRAM}: {printable(str(one))}\n" for one in skipped))
    return ExitCode.PROBLEM if any(one.needs_a_person for one in found) else ExitCode.DONE


def _nothing(options: Namespace) -> str:
    """That there is no pod to explain: a namespace that does not exist has none either."""
    if options.file or options.selector or not options.namespace:
        return "no pods"
    return f"no task pods in the namespace {options.namespace}; doctor -n {options.namespace} says whether it exists and has opted in"


def _sum_up(options: Namespace, heads: Iterable[str], explanations: Iterable[Explanation], skipped: list[SkippedDocument]) -> ExitCode:
    """Write the sum of the explanations, of which no two are stored at a time."""
    summary = PodSummary(datetime.now(UTC))
    for one in explanations:
        summary.add(one)
    if options.output == JSON:
        write_json(summary.as_document(len(skipped)))
    else:
        sys.stdout.write("\n\n".join([*heads, summary.as_text(len(skipped), stdout_palette())]) + "\n")
    return ExitCode.PROBLEM if summary.needs_a_person else ExitCode.DONE


def _of_files(
    options: Namespace, settings: Settings, policy: Policy
) -> tuple[tuple[str, ...], Iterator[Explanation], list[SkippedDocument]]:
    if options.selector or options.all_namespaces:
        message = f"{options.file[0]}: --selector and --all-namespaces are for pods of the cluster"
        raise UnusableError(message)
    _check_files(options.file)
    cluster = assumed_cluster(options, settings, policy.catalogue)
    explainer = Explainer(policy, cluster, options.namespace or DEFAULT_NAMESPACE)
    skipped: list[SkippedDocument] = []

    def explanations() -> Iterator[Explanation]:
        for one in read_files(options.file):
            if isinstance(one, FoundPod):
                yield explainer.of_file(as_made_by(options.made_by, one))
            else:
                skipped.append(one)

    return (as_line(cluster),), explanations(), skipped


def _check_files(names: Sequence[str]) -> None:
    """UnusableError: one is no file, and looks like the name of a pod, as kubectl or a report writes it."""
    bare = next((one for one in names if _may_be_pod(one)), None)
    if bare is None:
        return
    namespace, _, pod = bare.rpartition("/")
    is_kind = f"{bare}/" in LIVE and len(names) > 1
    meant = f"pod/{names[1] if is_kind else pod}" + (f" -n {namespace}" if namespace else "")
    message = f"{bare}: there is no such file; a pod of the cluster is named {meant}"
    raise UnusableError(message)


def _may_be_pod(name: str) -> bool:
    """Whether it is no file, and looks like the name of a pod, alone or behind that of its namespace."""
    path = Path(name)
    return name != STDIN and MAY_BE_POD.fullmatch(name) is not None and path.suffix not in ENDINGS and not path.exists()


def _of_cluster(options: Namespace, settings: Settings, policy: Policy, names: tuple[str, ...]) -> Iterator[Explanation]:
    _check(options, names)
    # The Kubernetes client takes 35 MiB, which a pod of a file does not need.
    from webhook.command.live_pods import PodSelection, read_live_pods  # noqa: PLC0415

    selection = PodSelection(names, options.namespace, options.all_namespaces, options.selector)
    live = read_live_pods(selection, options.context, settings, policy.catalogue)
    explainer = Explainer(policy, live.cluster, context=options.context, called=live.called)
    explanations = (explainer.of_cluster(pod) for pod in live.pods)
    # Who names pods, or their labels, gets an answer about each. Of all others only task pods matter.
    return explanations if names or options.selector else (one for one in explanations if one.may_be_task_pod(policy.catalogue))


def _check(options: Namespace, names: tuple[str, ...]) -> None:
    """UnusableError: the arguments do not belong together."""
    if len(names) < len(options.file):
        message = f"{' '.join(options.file)}: name either pods of the cluster or files"
    elif not (names or options.namespace or options.selector or options.all_namespaces):
        message = "name a FILE, pod/NAME, a namespace with -n, labels with -l, or all namespaces with -A"
    elif names and (options.selector or options.all_namespaces):
        message = f"{' '.join(options.file)}: --selector and --all-namespaces are for pods that are not named"
    elif options.cluster_version or options.injected_by:
        message = "pods of the cluster are explained as in that cluster: --cluster-version and --injected-by are for pods of a file"
    else:
        return
    raise UnusableError(message)


COMMAND: Final = Command(
    name="explain",
    summary="show what has happened to a pod, what the webhook does to it, why, and what to do about it",
    description="Shows what the webhook does to each pod: the result, its reason, the pod's status, what to do where the pod may not end, "
    "with a line to paste, and the change as a diff. For a pod that lives it begins with the pod's course: how its task ended, what still "
    "runs, and what ends the pod now. For a file it connects to no cluster: the options say what the cluster has. pod/NAME, -n, -l or -A "
    "without a file read pods of the kubeconfig's cluster. The values of env and args are not shown.",
    examples=(
        HelpExample("A pod of a file, on a cluster of which nothing is known:", "airflow-sidecar-webhook explain pod.yaml"),
        HelpExample("Why is this pod still Running?", "airflow-sidecar-webhook explain -n airflow pod/my-task-pod"),
        HelpExample(
            "A pod as it would be on Kubernetes 1.34 with Istio's injector:",
            "kubectl get pod my-task-pod -o yaml | airflow-sidecar-webhook explain --cluster-version 1.34 --injected-by istio -",
        ),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
