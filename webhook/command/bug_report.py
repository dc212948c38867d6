"""``bug-report``: what somebody needs who is to find a bug, in one file, without names and texts from pods, settings and logs."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from webhook import __version__
from webhook.command.command import FILE, PROGRAM, Command, HelpExample
from webhook.command.errors import UnusableError
from webhook.command.exit_code import ExitCode
from webhook.command.explainer import Explainer
from webhook.command.redacted_log import redacted_log
from webhook.command.redacted_pod import known_names, redacted_pod
from webhook.command.redacted_settings import redacted_settings
from webhook.command.terminal import printable
from webhook.core import PREFIX, RulesError, to_json
from webhook.settings import SettingsError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from webhook.settings import Settings

DEFAULT_FILE: Final = f"{PREFIX}-bug-report.tar.gz"
MAX_PODS: Final = 1000

Contents = dict[str, bytes]


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar=FILE, nargs="?", type=Path, default=Path(DEFAULT_FILE), help="new file (default: %(default)s)")
    parser.add_argument("-n", "--namespace", help="namespace of the task pods (default: the namespace of the context)")
    parser.add_argument("--webhook-namespace", default=PREFIX, help="namespace of the webhook's own pods (default: %(default)s)")
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")


def _run(options: Namespace, settings: Settings) -> ExitCode:
    from webhook.command.bug_archive import write_archive  # noqa: PLC0415  with tarfile, which no other command needs

    contents, missing = _collect(options, settings)
    written = {"about.json": _json(_about(missing)), **contents}
    write_archive(options.file, written)
    sys.stdout.write(f"{printable(str(options.file))} contains: {', '.join(written)}\nRead it before you send it to anybody.\n")
    for part, problem in missing.items():
        sys.stderr.write(f"{PROGRAM}: without {part}: {printable(problem)}\n")
    return ExitCode.DONE


def _collect(options: Namespace, settings: Settings) -> tuple[Contents, dict[str, str]]:
    """What could be read of the cluster, and why not the rest, which is not packed: messages quote what is secret."""
    parts: dict[str, Callable[[Namespace, Settings], Contents]] = {
        "installed settings": _installed_settings,
        "findings": _findings,
        "pods": _pods,
        "logs": _logs,
    }
    contents = _settings(settings)
    missing: dict[str, str] = {}
    for part, read in parts.items():
        try:
            contents |= read(options, settings)
        except (UnusableError, SettingsError) as problem:
            missing[part] = str(problem)
    return contents, missing


def _about(missing: dict[str, str]) -> dict[str, object]:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "missing": sorted(missing),
    }


def _settings(settings: Settings) -> Contents:
    return {"settings.json": _json(redacted_settings(settings))}


def _installed_settings(options: Namespace, settings: Settings) -> Contents:
    """Those of the installed webhook in their place, where none are given."""
    from webhook.command.examination import examiner_of  # noqa: PLC0415  the Kubernetes client takes 35 MiB

    return _settings(examiner_of(options.context, settings).settings().settings)


def _findings(options: Namespace, settings: Settings) -> Contents:
    """Of each finding its id and severity: its sentence names objects of the cluster."""
    from webhook.command.examination import examiner_of  # noqa: PLC0415  as above

    report = examiner_of(options.context, settings).namespace(options.namespace, None)
    return {"findings.json": _json([{"id": one.id, "severity": one.severity} for one in report.findings])}


def _pods(options: Namespace, settings: Settings) -> Contents:
    from webhook.command.examination import examiner_of  # noqa: PLC0415  as above
    from webhook.command.live_pods import PodSelection, read_live_pods  # noqa: PLC0415

    checked = examiner_of(options.context, settings).settings()
    policy = checked.policy
    live = read_live_pods(PodSelection(namespace=options.namespace), options.context, checked.settings, policy.catalogue)
    explainer, names = Explainer(policy, live.cluster, context=options.context), known_names()

    def decisions() -> Iterator[object]:
        for pod in live.pods:
            try:
                one = explainer.of_cluster(pod)
            except RulesError as bug:
                yield {"bug": type(bug).__name__}
                continue
            if one.may_be_task_pod(policy.catalogue):
                yield redacted_pod(one, names)

    server = live.cluster.server
    cluster = {"native_sidecars": live.cluster.support, "version": str(server) if server else None}
    return {"pods.json": _json({"cluster": cluster, "pods": list(islice(decisions(), MAX_PODS))})}


def _logs(options: Namespace, _: Settings) -> Contents:
    from webhook.command.webhook_logs import read_logs  # noqa: PLC0415  as above

    logs = enumerate(read_logs(options.context, options.webhook_namespace), 1)
    return {f"logs/{number}.jsonl": b"".join(msgspec.json.encode(line) + b"\n" for line in redacted_log(text)) for number, text in logs}


def _json(value: object) -> bytes:
    return msgspec.json.format(to_json(value)) + b"\n"


COMMAND: Final = Command(
    name="bug-report",
    summary="pack what helps to find a bug into one file, without names and texts of yours",
    description="Packs versions, settings, the doctor's findings, what was decided about each task pod of a namespace, and the end of the "
    "webhook's own logs into a new file (.tar.gz). It packs only what a list allows (docs/bug_report.md): numbers, and words of the "
    "webhook's own. Names of pods, namespaces, images and containers, args, env, annotations and messages are not packed. What cannot be "
    "read is left out, and stderr says why. It changes nothing in the cluster.",
    examples=(
        HelpExample("With the task pods of a namespace:", f"{PROGRAM} bug-report -n airflow"),
        HelpExample(
            "With the settings of the webhook, into a file of another name:",
            f"{PROGRAM} bug-report -n airflow --config settings.yaml mine.tar.gz",
        ),
    ),
    add_arguments=_add_arguments,
    run=_run,
)
