"""``bug-report``: what somebody needs who is to find a bug, in one file, without names and texts from pods, settings and logs."""

from __future__ import annotations

import platform
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

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
from webhook.core import PREFIX, to_json
from webhook.settings import SettingsError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator
    from typing import Any

    from webhook.command.checked_cluster import CheckedCluster
    from webhook.command.redacted_pod import RedactedPod
    from webhook.doctor.installed_settings import CheckedSettings
    from webhook.settings import Settings

    T = TypeVar("T")

DEFAULT_FILE: Final = f"{PREFIX}-bug-report.tar.gz"
MAX_PODS: Final = 1000

GIVEN: Final = "given"
INSTALLED: Final = "installed"


class UnreadSettingsError(UnusableError):
    """The settings of the installed webhook cannot be read."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What a report is made of.

    Args:
        contents: The files, by their names.
        missing: Why the other parts could not be read. The messages are not packed: they quote what is secret.

    """

    contents: dict[str, bytes]
    missing: dict[str, Exception] = field(default_factory=dict)

    def add(self, name: str, value: object) -> None:
        """Add a file of JSON."""
        self.contents[name] = msgspec.json.format(to_json(value)) + b"\n"

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part that is missing if the block fails: a bug in one part, too, must leave the others, as that is what the report is for."""
        try:
            yield
        except Exception as problem:  # noqa: BLE001  see above
            self.missing[name] = problem


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar=FILE, nargs="?", type=Path, default=Path(DEFAULT_FILE), help="new file (default: %(default)s)")
    parser.add_argument("-n", "--namespace", help="namespace of the task pods (default: the namespace of the context)")
    parser.add_argument(
        "--webhook-namespace", metavar="NAMESPACE", help="namespace of the webhook's own pods (default: the one of its Service)"
    )
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")


def _run(options: Namespace, settings: Settings) -> ExitCode:
    from webhook.command.bug_archive import new_archive  # noqa: PLC0415  with tarfile, which no other command needs

    with new_archive(options.file) as contents:
        found = Collection(contents)
        source = _collect(options, settings, found)
        found.add("about.json", _about(found, source))
    sys.stdout.write(f"{printable(str(options.file))} contains: {', '.join(contents)}\nRead it before you send it to anybody.\n")
    for part, problem in found.missing.items():
        sys.stderr.write(f"{PROGRAM}: without {part}: {printable(_message(problem))}\n")
    return ExitCode.DONE


def _collect(options: Namespace, given: Settings, found: Collection) -> str | None:
    """Add what can be read, with one client; where the packed settings are from (None: none are packed)."""
    # The Kubernetes client takes 35 MiB.
    from webhook.command.checked_cluster import checked_cluster_of  # noqa: PLC0415

    connected = _once(partial(checked_cluster_of, options.context, given))
    checked = _once(lambda: connected().settings())
    source = GIVEN if given.model_fields_set else INSTALLED
    with found.part("settings"):
        found.add("settings.json", redacted_settings(given if source == GIVEN else _installed_settings(checked())))
    with found.part("findings"):
        # Of each finding its id and severity: its sentence names objects of the cluster.
        findings = connected().namespace(options.namespace, None).findings
        found.add("findings.json", [{"id": one.id, "severity": one.severity} for one in findings])
    with found.part("pods"):
        found.add("pods.json", _pods(connected(), checked(), options.namespace))
    with found.part("logs"):
        _add_logs(
            found,
            connected(),
            options.webhook_namespace or _webhook_namespace(connected(), given if source == GIVEN else checked().settings),
        )
    return None if "settings" in found.missing else source


def _once(read: Callable[[], T]) -> Callable[[], T]:
    """Reads when it is first needed, and gives the same result, or raises the same error, from then on."""
    results: list[T | Exception] = []

    def result() -> T:
        if not results:
            try:
                results.append(read())
            except Exception as problem:  # noqa: BLE001  it is raised below
                results.append(problem)
        (one,) = results
        if isinstance(one, Exception):
            raise one
        return one

    return result


def _about(found: Collection, source: str | None) -> dict[str, object]:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings_source": source,
        "missing": {part: _word(problem) for part, problem in found.missing.items()},
    }


def _word(problem: Exception) -> str:
    """The type of what went wrong, which unlike its message quotes nothing."""
    cause = problem.__cause__
    return type(cause if type(problem) is UnusableError and cause else problem).__name__


def _message(problem: Exception) -> str:
    return str(problem) if isinstance(problem, UnusableError | SettingsError) else f"a bug: {type(problem).__name__}: {problem}"


def _installed_settings(checked: CheckedSettings) -> Settings:
    """UnreadSettingsError: those by which the doctor checks are the default ones, as the installed ones cannot be read."""
    if checked.origin is None:
        message = (
            "the installed webhook cannot be found: it is not installed, has a URL instead of a Service, or you may not list "
            "MutatingWebhookConfigurations"
        )
        raise UnreadSettingsError(message)
    if checked.origin.problem:
        raise UnreadSettingsError(checked.origin.problem)
    return checked.settings


def _pods(checked_cluster: CheckedCluster, checked: CheckedSettings, namespace: str | None) -> dict[str, object]:
    from webhook.command.live_pods import PodSelection, pods_of  # noqa: PLC0415  the Kubernetes client, as above

    policy = checked.policy
    live = pods_of(checked_cluster.client, checked_cluster.used, PodSelection(namespace=namespace), checked.settings, policy.catalogue)
    explainer, names = Explainer(policy, live.cluster, context=checked_cluster.context), known_names()

    def decision(pod: dict[str, Any]) -> RedactedPod | dict[str, str] | None:
        """None: it is no task pod."""
        try:
            one = explainer.of_cluster(pod)
            return redacted_pod(one, names) if one.may_be_task_pod(policy.catalogue) else None
        except Exception as bug:  # noqa: BLE001  the other pods are packed
            return {"bug": type(bug).__name__}

    server = live.cluster.server
    cluster = {"native_sidecars": live.cluster.support, "version": str(server) if server else None}
    return {"cluster": cluster, "pods": list(islice(filter(None, map(decision, live.pods)), MAX_PODS))}


def _webhook_namespace(checked_cluster: CheckedCluster, settings: Settings) -> str:
    """That of its Service: by the settings, else by the installed configuration. UnusableError."""
    from webhook.command.live_pods import named_problems  # noqa: PLC0415  the Kubernetes client, as above
    from webhook.doctor.collector import read_webhooks  # noqa: PLC0415  the same
    from webhook.doctor.installed_settings import installed_service  # noqa: PLC0415

    if settings.service_namespace:
        return settings.service_namespace
    with named_problems(checked_cluster.used.server):
        service = installed_service(read_webhooks(checked_cluster.client))
    return service.namespace if service else PREFIX


def _add_logs(found: Collection, checked_cluster: CheckedCluster, namespace: str) -> None:
    from webhook.command.webhook_logs import read_logs  # noqa: PLC0415  only here

    for number, log in enumerate(read_logs(checked_cluster.client, namespace), 1):
        name = f"logs/{number}.jsonl"
        if isinstance(log, str):
            found.contents[name] = b"".join(msgspec.json.encode(line) + b"\n" for line in redacted_log(log))
        else:
            found.missing[name] = log


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
