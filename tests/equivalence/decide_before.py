"""Decides about pods with the rules of commit 48dd41b, from before they had a public face. Run there, as a script: PODS RESULTS [POLICY...]."""
# mypy: ignore-errors

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

from webhook.command.pod_file import as_request
from webhook.core.admission import admit
from webhook.core.cluster import UNKNOWN_CLUSTER, Cluster, NativeSupport
from webhook.core.version import Version
from webhook.policy_files import build_policy
from webhook.settings import Settings

_EVERYBODY = frozenset({"istio", "linkerd", "vault", "dapr", "consul"})
_REINVOKED = frozenset({"istio", "dapr"})
CLUSTERS = {
    "unknown": UNKNOWN_CLUSTER,
    "native": Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), frozenset()),
    "native, everybody installed": Cluster(NativeSupport.READY, Version(1, 31), _EVERYBODY, None),
    "native, injectors called again": Cluster(NativeSupport.READY, Version(1, 34), _REINVOKED, _REINVOKED),
    "old": Cluster(NativeSupport.OLD_KUBELET, Version(1, 30), frozenset({"istio", "vault"}), frozenset()),
}
POLICIES = {
    "default": build_policy(Settings()),
    "helper": build_policy(Settings(helper_image="helper:1", when_not_ready="run", wait_seconds=7)),
    "native only": build_policy(Settings(mode="native", injectors=("linkerd", "vault"))),
    "wrap only": build_policy(Settings(mode="wrap", helper_image="helper:1", short_name_key="app", short_name_value="dag")),
}

lines = []
for name, pod in json.loads(Path(sys.argv[1]).read_text("utf-8")):
    for cluster_name, cluster in CLUSTERS.items():
        for policy_name in sys.argv[3:] or POLICIES:
            policy = POLICIES[policy_name]
            outcome = admit(as_request(pod, "airflow"), policy, cluster)
            patch = json.dumps([dict(one) for one in outcome.operations]).replace(json.dumps(str(policy.script)), '"<wrapper>"')
            found = [str(outcome.result), str(outcome.reason), json.loads(patch), len(outcome.warnings)]
            lines.append(json.dumps([[name, cluster_name, policy_name], found]))
Path(sys.argv[2]).write_text("\n".join(lines), "utf-8")
