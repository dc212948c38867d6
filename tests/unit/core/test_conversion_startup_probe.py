"""A startup probe that a user gave a regular sidecar, where it delays nothing: a native one has it only if it needs nothing that starts later.

The kubelet starts no container behind a native sidecar whose startup probe has not succeeded (kuberuntime_container.go
computeInitContainerActions).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.pods import ABLE_CLUSTER, admitted
from tests.support.task_pods import (
    ALLOYDB,
    CLOUD_SQL,
    DAPRD,
    FLUENT_BIT,
    GIT_SYNC,
    OPERATOR_MARKS,
    after_conversion,
    native,
    not_converted,
    status_of,
    task_pod,
)
from webhook.core import UNKNOWN_CLUSTER, names, treat
from webhook.core.reasons import NotConvertedReason

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

AWAITS_LOG: Final = {"exec": {"command": ["sh", "-c", "ls /logs/*.log"]}}
ITS_PAGE: Final = {"httpGet": {"path": "/ping", "port": 4180}}
ANOTHER_PAGE: Final = {"httpGet": {"path": "/health", "port": 4180}}
NO_PATH: Final = {"httpGet": {"port": 4180}}
AUTH: Final = {"name": "auth", "image": "quay.io/oauth2-proxy/oauth2-proxy:v7.12.0", "args": ["--upstream=http://127.0.0.1:8787/"]}
TUNNEL: Final = {"name": "tunnel", "image": "registry.example.com/tunnel:1", "startupProbe": AWAITS_LOG}

DATADOG: Final = {"name": "datadog", "image": "gcr.io/datadoghq/agent:7.68.2"}
OLD_CLOUD_SQL: Final = {"name": "database", "image": "gcr.io/cloudsql-docker/gce-proxy:1.38.3", "ports": [{"containerPort": 5432}]}
SHIPPER: Final = {**FLUENT_BIT, "ports": [{"containerPort": 2020}]}
PING_PATH: Final = {"args": ["--ping-path=/healthz"], "ports": [{"containerPort": 4180}]}


def running(sidecar: JSONObject, *command: str) -> JSONObject:
    """The sidecar with a startup probe that runs this."""
    return {**sidecar, "startupProbe": {"exec": {"command": list(command)}}}


HOLDING: Final[dict[str, JSONObject]] = {
    "a command": {**FLUENT_BIT, "startupProbe": AWAITS_LOG},
    "another command than the proxy's own": {**CLOUD_SQL, "startupProbe": AWAITS_LOG},
    "a request that is sent on": {**AUTH, "startupProbe": ANOTHER_PAGE},
    "a request without a path": {**AUTH, "startupProbe": NO_PATH},
    "a request to another path than the one that is set": {**AUTH, **PING_PATH, "startupProbe": ANOTHER_PAGE},
    "a connection to a port that may be the task's": running(OLD_CLOUD_SQL, "nc", "-z", "localhost", "8080"),
    "a connection to another host": running(OLD_CLOUD_SQL, "nc", "-z", "database", "5432"),
    "wget of another host": running(SHIPPER, "wget", "-q", "http://localhost.example.com:2020/"),
    "curl of two hosts": running(SHIPPER, "curl", "http://localhost:2020/", "http://task:8080/"),
    "curl by way of a proxy": running(SHIPPER, "curl", "-x", "proxy", "http://localhost:2020/"),
    "curl of a page that is sent on": running({**AUTH, **PING_PATH}, "curl", "http://localhost:4180/health"),
    "a script of two commands": running(SHIPPER, "sh", "-c", "curl localhost:2020/ && ls /logs/*.log"),
    "a script of two lines": running(SHIPPER, "sh", "-c", "curl localhost:2020/\n-f /task"),
}
HARMLESS: Final[dict[str, JSONObject]] = {
    "a command of the proxy's own": {**CLOUD_SQL, "startupProbe": {"exec": {"command": ["/cloud-sql-proxy", "wait"]}}},
    "one of AlloyDB's": {**ALLOYDB, "startupProbe": {"exec": {"command": ["/alloydb-auth-proxy", "wait"]}}},
    "a request": {**FLUENT_BIT, "startupProbe": {"httpGet": {"path": "/api/v1/health", "port": 2020}}},
    "a connection": {**AUTH, "startupProbe": {"tcpSocket": {"port": 4180}}},
    "a request that it answers itself": {**AUTH, "startupProbe": ITS_PAGE},
    "a request to the path that is set": {**AUTH, **PING_PATH, "startupProbe": {"httpGet": {"path": "/healthz", "port": 4180}}},
    "a request to the path that its environment sets": {
        **AUTH,
        "env": [{"name": "OAUTH2_PROXY_PING_PATH", "value": "/up"}],
        "startupProbe": {"httpGet": {"path": "/up", "port": 4180}},
    },
    "the proxy's command in a shell": running(CLOUD_SQL, "sh", "-c", "/cloud-sql-proxy wait"),
    "the agent's own command": running(DATADOG, "agent", "health"),
    "a connection to its own port": running(OLD_CLOUD_SQL, "nc", "-z", "-w", "2", "127.0.0.1", "5432"),
    "wget of its own page": running(SHIPPER, "wget", "-qO-", "http://127.0.0.1:2020/api/v1/health"),
    "curl of its own page in a shell": running(SHIPPER, "/bin/sh", "-c", "curl -sf localhost:2020/ || exit 1"),
    "curl of a page that it answers itself": running({**AUTH, **PING_PATH}, "curl", "http://localhost:4180/healthz"),
    "null": {**FLUENT_BIT, "startupProbe": None},
}


@pytest.mark.parametrize("sidecar", HOLDING.values(), ids=HOLDING)
def test_a_sidecar_whose_startup_probe_may_need_the_task_stays(sidecar: JSONObject, policy: Policy) -> None:
    assert not_converted(task_pod(sidecar), policy) == {sidecar["name"]: NotConvertedReason.STARTUP_PROBE}


@pytest.mark.parametrize("sidecar", HARMLESS.values(), ids=HARMLESS)
def test_a_sidecar_whose_startup_probe_needs_nothing_later_becomes_native_with_it(sidecar: JSONObject, policy: Policy) -> None:
    assert native(after_conversion(task_pod(sidecar), policy), sidecar["name"])["startupProbe"] == sidecar["startupProbe"]


def test_the_user_who_describes_a_native_sidecar_knows_its_startup_probe(policy: Policy) -> None:
    described = {names.SIDECARS_ANNOTATION: json.dumps([{"name": "tunnel", "native": True}])}

    assert native(after_conversion(task_pod(TUNNEL, annotations=described), policy), "tunnel")["startupProbe"] == AWAITS_LOG


LEFT: Final = {about: sidecar for about, sidecar in HOLDING.items() if "--quitquitquit" not in sidecar.get("args", ())}


@pytest.mark.parametrize("sidecar", LEFT.values(), ids=LEFT)
def test_whoever_creates_a_pod_that_such_a_probe_leaves_is_warned_of_the_probe_with_what_to_paste(
    sidecar: JSONObject, policy: Policy
) -> None:
    outcome = treat(task_pod(sidecar), policy, ABLE_CLUSTER)
    (remedy,) = [one for one in outcome.remedies if one.reason == NotConvertedReason.STARTUP_PROBE]
    warnings = "\n".join(outcome.warnings)

    assert f"{sidecar['name']} (startup-probe): It is not made native" in warnings
    assert f"Remove startupProbe of the container {sidecar['name']}" in warnings
    assert outcome.warnings[-1].endswith(f"POD.yaml: {remedy.line}")
    assert "use a cluster with native sidecars" not in warnings
    assert "no-quit-request" not in warnings


def test_a_quit_request_that_can_be_enabled_is_still_named_beside_the_probe(policy: Policy) -> None:
    outcome = treat(task_pod({**CLOUD_SQL, "args": ["p:r:i"], "startupProbe": AWAITS_LOG}), policy, ABLE_CLUSTER)

    assert [one.reason for one in outcome.remedies] == ["no-quit", "quit-disabled", "startup-probe"]


def test_a_cluster_with_native_sidecars_is_named_where_there_are_none(policy: Policy) -> None:
    (warning,) = [one for one in treat(task_pod(FLUENT_BIT), policy, UNKNOWN_CLUSTER).warnings if "(no-quit)" in one or ": no-quit:" in one]

    assert warning.endswith("See the remedy of each sidecar. Or use a cluster with native sidecars.")


def test_a_wrapped_task_ends_a_sidecar_with_such_a_probe_without_a_warning(policy: Policy) -> None:
    proxy = {**CLOUD_SQL, "args": ["--quitquitquit", "p:r:i"], "startupProbe": AWAITS_LOG}
    outcome = treat(task_pod(proxy), policy, ABLE_CLUSTER)

    assert (outcome.result, outcome.warnings) == ("wrapped", ())


KEYS: Final = {"name": "keys", "mountPath": "/keys"}
AGENT: Final = {"name": "vault-agent", "image": "hashicorp/vault:1.20.0", "volumeMounts": [KEYS]}
SYNC: Final = {**GIT_SYNC, "volumeMounts": [KEYS], "startupProbe": {"httpGet": {"path": "/", "port": 9000}}}
WRITER: Final = {"name": "vault-agent-init", "image": "hashicorp/vault:1.20.0", "volumeMounts": [KEYS]}


def with_agent(*inits: JSONObject, **volume: object) -> JSONObject:
    """git-sync beside an agent that starts behind it, with this volume in both."""
    pod = task_pod(SYNC, AGENT, inits=inits, annotations={"vault.hashicorp.com/agent-inject-status": "injected"})
    pod["spec"]["volumes"] = [{"name": "keys", **(volume or {"emptyDir": {}})}]
    return pod


def test_a_sidecar_whose_startup_probe_may_need_the_files_of_one_behind_it_stays(policy: Policy) -> None:
    once = after_conversion(with_agent(), policy)

    assert native(once, "vault-agent")
    assert status_of(once)["not_converted"] == {"git-sync": NotConvertedReason.STARTUP_PROBE}
    assert admitted(once, policy, ABLE_CLUSTER)[0].operations == ()


def test_one_behind_it_that_only_reads_the_volume_writes_no_file_that_it_could_need(policy: Policy) -> None:
    reader = {**FLUENT_BIT, "volumeMounts": [{**KEYS, "readOnly": True}]}
    pod = task_pod(SYNC, reader)
    pod["spec"]["volumes"] = [{"name": "keys", "emptyDir": {}}]

    assert not_converted(pod, policy) == {}
    pod["spec"]["containers"][-1]["volumeMounts"] = [KEYS]
    assert not_converted(pod, policy) == {"git-sync": NotConvertedReason.STARTUP_PROBE}


def test_an_init_container_that_only_reads_the_volume_writes_no_file_either(policy: Policy) -> None:
    once = after_conversion(with_agent({**WRITER, "volumeMounts": [{**KEYS, "readOnly": True}]}), policy)

    assert status_of(once)["not_converted"] == {"git-sync": NotConvertedReason.STARTUP_PROBE}


def test_daprs_sidecar_starts_behind_all_others(policy: Policy) -> None:
    shipper = {**FLUENT_BIT, "volumeMounts": [KEYS], "startupProbe": HARMLESS["a request"]["startupProbe"]}
    pod = task_pod(shipper, {**DAPRD, "volumeMounts": [KEYS]}, labels=OPERATOR_MARKS | {"dapr.io/sidecar-injected": "true"})
    pod["spec"]["volumes"] = [{"name": "keys", "emptyDir": {}}]

    assert not_converted(pod, policy) == {"logs": NotConvertedReason.STARTUP_PROBE}
    pod["spec"]["containers"].pop()
    assert not_converted(pod, policy) == {}


def test_files_that_an_init_container_writes_and_those_that_nobody_does_are_there(policy: Policy) -> None:
    assert not_converted(with_agent(WRITER), policy) == {}
    assert not_converted(with_agent(secret={"secretName": "keys"}), policy) == {}
