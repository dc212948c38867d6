"""Probes of sidecars beside a mesh: which ones become native, and when, so that the kubelet gets an answer from each that it waits for.

Istio's injector is here as its source has it: each probe of another container goes to its own agent (istio pkg/kube/inject/app_probe.go),
those of init containers only in newer versions.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec.structs import replace

from demo.simulated_injectors import inject_dapr, inject_istio, inject_linkerd
from tests.support.pods import ABLE_CLUSTER, admitted, container
from tests.support.task_pods import (
    CLOUD_SQL,
    COLLECTOR,
    FLUENT_BIT,
    OPERATOR_MARKS,
    after_conversion,
    annotated,
    inits_of,
    native,
    not_converted,
    regular_of,
    status_of,
    task_pod,
)
from webhook.core import names, treat
from webhook.core.mesh import goes_over_network
from webhook.core.pod_options import Mode
from webhook.core.reasons import NotConvertedReason

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.cluster import Cluster
    from webhook.core.policy import Policy

HTTP: Final = {"httpGet": {"path": "/startup", "port": 9090}, "periodSeconds": 1}
COMMAND: Final = {"exec": {"command": ["/cloud-sql-proxy", "ready"]}}
OVER_NETWORK: Final = {"httpGet": HTTP, "tcpSocket": {"tcpSocket": {"port": 9090}}, "grpc": {"grpc": {"port": 9090}}}
IN_MESH: Final = {"sidecar.istio.io/inject": "true"}
NOT_NATIVE: Final = {"sidecar.istio.io/nativeSidecar": "false"}
WITH_ISTIO: Final = replace(ABLE_CLUSTER, injectors=frozenset({"istio"}))
WITHOUT_MESH: Final = replace(ABLE_CLUSTER, injectors=frozenset({"vault"}), are_injectors_known=True)
"""The cluster's webhooks were listed, and no mesh's is among them."""
NATIVE_BY_READINESS: Final = json.dumps([{"name": "tunnel", "native": True, "ready": {"port": 9000, "path": "/ready"}}])
TUNNEL: Final = {
    "name": "tunnel",
    "image": "registry.example.com/tunnel:1",
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 9000}},
}
KUMA: Final = {"name": "kuma-sidecar", "image": "kumahq/kuma-dp:2.10.4", "args": ["run"]}
APP_MESH: Final = {"name": "envoy", "image": "aws-appmesh-envoy:1", "env": [{"name": "APPMESH_VIRTUAL_NODE_NAME", "value": "a"}]}

REGULAR_MESHES: Final[dict[str, tuple[JSONObject, ...]]] = {
    "an istio-proxy that must not be native": (
        NOT_NATIVE | {"sidecar.istio.io/status": "{}"},
        {"name": "istio-proxy", "image": "istio/proxyv2:1.29.0", "args": ["proxy", "sidecar"]},
    ),
    "a linkerd-proxy that must not be native": (
        {"config.linkerd.io/proxy-enable-native-sidecar": "false", "linkerd.io/proxy-version": "edge"},
        {"name": "linkerd-proxy", "image": "cr.l5d.io/linkerd/proxy:edge"},
    ),
    "a linkerd-proxy that the rest of its Linkerd would not find": (
        {"linkerd.io/proxy-version": "stable-2.14.10"},
        {
            "name": "linkerd-proxy",
            "image": "cr.l5d.io/linkerd/proxy:stable-2.14.10",
            "env": [{"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": "deny"}],
        },
    ),
    "Kuma's": ({"kuma.io/sidecar-injected": "true"}, KUMA),
    "App Mesh's": ({}, APP_MESH),
}
"""Annotations of the pod, and the mesh proxy."""


def database(**fields: Any) -> JSONObject:
    """Cloud SQL's proxy, which has a quit request, with these fields."""
    return {**CLOUD_SQL, **fields}


def inject_istio_with_probes(pod: JSONObject, *lists: str) -> JSONObject:
    """Istio's sidecar, and the probes of the containers in these lists sent to its agent."""
    after = inject_istio(pod)
    for one in [one for containers in lists for one in after["spec"].get(containers, ()) if one["name"] != "istio-proxy"]:
        for field, path in (("startupProbe", "startupz"), ("livenessProbe", "livez"), ("readinessProbe", "readyz")):
            if field in one and "exec" not in one[field]:
                settings = {key: value for key, value in one[field].items() if key not in OVER_NETWORK}
                one[field] = {**settings, "httpGet": {"path": f"/app-health/{one['name']}/{path}", "port": 15020}}
    return after


def old_istio(pod: JSONObject) -> JSONObject:
    """It leaves the probes of init containers as they are."""
    return inject_istio_with_probes(pod, "containers")


def new_istio(pod: JSONObject) -> JSONObject:
    """It has the probes of init containers sent to its agent, too."""
    return inject_istio_with_probes(pod, "containers", "initContainers")


def unanswered(pod: JSONObject) -> list[str]:
    """Native sidecars of an Istio that requires mutual TLS whose startup or liveness probe the kubelet gets no answer to.

    The kubelet starts no init container before the startup probe of the native sidecar before it has succeeded.
    """
    inits = inits_of(pod)
    found = []
    for place, one in enumerate(pod["spec"].get("initContainers", ())):
        is_proxy_up, is_redirected = "istio-proxy" in inits[:place], "istio-init" in inits[:place]
        startup, liveness = one.get("startupProbe"), one.get("livenessProbe")
        is_answered = startup is None or "exec" in startup or (is_proxy_up if port_of(startup) == 15020 else not is_redirected)
        is_kept = liveness is None or "exec" in liveness or port_of(liveness) == 15020
        if one["name"] != "istio-proxy" and not (is_answered and is_kept):
            found.append(one["name"])
    return found


def port_of(probe: JSONObject) -> object:
    """The port of a probe's HTTP request."""
    return probe.get("httpGet", {}).get("port")


# --- a mesh proxy that is, or stays, a regular container ---


@pytest.mark.parametrize("probe", OVER_NETWORK.values(), ids=OVER_NETWORK)
@pytest.mark.parametrize(("annotations", "proxy"), REGULAR_MESHES.values(), ids=REGULAR_MESHES)
def test_a_sidecar_whose_startup_probe_is_answered_only_once_a_regular_mesh_proxy_runs_is_not_native(
    annotations: dict[str, str], proxy: JSONObject, probe: JSONObject, policy: Policy
) -> None:
    pod = task_pod(database(startupProbe=probe), proxy, annotations=annotations)

    assert not_converted(pod, policy)["database"] == NotConvertedReason.BEHIND_MESH
    assert status_of(after_conversion(pod, policy))["sidecars"]["database"] == "quit"


@pytest.mark.parametrize("fields", [{}, {"startupProbe": COMMAND}, {"livenessProbe": HTTP}, {"readinessProbe": HTTP}], ids=str)
@pytest.mark.parametrize(("annotations", "proxy"), REGULAR_MESHES.values(), ids=REGULAR_MESHES)
def test_a_sidecar_for_which_nothing_waits_is_native_beside_a_regular_mesh_proxy(
    annotations: dict[str, str], proxy: JSONObject, fields: JSONObject, policy: Policy
) -> None:
    after = after_conversion(task_pod(database(**fields), proxy, annotations=annotations), policy)

    assert native(after, "database")
    assert proxy["name"] in regular_of(after)


def test_a_startup_probe_that_the_task_can_do_without_is_not_added_beside_a_regular_mesh_proxy(policy: Policy) -> None:
    pod = task_pod(COLLECTOR, KUMA, annotations={"kuma.io/sidecar-injected": "true"}, labels=OPERATOR_MARKS)

    assert "startupProbe" not in native(after_conversion(pod, policy), "otc-container")


def test_a_sidecar_that_the_task_must_wait_for_is_not_native_beside_a_regular_mesh_proxy(policy: Policy) -> None:
    marks = {"kuma.io/sidecar-injected": "true", names.SIDECARS_ANNOTATION: NATIVE_BY_READINESS}
    by_command = {**TUNNEL, "readinessProbe": COMMAND}

    assert not_converted(task_pod(TUNNEL, KUMA, annotations=marks), policy)["tunnel"] == NotConvertedReason.BEHIND_MESH
    assert "exec" in native(after_conversion(task_pod(by_command, KUMA, annotations=marks), policy), "tunnel")["startupProbe"]


@pytest.mark.parametrize("injector", [old_istio, new_istio])
@pytest.mark.parametrize("fields", [{"startupProbe": HTTP}, {"livenessProbe": HTTP}], ids=str)
def test_beside_a_native_mesh_proxy_a_sidecar_is_native_with_its_probes(fields: JSONObject, injector: Injector, policy: Policy) -> None:
    after = after_conversion(injector(task_pod(database(**fields))), policy)

    assert [name for name in inits_of(after) if name != "istio-init"] == ["istio-proxy", "database"]
    assert unanswered(after) == []


# --- a mesh proxy that is yet to be injected ---


@pytest.mark.parametrize("injector", [old_istio, new_istio])
@pytest.mark.parametrize("annotations", [IN_MESH, IN_MESH | NOT_NATIVE], ids=["native", "not-native"])
@pytest.mark.parametrize(
    "sidecar",
    [database(startupProbe=HTTP), database(livenessProbe=HTTP), {**FLUENT_BIT, "livenessProbe": HTTP}, COLLECTOR, TUNNEL],
    ids=["startup", "liveness", "no quit", "added", "described"],
)
def test_whether_istio_or_the_webhook_is_called_first_the_kubelet_gets_an_answer_to_each_probe(
    sidecar: JSONObject, annotations: dict[str, str], injector: Injector, policy: Policy
) -> None:
    marks = {**annotations, names.SIDECARS_ANNOTATION: NATIVE_BY_READINESS}
    pod = task_pod(sidecar, annotations=marks, labels=OPERATOR_MARKS)
    first = after_conversion(injector(admitted(pod, policy, WITH_ISTIO)[1]), policy, WITH_ISTIO)
    later = after_conversion(injector(copy.deepcopy(pod)), policy, WITH_ISTIO)

    assert unanswered(first) == unanswered(later) == []
    assert (inits_of(first), regular_of(first)) == (inits_of(later), regular_of(later))


def istio_with_envoys_status_port(pod: JSONObject) -> JSONObject:
    """Its probes go to a port that Envoy does not serve then, so the webhook never makes its proxy native."""
    after = new_istio(pod)
    proxy = next(one for one in after["spec"]["containers"] if one["name"] == "istio-proxy")
    proxy["env"] = [*proxy.get("env", ()), {"name": "ENVOY_STATUS_PORT", "value": "15031"}]
    return after


CALLED_AGAIN: Final = replace(WITH_ISTIO, reinvoked=frozenset({"istio"}))
WITHOUT_HINT: Final[dict[str, tuple[dict[str, str], Injector, Cluster]]] = {
    "Envoy's status port": (
        {"proxy.istio.io/config": "proxyMetadata:\n  ENVOY_STATUS_PORT: '15031'"},
        istio_with_envoys_status_port,
        WITH_ISTIO,
    ),
    "a template of the user's": ({"inject.istio.io/templates": "sidecar,custom"}, new_istio, CALLED_AGAIN),
}
"""Annotations for which Istio's is not set, which Istio injects all the same."""


@pytest.mark.parametrize("marks", [{}, IN_MESH], ids=["namespace", "pod"])
@pytest.mark.parametrize("sidecar", [database(startupProbe=HTTP), {**FLUENT_BIT, "startupProbe": HTTP}], ids=["quit", "no quit"])
@pytest.mark.parametrize(("annotations", "injector", "cluster"), WITHOUT_HINT.values(), ids=WITHOUT_HINT)
def test_an_istio_that_is_not_to_render_a_native_proxy_is_awaited_all_the_same(
    annotations: dict[str, str], injector: Injector, cluster: Cluster, sidecar: JSONObject, marks: dict[str, str], policy: Policy
) -> None:
    pod = task_pod(sidecar, annotations=annotations | marks)
    waiting = admitted(pod, policy, cluster)[1]
    first = after_conversion(injector(copy.deepcopy(waiting)), policy, cluster)
    later = after_conversion(injector(copy.deepcopy(pod)), policy, cluster)

    assert status_of(waiting)["not_converted"] == {sidecar["name"]: NotConvertedReason.BEFORE_MESH}
    assert status_of(first)["not_converted"] == status_of(later)["not_converted"]
    assert status_of(first)["not_converted"][sidecar["name"]] == NotConvertedReason.BEHIND_MESH
    assert unanswered(first) == unanswered(later) == []


AWAITED: Final[dict[str, JSONObject]] = {
    "a label that asks for Istio": {"labels": {"sidecar.istio.io/inject": "true"}},
    "the revision of an Istio": {"labels": {"istio.io/rev": "stable"}},
    "Linkerd's annotation": {"annotations": {"linkerd.io/inject": "enabled"}},
    "Consul's annotation": {"annotations": {"consul.hashicorp.com/connect-inject": "true"}},
    "Kuma's label": {"labels": {"kuma.io/sidecar-injection": "enabled"}},
}


@pytest.mark.parametrize("marks", AWAITED.values(), ids=AWAITED)
@pytest.mark.parametrize("fields", [{"startupProbe": HTTP}, {"livenessProbe": HTTP}], ids=str)
def test_a_sidecar_stays_regular_until_the_mesh_that_the_pod_shows_is_injected(
    fields: JSONObject, marks: JSONObject, policy: Policy
) -> None:
    pod = task_pod(database(**fields), **marks)
    assert not_converted(pod, policy) == {"database": NotConvertedReason.BEFORE_MESH}
    # If the webhook is not called again, the pod ends all the same.
    assert status_of(after_conversion(pod, policy))["sidecars"] == {"database": "quit"}


@pytest.mark.parametrize("label", [{"kuma.io/sidecar-injection": "enabled"}, {}], ids=["pod", "namespace"])
@pytest.mark.parametrize(
    "sidecar",
    [database(startupProbe=HTTP), database(livenessProbe=HTTP), {**FLUENT_BIT, "startupProbe": HTTP}, COLLECTOR, TUNNEL],
    ids=["startup", "liveness", "no quit", "added", "described"],
)
def test_whether_kuma_or_the_webhook_is_called_first_the_pod_is_the_same(
    sidecar: JSONObject, label: dict[str, str], policy: Policy
) -> None:
    """Kuma has only the probes of regular containers sent to its proxy, which is a regular container before 2.14."""
    pod = task_pod(sidecar, labels=label | OPERATOR_MARKS, annotations={names.SIDECARS_ANNOTATION: NATIVE_BY_READINESS})
    with_kuma = replace(WITHOUT_MESH, injectors=frozenset({"kuma"}))

    def inject_kuma(before: JSONObject) -> JSONObject:
        after = annotated(copy.deepcopy(before), {"kuma.io/sidecar-injected": "true"})
        after["spec"]["containers"].append(KUMA)
        return after

    first = after_conversion(inject_kuma(admitted(pod, policy, with_kuma)[1]), policy, with_kuma)
    later = after_conversion(inject_kuma(pod), policy, with_kuma)

    assert (inits_of(first), regular_of(first)) == (inits_of(later), regular_of(later))
    assert status_of(first)["not_converted"] == status_of(later)["not_converted"]


def test_an_istio_agent_without_envoy_is_no_mesh_proxy(policy: Policy) -> None:
    """It takes no traffic, and its template says that no probe is sent to it."""
    env = [{"name": "DISABLE_ENVOY", "value": "true"}]
    agent = {"name": "istio-proxy", "image": "istio/proxyv2:1.29.0", "args": ["proxy", "sidecar"], "env": env}
    pod = task_pod(database(startupProbe=HTTP), agent, annotations={"sidecar.istio.io/status": "{}"})

    assert native(after_conversion(pod, policy, WITH_ISTIO), "database")


def test_a_sidecar_without_a_quit_request_is_left_with_the_reason_until_the_mesh_is_injected(policy: Policy) -> None:
    after = after_conversion(task_pod({**FLUENT_BIT, "livenessProbe": HTTP}, annotations=IN_MESH), policy)

    assert status_of(after)["not_converted"] == {"logs": NotConvertedReason.BEFORE_MESH}
    assert (status_of(after)["treatment"], regular_of(after)) == ("left", ["base", "logs"])


def test_whoever_creates_a_pod_in_which_a_sidecar_awaits_a_mesh_is_warned_of_that_alone(policy: Policy) -> None:
    """A quit request would not help: after the injection the sidecar is native."""
    unconfigured = {**CLOUD_SQL, "args": ["p:r:i"], "startupProbe": HTTP}
    for sidecars in (({**FLUENT_BIT, "livenessProbe": HTTP},), ({**FLUENT_BIT, "livenessProbe": HTTP}, unconfigured)):
        outcome = treat(task_pod(*sidecars, annotations=IN_MESH), policy, WITH_ISTIO)
        assert {remedy.reason for remedy in outcome.remedies} == {"before-mesh"}
        assert len(outcome.warnings) == len(sidecars)
        assert all("switch the injection off" in warning for warning in outcome.warnings)


def test_a_sidecar_that_the_wrapper_ends_until_the_mesh_is_injected_is_worth_no_warning(policy: Policy) -> None:
    assert treat(task_pod(database(startupProbe=HTTP), annotations=IN_MESH), policy, WITH_ISTIO).warnings == ()


def test_beside_a_sidecar_that_awaits_a_mesh_others_that_keep_running_have_their_own_remedy(policy: Policy) -> None:
    own_restarts = {**FLUENT_BIT, "name": "other", "restartPolicy": "Always"}
    pod = task_pod({**FLUENT_BIT, "livenessProbe": HTTP}, own_restarts, annotations=IN_MESH)
    found = {(remedy.reason, remedy.containers) for remedy in treat(pod, policy, WITH_ISTIO).remedies if remedy.is_pressing}

    assert found == {("no-quit", ()), ("no-quit-request", ("other",)), ("before-mesh", ("logs",))}


def test_a_placeholder_shows_that_the_mesh_is_yet_to_be_injected(policy: Policy) -> None:
    pod = task_pod(database(startupProbe=HTTP), {"name": "istio-proxy", "image": "auto"})

    assert not_converted(pod, policy) == {"database": NotConvertedReason.BEFORE_MESH}


SHOWN_IN_VAIN: Final[dict[str, JSONObject]] = AWAITED | {
    "an istio-proxy that must not be native": {"annotations": NOT_NATIVE},
    "a linkerd-proxy that must not be native": {
        "annotations": {"linkerd.io/inject": "enabled", "config.linkerd.io/proxy-enable-native-sidecar": "false"}
    },
    "a dataplane that must not be native": {"annotations": {"consul.hashicorp.com/enable-consul-dataplane-as-sidecar": "false"}},
}
"""What a pod shows of a mesh."""


@pytest.mark.parametrize("marks", SHOWN_IN_VAIN.values(), ids=SHOWN_IN_VAIN)
@pytest.mark.parametrize("fields", [{"startupProbe": HTTP}, {"livenessProbe": HTTP}], ids=str)
def test_where_no_mesh_is_installed_a_sidecar_is_native_whatever_the_pod_shows_of_one(
    fields: JSONObject, marks: JSONObject, policy: Policy
) -> None:
    """One template of a pod may serve clusters with the mesh and without; the sidecar has no quit request, so nothing else ends it."""
    after = after_conversion(task_pod({**FLUENT_BIT, **fields}, **marks), policy, WITHOUT_MESH)

    assert native(after, "logs")
    assert status_of(after)["treatment"] == "native"


def test_a_placeholder_that_no_installed_injector_fills_announces_no_mesh(policy: Policy) -> None:
    pod = task_pod(database(startupProbe=HTTP), {"name": "istio-proxy", "image": "registry.example.com/proxyv2:1"})

    assert not_converted(pod, policy) == {"database": NotConvertedReason.BEFORE_MESH}
    assert not_converted(pod, policy, WITHOUT_MESH) == {}


@pytest.mark.parametrize("where", ["installed", "a setting"])
def test_a_mesh_that_is_installed_or_that_a_setting_names_is_awaited_where_the_pod_shows_it(where: str, policy: Policy) -> None:
    cluster = replace(WITHOUT_MESH, injectors=frozenset({"istio"})) if where == "installed" else WITHOUT_MESH
    setting = dataclasses.replace(policy, injectors=frozenset({"istio"} if where == "a setting" else ()))

    assert not_converted(task_pod({**FLUENT_BIT, "startupProbe": HTTP}, annotations=IN_MESH), setting, cluster) == {
        "logs": NotConvertedReason.BEFORE_MESH
    }


def test_a_mesh_that_handles_every_pod_is_awaited(policy: Policy) -> None:
    everywhere = dataclasses.replace(policy, injectors=frozenset({"istio"}))

    assert not_converted(task_pod(database(startupProbe=HTTP)), everywhere) == {"database": NotConvertedReason.BEFORE_MESH}


@pytest.mark.parametrize("fields", [{}, {"startupProbe": COMMAND, "livenessProbe": COMMAND}, {"readinessProbe": HTTP}], ids=str)
def test_a_sidecar_without_such_probes_awaits_no_mesh(fields: JSONObject, policy: Policy) -> None:
    assert not_converted(task_pod(database(**fields), annotations=IN_MESH), policy, WITH_ISTIO) == {}


NO_MESH_TO_COME: Final[dict[str, JSONObject]] = {
    "its injection is switched off": {"labels": {"sidecar.istio.io/inject": "false"}},
    "its injection is switched off, and a template is named": {
        "labels": {"sidecar.istio.io/inject": "false"},
        "annotations": {"inject.istio.io/templates": "sidecar,custom"},
    },
    "an ambient mesh": {"labels": {"istio.io/dataplane-mode": "ambient"}},
    "a pod that an ambient mesh has redirected": {"annotations": {"ambient.istio.io/redirection": "enabled"}},
    "Istio has added something else than a proxy": {"annotations": {"sidecar.istio.io/status": "{}"}},
}


@pytest.mark.parametrize("marks", NO_MESH_TO_COME.values(), ids=NO_MESH_TO_COME)
def test_a_pod_that_gets_no_mesh_proxy_awaits_none(marks: JSONObject, policy: Policy) -> None:
    assert not_converted(task_pod(database(startupProbe=HTTP), **marks), policy, WITH_ISTIO) == {}


@pytest.mark.parametrize(
    ("mesh", "marks"),
    [
        ("linkerd", {"annotations": {"linkerd.io/inject": "disabled"}}),
        ("consul", {"annotations": {"consul.hashicorp.com/connect-inject": "no"}}),
        ("kuma", {"labels": {"kuma.io/sidecar-injection": "disabled"}}),
    ],
    ids=["linkerd", "consul", "kuma"],
)
def test_a_pod_for_which_a_mesh_of_every_pod_is_switched_off_awaits_none(mesh: str, marks: JSONObject, policy: Policy) -> None:
    everywhere = dataclasses.replace(policy, injectors=frozenset({mesh}))

    assert not_converted(task_pod(database(startupProbe=HTTP)), everywhere) == {"database": NotConvertedReason.BEFORE_MESH}
    assert not_converted(task_pod(database(startupProbe=HTTP), **marks), everywhere) == {}


def test_on_the_hosts_network_no_mesh_is_awaited(policy: Policy) -> None:
    pod = task_pod(database(startupProbe=HTTP), annotations=IN_MESH)
    pod["spec"]["hostNetwork"] = True

    assert not_converted(pod, policy) == {}


def test_an_opted_out_mesh_proxy_is_known_to_be_a_regular_one_before_it_is_there(policy: Policy) -> None:
    for marks in (NOT_NATIVE, {"linkerd.io/inject": "enabled", "config.linkerd.io/proxy-enable-native-sidecar": "false"}):
        pod = task_pod(database(startupProbe=HTTP), annotations=marks)
        assert not_converted(pod, policy) == {"database": NotConvertedReason.BEHIND_MESH}


# --- an Istio that is installed, and may inject by the namespace's label ---


def test_where_istio_is_only_installed_a_sidecar_awaits_it_if_the_wrapper_can_end_it_meanwhile(policy: Policy) -> None:
    pod = task_pod(database(startupProbe=HTTP))

    assert not_converted(pod, policy, WITH_ISTIO) == {"database": NotConvertedReason.BEFORE_MESH}
    assert status_of(after_conversion(pod, policy, WITH_ISTIO))["treatment"] == "wrapped"
    assert not_converted(pod, policy, ABLE_CLUSTER) == {}


def test_where_istio_is_only_installed_a_sidecar_that_the_wrapper_cannot_end_is_native(policy: Policy) -> None:
    """The namespace may be outside the mesh, and then nobody would end it."""
    unknown_entrypoint = task_pod(database(livenessProbe=HTTP))
    container(unknown_entrypoint, "base")["image"] = "registry.example.com/etl:1"

    assert not_converted(task_pod({**FLUENT_BIT, "livenessProbe": HTTP}), policy, WITH_ISTIO) == {}
    assert not_converted(unknown_entrypoint, policy, WITH_ISTIO) == {}
    assert not_converted(task_pod(database(livenessProbe=HTTP)), dataclasses.replace(policy, mode=Mode.NATIVE), WITH_ISTIO) == {}


def with_a_plugin(image: str) -> Injector:
    """Istio with its CNI plugin, so that the traffic is redirected from the start, and with this image of the proxy."""

    def inject(pod: JSONObject) -> JSONObject:
        after = inject_istio(pod)
        for one in (*after["spec"]["initContainers"], *after["spec"]["containers"]):
            if one["name"] in {"istio-init", "istio-proxy"}:
                one["image"] = image
                one["name"] = one["name"].replace("istio-init", "istio-validation")
        return after

    return inject


@pytest.mark.parametrize("image", ["istio/proxyv2:1.18.7", "istio/proxyv2:1.26.8", f"istio/proxyv2@sha256:{64 * '0'}"])
@pytest.mark.parametrize(
    "sidecar", [database(startupProbe=HTTP), {**FLUENT_BIT, "startupProbe": HTTP}, COLLECTOR], ids=["quit", "no quit", "added"]
)
def test_no_startup_probe_waits_for_a_proxy_that_an_istio_of_any_version_leaves_regular(
    sidecar: JSONObject, image: str, policy: Policy
) -> None:
    """Only the namespace shows that Istio injects, and its plugin redirects the traffic before any container runs."""
    pod = task_pod(sidecar, inits=({"name": "fetch", "image": "busybox", "resources": {"requests": {"cpu": 1}}},), labels=OPERATOR_MARKS)
    for cluster in (WITH_ISTIO, CALLED_AGAIN):
        after = after_conversion(with_a_plugin(image)(admitted(pod, policy, cluster)[1]), policy, cluster)
        waiting = [one["name"] for one in after["spec"]["initContainers"] if goes_over_network(one.get("startupProbe"))]
        assert "istio-proxy" not in regular_of(after) or waiting == []


@pytest.mark.parametrize(("mode", "result"), [("auto", "wrapped"), ("native", "native")])
def test_where_istio_is_only_installed_a_probe_leaves_a_sidecar_regular_only_if_the_wrapper_may_end_it(
    mode: str, result: str, policy: Policy
) -> None:
    pod = annotated(task_pod(database(livenessProbe=HTTP), labels=OPERATOR_MARKS), {names.MODE_ANNOTATION: mode})

    assert admitted(pod, policy, WITH_ISTIO)[0].result == result


def test_where_istio_is_only_installed_no_startup_probe_is_added_that_its_proxy_may_not_answer(policy: Policy) -> None:
    pod = task_pod(COLLECTOR, labels=OPERATOR_MARKS)

    assert "startupProbe" not in native(after_conversion(pod, policy, WITH_ISTIO), "otc-container")
    assert native(after_conversion(pod, policy, ABLE_CLUSTER), "otc-container")["startupProbe"]["httpGet"]["port"] == 13133


@pytest.mark.parametrize("mesh", [{"sidecar.istio.io/inject": "true"}, {"linkerd.io/inject": "enabled"}], ids=["istio", "linkerd"])
@pytest.mark.parametrize("is_native", [True, False])
def test_daprs_sidecar_gets_no_probe_where_a_mesh_is_expected_and_is_native_all_the_same(
    is_native: bool, mesh: dict[str, str], policy: Policy
) -> None:
    marks = {"dapr.io/enabled": "true", "dapr.io/enable-native-sidecar": str(is_native).lower()}
    injected = inject_dapr(annotated(task_pod(), {**marks, **mesh}))
    if not is_native:
        del injected["metadata"]["annotations"]["dapr.io/enable-native-sidecar"]

    first = admitted(injected, policy, ABLE_CLUSTER)[1]
    assert "startupProbe" not in native(first, "daprd")
    assert "startupProbe" not in native(after_conversion(inject_linkerd(inject_istio(first)), policy), "daprd")
