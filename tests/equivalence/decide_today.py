"""Decides about pods with the rules of this tree: ``python -m tests.equivalence.decide_today PODS RESULTS``."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from webhook.core import (
    UNKNOWN_CLUSTER,
    Cluster,
    Mode,
    NativeSupport,
    ShortNamePolicy,
    ShortNameValue,
    Version,
    WhenNotReady,
    default_policy,
    to_json,
    treat,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.core import Policy

_EVERYBODY = frozenset({"istio", "linkerd", "vault", "dapr", "consul"})
_REINVOKED = frozenset({"istio", "dapr"})

CLUSTERS = {
    "unknown": UNKNOWN_CLUSTER,
    "native": Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), frozenset()),
    "native, everybody installed": Cluster(NativeSupport.READY, Version(1, 31), _EVERYBODY, None),
    "native, injectors called again": Cluster(NativeSupport.READY, Version(1, 34), _REINVOKED, _REINVOKED),
    "old": Cluster(NativeSupport.OLD_KUBELET, Version(1, 30), frozenset({"istio", "vault"}), frozenset()),
}

_DEFAULT = default_policy()
POLICIES = {
    "default": _DEFAULT,
    "helper": replace(_DEFAULT, helper_image="helper:1", when_not_ready=WhenNotReady.RUN, wait_seconds=7),
    "native only": replace(_DEFAULT, mode=Mode.NATIVE, injectors=frozenset({"linkerd", "vault"})),
    "wrap only": replace(_DEFAULT, mode=Mode.WRAP, helper_image="helper:1", short_name=ShortNamePolicy("app", ShortNameValue.DAG)),
}


def main(pods: Path, results: Path, policies: Mapping[str, Policy] = MappingProxyType(POLICIES)) -> None:
    """Write result, reason, patch and number of warnings for each pod, cluster and policy."""
    lines = []
    for name, pod in json.loads(pods.read_text("utf-8")):
        for cluster_name, cluster in CLUSTERS.items():
            for policy_name, policy in policies.items():
                outcome = treat(pod, policy, cluster)
                patch = to_json(outcome.operations).decode().replace(json.dumps(policy.script), '"<wrapper>"')
                found = [str(outcome.result), str(outcome.reason), json.loads(patch), len(outcome.warnings)]
                lines.append(json.dumps([[name, cluster_name, policy_name], found]))
    results.write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
