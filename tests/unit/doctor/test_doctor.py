"""From what the doctor sees to what it finds. The same on real API servers: tests/e2e/api_server/test_doctor.py."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
import yaml

from manifests.rendering import CHART
from testbed.manifest import installed, watch_rules
from tests.support.pods import load
from webhook.core.cluster import DEFAULT_MINIMUM_KUBELET, NativeSwitch, ServerVersion
from webhook.core.names import MODE_ANNOTATION, STATUS_ANNOTATION
from webhook.core.version import Version
from webhook.doctor import probe
from webhook.doctor.diagnosis import diagnose
from webhook.doctor.examination import Namespace, NotRead, Seen, examine
from webhook.doctor.finding import FINDINGS, FindingId, Severity
from webhook.doctor.order import LEAST_SECONDS, MOST_SECONDS
from webhook.doctor.probe import Trial, Verdict, read_trial
from webhook.doctor.registration import OURS, Configuration, Registered, Rule, in_order
from webhook.doctor.selector import LabelSelector, Requirement
from webhook.doctor.stuck import TaskPod, read_task_pod
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError
from webhook.kube.nodes import Nodes, make_node
from webhook.kube.reading import CONFIGURATIONS_PATH
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "docs" / "doctor.md"
CATALOGUE: Final = build_policy(Settings()).catalogue
AUTO, ON, OFF = NativeSwitch.AUTO, NativeSwitch.ON, NativeSwitch.OFF
PODS: Final = (Rule(("CREATE",), ("",), ("pods",)),)
OURS_REGISTERED: Final = Registered(
    OURS,
    PODS,
    LabelSelector({"opted": "in"}),
    failurePolicy="Ignore",
    reinvocationPolicy="IfNeeded",
    timeoutSeconds=5,
    configuration="b-ours",
)
ISTIO: Final = Registered("rev.namespace.sidecar-injector.istio.io", PODS, configuration="c-istio")
DAPR: Final = Registered("sidecar-injector.dapr.io", PODS, configuration="d-dapr")
VAULT: Final = Registered("vault.hashicorp.com", PODS, configuration="e-vault")
KEPT, LOST, UNTESTED = Trial(Verdict.KEPT, is_marked=True), Trial(Verdict.LOST, "gone."), Trial(Verdict.UNTESTED, "forbidden")
WELL: Final = {"server-version", "kubelets", "native-ready", "native-kept", "opted-in", "answers", "order", "none-stuck"}


def nodes(*kubelets: str, virtual: int = 0) -> Nodes:
    """Nodes with these kubelets."""
    these = Nodes()
    for number, kubelet in enumerate(kubelets):
        these.put(make_node(f"node-{number}", {}, kubelet))
    for number in range(virtual):
        these.put(make_node(f"virtual-{number}", {"type": "virtual-kubelet"}, "v1.20.0"))
    return these


HEALTHY: Final = Seen(
    namespace="airflow",
    server=ServerVersion("v1.34.2-eks-1", Version(1, 34, 2)),
    nodes=nodes("v1.33.1", "v1.34.2"),
    webhooks=(OURS_REGISTERED, ISTIO),
    space=Namespace({"opted": "in"}),
    pod=KEPT,
    template=KEPT,
    tasks=(TaskPod("one", is_stuck=False),),
)


def found(seen: Seen, switch: NativeSwitch = AUTO) -> set[str]:
    """The ids of what is found."""
    return {one.id for one in diagnose(seen, CATALOGUE, switch, DEFAULT_MINIMUM_KUBELET)}


def sentences(seen: Seen, switch: NativeSwitch = AUTO) -> dict[str, str]:
    """What is found, in words."""
    return {one.id: one.sentence for one in diagnose(seen, CATALOGUE, switch, DEFAULT_MINIMUM_KUBELET)}


def remedies(seen: Seen) -> dict[str, str]:
    """What to do about what is found."""
    return {one.id: one.remedy for one in diagnose(seen, CATALOGUE, AUTO, DEFAULT_MINIMUM_KUBELET)}


def ours_with(**fields: Any) -> tuple[Registered, ...]:
    """Ours registered otherwise, before Istio's."""
    return (msgspec.structs.replace(OURS_REGISTERED, **fields), ISTIO)


def opted_in_with(**labels: str) -> Namespace:
    """A namespace that opted in and carries more."""
    return Namespace({"opted": "in", **labels})


OLD_SERVER: Final = ServerVersion("v1.28.1", Version(1, 28, 1))
UNMARKED: Final = Trial(Verdict.KEPT, is_marked=False)
CASES: Final[dict[str, tuple[dict[str, Any], NativeSwitch, set[str]]]] = {
    "healthy": ({}, AUTO, set()),
    "emulating": ({"server": ServerVersion("v1.35.1", Version(1, 34), emulates=True)}, AUTO, {"server-emulates"}),
    "emulating one with a feature gate": (
        {"server": ServerVersion("v1.34.2", Version(1, 32), emulates=True)},
        AUTO,
        {"server-emulates", "emulating-server"},
    ),
    "emulating one with a feature gate, forced on": (
        {"server": ServerVersion("v1.34.2", Version(1, 32), emulates=True)},
        ON,
        {"server-emulates", "forced-on"},
    ),
    "old server": ({"server": OLD_SERVER}, AUTO, {"old-server"}),
    "old kubelet": ({"nodes": nodes("v1.28.9", "v1.34.0")}, AUTO, {"old-kubelet"}),
    "a kubelet of no version": ({"nodes": nodes("?", "v1.34.0")}, AUTO, {"old-kubelet"}),
    "virtual nodes alone": ({"nodes": nodes(virtual=2)}, AUTO, {"no-kubelets"}),
    "version not read": ({"server": NotRead("403")}, AUTO, {"not-read", "native-unknown"}),
    "nodes not read": ({"nodes": NotRead("403")}, AUTO, {"not-read", "native-unknown"}),
    "webhooks not read": ({"webhooks": NotRead("403")}, AUTO, {"not-read"}),
    "namespace not read": ({"space": NotRead("403")}, AUTO, {"not-read"}),
    "pods not read": ({"tasks": NotRead("403")}, AUTO, {"not-read"}),
    "no namespace": ({"space": None}, AUTO, {"namespace-missing"}),
    "forced on": ({}, ON, {"forced-on"}),
    "forced on, old": ({"server": OLD_SERVER}, ON, {"forced-on-in-spite"}),
    "forced off": ({}, OFF, {"forced-off"}),
    "dropped by the cluster": ({"pod": LOST, "template": LOST}, AUTO, {"native-refused"}),
    "dropped by the cluster, forced": ({"pod": LOST, "template": LOST}, ON, {"forced-on", "forced-native-refused"}),
    "dropped by the cluster, unused": ({"pod": LOST, "template": LOST}, OFF, {"forced-off", "native-absent"}),
    "dropped by the cluster, pod refused": ({"pod": UNTESTED, "template": LOST}, AUTO, {"native-refused"}),
    "dropped by a webhook": ({"pod": LOST}, AUTO, {"native-dropped"}),
    "dropped by a webhook, unused": ({"pod": LOST}, OFF, {"forced-off", "native-dropped-unused"}),
    "dropped by somebody": ({"pod": LOST, "template": UNTESTED}, AUTO, {"native-lost"}),
    "dropped by somebody, unused": ({"pod": LOST, "template": UNTESTED}, OFF, {"forced-off", "native-absent"}),
    "not tried": ({"pod": UNTESTED}, AUTO, {"native-untested"}),
    "kept by the pod is kept": ({"template": UNTESTED}, AUTO, set()),
    "not installed": ({"webhooks": (ISTIO,)}, AUTO, {"not-installed", "order"}),
    "not opted in": ({"space": Namespace(None)}, AUTO, {"not-opted-in", "order"}),
    "kept away by an objectSelector": (
        {"webhooks": ours_with(objectSelector=LabelSelector({"a": "b"}))},
        AUTO,
        {"not-opted-in", "order"},
    ),
    "silent": ({"pod": UNMARKED}, AUTO, {"silent"}),
    "an injector before ours": ({"webhooks": (ISTIO, OURS_REGISTERED)}, AUTO, {"injector-first"}),
    "ours never again": ({"webhooks": ours_with(reinvocationPolicy="Never")}, AUTO, {"injector-unseen"}),
    "ours never again, no injector": ({"webhooks": ours_with(reinvocationPolicy="Never")[:1]}, AUTO, {"never-again"}),
    "fails closed": ({"webhooks": ours_with(failurePolicy="Fail")}, AUTO, {"fails-closed"}),
    "too short a time": ({"webhooks": ours_with(timeoutSeconds=1)}, AUTO, {"timeout"}),
    "too long a time": ({"webhooks": ours_with(timeoutSeconds=11)}, AUTO, {"timeout"}),
    "an injector again": (
        {"webhooks": (OURS_REGISTERED, msgspec.structs.replace(DAPR, reinvocationPolicy="IfNeeded"))},
        AUTO,
        {"injector-again"},
    ),
    "a harmless injector again": (
        {"webhooks": (OURS_REGISTERED, msgspec.structs.replace(VAULT, reinvocationPolicy="IfNeeded"))},
        AUTO,
        set(),
    ),
    "ambient": ({"space": opted_in_with(**{"istio.io/dataplane-mode": "ambient"})}, AUTO, {"ambient"}),
    "injected": ({"space": opted_in_with(**{"istio-injection": "enabled"})}, AUTO, set()),
    "injection off": ({"space": opted_in_with(**{"istio-injection": "disabled"}), "webhooks": (OURS_REGISTERED,)}, AUTO, set()),
    "a label without its injector": (
        {"space": opted_in_with(**{"istio-injection": "enabled"}), "webhooks": (OURS_REGISTERED,)},
        AUTO,
        {"label-without-injector"},
    ),
    "a revision without its injector": (
        {"space": opted_in_with(**{"istio.io/rev": "1-29"}), "webhooks": (OURS_REGISTERED,)},
        AUTO,
        {"label-without-injector"},
    ),
    "stuck": ({"tasks": (TaskPod("a", is_stuck=True), TaskPod("b", is_stuck=False))}, AUTO, {"stuck"}),
}
"""What is seen otherwise than on a healthy cluster, the setting, and what is found that is not found there, or has another severity."""


@pytest.mark.parametrize(("seen", "switch", "expected"), CASES.values(), ids=CASES)
def test_what_is_seen_leads_to_these_findings_and_to_no_others(seen: dict[str, Any], switch: NativeSwitch, expected: set[str]) -> None:
    assert found(replace(HEALTHY, **seen), switch) - WELL == expected - WELL


def test_every_finding_of_the_table_is_found_by_some_case() -> None:
    assert {one for seen, switch, _ in CASES.values() for one in found(replace(HEALTHY, **seen), switch)} == set(FindingId)


def test_every_finding_has_a_row_and_every_problem_and_warning_says_what_to_do() -> None:
    assert set(FINDINGS) == set(FindingId)
    assert [one for one, entry in FINDINGS.items() if entry.severity in {Severity.PROBLEM, Severity.WARNING} and not entry.remedy] == []


def test_the_page_lists_every_finding_with_its_severity_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", PAGE.read_text("utf-8"), re.MULTILINE)

    assert rows == [(str(one), str(entry.severity)) for one, entry in FINDINGS.items()]


@pytest.mark.parametrize(("seen", "switch", "_"), CASES.values(), ids=CASES)
def test_every_place_in_a_text_has_its_value(seen: dict[str, Any], switch: NativeSwitch, _: set[str]) -> None:
    for finding in diagnose(replace(HEALTHY, **seen), CATALOGUE, switch, DEFAULT_MINIMUM_KUBELET):
        assert "{" not in finding.sentence + finding.remedy


def test_the_suspects_are_the_webhooks_that_the_pod_comes_to_but_ours() -> None:
    elsewhere = msgspec.structs.replace(VAULT, namespaceSelector=LabelSelector({"opted": "out"}))
    seen = replace(HEALTHY, pod=LOST, webhooks=(OURS_REGISTERED, ISTIO, elsewhere))

    assert "It is one of these: c-istio/rev.namespace.sidecar-injector.istio.io. " in sentences(seen)["native-dropped"]


def test_where_no_registered_webhook_is_a_suspect_it_is_said() -> None:
    assert "none that is registered" in sentences(replace(HEALTHY, pod=LOST, webhooks=(OURS_REGISTERED,)))["native-dropped"]


def test_where_the_webhooks_are_not_known_neither_are_the_suspects() -> None:
    assert "one of these: not known. " in sentences(replace(HEALTHY, pod=LOST, webhooks=NotRead("403")))["native-dropped"]


def test_the_minimum_kubelet_of_the_settings_counts() -> None:
    findings = diagnose(HEALTHY, CATALOGUE, AUTO, Version(1, 34))

    assert "the oldest kubelet is 1.33.1, and 1.34.0 is needed" in next(one.sentence for one in findings if one.id == "old-kubelet")


@pytest.mark.parametrize("seconds", [LEAST_SECONDS - 1, MOST_SECONDS + 1])
def test_the_timeout_that_is_advised_is_one_that_the_chart_takes_by_default(seconds: int) -> None:
    remedy = remedies(replace(HEALTHY, webhooks=ours_with(timeoutSeconds=seconds)))["timeout"]
    default = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["webhook"]["timeoutSeconds"]

    assert remedy.startswith(f"Set timeoutSeconds to {default} (webhook.timeoutSeconds of the chart, ")
    # templates/webhook_configuration.yaml refuses any that is not longer than a request may take to arrive.
    assert Settings().read_seconds < default <= MOST_SECONDS


SHIPPED: Final = in_order([msgspec.convert(installed("MutatingWebhookConfiguration"), Configuration)])
OPT_INS: Final[dict[str, tuple[tuple[Registered, ...], dict[str, str] | None, str]]] = {
    "as shipped": (SHIPPED, None, "kubectl label namespace airflow airflow-sidecar-webhook=enabled"),
    "other labels": (SHIPPED, {"a": "b"}, "kubectl label namespace airflow airflow-sidecar-webhook=enabled"),
    "another value": (
        SHIPPED,
        {"airflow-sidecar-webhook": "disabled"},
        "kubectl label namespace airflow airflow-sidecar-webhook=enabled --overwrite",
    ),
    "two labels of three": (
        ours_with(namespaceSelector=LabelSelector({"a": "1", "b": "2", "c": ""})),
        {"b": "2"},
        "kubectl label namespace airflow a=1 c=",
    ),
    "a system namespace": (
        SHIPPED,
        {"kubernetes.io/metadata.name": "kube-system"},
        "change the labels of airflow so that this holds, or run them in a namespace for which it does.",
    ),
    "an expression alone": (
        ours_with(namespaceSelector=LabelSelector(None, (Requirement("a", "In", ("1", "2")),))),
        None,
        "change the labels of airflow so that this holds, or run them in a namespace for which it does.",
    ),
    "an objectSelector": (
        ours_with(objectSelector=LabelSelector({"a": "b"})),
        {"opted": "in"},
        f"compare the rules and the objectSelector of b-ours/{OURS} with what the chart makes of them.",
    ),
}
"""The registered webhooks, the labels of the namespace, and what to do."""


@pytest.mark.parametrize(("webhooks", "labels", "how"), OPT_INS.values(), ids=OPT_INS)
def test_a_namespace_that_did_not_opt_in_gets_the_command_where_labels_are_all_that_it_lacks(
    webhooks: tuple[Registered, ...], labels: dict[str, str] | None, how: str
) -> None:
    seen = replace(HEALTHY, webhooks=webhooks, space=Namespace(labels))

    assert remedies(seen)["not-opted-in"] == f"If tasks run here: {how}"


def test_the_rights_that_the_webhook_is_said_to_need_on_nodes_are_those_that_it_is_given() -> None:
    (verbs,) = (rule["verbs"] for rule in watch_rules() if "nodes" in rule["resources"])
    decision = (ROOT / "docs" / "decisions" / "0011-watcher.md").read_text("utf-8")

    remedy = remedies(replace(HEALTHY, nodes=NotRead("403")))["native-unknown"]
    assert remedy.endswith(f" the webhook itself needs to {' and '.join(verbs)} nodes.")
    assert f"Rights: {', '.join(f'`{verb}`' for verb in verbs)} on nodes, " in decision


def answer(kind: str, **changes: Any) -> bytes:
    """The API server's answer to a dry run: what was sent, with another probe container, and maybe annotations."""
    sent = probe.pod() if kind == "pod" else probe.pod_template()
    inside = sent if kind == "pod" else sent["template"]
    inside["spec"]["initContainers"][0] |= changes.pop("container", {})
    inside["metadata"] |= changes
    return msgspec.json.encode(sent)


def refusal(message: str) -> bytes:
    return msgspec.json.encode({"kind": "Status", "message": message})


TRIALS: Final[dict[str, tuple[int, bytes, Verdict]]] = {
    "a pod kept": (201, answer("pod"), Verdict.KEPT),
    "a template kept": (201, answer("template"), Verdict.KEPT),
    "a pod without the mark": (201, answer("pod", container={"restartPolicy": None}), Verdict.LOST),
    "another policy": (201, answer("pod", container={"restartPolicy": "Never"}), Verdict.LOST),
    "the container gone": (201, answer("pod", container={"name": "other"}), Verdict.LOST),
    "1.28 and later": (422, refusal("x: Forbidden: may not be set for init containers without restartPolicy=Always"), Verdict.LOST),
    "before 1.28": (422, refusal("x: Forbidden: may not be set for init containers"), Verdict.LOST),
    "strict, before 1.28": (400, refusal('strict decoding error: unknown field "spec.initContainers[0].restartPolicy"'), Verdict.LOST),
    "strict, a template": (400, refusal('unknown field "template.spec.initContainers[0].restartPolicy"'), Verdict.LOST),
    "no right": (403, refusal('pods is forbidden: User "x" cannot create resource "pods"'), Verdict.UNTESTED),
    "a policy": (400, refusal('admission webhook "x" denied the request'), Verdict.UNTESTED),
    "a proxy that answers in HTML": (502, b"<html>", Verdict.UNTESTED),
    "nothing": (500, b"", Verdict.UNTESTED),
}


@pytest.mark.parametrize(("status", "body", "verdict"), TRIALS.values(), ids=TRIALS)
def test_the_answer_to_a_dry_run_is_read(status: int, body: bytes, verdict: Verdict) -> None:
    assert read_trial(status, body).verdict is verdict


def test_our_status_on_the_pod_of_the_dry_run_is_seen() -> None:
    assert read_trial(201, answer("pod", annotations={STATUS_ANNOTATION: "{}"})).is_marked is True
    assert read_trial(201, answer("pod", annotations={MODE_ANNOTATION: "auto"})).is_marked is False
    assert read_trial(403, refusal("no")).is_marked is None


def test_both_dry_runs_try_the_same_pod() -> None:
    assert probe.pod()["spec"] == probe.pod_template()["template"]["spec"]


class FakePatient:
    """An API server in name only: prepared answers by path, page by page; what it has none for is refused with 403."""

    def __init__(self, pages: dict[str, list[Any]], status: int = 403) -> None:
        self._pages, self._status = pages, status

    def get(self, path: str, **parameters: str) -> bytes:
        if path not in self._pages:
            raise RefusedError(self._status, "refused")
        pages, number = self._pages[path], int(parameters.get("continue", "0"))
        following = str(number + 1) if number + 1 < len(pages) else ""
        return msgspec.json.encode({"metadata": {"continue": following}, "items": pages[number]})

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        raise NotImplementedError((path, read_seconds, parameters))

    def create(self, path: str, body: object, **parameters: str) -> Response:
        del path, parameters
        return Response(201, msgspec.json.encode(body), None)


def test_every_page_of_the_pods_is_looked_at() -> None:
    pods = [{**task(over(), RUNNING), "metadata": {**task(over(), RUNNING)["metadata"], "name": name}} for name in ("a", "b", "c")]
    seen = examine(FakePatient({"/api/v1/namespaces/airflow/pods": [pods[:2], pods[2:]]}), "airflow", CATALOGUE)

    assert seen.tasks == tuple(TaskPod(name, is_stuck=True) for name in ("a", "b", "c"))
    assert seen.nodes == NotRead("403 refused")


def test_an_answer_of_another_shape_is_not_read_and_stops_nothing() -> None:
    seen = examine(
        FakePatient({CONFIGURATIONS_PATH: [[{"metadata": {}}]], "/api/v1/namespaces/airflow/pods": [[{"spec": 1}]]}), "airflow", CATALOGUE
    )

    assert isinstance(seen.webhooks, NotRead)
    assert isinstance(seen.tasks, NotRead)
    assert seen.pod.verdict is Verdict.KEPT


def test_whoever_is_not_known_to_the_api_server_is_told_at_once() -> None:
    with pytest.raises(RefusedError, match="401"):
        examine(FakePatient({}, 401), "airflow", CATALOGUE)


NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO: Final = (NOW - timedelta(hours=1)).isoformat()
JUST_NOW: Final = (NOW - timedelta(seconds=30)).isoformat()
RUNNING: Final = {"running": {"startedAt": LONG_AGO}}


def over(code: int = 0, finished: str = LONG_AGO) -> dict[str, Any]:
    """The state of a container that has ended."""
    return {"terminated": {"exitCode": code, "finishedAt": finished}}


def task(base: dict[str, Any], proxy: dict[str, Any], **spec: str) -> dict[str, Any]:
    """A task's pod beside a proxy, with these states."""
    pod = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
    pod["metadata"] |= {"name": "task", "annotations": {"sidecar.istio.io/status": "{}"}}
    pod["spec"] |= {"restartPolicy": "Never", **spec}
    pod["spec"]["containers"] = [{"name": "base"}, {"name": "istio-proxy", "image": "istio/proxyv2:1.29.0"}]
    states = [{"name": "base", "state": base}, {"name": "istio-proxy", "state": proxy}]
    return {**pod, "status": {"phase": "Running", "containerStatuses": states}}


COURSES: Final[dict[str, tuple[dict[str, Any], bool]]] = {
    "the proxy runs on": (task(over(), RUNNING), True),
    "after a failed task too": (task(over(1), RUNNING), True),
    "the task runs": (task(RUNNING, RUNNING), False),
    "both have ended": (task(over(), over()), False),
    "it is just ending": (task(over(finished=JUST_NOW), RUNNING), False),
    "the task will be tried again": (task(over(1), RUNNING, restartPolicy="OnFailure"), False),
    "it was tried to its end": (task(over(0), RUNNING, restartPolicy="OnFailure"), True),
    "no state yet": (task({}, {}), False),
}


@pytest.mark.parametrize(("pod", "is_stuck"), COURSES.values(), ids=COURSES)
def test_a_pod_is_stuck_whose_task_ended_long_ago_while_a_known_sidecar_runs(pod: dict[str, Any], is_stuck: bool) -> None:
    assert read_task_pod(msgspec.json.encode(pod), CATALOGUE, NOW) == TaskPod("task", is_stuck=is_stuck)


def test_a_pod_that_is_being_deleted_is_not_stuck() -> None:
    pod = task(over(), RUNNING)
    pod["metadata"]["deletionTimestamp"] = LONG_AGO

    assert read_task_pod(msgspec.json.encode(pod), CATALOGUE, NOW) == TaskPod("task", is_stuck=False)


def test_a_pod_that_is_not_airflows_or_not_meant_to_end_is_not_looked_at() -> None:
    stranger = task(over(), RUNNING)
    stranger["metadata"]["labels"] = {}

    assert read_task_pod(msgspec.json.encode(stranger), CATALOGUE, NOW) is None
    assert read_task_pod(msgspec.json.encode(task(over(), RUNNING, restartPolicy="Always")), CATALOGUE, NOW) is None
