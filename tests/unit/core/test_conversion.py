"""The conversion, rule by rule: which sidecars become native, where they stand then, what changes in them, and what stays.

The pods have the shape that the injectors' sources give them, as far as a rule looks at it. The real injectors are compared with on the
mesh level.
"""

from __future__ import annotations

import copy
import json
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.simulated_injectors import inject_dapr, inject_istio, inject_istio_native, inject_istio_with_hold, inject_linkerd, inject_vault
from tests.support.oracles.admission import apply_reply
from tests.support.oracles.pod_validation import validate
from tests.support.pods import ABLE_CLUSTER, ask, container, load, review_of
from webhook.core import names
from webhook.core.admission import admit
from webhook.core.cluster import UNKNOWN_CLUSTER, Cluster, NativeSupport
from webhook.core.reasons import NotConvertedReason
from webhook.core.review import parse_review, render_review
from webhook.core.version import Version
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

EXECUTOR: Final = "airflow-3.3.2-provider-10.25.0/ke_minimal_template.json"
WITH_XCOM: Final = "airflow-3.3.2-provider-10.25.0/kpo_xcom.json"

FLUENT_BIT: Final = {"name": "logs", "image": "fluent/fluent-bit:4.0.0"}
CLOUD_SQL: Final = {"name": "database", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0", "args": ["--quitquitquit", "p:r:i"]}
ALLOYDB: Final = {"name": "database", "image": "gcr.io/alloydb-connectors/alloydb-auth-proxy:1.14.2", "args": ["--quitquitquit", "p/i"]}
GIT_SYNC: Final = {"name": "git-sync", "image": "registry.k8s.io/git-sync/git-sync:v4.4.2"}
KERBEROS: Final = {"name": "worker-kerberos", "image": "apache/airflow:3.3.2", "args": ["kerberos"]}
DAPRD: Final = {"name": "daprd", "image": "ghcr.io/dapr/daprd:1.18.0", "args": ["/daprd", "--dapr-http-port", "3500"]}
GCSFUSE: Final = {"name": "gke-gcsfuse-sidecar", "image": "gke.gcr.io/gcs-fuse-csi-driver-sidecar-mounter:v1.15.0"}
COLLECTOR: Final = {
    "name": "otc-container",
    "image": "otel/opentelemetry-collector-contrib:0.132.0",
    "readinessProbe": {"httpGet": {"path": "/", "port": 13133}, "initialDelaySeconds": 30, "periodSeconds": 10, "successThreshold": 3},
}
DATAPLANE: Final = {
    "name": "consul-dataplane",
    "image": "hashicorp/consul-dataplane:1.9.0",
    "readinessProbe": {"tcpSocket": {"port": 20000}, "initialDelaySeconds": 1},
}
CONSUL_MARKS: Final = {"consul.hashicorp.com/connect-inject": "true", "consul.hashicorp.com/connect-inject-status": "injected"}
DAPR_MARKS: Final = {"dapr.io/sidecar-injected": "true"}
USER_INIT: Final = {"name": "prepare", "image": "busybox"}
LEGACY_ISTIO: Final = (inject_istio, inject_istio_with_hold)


def task_pod(
    *sidecars: JSONObject, inits: tuple[JSONObject, ...] = (), volumes: tuple[str, ...] = (), **marks: dict[str, str]
) -> JSONObject:
    """An executor's pod with these beside its task; ``marks`` are further annotations and labels."""
    pod = load(EXECUTOR)
    pod["spec"]["containers"] += copy.deepcopy(list(sidecars))
    pod["spec"]["initContainers"] = copy.deepcopy(list(inits))
    pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or ()), *({"name": name, "emptyDir": {}} for name in volumes)]
    for field, entries in marks.items():
        pod["metadata"][field] |= entries
    return pod


def vault_pod(**fields: Any) -> JSONObject:
    """A pod that HashiCorp's injector has been at, with these fields in the agent."""
    pod = inject_vault(task_pod(annotations={"vault.hashicorp.com/agent-inject": "true"}))
    container(pod, "vault-agent").update(fields)
    return pod


def istio_pod(inject: Injector = inject_istio, inits: tuple[JSONObject, ...] = (), **fields: Any) -> JSONObject:
    """A pod that Istio has been at, with these fields in its proxy."""
    pod = inject(task_pod(inits=inits))
    container(pod, "istio-proxy").update(copy.deepcopy(fields))
    return pod


def annotated(pod: JSONObject, annotations: dict[str, str]) -> JSONObject:
    """The pod with these annotations."""
    pod["metadata"]["annotations"] |= annotations
    return pod


def on_server(minor: int) -> Cluster:
    """A cluster with native sidecars and this server."""
    return Cluster(NativeSupport.READY, Version(1, minor), frozenset(), frozenset())


def inits_of(pod: JSONObject) -> list[str]:
    """Names of the init containers."""
    return [one["name"] for one in pod["spec"].get("initContainers") or ()]


def regular_of(pod: JSONObject) -> list[str]:
    """Names of the regular containers."""
    return [one["name"] for one in pod["spec"]["containers"]]


def native(pod: JSONObject, name: str) -> JSONObject:
    """A native sidecar by its name."""
    found: JSONObject = next(one for one in pod["spec"]["initContainers"] if one["name"] == name)
    assert found["restartPolicy"] == "Always"
    return found


def status_of(pod: JSONObject) -> JSONObject:
    """The status document."""
    status: JSONObject = json.loads(pod["metadata"]["annotations"][names.STATUS_ANNOTATION])
    return status


def after_conversion(pod: JSONObject, policy: Policy, cluster: Cluster = ABLE_CLUSTER) -> JSONObject:
    """The pod as it ends on this cluster: valid there, and the same after a second pass."""
    after = ask(pod, policy, cluster)[1]
    server = cluster.server or Version(1, 34)

    assert validate(after, server.minor) == []
    assert ask(after, policy, cluster)[0].operations == ()
    return after


def kept(pod: JSONObject, policy: Policy, cluster: Cluster = ABLE_CLUSTER) -> dict[str, str]:
    """Which known sidecars stay regular containers, and why."""
    reasons: dict[str, str] = status_of(after_conversion(pod, policy, cluster)).get("not_converted", {})
    return reasons


# --- order ---------------------------------------------------------------------------------------


def init(name: str, **fields: Any) -> JSONObject:
    """An init container."""
    return {"name": name, "image": "busybox", **fields}


KERBEROS_MOUNT: Final = [{"name": "ticket", "mountPath": "/var/kerberos"}]

ORDERS: Final[dict[str, tuple[JSONObject, list[str]]]] = {
    "a sidecar goes before the user's init containers, which may need it": (
        task_pod(FLUENT_BIT, inits=(USER_INIT,)), ["logs", "prepare"],
    ),
    "into a pod that has no init container": (task_pod(FLUENT_BIT), ["logs"]),
    "istio-proxy comes behind istio-init and before the user's": (
        istio_pod(inits=(USER_INIT,)), ["istio-init", "istio-proxy", "prepare"],
    ),
    "istio-proxy that held up the task comes to the same place": (
        istio_pod(inject_istio_with_hold, inits=(USER_INIT,)), ["istio-init", "istio-proxy", "prepare"],
    ),
    "with Istio's CNI plugin istio-proxy comes behind istio-validation": (
        task_pod(container(istio_pod(), "istio-proxy"), inits=(init("istio-validation"), USER_INIT), volumes=("istio-envoy",)),
        ["istio-validation", "istio-proxy", "prepare"],
    ),
    "enable-core-dump follows istio-proxy": (
        task_pod(container(istio_pod(), "istio-proxy"), inits=(USER_INIT, init("istio-init"), init("enable-core-dump")), volumes=("istio-envoy",)),
        ["istio-init", "istio-proxy", "enable-core-dump", "prepare"],
    ),
    "without any helper istio-proxy is the first": (
        task_pod(container(istio_pod(), "istio-proxy"), inits=(USER_INIT,), volumes=("istio-envoy",)), ["istio-proxy", "prepare"],
    ),
    "other sidecars come behind istio-proxy and before the user's": (
        inject_istio(task_pod(FLUENT_BIT, inits=(USER_INIT,))), ["istio-init", "istio-proxy", "logs", "prepare"],
    ),
    "other sidecars come behind an istio-proxy that is native already": (
        inject_istio_native(task_pod(FLUENT_BIT, inits=(USER_INIT,))), ["istio-init", "istio-proxy", "logs", "prepare"],
    ),
    "whoever is asked to quit first stands last, since the kubelet ends the last one first": (
        task_pod(FLUENT_BIT, CLOUD_SQL, GCSFUSE), ["gke-gcsfuse-sidecar", "logs", "database"],
    ),
    "linkerd-proxy comes behind linkerd-init": (
        inject_linkerd(task_pod(FLUENT_BIT, inits=(USER_INIT,), annotations={"linkerd.io/inject": "enabled"})),
        ["linkerd-init", "linkerd-proxy", "logs", "prepare"],
    ),
    "Consul's dataplane comes behind its own init container": (
        task_pod(DATAPLANE, inits=(USER_INIT, init("consul-connect-inject-init")), annotations=CONSUL_MARKS),
        ["consul-connect-inject-init", "consul-dataplane", "prepare"],
    ),
    # consul-k8s control-plane/connect-inject/webhook/container_init.go: one init container for each service, named after it.
    "each dataplane of a multi-port pod comes behind the init container that writes its id": (
        task_pod(
            *({**DATAPLANE, "name": f"consul-dataplane-{name}", "volumeMounts": [{"name": "consul", "mountPath": "/consul"}]} for name in ("a", "b")),
            inits=tuple(init(f"consul-connect-inject-init-{name}", volumeMounts=[{"name": "consul", "mountPath": "/consul"}]) for name in ("a", "b")),
            volumes=("consul",),
            annotations=CONSUL_MARKS,
        ),
        ["consul-connect-inject-init-a", "consul-connect-inject-init-b", "consul-dataplane-a", "consul-dataplane-b"],
    ),
    "two dataplanes share one init container, which stands once": (
        task_pod(
            *({**DATAPLANE, "name": f"consul-dataplane-{name}"} for name in ("a", "b")),
            inits=(init("consul-connect-inject-init"), USER_INIT),
            annotations=CONSUL_MARKS,
        ),
        ["consul-connect-inject-init", "consul-dataplane-a", "consul-dataplane-b", "prepare"],
    ),
    "vault-agent comes behind vault-agent-init, with which it shares its port": (vault_pod(), ["vault-agent-init", "vault-agent"]),
    "vault-agent comes behind vault-agent-init wherever that stands": (
        inject_vault(task_pod(inits=(USER_INIT,), annotations={"vault.hashicorp.com/agent-inject": "true"})),
        ["prepare", "vault-agent-init", "vault-agent"],
    ),
    "the ticket renewer comes behind kerberos-init": (
        task_pod(KERBEROS, inits=(init("kerberos-init"), USER_INIT)), ["kerberos-init", "worker-kerberos", "prepare"],
    ),
    "git-sync comes behind git-sync-init": (
        task_pod({"name": "git-sync", "image": "registry.k8s.io/git-sync/git-sync:v4.4.2"}, inits=(init("git-sync-init"), USER_INIT)),
        ["git-sync-init", "git-sync", "prepare"],
    ),
    "a sidecar comes behind an init container that takes the same port": (
        task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020}]}, inits=(init("first"), init("claims", ports=[{"containerPort": 2020}]), init("last"))),
        ["first", "claims", "logs", "last"],
    ),
    "an init container with another port does not hold it back": (
        task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020}]}, inits=(init("first", ports=[{"containerPort": 2021}]),)), ["logs", "first"],
    ),
    "a sidecar comes behind an init container that writes into a volume of its": (
        task_pod(
            {**KERBEROS, "volumeMounts": KERBEROS_MOUNT},
            inits=(init("first"), init("writes", volumeMounts=KERBEROS_MOUNT), init("last")),
            volumes=("ticket",),
        ),
        ["first", "writes", "worker-kerberos", "last"],
    ),
    "each sidecar waits for its own init container only": (
        task_pod(
            FLUENT_BIT, {**KERBEROS, "volumeMounts": KERBEROS_MOUNT}, inits=(init("first"), init("writes", volumeMounts=KERBEROS_MOUNT)), volumes=("ticket",)
        ),
        ["logs", "first", "writes", "worker-kerberos"],
    ),
    "nothing is said about somebody else's native sidecar": (
        task_pod(FLUENT_BIT, inits=(init("mine", restartPolicy="Always"), USER_INIT)), ["logs", "mine", "prepare"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pod", "order"), ORDERS.values(), ids=ORDERS)
def test_the_order_is_right(pod: JSONObject, order: list[str], policy: Policy) -> None:
    assert inits_of(after_conversion(pod, policy)) == order


@pytest.mark.parametrize("source", ["configMap", "secret", "projected", "downwardAPI"])
def test_a_volume_that_nobody_can_write_into_holds_nothing_back(source: str, policy: Policy) -> None:
    mount = [{"name": "settings", "mountPath": "/settings"}]
    pod = task_pod({**FLUENT_BIT, "volumeMounts": mount}, inits=(init("reads", volumeMounts=mount),))
    pod["spec"]["volumes"].append({"name": "settings", source: {}})

    assert inits_of(after_conversion(pod, policy)) == ["logs", "reads"]


@pytest.mark.parametrize("inits", list(permutations(["istio-init", "enable-core-dump", "one", "two"])), ids="-".join)
@pytest.mark.parametrize("is_first", [True, False])
def test_istios_containers_come_to_one_order_from_every_other(inits: tuple[str, ...], is_first: bool, policy: Policy) -> None:
    pod = task_pod(FLUENT_BIT, inits=tuple(map(init, inits)), volumes=("istio-envoy",))
    proxy = container(istio_pod(), "istio-proxy")
    pod["spec"]["containers"].insert(0 if is_first else 2, proxy)
    users = [name for name in inits if name in {"one", "two"}]

    assert inits_of(after_conversion(pod, policy)) == ["istio-init", "istio-proxy", "enable-core-dump", "logs", *users]


def test_our_own_helper_is_the_first_of_all() -> None:
    helping = build_policy(Settings(helper_image="registry.example.com/helper:1"))
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"))
    container(pod, "base").update({"image": "registry.example.com/etl:9", "command": ["/etl"]})
    # It has a quit, and stays: so the task is wrapped.
    pod["spec"]["containers"].append({**CLOUD_SQL, "ports": [{"containerPort": 5432, "hostPort": 5432}]})

    assert inits_of(after_conversion(pod, helping)) == [names.HELPER_CONTAINER, "istio-init", "istio-proxy"]
    assert inits_of(after_conversion(ask(pod, helping)[1], helping)) == [names.HELPER_CONTAINER, "istio-init", "istio-proxy"]


# --- Istio's own rendering is the reference --------------------------------------------------------


@pytest.mark.parametrize("inits", [(), (init("one"), init("two")), (init("mine", restartPolicy="Always"),)], ids=["none", "two", "native"])
@pytest.mark.parametrize("inject", LEGACY_ISTIO)
def test_a_converted_pod_is_the_one_that_istio_renders_natively(inject: Injector, inits: tuple[JSONObject, ...], policy: Policy) -> None:
    converted = after_conversion(inject(task_pod(inits=inits)), policy)
    rendered = after_conversion(inject_istio_native(task_pod(inits=inits)), policy)
    if inject is inject_istio_with_hold:
        # Its setting stands in the proxy's environment, whatever is made of it.
        native(rendered, "istio-proxy")["env"] = native(converted, "istio-proxy")["env"]

    assert converted == rendered
    assert list(native(converted, "istio-proxy")) != []


def test_the_annotation_before_istio_and_the_conversion_after_it_come_to_the_same_pod(policy: Policy) -> None:
    asked = after_conversion(inject_istio(ask(annotated(task_pod(), {"sidecar.istio.io/inject": "true"}), policy, ABLE_CLUSTER)[1]), policy)
    converted = after_conversion(inject_istio(annotated(task_pod(), {"sidecar.istio.io/inject": "true"})), policy)

    assert asked == converted


def test_linkerds_proxy_is_converted_to_what_its_injector_renders_natively(policy: Policy) -> None:
    pod = task_pod(inits=(USER_INIT,), annotations={"linkerd.io/inject": "enabled"})
    rendered = after_conversion(inject_linkerd(ask(pod, policy, ABLE_CLUSTER)[1]), policy)
    converted = after_conversion(inject_linkerd(pod), policy)

    assert converted == rendered


def test_daprs_sidecar_is_converted_to_what_its_injector_renders_natively(policy: Policy) -> None:
    pod = task_pod(annotations={"dapr.io/enabled": "true"})

    assert after_conversion(inject_dapr(pod), policy) == after_conversion(inject_dapr(ask(pod, policy, ABLE_CLUSTER)[1]), policy)


# --- hooks -----------------------------------------------------------------------------------------

DRAIN: Final = ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]


def run(*command: str) -> JSONObject:
    """A handler that runs a command."""
    return {"exec": {"command": list(command)}}


STAYING_HOOKS: Final = {
    "a preStop that nobody knows": (FLUENT_BIT, {"preStop": run("sh", "-c", "flush")}),
    "a preStop that sleeps": (FLUENT_BIT, {"preStop": {"sleep": {"seconds": 5}}}),
    "Vault's preStop that revokes the token": (None, {"preStop": run("/bin/sh", "-c", "/bin/sleep 5 && /bin/vault token revoke -self")}),
    "a preStop that asks something else over HTTP": (FLUENT_BIT, {"preStop": {"httpGet": {"path": "/flush", "port": 2020}}}),
    "a preStop that makes a file called shutdown": (FLUENT_BIT, {"preStop": run("touch", "/run/shutdown")}),
    "a preStop that makes such a file in a shell": (FLUENT_BIT, {"preStop": run("sh", "-c", "touch /tmp/shutdown && sleep 5")}),
    "a preStop that asks for something like a shutdown": (FLUENT_BIT, {"preStop": {"httpGet": {"path": "/shutdown-report", "port": 2020}}}),
    "a stop signal": (FLUENT_BIT, {"stopSignal": "SIGINT"}),
}


@pytest.mark.parametrize(("sidecar", "hooks"), STAYING_HOOKS.values(), ids=STAYING_HOOKS)
def test_a_hook_that_harms_nobody_stays(sidecar: JSONObject | None, hooks: JSONObject, policy: Policy) -> None:
    pod = task_pod({**sidecar, "lifecycle": hooks}) if sidecar else vault_pod(lifecycle=hooks)
    name = sidecar["name"] if sidecar else "vault-agent"

    assert native(after_conversion(pod, policy), name)["lifecycle"] == hooks


QUITTING_HOOKS: Final = {
    "a kill": run("sh", "-c", "kill -TERM 1"),
    "a kill behind a semicolon": run("sh", "-c", "sleep 5;kill 1"),
    "a kill in brackets": run("sh", "-c", "test -e /x && (kill 1)"),
    "a kill of a command's answer": run("sh", "-c", "kill $(pidof fluent-bit)"),
    "pkill": run("/usr/bin/pkill", "fluent-bit"),
    "killall": run("killall", "-USR2", "kuma-dp"),
    "quitquitquit by curl": run("curl", "-X", "POST", "http://localhost:15020/quitquitquit"),
    "quitquitquit over HTTP": {"httpGet": {"path": "/quitquitquit", "port": 9091}},
    "a shutdown over HTTP": {"httpGet": {"path": "/v1.0/shutdown", "port": 3500}},
    "a shutdown with a query": {"httpGet": {"path": "/shutdown/?now=1", "port": 3500}},
    "a shutdown by curl": run("curl", "-X", "POST", "http://localhost:3500/v1.0/shutdown"),
    "a shutdown at a host without a scheme": run("sh", "-c", "sleep 5; wget -qO- --post-data= localhost/shutdown"),
    "a shutdown at a port that a variable holds": run("sh", "-c", "curl -XPOST 127.0.0.1:${PORT}/shutdown"),
    "a shutdown as a line of HTTP": run("sh", "-c", r"printf 'POST /shutdown HTTP/1.0\r\n\r\n' | nc localhost 4191"),
    "Consul's graceful shutdown over HTTP": {"httpGet": {"path": "/graceful_shutdown", "port": 20600}},
    "Consul's graceful shutdown by curl": run("curl", "http://127.0.0.1:20600/graceful_shutdown"),
    "Vault's quit": run("wget", "-qO-", "--post-data=", "http://127.0.0.1:8200/agent/v1/quit"),
}


@pytest.mark.parametrize("hook", QUITTING_HOOKS.values(), ids=QUITTING_HOOKS)
def test_a_prestop_hook_that_makes_the_process_exit_goes(hook: JSONObject, policy: Policy) -> None:
    """The kubelet would start it again while it ends the pod (KEP-753)."""
    after = after_conversion(task_pod({**FLUENT_BIT, "lifecycle": {"preStop": hook}}), policy)

    assert "lifecycle" not in native(after, "logs")


@pytest.mark.parametrize(("proxy", "program"), [(CLOUD_SQL, "/cloud-sql-proxy"), (ALLOYDB, "/alloydb-auth-proxy")])
def test_a_database_proxys_own_shutdown_goes(proxy: JSONObject, program: str, policy: Policy) -> None:
    """Its subcommand posts to its own quitquitquit (cloud-sql-proxy cmd/root.go, 2.20.0; alloydb-auth-proxy shutdown, 1.14.0)."""
    after = after_conversion(task_pod({**proxy, "lifecycle": {"preStop": run(program, "shutdown")}}), policy)

    assert "lifecycle" not in native(after, "database")


def test_only_the_hook_that_harms_goes(policy: Policy) -> None:
    lifecycle = {"preStop": run("kill", "1"), "stopSignal": "SIGINT"}
    after = after_conversion(task_pod({**FLUENT_BIT, "lifecycle": lifecycle}), policy)

    assert native(after, "logs")["lifecycle"] == {"stopSignal": "SIGINT"}


def test_istios_wait_goes_and_its_drain_comes(policy: Policy) -> None:
    after = after_conversion(istio_pod(inject_istio_with_hold), policy)

    assert native(after, "istio-proxy")["lifecycle"] == {"preStop": run(*DRAIN)}


def test_istios_quit_gives_way_to_its_drain(policy: Policy) -> None:
    hook = {"preStop": run("pilot-agent", "request", "POST", "quitquitquit")}

    assert native(after_conversion(istio_pod(lifecycle=hook), policy), "istio-proxy")["lifecycle"] == {"preStop": run(*DRAIN)}


def test_a_prestop_that_the_admin_gave_istio_stays(policy: Policy) -> None:
    hook = {"preStop": run("sh", "-c", "sleep 10")}

    assert native(after_conversion(istio_pod(lifecycle=hook), policy), "istio-proxy")["lifecycle"] == hook


@pytest.mark.parametrize(
    ("image", "has_drain"), [("istio/proxyv2:1.20.8", False), ("istio/proxyv2:1.21.0-distroless", True), ("istio/proxyv2:latest", True)]
)
def test_only_an_istio_that_knows_the_drain_is_told_to(image: str, has_drain: bool, policy: Policy) -> None:
    """Of a tag that is no version it is assumed: a hook that fails costs an event. No injector here is called again."""
    after = after_conversion(istio_pod(image=image), policy)

    assert ("lifecycle" in native(after, "istio-proxy")) is has_drain


@pytest.mark.parametrize(("port", "has_drain"), [(15000, True), (15004, True), (15021, True), (15010, False), (0, False)])
def test_the_drain_is_asked_on_istios_status_port_where_pilot_agent_takes_it(port: int, has_drain: bool, policy: Policy) -> None:
    pod = annotated(istio_pod(), {"status.sidecar.istio.io/port": str(port)})
    lifecycle = native(after_conversion(pod, policy), "istio-proxy").get("lifecycle")

    assert lifecycle == ({"preStop": run("pilot-agent", "request", f"--debug-port={port}", "POST", "drain")} if has_drain else None)


@pytest.mark.parametrize("hook", [run("/usr/lib/linkerd/linkerd-await", "--timeout=2m"), None])
def test_linkerds_hooks_go_as_in_its_own_rendering(hook: JSONObject | None, policy: Policy) -> None:
    pod = inject_linkerd(task_pod(annotations={"linkerd.io/inject": "enabled"}))
    container(pod, "linkerd-proxy")["lifecycle"] = {"postStart": hook, "preStop": run("/bin/sleep", "20")}
    lifecycle = native(after_conversion(pod, policy), "linkerd-proxy").get("lifecycle") or {}

    assert not any(lifecycle.values())


UNKNOWN_STARTS: Final = {
    "a command": run("sh", "-c", "until curl -f localhost:8793; do sleep 1; done"),
    "a request": {"httpGet": {"path": "/ready", "port": 8793}},
    "a sleep": {"sleep": {"seconds": 1}},
    "Istio's wait in another's container": run("pilot-agent", "wait"),
}


@pytest.mark.parametrize("hook", UNKNOWN_STARTS.values(), ids=UNKNOWN_STARTS)
def test_a_sidecar_with_a_poststart_that_nobody_knows_stays(hook: JSONObject, policy: Policy) -> None:
    """The kubelet starts the next init container when it has ended: one that waits for the task waits for ever."""
    assert kept(task_pod({**FLUENT_BIT, "lifecycle": {"postStart": hook}}), policy) == {"logs": NotConvertedReason.POST_START}


# --- probes ----------------------------------------------------------------------------------------

PROBE: Final = {"httpGet": {"path": "/healthz/ready", "port": 15021}, "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": 600}


def test_istio_gets_a_startup_probe_where_it_has_none(policy: Policy) -> None:
    pod = istio_pod()
    del container(pod, "istio-proxy")["startupProbe"]

    assert native(after_conversion(pod, policy), "istio-proxy")["startupProbe"] == PROBE


def test_istios_own_startup_probe_stays(policy: Policy) -> None:
    probe = {"httpGet": {"path": "/healthz/ready", "port": 15021}, "periodSeconds": 7}

    assert native(after_conversion(istio_pod(startupProbe=probe), policy), "istio-proxy")["startupProbe"] == probe


def test_an_istio_whose_envoy_listens_elsewhere_stays_since_its_probes_do_not_follow(policy: Policy) -> None:
    pod = istio_pod(env=[{"name": "ENVOY_STATUS_PORT", "value": "15099"}])

    assert kept(pod, policy) == {"istio-proxy": NotConvertedReason.OPTED_OUT}


def test_a_described_sidecar_is_moved_with_a_probe_of_its_own_and_stays_where_it_has_none(policy: Policy) -> None:
    """Its endpoint may be on the loopback, where the kubelet cannot ask."""
    described = annotated(
        task_pod({"name": "cache", "image": "registry.example.com/cache:1"}),
        {names.SIDECARS_ANNOTATION: '[{"name": "cache", "ready": {"port": 9091, "path": "/ready"}, "native": true}]'},
    )
    assert kept(described, policy) == {"cache": NotConvertedReason.NO_PROBE}

    container(described, "cache")["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 9091}, "periodSeconds": 30}
    assert native(after_conversion(described, policy), "cache")["startupProbe"] == {
        "httpGet": {"path": "/ready", "port": 9091},
        "initialDelaySeconds": 0,
        "periodSeconds": 1,
        "failureThreshold": 600,
        "successThreshold": 1,
    }


def test_what_the_user_set_of_istios_container_moves_along(policy: Policy) -> None:
    """It is how Istio finds it again (webhook.go reapplyOverwrittenContainers)."""
    pod = annotated(istio_pod(), {"proxy.istio.io/overrides": '{"containers":[{"name":"istio-proxy","image":"auto"}]}'})

    overrides = after_conversion(pod, policy)["metadata"]["annotations"]["proxy.istio.io/overrides"]
    assert json.loads(overrides) == {"initContainers": [{"name": "istio-proxy", "image": "auto"}]}


def test_a_container_that_an_old_injector_added_a_second_time_goes(policy: Policy) -> None:
    """A converted pod that is created again, where the injector looks among the regular containers only: two of one name are refused."""
    once = after_conversion(istio_pod(), policy)
    again = copy.deepcopy(once)
    again["spec"]["containers"].append(copy.deepcopy(container(istio_pod(), "istio-proxy")))

    assert after_conversion(again, policy) == once


def test_istio_without_a_status_port_gets_no_probe_that_could_only_fail(policy: Policy) -> None:
    pod = annotated(istio_pod(), {"status.sidecar.istio.io/port": "0"})
    del container(pod, "istio-proxy")["startupProbe"]

    assert "startupProbe" not in native(after_conversion(pod, policy), "istio-proxy")


def test_linkerd_gets_the_startup_probe_of_its_own_rendering(policy: Policy) -> None:
    after = after_conversion(inject_linkerd(task_pod(annotations={"linkerd.io/inject": "enabled"})), policy)

    assert native(after, "linkerd-proxy")["startupProbe"] == {
        "httpGet": {"path": "/ready", "port": 4191},
        "periodSeconds": 1,
        "failureThreshold": 120,
    }


@pytest.mark.parametrize(("sidecar", "marks"), [(COLLECTOR, {}), (DATAPLANE, CONSUL_MARKS)], ids=["collector", "dataplane"])
def test_a_readiness_that_needs_nothing_later_becomes_the_startup_probe_too(
    sidecar: JSONObject, marks: dict[str, str], policy: Policy
) -> None:
    after = native(after_conversion(task_pod(sidecar, annotations=marks), policy), sidecar["name"])
    handler = next(key for key in sidecar["readinessProbe"] if key in {"httpGet", "tcpSocket"})

    assert after["readinessProbe"] == sidecar["readinessProbe"]
    assert after["startupProbe"][handler] == sidecar["readinessProbe"][handler]
    assert after["startupProbe"]["successThreshold"] == 1


def test_an_unknown_readiness_gates_nothing(policy: Policy) -> None:
    """A startup probe that needs something later would hold the pod in its init containers for ever."""
    probes = {"readinessProbe": {"httpGet": {"path": "/", "port": 2020}}, "livenessProbe": {"tcpSocket": {"port": 2020}}}
    after = native(after_conversion(task_pod({**FLUENT_BIT, **probes}), policy), "logs")

    assert "startupProbe" not in after
    assert {key: after[key] for key in probes} == probes


# --- environment, resizing, ports -----------------------------------------------------------------


@pytest.mark.parametrize("env", [None, [], [{"name": "OTHER", "value": "1"}]])
def test_gcsfuse_is_told_that_it_is_native(env: list[JSONObject] | None, policy: Policy) -> None:
    """Without it SIGTERM waits for an exit file that nobody writes."""
    after = after_conversion(task_pod(GCSFUSE if env is None else {**GCSFUSE, "env": env}), policy)

    assert native(after, "gke-gcsfuse-sidecar")["env"] == [*(env or ()), {"name": "NATIVE_SIDECAR", "value": "TRUE"}]


def test_gcsfuse_that_knows_it_already_is_told_once(policy: Policy) -> None:
    env = [{"name": "NATIVE_SIDECAR", "value": "TRUE"}]

    assert native(after_conversion(task_pod({**GCSFUSE, "env": env}), policy), "gke-gcsfuse-sidecar")["env"] == env


def test_gcsfuse_that_is_told_something_else_stays(policy: Policy) -> None:
    pod = task_pod({**GCSFUSE, "env": [{"name": "NATIVE_SIDECAR", "value": "FALSE"}]})

    assert kept(pod, policy) == {"gke-gcsfuse-sidecar": NotConvertedReason.OPTED_OUT}


@pytest.mark.parametrize(("minor", "keeps"), [(29, False), (32, False), (33, True), (34, True)])
def test_a_resize_policy_goes_where_the_server_refuses_it_on_an_init_container(minor: int, keeps: bool, policy: Policy) -> None:
    resize = [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]
    after = native(after_conversion(task_pod({**FLUENT_BIT, "resizePolicy": resize}), policy, on_server(minor)), "logs")

    assert after.get("resizePolicy") == (resize if keeps else None)


def test_a_resize_policy_goes_where_the_server_is_not_known(policy: Policy) -> None:
    pod = task_pod({**FLUENT_BIT, "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]})

    assert "resizePolicy" not in native(after_conversion(pod, policy, Cluster(NativeSupport.FORCED_ON)), "logs")


def test_a_sidecar_with_a_port_of_the_host_stays(policy: Policy) -> None:
    pod = task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020, "hostPort": 2020}]})

    assert kept(pod, policy) == {"logs": NotConvertedReason.HOST_PORT}


@pytest.mark.parametrize(
    ("minor", "reasons"), [(29, {"logs": NotConvertedReason.NAMED_PORT}), (31, {"logs": NotConvertedReason.NAMED_PORT}), (32, {})]
)
def test_a_sidecar_with_a_named_port_stays_until_services_see_it(minor: int, reasons: dict[str, str], policy: Policy) -> None:
    pod = task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020, "name": "metrics"}]})

    assert kept(pod, policy, on_server(minor)) == reasons


def test_a_port_without_a_name_holds_no_sidecar_back(policy: Policy) -> None:
    assert kept(task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020}]}), policy, on_server(29)) == {}


@pytest.mark.parametrize(
    ("inject", "mark"),
    [(inject_istio, "sidecar.istio.io/inject"), (inject_linkerd, "linkerd.io/inject"), (inject_dapr, "dapr.io/enabled")],
)
def test_named_ports_that_an_injector_gives_its_own_container_are_asked_for_by_nobody(inject: Injector, mark: str, policy: Policy) -> None:
    pod = inject(task_pod(annotations={mark: "enabled" if "linkerd" in mark else "true"}))

    assert [one for one in regular_of(pod) if one != "base"] != []
    assert regular_of(after_conversion(pod, policy, on_server(29))) == ["base"]


def test_a_user_port_on_istios_proxy_holds_it_back(policy: Policy) -> None:
    pod = istio_pod(ports=[{"containerPort": 15090, "name": "http-envoy-prom"}, {"containerPort": 8080, "name": "web"}])

    assert kept(pod, policy, on_server(31)) == {"istio-proxy": NotConvertedReason.NAMED_PORT}


# --- what is never moved --------------------------------------------------------------------------


def test_a_container_that_ends_by_itself_to_do_its_work_is_not_started_again_and_again(policy: Policy) -> None:
    prefetch = {"name": "gke-gcsfuse-metadata-prefetch", "image": "gke.gcr.io/gcs-fuse-csi-driver-metadata-prefetch:v1.15.0"}
    pod = vault_pod(command=["vault"], args=["agent", "-exit-after-auth"])
    pod["spec"]["containers"].append(prefetch)

    assert kept(pod, policy) == {
        "vault-agent": NotConvertedReason.OPTED_OUT,
        "gke-gcsfuse-metadata-prefetch": NotConvertedReason.NOT_CONVERTIBLE,
    }


ONE_AUTHENTICATION: Final = {
    "one dash": {"command": ["vault"], "args": ["agent", "-exit-after-auth"]},
    "two dashes": {"command": ["vault"], "args": ["agent", "--exit-after-auth=true"]},
    "in a shell": {"command": ["/bin/sh", "-ec"], "args": ["exec vault agent -config=/vault/agent.hcl -exit-after-auth"]},
    "in quotes": {"command": ["sh", "-c", "sh -c 'vault agent --exit-after-auth'"], "args": []},
    "before the next command": {"command": ["bash", "-euc", "(vault agent -exit-after-auth=1); sleep 1"], "args": []},
}


@pytest.mark.parametrize("fields", ONE_AUTHENTICATION.values(), ids=ONE_AUTHENTICATION)
def test_a_vault_agent_that_authenticates_once_stays(fields: JSONObject, policy: Policy) -> None:
    assert kept(vault_pod(**fields), policy) == {"vault-agent": NotConvertedReason.OPTED_OUT}


LASTING_AUTHENTICATION: Final = {
    "switched off": {"command": ["vault"], "args": ["agent", "-exit-after-auth=false"]},
    "switched off in a shell": {"command": ["/bin/sh", "-ec"], "args": ["vault agent -exit-after-auth=F"]},
    "something like it": {"command": ["/bin/sh", "-ec"], "args": ["vault agent -config=/vault/-exit-after-auth.hcl"]},
}


@pytest.mark.parametrize("fields", LASTING_AUTHENTICATION.values(), ids=LASTING_AUTHENTICATION)
def test_a_vault_agent_that_goes_on_is_moved(fields: JSONObject, policy: Policy) -> None:
    assert inits_of(after_conversion(vault_pod(**fields), policy)) == ["vault-agent-init", "vault-agent"]


@pytest.mark.parametrize(
    "fields",
    [
        {"args": ["--one-time"]},
        {"args": ["--one-time=true"]},
        {"args": ["--one-time", "false"]},
        {"command": ["sh", "-c"], "args": ["git-sync --one-time"]},
    ],
    ids=str,
)
def test_a_git_sync_that_runs_once_is_nobodys_sidecar(fields: JSONObject, policy: Policy) -> None:
    """A word of its own behind the flag is no value to Go."""
    assert regular_of(after_conversion(task_pod({**GIT_SYNC, **fields}), policy)) == ["base", "git-sync"]


@pytest.mark.parametrize("word", ["0", "f", "F", "false", "False", "FALSE"])
def test_a_git_sync_that_is_told_not_to_run_once_is_moved(word: str, policy: Policy) -> None:
    """Go's words for false (strconv.ParseBool), by which its flags are read."""
    assert inits_of(after_conversion(task_pod({**GIT_SYNC, "args": [f"--one-time={word}", "--repo=r"]}), policy)) == ["git-sync"]


def test_the_last_regular_container_is_never_moved(policy: Policy) -> None:
    """A pod of nothing but sidecars: what looks like one may be the task."""
    pod = istio_pod()
    pod["spec"]["containers"] = [container(pod, "istio-proxy")]

    assert regular_of(after_conversion(pod, policy)) == ["istio-proxy"]


def test_a_placeholder_that_istio_will_overlay_is_not_moved(policy: Policy) -> None:
    """Its injector moves it itself, with what the user customised (istio pkg/kube/inject/webhook.go moveContainer)."""
    pod = task_pod({"name": "istio-proxy", "image": "auto"}, annotations={"sidecar.istio.io/inject": "true"})
    after = after_conversion(pod, policy)

    assert regular_of(after) == ["base", "istio-proxy"]
    assert after["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] == "true"


def test_a_task_that_runs_a_sidecars_image_is_the_task(policy: Policy) -> None:
    pod = task_pod(FLUENT_BIT)
    container(pod, "base")["image"] = "registry.k8s.io/git-sync/git-sync:v4.4.2"

    assert regular_of(after_conversion(pod, policy)) == ["base"]


def test_a_sidecar_of_the_users_own_is_moved_only_where_he_says_so(policy: Policy) -> None:
    def pod(says: str) -> JSONObject:
        return task_pod({"name": "cache", "image": "redis:8"}, annotations={names.SIDECARS_ANNOTATION: f'[{{"name": "cache"{says}}}]'})

    assert kept(pod(""), policy) == {"cache": NotConvertedReason.NOT_CONVERTIBLE}
    assert kept(pod(', "native": false'), policy) == {"cache": NotConvertedReason.NOT_CONVERTIBLE}
    assert inits_of(after_conversion(pod(', "native": true'), policy)) == ["cache"]


def test_a_container_with_restarts_of_its_own_stays(policy: Policy) -> None:
    """KEP-5307, from 1.35 on: a native sidecar has neither another policy than Always nor rules."""
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    for fields in ({"restartPolicy": "OnFailure"}, {"restartPolicy": "Never", "restartPolicyRules": rules}):
        pod = task_pod({**FLUENT_BIT, **fields})
        after = annotated(copy.deepcopy(pod), {names.STATUS_ANNOTATION: ""})
        status = status_of(patched(pod, policy, on_server(35)))

        assert validate(after, 35) == []
        assert status["not_converted"] == {"logs": NotConvertedReason.OWN_RESTARTS}


def patched(pod: JSONObject, policy: Policy, cluster: Cluster) -> JSONObject:
    """The pod after one pass on a server newer than the oracle of `ask` takes for granted."""
    question = review_of(pod)
    request = parse_review(question)
    outcome = admit(request, policy, cluster)
    return apply_reply(question, render_review(request.uid, outcome.operations, outcome.warnings))


def test_a_sidecar_that_mounts_a_volume_of_gcsfuse_stays(policy: Policy) -> None:
    """Its driver serves no init container (gcs-fuse-csi-driver issue #38)."""
    pod = task_pod({**FLUENT_BIT, "volumeMounts": [{"name": "bucket", "mountPath": "/bucket"}]})
    pod["spec"]["volumes"].append({"name": "bucket", "csi": {"driver": "gcsfuse.csi.storage.gke.io"}})

    assert kept(pod, policy) == {"logs": NotConvertedReason.CSI_VOLUME}
    pod["spec"]["volumes"][-1]["csi"]["driver"] = "secrets-store.csi.k8s.io"
    assert kept(pod, policy) == {}


WITHOUT_RULE: Final = {
    "Kuma, whose control plane looks among the regular containers": ({"name": "kuma-sidecar", "image": "kumahq/kuma-dp:2.10"}, {"annotations": {"kuma.io/sidecar-injected": "true"}}),
    "Datadog, whose injector looks there only": ({"name": "datadog-agent-injected", "image": "datadog/agent:7"}, {}),
    "App Mesh, whose injector looks there only": ({"name": "envoy", "image": "aws-appmesh-envoy:v1", "env": [{"name": "APPMESH_RESOURCE_ARN", "value": "x"}]}, {}),
    "Azure's proxy, which its webhook would add again": ({"name": "azwi-proxy", "image": "mcr.microsoft.com/oss/azure/workload-identity/proxy:v1.5.0"}, {}),
    "the Cloud SQL operator's proxy, which it would add again": (
        {"name": "csql-ns-db", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2", "env": [{"name": "CSQL_PROXY_USER_AGENT", "value": "cloud-sql-proxy-operator/1"}]}, {}),
    "an Istio agent without Envoy": ({"name": "istio-proxy", "image": "istio/proxyv2:1.26.8", "env": [{"name": "DISABLE_ENVOY", "value": "true"}]}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("sidecar", "marks"), WITHOUT_RULE.values(), ids=WITHOUT_RULE)
def test_a_sidecar_that_somebody_looks_for_among_the_regular_containers_stays(
    sidecar: JSONObject, marks: JSONObject, policy: Policy
) -> None:
    assert kept(task_pod(sidecar, **marks), policy) == {sidecar["name"]: NotConvertedReason.NOT_CONVERTIBLE}


def test_every_reason_to_keep_a_sidecar_has_a_test() -> None:
    source = Path(__file__).read_text("utf-8")

    assert [reason for reason in NotConvertedReason if f"NotConvertedReason.{reason.name}" not in source] == []


# --- injectors that come again --------------------------------------------------------------------

CALLED_ONCE: Final = frozenset[str]()
UNKNOWN: Final = None
AGAIN: Final = frozenset({"istio", "dapr"})


@pytest.mark.parametrize(
    ("image", "reinvoked", "is_moved"),
    [
        ("istio/proxyv2:1.24.0", AGAIN, True),
        ("istio/proxyv2:1.24.0", UNKNOWN, True),
        ("istio/proxyv2:1.30.3-distroless", AGAIN, True),
        ("istio/proxyv2:1.23.6", CALLED_ONCE, True),
        ("istio/proxyv2:1.23.6", AGAIN, False),
        ("istio/proxyv2:1.23.6", UNKNOWN, False),
        ("istio/proxyv2:latest", CALLED_ONCE, True),
        ("istio/proxyv2:latest", AGAIN, False),
        ("registry:5000/istio/proxyv2@sha256:00", UNKNOWN, False),
    ],
)
def test_istios_proxy_is_moved_where_its_injector_obeys_the_annotation_or_comes_no_more(
    image: str, reinvoked: frozenset[str] | None, is_moved: bool, policy: Policy
) -> None:
    """Else it would add a second istio-proxy among the regular containers, and the pod would be refused."""
    cluster = Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), reinvoked)

    assert kept(istio_pod(image=image), policy, cluster) == ({} if is_moved else {"istio-proxy": NotConvertedReason.REINJECTION})


@pytest.mark.parametrize(
    ("image", "reinvoked", "is_moved"),
    [("daprd:1.18.0", AGAIN, True), ("daprd:1.17.9", CALLED_ONCE, True), ("daprd:1.17.9", AGAIN, False), ("daprd:1.17.9", UNKNOWN, False)],
)
def test_daprs_sidecar_is_moved_where_its_injector_looks_in_both_lists_or_comes_no_more(
    image: str, reinvoked: frozenset[str] | None, is_moved: bool, policy: Policy
) -> None:
    cluster = Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), reinvoked)
    pod = task_pod({**DAPRD, "image": image}, labels=DAPR_MARKS)

    assert kept(pod, policy, cluster) == ({} if is_moved else {"daprd": NotConvertedReason.REINJECTION})


@pytest.mark.parametrize(
    ("pod", "name"),
    [
        (vault_pod(), "vault-agent"),
        (inject_linkerd(task_pod(annotations={"linkerd.io/inject": "enabled"})), "linkerd-proxy"),
        (task_pod(DATAPLANE, annotations=CONSUL_MARKS), "consul-dataplane"),
        (task_pod(COLLECTOR), "otc-container"),
        (task_pod(GCSFUSE), "gke-gcsfuse-sidecar"),
    ],
)
def test_an_injector_that_finds_its_own_mark_or_container_may_come_again(pod: JSONObject, name: str, policy: Policy) -> None:
    everybody_again = Cluster(
        NativeSupport.READY, Version(1, 34, 4), frozenset(), frozenset({"vault", "linkerd", "consul", "opentelemetry-operator", "gcsfuse"})
    )

    assert name in inits_of(after_conversion(pod, policy, everybody_again))


def test_a_moved_proxy_of_istio_is_marked_for_its_injector(policy: Policy) -> None:
    annotations = after_conversion(istio_pod(), policy)["metadata"]["annotations"]
    status = json.loads(annotations["sidecar.istio.io/status"])

    assert annotations["sidecar.istio.io/nativeSidecar"] == "true"
    assert status["initContainers"] == ["istio-init", "istio-proxy"]
    assert status["containers"] is None
    assert status["revision"] == "default"


STATUSES: Final = {
    "another container stays in its list": (
        '{"initContainers":["istio-init"],"containers":["istio-proxy","other"]}',
        '{"initContainers":["istio-init","istio-proxy"],"containers":["other"]}',
    ),
    "no list of init containers": ('{"containers":["istio-proxy"]}', '{"containers":null,"initContainers":["istio-proxy"]}'),
    "null for the list of init containers": (
        '{"initContainers":null,"containers":["istio-proxy"]}', '{"initContainers":["istio-proxy"],"containers":null}'),
    "fields that nobody knows": ('{"containers":["istio-proxy"],"new":[1,{"a":2}]}', '{"containers":null,"new":[1,{"a":2}],"initContainers":["istio-proxy"]}'),
    "the proxy is not in it": ('{"initContainers":[],"containers":["x"]}', None),
    "no JSON": ("injected", None),
    "empty": ("", None),
    "a list": ("[]", None),
    "a list of another type": ('{"containers":"istio-proxy"}', None),
    "init containers of another type": ('{"containers":["istio-proxy"],"initContainers":{"a":1}}', None),
    "deeper than any": ("[" * 10_000, None),
}  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), STATUSES.values(), ids=STATUSES)
def test_istios_status_annotation_is_moved_along_or_left_as_it_is(given: str, expected: str | None, policy: Policy) -> None:
    after = after_conversion(annotated(istio_pod(), {"sidecar.istio.io/status": given}), policy)

    assert inits_of(after) == ["istio-init", "istio-proxy"]
    assert after["metadata"]["annotations"]["sidecar.istio.io/status"] == (given if expected is None else expected)


def test_a_status_annotation_that_is_not_there_is_not_made_up(policy: Policy) -> None:
    pod = istio_pod()
    del pod["metadata"]["annotations"]["sidecar.istio.io/status"]
    after = after_conversion(pod, policy)

    assert inits_of(after) == ["istio-init", "istio-proxy"]
    assert "sidecar.istio.io/status" not in after["metadata"]["annotations"]


# --- the user's word ------------------------------------------------------------------------------

LINKERD_SWITCHES: Final = (
    "config.linkerd.io/proxy-enable-native-sidecar",
    "config.beta.linkerd.io/proxy-enable-native-sidecar",
    "config.alpha.linkerd.io/proxy-enable-native-sidecar",
)
LINKERD_MARK: Final = {"linkerd.io/inject": "enabled"}


def saying(word: str) -> dict[str, tuple[JSONObject, str]]:
    """For each switch of an injector a pod whose author has set it to this word, and the container it is about."""
    return {
        f"Istio's as {word}": (annotated(istio_pod(), {"sidecar.istio.io/nativeSidecar": word}), "istio-proxy"),
        **{
            f"Linkerd's {switch} as {word}": (
                annotated(inject_linkerd(task_pod(annotations=LINKERD_MARK)), {switch: word}),
                "linkerd-proxy",
            )
            for switch in LINKERD_SWITCHES
        },
        f"Consul's as {word}": (
            task_pod(DATAPLANE, annotations={**CONSUL_MARKS, "consul.hashicorp.com/enable-consul-dataplane-as-sidecar": word}),
            "consul-dataplane",
        ),
        f"Dapr's as {word}": (task_pod(DAPRD, labels=DAPR_MARKS, annotations={"dapr.io/enable-native-sidecar": word}), "daprd"),
    }


REFUSALS: Final[dict[str, tuple[JSONObject, str]]] = {
    **{whose: case for word in ("false", "False", "FALSE", "f", "0", "no", "off", "") for whose, case in saying(word).items()},
    **{
        f"gcsfuse's as {word}": (task_pod(GCSFUSE, annotations={"gke-gcsfuse/enable-native-sidecar": word}), "gke-gcsfuse-sidecar")
        for word in ("false", "False")
    },
}


@pytest.mark.parametrize(("pod", "name"), REFUSALS.values(), ids=REFUSALS)
def test_the_users_false_wins(pod: JSONObject, name: str, policy: Policy) -> None:
    after = after_conversion(pod, policy)
    without_ours = {key: value for key, value in after["metadata"]["annotations"].items() if key != names.STATUS_ANNOTATION}

    assert status_of(after)["not_converted"] == {name: NotConvertedReason.OPTED_OUT}
    assert name in regular_of(after)
    assert without_ours == pod["metadata"]["annotations"]


CONSENTS: Final = {whose: case for word in ("true", "True", "1", "t", "yes", "on") for whose, case in saying(word).items()}


@pytest.mark.parametrize(("pod", "name"), CONSENTS.values(), ids=CONSENTS)
def test_another_word_for_true_is_no_refusal_and_stays_as_it_was_written(pod: JSONObject, name: str, policy: Policy) -> None:
    after = after_conversion(pod, policy)
    said = {key: value for key, value in pod["metadata"]["annotations"].items() if key in SWITCHES}

    assert name in inits_of(after)
    assert said.items() <= after["metadata"]["annotations"].items()
    assert said != {}


# --- asking ---------------------------------------------------------------------------------------

NATIVE_ISTIO: Final = {"sidecar.istio.io/nativeSidecar": "true"}
NATIVE_LINKERD: Final = dict.fromkeys(LINKERD_SWITCHES, "true")
NATIVE_CONSUL: Final = {"consul.hashicorp.com/enable-consul-dataplane-as-sidecar": "true"}
NATIVE_DAPR: Final = {"dapr.io/enable-native-sidecar": "true"}

# For each claim the annotations, the labels, the installed injectors, and what is asked.
ASKS: Final[dict[str, tuple[dict[str, str], dict[str, str], frozenset[str], dict[str, str]]]] = {
    "Istio by its annotation": ({"sidecar.istio.io/inject": "true"}, {}, frozenset(), NATIVE_ISTIO),
    "Istio by its label": ({}, {"sidecar.istio.io/inject": "true"}, frozenset(), NATIVE_ISTIO),
    "Istio by its revision": ({}, {"istio.io/rev": "stable"}, frozenset(), NATIVE_ISTIO),
    "Istio that is installed": ({}, {}, frozenset({"istio"}), NATIVE_ISTIO),
    "Istio that injects gRPC agents": ({"inject.istio.io/templates": "grpc-agent"}, {}, frozenset({"istio"}), {}),
    "Istio, but the pod is in an ambient mesh": ({}, {"istio.io/dataplane-mode": "ambient"}, frozenset({"istio"}), {}),
    "Istio with the user's no": ({"sidecar.istio.io/nativeSidecar": "false"}, {}, frozenset({"istio"}), {}),
    "Istio with the user's no in another word": ({"sidecar.istio.io/nativeSidecar": "no"}, {}, frozenset({"istio"}), {}),
    "Istio with the user's yes": (NATIVE_ISTIO, {}, frozenset({"istio"}), {}),
    "Linkerd with the user's yes in another word": (
        {"linkerd.io/inject": "enabled", LINKERD_SWITCHES[0]: "True"}, {}, frozenset(), dict.fromkeys(LINKERD_SWITCHES[1:], "true")),
    "Linkerd by its annotation": ({"linkerd.io/inject": "enabled"}, {}, frozenset(), NATIVE_LINKERD),
    "Linkerd by its other annotation": ({"linkerd.io/inject": "ingress"}, {}, frozenset(), NATIVE_LINKERD),
    "Linkerd that is installed": ({}, {}, frozenset({"linkerd"}), NATIVE_LINKERD),
    "Linkerd that is not wanted": ({"linkerd.io/inject": "disabled"}, {}, frozenset({"linkerd"}), {}),
    **{f"Linkerd with the user's no in {switch}": ({"linkerd.io/inject": "enabled", switch: "false"}, {}, frozenset(), {}) for switch in LINKERD_SWITCHES},
    "Consul by its annotation": ({"consul.hashicorp.com/connect-inject": "true"}, {}, frozenset(), NATIVE_CONSUL),
    "Consul that is not wanted": ({"consul.hashicorp.com/connect-inject": "false"}, {}, frozenset({"consul"}), {}),
    "Consul that is installed injects only where a pod says so": ({}, {}, frozenset({"consul"}), {}),
    "Dapr by its annotation": ({"dapr.io/enabled": "true"}, {}, frozenset(), NATIVE_DAPR),
    "Dapr that is installed injects only where a pod says so": ({}, {}, frozenset({"dapr"}), {}),
    "Vault has no switch, and its quit is not needed": ({"vault.hashicorp.com/agent-inject": "true"}, {}, frozenset({"vault"}), {}),
    "nobody": ({}, {}, frozenset(), {}),
}  # fmt: skip


@pytest.mark.parametrize(("annotations", "labels", "installed", "asked"), ASKS.values(), ids=ASKS)
def test_each_injector_is_asked_by_its_own_switch_where_it_is_in_play(
    annotations: dict[str, str], labels: dict[str, str], installed: frozenset[str], asked: dict[str, str], policy: Policy
) -> None:
    pod = task_pod(annotations=annotations, labels=labels)
    after = after_conversion(pod, policy, Cluster(NativeSupport.READY, Version(1, 34, 4), installed, frozenset()))["metadata"][
        "annotations"
    ]
    after.pop(names.STATUS_ANNOTATION)

    assert after == pod["metadata"]["annotations"] | asked


EVERYBODY: Final = {
    "sidecar.istio.io/inject": "true",
    "linkerd.io/inject": "enabled",
    "consul.hashicorp.com/connect-inject": "true",
    "dapr.io/enabled": "true",
}
SWITCHES: Final = {*NATIVE_ISTIO, *NATIVE_LINKERD, *NATIVE_CONSUL, *NATIVE_DAPR}


def asked(pod: JSONObject, policy: Policy, cluster: Cluster = ABLE_CLUSTER) -> set[str]:
    """Which of the injectors' switches are set."""
    annotations: dict[str, str] = after_conversion(pod, policy, cluster)["metadata"]["annotations"]
    return SWITCHES & annotations.keys()


def test_everybody_who_is_in_play_is_asked(policy: Policy) -> None:
    assert asked(task_pod(annotations=EVERYBODY), policy) == SWITCHES


@pytest.mark.parametrize("mode", ["label-only", "wrap"])
def test_nobody_is_asked_to_be_native_where_the_user_wants_something_else(mode: str, policy: Policy) -> None:
    assert asked(task_pod(annotations={**EVERYBODY, names.MODE_ANNOTATION: mode}), policy) == set()


def test_with_mode_off_nothing_is_touched(policy: Policy) -> None:
    pod = annotated(istio_pod(), {**EVERYBODY, names.MODE_ANNOTATION: "off"})

    assert ask(pod, policy, ABLE_CLUSTER)[1] == pod


def test_nobody_is_asked_on_the_hosts_network(policy: Policy) -> None:
    pod = task_pod(FLUENT_BIT, annotations=EVERYBODY)
    pod["spec"]["hostNetwork"] = True

    assert asked(pod, policy) == set()


@pytest.mark.parametrize("support", [support for support in NativeSupport if not support.row.is_native])
def test_on_a_cluster_without_native_sidecars_nothing_is_asked_or_moved_and_the_task_is_wrapped(
    support: NativeSupport, policy: Policy
) -> None:
    cluster = Cluster(support, Version(1, 28), frozenset({"istio", "linkerd"}), frozenset())
    after = after_conversion(annotated(istio_pod(), EVERYBODY), policy, cluster)

    assert SWITCHES & after["metadata"]["annotations"].keys() == set()
    assert (status_of(after)["treatment"], status_of(after)["no_native"]) == ("wrapped", support)
    assert inits_of(after) == ["istio-init"]


def test_a_cluster_that_is_forced_to_be_able_is_taken_for_able(policy: Policy) -> None:
    after = after_conversion(istio_pod(), policy, Cluster(NativeSupport.FORCED_ON, reinvoked=frozenset()))

    assert inits_of(after) == ["istio-init", "istio-proxy"]


# --- modes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "native"])
def test_with_native_sidecars_the_task_runs_as_the_user_wrote_it(mode: str, policy: Policy) -> None:
    pod = annotated(istio_pod(), {names.MODE_ANNOTATION: mode})
    after = after_conversion(pod, policy)

    assert container(after, "base") == container(pod, "base")
    assert (status_of(after)["treatment"], status_of(after)["reason"]) == ("native", "sidecars-native")
    assert status_of(after)["sidecars"] == {"istio-proxy": "native"}


def test_mode_wrap_wraps_on_every_cluster(policy: Policy) -> None:
    after = after_conversion(annotated(istio_pod(), {names.MODE_ANNOTATION: "wrap"}), policy)

    assert names.PREFIX in container(after, "base")["command"]
    assert inits_of(after) == ["istio-init"]
    assert "no_native" not in status_of(after)
    assert "kept" not in status_of(after)


def test_mode_native_on_a_cluster_without_leaves_the_pod_and_says_why(policy: Policy) -> None:
    outcome, after = ask(annotated(istio_pod(), {names.MODE_ANNOTATION: "native"}), policy, UNKNOWN_CLUSTER)

    assert (status_of(after)["treatment"], status_of(after)["reason"], status_of(after)["no_native"]) == ("left", "native-only", "unknown")
    assert "command" not in container(after, "base")
    assert "native-only" in outcome.warnings[0]


def test_mode_native_never_wraps_what_has_to_stay(policy: Policy) -> None:
    outcome, after = ask(
        annotated(istio_pod(ports=[{"containerPort": 1, "hostPort": 1}]), {names.MODE_ANNOTATION: "native"}), policy, ABLE_CLUSTER
    )

    assert outcome.reason == "native-only"
    assert "command" not in container(after, "base")


# --- mixed pods -----------------------------------------------------------------------------------

STAYING_SQL: Final = {**CLOUD_SQL, "ports": [{"containerPort": 5432, "hostPort": 5432}]}
NOBODYS: Final = {"name": "cache", "image": "redis:8"}


@pytest.mark.parametrize("inject", [*LEGACY_ISTIO, inject_istio_native])
def test_each_sidecar_of_a_mixed_pod_gets_its_own_treatment(inject: Injector, policy: Policy) -> None:
    """One native, one asked to quit, one that nobody knows."""
    pod = inject(task_pod(STAYING_SQL, NOBODYS))
    after = after_conversion(pod, policy)
    command = container(after, "base")["command"]

    assert status_of(after)["treatment"] == "wrapped"
    assert status_of(after)["sidecars"] == {"istio-proxy": "native", "database": "quit", "cache": "unknown"}
    assert status_of(after)["not_converted"] == {"database": NotConvertedReason.HOST_PORT}
    assert [command[place + 1] for place, word in enumerate(command) if word == "--sidecar"] == ["database"]
    for name in ("database", "cache"):
        assert container(after, name) == container(pod, name)


def test_a_sidecar_that_neither_fits_is_left_with_both_reasons(policy: Policy) -> None:
    outcome, after = ask(task_pod({**FLUENT_BIT, "ports": [{"containerPort": 1, "hostPort": 1}]}), policy, ABLE_CLUSTER)

    assert outcome.reason == "no-quit"
    assert status_of(after)["not_converted"] == {"logs": NotConvertedReason.HOST_PORT}


@pytest.mark.parametrize("cluster", [ABLE_CLUSTER, UNKNOWN_CLUSTER], ids=["able", "unknown"])
@pytest.mark.parametrize("others", [(), (STAYING_SQL,), (FLUENT_BIT, STAYING_SQL), (NOBODYS,), (KERBEROS, NOBODYS)], ids=str)
@pytest.mark.parametrize("inject", [None, inject_istio, inject_istio_with_hold, inject_istio_native])
def test_the_xcom_sidecar_stays_as_it_is_in_every_combination(
    inject: Injector | None, others: tuple[JSONObject, ...], cluster: Cluster, policy: Policy
) -> None:
    pod = load(WITH_XCOM)
    pod["spec"]["containers"] += copy.deepcopy(list(others))
    pod = inject(pod) if inject else pod
    after = after_conversion(pod, policy, cluster)

    assert container(after, names.XCOM_CONTAINER) == container(pod, names.XCOM_CONTAINER)
    assert "airflow-xcom-sidecar" not in (container(after, "base").get("command") or ())
    assert "airflow-xcom-sidecar" not in status_of(after).get("sidecars", {})


SPARK_CONTAINERS: Final = ("base", "spark-kubernetes-driver", "spark-kubernetes-executor")
"""What Spark calls its containers (spark Constants.scala), and what nothing hinders a pod template from calling them."""


def spark_pod(name: str, inject: Injector, *sidecars: JSONObject) -> JSONObject:
    """A Spark driver or executor whose container has this name, with Istio."""
    pod = task_pod(*sidecars)
    del pod["metadata"]["labels"]["kubernetes_executor"]
    pod["metadata"]["labels"]["spark_kubernetes_operator"] = "True"
    ports = [{"containerPort": 7079, "name": "blockmanager", "protocol": "TCP"}]
    container(pod, "base").update(name=name, image="apache/spark:4.0.1", args=[name.rpartition("-")[2]], ports=ports)
    return inject(pod)


@pytest.mark.parametrize("inject", LEGACY_ISTIO)
@pytest.mark.parametrize("name", SPARK_CONTAINERS)
def test_a_spark_drivers_and_executors_sidecars_are_converted(name: str, inject: Injector, policy: Policy) -> None:
    after = after_conversion(spark_pod(name, inject, FLUENT_BIT), policy)

    assert regular_of(after) == [name]
    assert (status_of(after)["treatment"], status_of(after)["main"]) == ("native", name)


@pytest.mark.parametrize("inject", LEGACY_ISTIO)
@pytest.mark.parametrize("name", SPARK_CONTAINERS)
def test_a_spark_driver_or_executor_is_never_wrapped(name: str, inject: Injector, policy: Policy) -> None:
    pod = spark_pod(name, inject, STAYING_SQL)
    after = after_conversion(pod, policy)

    assert container(after, name) == container(pod, name)
    assert (status_of(after)["reason"], status_of(after)["sidecars"]) == ("spark", {"istio-proxy": "native", "database": "keeps-running"})


def test_a_wrapped_pod_that_comes_to_an_able_cluster_is_converted_and_its_command_given_back(policy: Policy) -> None:
    pod = istio_pod()
    wrapped = ask(pod, policy, UNKNOWN_CLUSTER)[1]

    assert after_conversion(wrapped, policy) == after_conversion(pod, policy)


def test_a_field_that_nobody_knows_moves_with_its_container(policy: Policy) -> None:
    future = {"newInKubernetes": {"deep": [1, {"er": None}]}}

    assert native(after_conversion(task_pod({**FLUENT_BIT, **future}), policy), "logs") == {
        **FLUENT_BIT,
        **future,
        "restartPolicy": "Always",
    }
