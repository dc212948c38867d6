"""What the findings on native sidecars say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from testbed.manifest import watch_rules
from tests.support.cluster_snapshots import DROPPED, HEALTHY, ISTIO, OWN, VAULT, findings, nodes
from webhook.core import NativeSwitch, Version
from webhook.doctor.selector import LabelSelector
from webhook.doctor.snapshot import ReadFailure

ROOT = Path(__file__).parents[3]


def test_the_suspects_are_the_other_webhooks_that_are_called_for_the_pod() -> None:
    elsewhere = msgspec.structs.replace(VAULT, namespaceSelector=LabelSelector({"opted": "out"}))
    found = findings(replace(HEALTHY, pod=DROPPED, webhooks=(OWN, ISTIO, elsewhere)))

    assert "It is one of these: c-istio/rev.namespace.sidecar-injector.istio.io. " in found["webhook-drops-native"].sentence


def test_where_no_registered_webhook_is_a_suspect_the_finding_says_so() -> None:
    found = findings(replace(HEALTHY, pod=DROPPED, webhooks=(OWN,)))

    assert "It is one of these: none that is registered" in found["webhook-drops-native"].sentence


def test_where_the_webhooks_could_not_be_read_the_suspects_are_unknown() -> None:
    found = findings(replace(HEALTHY, pod=DROPPED, webhooks=ReadFailure("403")))

    assert "It is one of these: unknown. " in found["webhook-drops-native"].sentence


def test_the_setting_minimum_kubelet_counts() -> None:
    found = findings(HEALTHY, minimum_kubelet=Version(1, 34))

    assert "The oldest kubelet is 1.33.1, and the minimum is 1.34.0." in found["native-old-kubelet"].sentence


@pytest.mark.parametrize(
    ("kubelet", "auto"), [("v1.34.0", "the setting auto would use them here"), ("v1.28.0", "would not use them either")]
)
def test_where_native_sidecars_are_forced_off_the_finding_says_what_auto_would_do(kubelet: str, auto: str) -> None:
    found = findings(replace(HEALTHY, nodes=nodes(kubelet)), NativeSwitch.OFF)

    assert auto in found["native-forced-off"].sentence


UNSUPPORTED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "old": ({"nodes": nodes("v1.28.0")}, "(old-kubelet): a node's kubelet is older than the setting minimum_kubelet."),
    "unknown": ({"nodes": ReadFailure("403")}, "(unknown): the versions could not be read."),
}


@pytest.mark.parametrize(("changes", "why"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_where_native_sidecars_are_forced_on_without_support_the_finding_says_why_auto_would_not_use_them(
    changes: dict[str, Any], why: str
) -> None:
    found = findings(replace(HEALTHY, **changes), NativeSwitch.ON)

    assert found["native-forced-on-unsupported"].sentence.endswith(why)


def test_the_rights_on_nodes_that_the_webhook_is_said_to_need_are_those_that_it_has() -> None:
    (verbs,) = (rule["verbs"] for rule in watch_rules() if "nodes" in rule["resources"])
    decision = (ROOT / "docs" / "decisions" / "0011-watcher.md").read_text("utf-8")
    remedy = findings(replace(HEALTHY, nodes=ReadFailure("403")))["native-unknown"].remedy

    assert remedy.endswith(f" the webhook itself needs to {' and '.join(verbs)} nodes.")
    assert f"Rights: {', '.join(f'`{verb}`' for verb in verbs)} on nodes, " in decision
