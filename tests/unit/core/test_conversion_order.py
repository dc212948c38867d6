"""Where a converted sidecar stands, and that the pod is the one that its injector renders natively.

The pods have the shape that the injectors' sources give them, as far as a rule reads it. The tests of the mesh compare with real injectors.
"""

from __future__ import annotations

import copy
import dataclasses
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import pytest

from demo.simulated_injectors import inject_dapr, inject_istio, inject_istio_native, inject_istio_with_hold, inject_linkerd, inject_vault
from tests.support.pods import ABLE_CLUSTER, admitted, container, load
from tests.support.task_pods import (
    CLOUD_SQL,
    CONSUL_MARKS,
    DATAPLANE,
    FLUENT_BIT,
    GCSFUSE,
    GCSFUSE_VOLUMES,
    KERBEROS,
    LEGACY_ISTIO,
    USER_INIT,
    after_conversion,
    annotated,
    inits_of,
    istio_pod,
    native,
    task_pod,
    vault_pod,
)
from webhook.core import names
from webhook.core.catalogue import Catalogue
from webhook.core.sidecar import parse_sidecars
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


# --- order ---


def init(name: str, **fields: Any) -> JSONObject:
    """An init container."""
    return {"name": name, "image": "busybox", **fields}


KERBEROS_MOUNT: Final = [{"name": "ticket", "mountPath": "/var/kerberos"}]
KERBEROS_FILE: Final = {"name": "KRB5CCNAME", "valueFrom": {"fileKeyRef": {"volumeName": "ticket", "path": "names", "key": "KRB5CCNAME"}}}
KERBEROS_DEVICE: Final = [{"name": "ticket", "devicePath": "/dev/ticket"}]

ORDERS: Final[dict[str, tuple[JSONObject, list[str]]]] = {
    "a sidecar goes before the user's init containers, which may need it": (
        task_pod(FLUENT_BIT, inits=(USER_INIT,)), ["logs", "prepare"],
    ),
    "into a pod that has no init container": (task_pod(FLUENT_BIT), ["logs"]),
    "istio-proxy comes behind istio-init and before the user's": (
        istio_pod(inits=(USER_INIT,)), ["istio-init", "istio-proxy", "prepare"],
    ),
    "istio-proxy for which the task waited has the same place": (
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
    "the first to get a quit request is the last in the list, since the kubelet ends the last one first": (
        task_pod(FLUENT_BIT, CLOUD_SQL, GCSFUSE, volumes=GCSFUSE_VOLUMES), ["gke-gcsfuse-sidecar", "logs", "database"],
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
    "a sidecar comes behind an init container that writes the file from which its variables come, and need not mount that volume": (
        task_pod(
            {**KERBEROS, "env": [{"name": "HOME", "value": "/"}, KERBEROS_FILE]},
            inits=(init("first"), init("writes", volumeMounts=KERBEROS_MOUNT), init("last")),
            volumes=("ticket",),
        ),
        ["first", "writes", "worker-kerberos", "last"],
    ),
    "a sidecar comes behind an init container that writes to a block device of its": (
        task_pod(
            {**KERBEROS, "volumeDevices": KERBEROS_DEVICE},
            inits=(init("first"), init("writes", volumeDevices=KERBEROS_DEVICE), init("last")),
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
    "of several init containers that write into a volume of a sidecar's, all go before it": (
        task_pod(
            {**KERBEROS, "volumeMounts": KERBEROS_MOUNT},
            inits=(init("writes", volumeMounts=KERBEROS_MOUNT), init("between"), init("writes-too", volumeMounts=KERBEROS_MOUNT), init("last")),
            volumes=("ticket",),
        ),
        ["writes", "between", "writes-too", "worker-kerberos", "last"],
    ),
    "an init container of a mesh is the first anyway, so its volumes and ports hold nothing back": (
        task_pod(
            container(istio_pod(), "istio-proxy"),
            {**FLUENT_BIT, "volumeMounts": KERBEROS_MOUNT, "ports": [{"containerPort": 2020}]},
            inits=(init("istio-init", volumeMounts=KERBEROS_MOUNT, ports=[{"containerPort": 2020}]), USER_INIT),
            volumes=("istio-envoy", "ticket"),
        ),
        ["istio-init", "istio-proxy", "logs", "prepare"],
    ),
    "istio-proxy comes behind an init container that writes the file from which its variables come, and no init container moves": (
        task_pod(
            {**container(istio_pod(), "istio-proxy"), "env": [KERBEROS_FILE]},
            inits=(init("first"), init("writes", volumeMounts=KERBEROS_MOUNT), init("istio-init")),
            volumes=("istio-envoy", "ticket"),
        ),
        ["first", "writes", "istio-init", "istio-proxy"],
    ),
    "a sidecar comes behind such an istio-proxy, and an init container behind both": (
        task_pod(
            {**container(istio_pod(), "istio-proxy"), "env": [KERBEROS_FILE]},
            FLUENT_BIT,
            inits=(init("istio-init"), init("writes", volumeMounts=KERBEROS_MOUNT), init("last")),
            volumes=("istio-envoy", "ticket"),
        ),
        ["istio-init", "writes", "istio-proxy", "logs", "last"],
    ),
    "a volume that istio-proxy shares with its own init containers alone holds it back from nothing": (
        task_pod(
            {**container(istio_pod(), "istio-proxy"), "volumeMounts": KERBEROS_MOUNT},
            inits=(init("first"), init("istio-init", volumeMounts=KERBEROS_MOUNT), init("enable-core-dump", volumeMounts=KERBEROS_MOUNT)),
            volumes=("ticket",),
        ),
        ["istio-init", "istio-proxy", "enable-core-dump", "first"],
    ),
    "a native sidecar that is no mesh proxy holds nothing back": (
        task_pod(CLOUD_SQL, inits=(USER_INIT, init("logs", image="fluent/fluent-bit:4.0.0", restartPolicy="Always"))),
        ["database", "prepare", "logs"],
    ),
    "nor does a native sidecar that is never converted": (
        task_pod(FLUENT_BIT, inits=(USER_INIT, init("datadog-agent-injected", image="datadog/agent:7", restartPolicy="Always"))),
        ["logs", "prepare", "datadog-agent-injected"],
    ),
    "nothing is said about somebody else's native sidecar": (
        task_pod(FLUENT_BIT, inits=(init("mine", restartPolicy="Always"), USER_INIT)), ["logs", "mine", "prepare"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pod", "order"), ORDERS.values(), ids=ORDERS)
def test_the_order_is_right(pod: JSONObject, order: list[str], policy: Policy) -> None:
    assert inits_of(after_conversion(pod, policy)) == order


MESHES: Final[dict[str, JSONObject]] = {
    "istio": istio_pod(),
    "linkerd": inject_linkerd(task_pod(annotations={"linkerd.io/inject": "enabled"})),
    "consul": task_pod(DATAPLANE, inits=(init("consul-connect-inject-init"),), annotations=CONSUL_MARKS),
}


def test_these_are_all_the_meshes_whose_proxy_starts_first(policy: Policy) -> None:
    rows = [row for row in policy.catalogue.sidecars if row.native and row.native.convert and row.native.convert.starts_first]

    assert {row.id for row in rows} == set(MESHES)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("mesh", MESHES)
def test_a_mesh_proxy_is_behind_the_init_container_that_writes_the_file_of_its_variables(mesh: str, place: int, policy: Policy) -> None:
    pod, proxy, own = mesh_beside_a_writer(mesh, place)
    proxy["env"] = [*(proxy.get("env") or ()), KERBEROS_FILE]
    before = [one["name"] for one in pod["spec"]["initContainers"]]

    order = inits_of(after_conversion(pod, policy))

    assert [name for name in order if name != proxy["name"]] == before
    assert order.index(proxy["name"]) == max(order.index(name) for name in ("writes", *own)) + 1


@pytest.mark.parametrize(
    ("mesh", "switch"),
    [("istio", "sidecar.istio.io/nativeSidecar"), ("consul", "consul.hashicorp.com/enable-consul-dataplane-as-sidecar")],
)
def test_no_injector_is_asked_to_render_such_a_proxy_natively_since_it_would_come_before_the_writer(
    mesh: str, switch: str, policy: Policy
) -> None:
    pod, proxy, _own = mesh_beside_a_writer(mesh, 0)
    pod["metadata"].setdefault("labels", {})["sidecar.istio.io/inject"] = "true"
    proxy["lifecycle"] = {"postStart": {"exec": {"command": ["/ready"]}}}  # so it is not converted

    assert switch in after_conversion(pod, policy)["metadata"]["annotations"]

    proxy["env"] = [*(proxy.get("env") or ()), KERBEROS_FILE]

    assert switch not in after_conversion(pod, policy)["metadata"]["annotations"]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("mesh", MESHES)
def test_a_mount_alone_holds_no_mesh_proxy_back_since_its_writer_may_need_the_network(mesh: str, place: int, policy: Policy) -> None:
    """Vault's injector mounts its volume in each container, also in the proxy, and its init container fetches the secret."""
    pod, proxy, _own = mesh_beside_a_writer(mesh, place)
    proxy["volumeMounts"] = [*(proxy.get("volumeMounts") or ()), *KERBEROS_MOUNT]

    order = inits_of(after_conversion(pod, policy))

    assert order.index(proxy["name"]) < order.index("writes")


def mesh_beside_a_writer(mesh: str, place: int) -> tuple[JSONObject, JSONObject, list[str]]:
    """A pod of this mesh whose init container of this place writes into a volume; its proxy; names of the mesh's own init containers."""
    pod = copy.deepcopy(MESHES[mesh])
    (proxy,) = [one for one in pod["spec"]["containers"] if one["name"] != "base"]
    pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or ()), {"name": "ticket", "emptyDir": {}}]
    inits = pod["spec"]["initContainers"]
    own = [one["name"] for one in inits]
    inits.insert(place, init("writes", volumeMounts=KERBEROS_MOUNT))
    inits += [init("last")]
    return pod, proxy, own


@pytest.mark.parametrize("source", ["configMap", "secret", "projected", "downwardAPI"])
def test_a_volume_that_nobody_can_write_into_holds_nothing_back(source: str, policy: Policy) -> None:
    mount = [{"name": "settings", "mountPath": "/settings"}]
    pod = task_pod({**FLUENT_BIT, "volumeMounts": mount}, inits=(init("reads", volumeMounts=mount),))
    pod["spec"]["volumes"].append({"name": "settings", source: {}})

    assert inits_of(after_conversion(pod, policy)) == ["logs", "reads"]


@pytest.mark.parametrize("inits", list(permutations(["istio-init", "enable-core-dump", "one", "two"])), ids="-".join)
@pytest.mark.parametrize("is_first", [True, False])
def test_istios_containers_get_one_order_from_every_other(inits: tuple[str, ...], is_first: bool, policy: Policy) -> None:
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
    assert inits_of(after_conversion(admitted(pod, helping)[1], helping)) == [names.HELPER_CONTAINER, "istio-init", "istio-proxy"]


# --- Istio's own rendering is the reference ---


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


def test_the_annotation_before_istio_and_the_conversion_after_it_give_the_same_pod(policy: Policy) -> None:
    annotated_first = after_conversion(
        inject_istio(admitted(annotated(task_pod(), {"sidecar.istio.io/inject": "true"}), policy, ABLE_CLUSTER)[1]), policy
    )
    converted = after_conversion(inject_istio(annotated(task_pod(), {"sidecar.istio.io/inject": "true"})), policy)

    assert annotated_first == converted


def test_linkerds_proxy_is_converted_to_what_its_injector_renders_natively(policy: Policy) -> None:
    pod = task_pod(inits=(USER_INIT,), annotations={"linkerd.io/inject": "enabled"})
    wanted = annotated(copy.deepcopy(pod), {"config.alpha.linkerd.io/proxy-enable-native-sidecar": "true"})
    rendered = after_conversion(inject_linkerd(wanted), policy)
    converted = after_conversion(inject_linkerd(pod), policy)

    assert converted["spec"] == rendered["spec"]
    assert native(inject_linkerd(wanted), "linkerd-proxy") == native(converted, "linkerd-proxy")


def test_daprs_sidecar_is_converted_to_what_its_injector_renders_natively(policy: Policy) -> None:
    pod = task_pod(annotations={"dapr.io/enabled": "true"})

    assert after_conversion(inject_dapr(pod), policy) == after_conversion(inject_dapr(admitted(pod, policy, ABLE_CLUSTER)[1]), policy)


def test_daprs_sidecar_starts_after_the_users_init_containers_whoever_makes_it_native(policy: Policy) -> None:
    pod = task_pod(inits=(USER_INIT,), annotations={"dapr.io/enabled": "true"})
    rendered = after_conversion(inject_dapr(admitted(pod, policy, ABLE_CLUSTER)[1]), policy)
    converted = after_conversion(inject_dapr(pod), policy)

    assert converted == rendered
    assert inits_of(rendered) == ["prepare", "daprd"]


def test_the_task_waits_for_a_native_daprd_whoever_has_made_it_native(policy: Policy) -> None:
    """Its own rendering has no startup probe; the outbound health is served before the app is looked for."""
    pod = task_pod(annotations={"dapr.io/enabled": "true"})
    probe = {"path": "/v1.0/healthz/outbound", "port": 3501}

    for injected in (inject_dapr(pod), inject_dapr(admitted(pod, policy, ABLE_CLUSTER)[1])):
        assert native(after_conversion(injected, policy), "daprd")["startupProbe"]["httpGet"] == probe


def test_a_daprd_without_a_public_port_gets_no_probe_since_the_kubelet_could_not_reach_it(policy: Policy) -> None:
    pod = inject_dapr(task_pod(annotations={"dapr.io/enabled": "true"}))
    container(pod, "daprd")["args"] = ["/daprd", "--dapr-http-port", "3500"]

    assert "startupProbe" not in native(after_conversion(pod, policy), "daprd")


def test_a_startup_probe_of_the_users_own_stays(policy: Policy) -> None:
    pod = inject_dapr(admitted(task_pod(annotations={"dapr.io/enabled": "true"}), policy, ABLE_CLUSTER)[1])
    native(pod, "daprd")["startupProbe"] = {"tcpSocket": {"port": 3501}}

    assert native(after_conversion(pod, policy), "daprd")["startupProbe"] == {"tcpSocket": {"port": 3501}}


@pytest.mark.parametrize("mesh", [inject_istio_native, inject_istio, inject_linkerd])
def test_a_daprd_behind_a_mesh_gets_no_probe_since_the_mesh_may_refuse_the_kubelets_requests(mesh: Injector, policy: Policy) -> None:
    """With mutual TLS required: Istio has rewritten the probes that it found, and this one comes later."""
    pod = task_pod(annotations={"dapr.io/enabled": "true", "linkerd.io/inject": "enabled"})

    for injected in (mesh(inject_dapr(pod)), mesh(inject_dapr(admitted(pod, policy, ABLE_CLUSTER)[1]))):
        assert "startupProbe" not in native(after_conversion(injected, policy), "daprd")


def test_an_init_container_of_the_users_own_with_the_helpers_name_stays_where_it_is(policy: Policy) -> None:
    own = {"name": "airflow-sidecar-webhook-helper", "image": "busybox"}
    after = after_conversion(task_pod(FLUENT_BIT, inits=(USER_INIT, own)), policy)

    assert inits_of(after) == ["logs", "prepare", "airflow-sidecar-webhook-helper"]


def test_a_native_mesh_proxy_may_be_among_the_init_containers_of_another(policy: Policy) -> None:
    """An administrator's patterns may match it; then it goes before that one, and before whatever else becomes native."""
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["own"]}, "init_containers": ["istio-*"]}
    rows = parse_sidecars([{**row, "native": {"convert": {"starts_first": True}}}])
    own = dataclasses.replace(policy, catalogue=Catalogue((*rows, *policy.catalogue.sidecars)))
    pod = inject_istio_native(task_pod(FLUENT_BIT, {"name": "own", "image": "own:1"}, inits=(USER_INIT,)))

    assert [name for name in inits_of(after_conversion(pod, own)) if name != "istio-init"] == ["istio-proxy", "own", "logs", "prepare"]
