"""What becomes of the lifecycle hooks and the probes of a converted sidecar.

The pods have the shape that the injectors' sources give them, as far as a rule reads it. The tests of the mesh compare with real injectors.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.simulated_injectors import inject_istio_with_hold, inject_linkerd
from tests.support.pods import container
from tests.support.task_pods import (
    ALLOYDB,
    CLOUD_SQL,
    COLLECTOR,
    CONSUL_MARKS,
    DATAPLANE,
    FLUENT_BIT,
    OPERATOR_MARKS,
    after_conversion,
    annotated,
    istio_pod,
    native,
    not_converted,
    run,
    task_pod,
    vault_pod,
)
from webhook.core import names
from webhook.core.pod import USUAL_CONTAINERS
from webhook.core.reasons import NotConvertedReason

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


# --- hooks ---


DRAIN: Final = ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]


STAYING_HOOKS: Final = {
    "an unknown preStop": (FLUENT_BIT, {"preStop": run("sh", "-c", "flush")}),
    "a preStop that sleeps": (FLUENT_BIT, {"preStop": {"sleep": {"seconds": 5}}}),
    "Vault's preStop that revokes the token": (None, {"preStop": run("/bin/sh", "-c", "/bin/sleep 5 && /bin/vault token revoke -self")}),
    "a preStop with another HTTP request": (FLUENT_BIT, {"preStop": {"httpGet": {"path": "/flush", "port": 2020}}}),
    "a preStop that makes a file called shutdown": (FLUENT_BIT, {"preStop": run("touch", "/run/shutdown")}),
    "a preStop that makes such a file in a shell": (FLUENT_BIT, {"preStop": run("sh", "-c", "touch /tmp/shutdown && sleep 5")}),
    "a preStop whose request has shutdown in its path only as a part of a word": (
        FLUENT_BIT,
        {"preStop": {"httpGet": {"path": "/shutdown-report", "port": 2020}}},
    ),
    "a stop signal": (FLUENT_BIT, {"stopSignal": "SIGINT"}),
}


@pytest.mark.parametrize(("sidecar", "hooks"), STAYING_HOOKS.values(), ids=STAYING_HOOKS)
def test_a_hook_that_does_no_harm_stays(sidecar: JSONObject | None, hooks: JSONObject, policy: Policy) -> None:
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


@pytest.mark.parametrize(("count", "goes"), [(1, True), (2 * USUAL_CONTAINERS, False)])
def test_of_the_hooks_in_a_pod_of_many_containers_less_is_searched(count: int, goes: bool, policy: Policy) -> None:
    hook = run("sh", "-c", f"{': ' * 600}; kill 1")
    sidecars = [{**FLUENT_BIT, "name": f"logs-{number}", "lifecycle": {"preStop": hook}} for number in range(count)]
    after = after_conversion(task_pod(*sidecars), policy)

    assert ("lifecycle" not in native(after, "logs-0")) is goes


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
def test_only_an_istio_that_has_the_drain_command_gets_it(image: str, has_drain: bool, policy: Policy) -> None:
    """Of a tag that is no version it is assumed: a hook that fails costs an event. No injector here is called again."""
    after = after_conversion(istio_pod(image=image), policy)

    assert ("lifecycle" in native(after, "istio-proxy")) is has_drain


@pytest.mark.parametrize(("port", "has_drain"), [(15000, True), (15004, True), (15021, True), (15010, False), (0, False)])
def test_the_drain_is_requested_on_istios_status_port_where_pilot_agent_takes_it(port: int, has_drain: bool, policy: Policy) -> None:
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
    assert not_converted(task_pod({**FLUENT_BIT, "lifecycle": {"postStart": hook}}), policy) == {"logs": NotConvertedReason.POST_START}


# --- probes ---


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

    assert not_converted(pod, policy) == {"istio-proxy": NotConvertedReason.OPTED_OUT}


def test_a_described_sidecar_is_moved_with_a_probe_of_its_own_and_stays_where_it_has_none(policy: Policy) -> None:
    """Its endpoint may be on the loopback, where the kubelet cannot probe."""
    described = annotated(
        task_pod({"name": "cache", "image": "registry.example.com/cache:1"}),
        {names.SIDECARS_ANNOTATION: '[{"name": "cache", "ready": {"port": 9091, "path": "/ready"}, "native": true}]'},
    )
    assert not_converted(described, policy) == {"cache": NotConvertedReason.NO_PROBE}

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


@pytest.mark.parametrize(
    ("sidecar", "marks"),
    [(COLLECTOR, {"labels": OPERATOR_MARKS}), (DATAPLANE, {"annotations": CONSUL_MARKS})],
    ids=["collector", "dataplane"],
)
def test_a_readiness_that_needs_nothing_later_becomes_the_startup_probe_too(
    sidecar: JSONObject, marks: dict[str, Any], policy: Policy
) -> None:
    after = native(after_conversion(task_pod(sidecar, **marks), policy), sidecar["name"])
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
