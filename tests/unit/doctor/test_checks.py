"""From cluster snapshots to findings. The same on real API servers: tests/e2e/api_server/test_doctor.py."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest

from tests.support.cluster_snapshots import (
    DAPR,
    DROPPED,
    DUPLICATE,
    GUESSED,
    HEALTHY,
    INCONCLUSIVE,
    ISTIO,
    OWN,
    SHARED,
    STUCK,
    UNKNOWN,
    VAULT,
    findings,
    nodes,
    opted_in_with,
    own_with,
    recorded,
)
from webhook.core import NativeSwitch, ServerVersion, Version
from webhook.doctor.dry_run import DryRun, DryRunResult
from webhook.doctor.finding import FindingId
from webhook.doctor.selector import LabelSelector
from webhook.doctor.snapshot import NamespaceMetadata, ReadFailure, ReaperRights, SecretName, SettingsOrigin
from webhook.reaper.rights import EVERY_RIGHT, PASS

AUTO, ON, OFF = NativeSwitch.AUTO, NativeSwitch.ON, NativeSwitch.OFF
FORBIDDEN: Final = ReadFailure("403")
OLD_SERVER: Final = ServerVersion("v1.28.1", Version(1, 28, 1))
EMULATING: Final = ServerVersion("v1.34.2", Version(1, 32), emulates=True)
WITHOUT_STATUS: Final = DryRun(DryRunResult.PASSED, has_status=False)
AUDITED: Final = DryRun(DryRunResult.PASSED, has_status=True, is_audited=True)
HEALTHY_FINDINGS: Final = {
    "server-version",
    "kubelet-versions",
    "native-ready",
    "native-dry-run-passed",
    "opted-in",
    "webhook-reachable",
    "webhook-order",
    "no-stuck-pods",
}
CASES: Final[dict[str, tuple[dict[str, Any], NativeSwitch, set[str]]]] = {
    "healthy": ({}, AUTO, set()),
    "emulating": ({"server": ServerVersion("v1.35.1", Version(1, 34), emulates=True)}, AUTO, {"emulated-version"}),
    "emulating a version with a feature gate": ({"server": EMULATING}, AUTO, {"emulated-version", "native-emulating-server"}),
    "emulating a version with a feature gate, forced on": ({"server": EMULATING}, ON, {"emulated-version", "native-forced-on"}),
    "old server": ({"server": OLD_SERVER}, AUTO, {"native-old-server"}),
    "old kubelet": ({"nodes": nodes("v1.28.9", "v1.34.0")}, AUTO, {"native-old-kubelet"}),
    "a kubelet without a version": ({"nodes": nodes("?", "v1.34.0")}, AUTO, {"native-old-kubelet"}),
    "a server that takes old kubelets": ({"server": ServerVersion("v1.31.4", Version(1, 31, 4))}, AUTO, {"native-older-may-join"}),
    "a server that takes none": ({"server": ServerVersion("v1.32.0", Version(1, 32))}, AUTO, set()),
    "virtual nodes alone": ({"nodes": nodes(virtual=2)}, AUTO, {"no-regular-nodes"}),
    "version not read": ({"server": FORBIDDEN}, AUTO, {"read-failed", "native-unknown"}),
    "nodes not read": ({"nodes": FORBIDDEN}, AUTO, {"read-failed", "native-unknown"}),
    "webhooks not read": ({"webhooks": FORBIDDEN}, AUTO, {"read-failed"}),
    "namespace not read": ({"metadata": FORBIDDEN}, AUTO, {"read-failed"}),
    "an immutable Secret": ({"immutable_secret": SecretName("infra", "authority")}, AUTO, {"authority-immutable"}),
    "a reaper with its rights": ({"reaper": ReaperRights("r", EVERY_RIGHT)}, AUTO, {"reaper-ready"}),
    "a reaper that only observes": ({"reaper": ReaperRights("r", PASS)}, AUTO, {"reaper-observes"}),
    "a reaper without rights": ({"reaper": ReaperRights("r", frozenset())}, AUTO, {"reaper-rights-missing"}),
    "a reaper's rights not read": ({"reaper": FORBIDDEN}, AUTO, {"read-failed"}),
    "pods not read": ({"task_pods": FORBIDDEN}, AUTO, {"read-failed"}),
    "no namespace": ({"metadata": None}, AUTO, {"namespace-not-found"}),
    "settings of the installed webhook": ({"settings": SettingsOrigin("infra", "webhook")}, AUTO, {"settings-installed"}),
    "settings that cannot be read": ({"settings": SettingsOrigin("infra", "webhook", "403 no.")}, AUTO, {"settings-assumed"}),
    "forced on": ({}, ON, {"native-forced-on"}),
    "forced on, old": ({"server": OLD_SERVER}, ON, {"native-forced-on-unsupported"}),
    "forced off": ({}, OFF, {"native-forced-off"}),
    "dropped by the server": ({"pod": DROPPED, "template": DROPPED}, AUTO, {"server-lacks-native"}),
    "dropped by the server, forced": ({"pod": DROPPED, "template": DROPPED}, ON, {"native-forced-on", "server-lacks-native-forced"}),
    "dropped by the server, unused": ({"pod": DROPPED, "template": DROPPED}, OFF, {"native-forced-off", "native-dry-run-failed-unused"}),
    "dropped by the server, pod refused": ({"pod": INCONCLUSIVE, "template": DROPPED}, AUTO, {"server-lacks-native"}),
    "dropped by a webhook": ({"pod": DROPPED}, AUTO, {"webhook-drops-native"}),
    "dropped by a webhook, unused": ({"pod": DROPPED}, OFF, {"native-forced-off", "webhook-drops-native-unused"}),
    "dropped by either": ({"pod": DROPPED, "template": INCONCLUSIVE}, AUTO, {"native-dry-run-failed"}),
    "dropped by either, unused": (
        {"pod": DROPPED, "template": INCONCLUSIVE},
        OFF,
        {"native-forced-off", "native-dry-run-failed-unused"},
    ),
    "not tested": ({"pod": INCONCLUSIVE}, AUTO, {"native-not-tested"}),
    "injected twice": ({"pod": DUPLICATE}, AUTO, {"injected-twice"}),
    "injected twice, where no native sidecar is used": (
        {"pod": DUPLICATE, "server": OLD_SERVER},
        AUTO,
        {"native-old-server", "native-not-tested"},
    ),
    "a pod that passes is enough": ({"template": INCONCLUSIVE}, AUTO, set()),
    "not installed": ({"webhooks": (ISTIO,)}, AUTO, {"webhook-not-installed", "webhook-order"}),
    "not opted in": ({"metadata": NamespaceMetadata(None)}, AUTO, {"not-opted-in", "webhook-order"}),
    "excluded by an objectSelector": (
        {"webhooks": own_with(objectSelector=LabelSelector({"a": "b"}))},
        AUTO,
        {"not-opted-in", "webhook-order"},
    ),
    "unreachable": ({"pod": WITHOUT_STATUS}, AUTO, {"webhook-unreachable"}),
    "only audits": ({"pod": AUDITED}, AUTO, {"webhook-audits"}),
    "an injector before the webhook": ({"webhooks": (ISTIO, OWN)}, AUTO, {"injector-called-first"}),
    "not reinvoked": ({"webhooks": own_with(reinvocationPolicy="Never")}, AUTO, {"injected-sidecar-missed"}),
    "not reinvoked, no injector": ({"webhooks": own_with(reinvocationPolicy="Never")[:1]}, AUTO, {"not-reinvoked"}),
    "fails closed": ({"webhooks": own_with(failurePolicy="Fail")}, AUTO, {"fails-closed"}),
    "too short a timeout": ({"webhooks": own_with(timeoutSeconds=1)}, AUTO, {"webhook-timeout"}),
    "too long a timeout": ({"webhooks": own_with(timeoutSeconds=11)}, AUTO, {"webhook-timeout"}),
    "an injector that is reinvoked": (
        {"webhooks": (OWN, msgspec.structs.replace(DAPR, reinvocationPolicy="IfNeeded"))},
        AUTO,
        {"injector-reinvoked"},
    ),
    "a harmless injector that is reinvoked": (
        {"webhooks": (OWN, msgspec.structs.replace(VAULT, reinvocationPolicy="IfNeeded"))},
        AUTO,
        set(),
    ),
    "ambient": ({"metadata": opted_in_with(**{"istio.io/dataplane-mode": "ambient"})}, AUTO, {"ambient-mesh"}),
    "injected": ({"metadata": opted_in_with(**{"istio-injection": "enabled"})}, AUTO, set()),
    "injection off": ({"metadata": opted_in_with(**{"istio-injection": "disabled"}), "webhooks": (OWN,)}, AUTO, set()),
    "a label without its injector": (
        {"metadata": opted_in_with(**{"istio-injection": "enabled"}), "webhooks": (OWN,)},
        AUTO,
        {"label-without-injector"},
    ),
    "a revision without its injector": (
        {"metadata": opted_in_with(**{"istio.io/rev": "1-29"}), "webhooks": (OWN,)},
        AUTO,
        {"label-without-injector"},
    ),
    "stuck": ({"stuck_pods": (STUCK,)}, AUTO, {"stuck-pod"}),
    "too many stuck pods to list": ({"stuck_pods": (STUCK,) * 21}, AUTO, {"stuck-pod", "more-stuck-pods"}),
    "a guessed entrypoint": ({"task_pods": (recorded("team/airflow:1", GUESSED),)}, AUTO, {"entrypoints-guessed"}),
    "an unknown entrypoint": ({"task_pods": (recorded("team/airflow:1", UNKNOWN),)}, AUTO, {"entrypoints-unknown"}),
    "may stay Running": ({"remedies": (SHARED,)}, AUTO, {"pod-remedy"}),
    "too many remedies to list": ({"remedies": (SHARED,) * 21}, AUTO, {"pod-remedy", "more-remedies"}),
}
"""How the snapshot differs from a healthy one, the setting, and the findings that a healthy cluster does not have."""


@pytest.mark.parametrize(("changes", "switch", "expected"), CASES.values(), ids=CASES)
def test_a_snapshot_leads_to_these_findings_and_to_no_others(changes: dict[str, Any], switch: NativeSwitch, expected: set[str]) -> None:
    found = findings(replace(HEALTHY, **changes), switch)

    assert found.keys() - HEALTHY_FINDINGS == expected - HEALTHY_FINDINGS


def test_every_finding_of_the_table_is_found_in_some_case() -> None:
    assert {one for changes, switch, _ in CASES.values() for one in findings(replace(HEALTHY, **changes), switch)} == set(FindingId)


@pytest.mark.parametrize(("changes", "switch", "_"), CASES.values(), ids=CASES)
def test_every_place_in_a_sentence_and_a_remedy_gets_its_value(changes: dict[str, Any], switch: NativeSwitch, _: set[str]) -> None:
    for finding in findings(replace(HEALTHY, **changes), switch).values():
        assert re.search(r"\{\w*\}", finding.sentence + finding.remedy) is None
        assert ".." not in finding.sentence


@pytest.mark.parametrize(("changes", "switch", "_"), CASES.values(), ids=CASES)
def test_no_value_is_given_that_neither_sentence_nor_remedy_shows(changes: dict[str, Any], switch: NativeSwitch, _: set[str]) -> None:
    for finding in findings(replace(HEALTHY, **changes), switch).values():
        text = finding.id.row.sentence + finding.id.row.remedy
        assert [name for name in finding.values if f"{{{name}}}" not in text] == []
