"""The warning for an init container of Vault's that a mesh cuts off from the network (hashicorp/vault-k8s#41)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_linkerd, inject_vault
from tests.support.pods import ABLE_CLUSTER, admitted
from tests.support.task_pods import USER_INIT, annotated, task_pod
from webhook.core.admission import treat
from webhook.core.catalogue import Catalogue
from webhook.core.cluster import UNKNOWN_CLUSTER, Cluster, NativeSupport
from webhook.core.sidecar import parse_sidecars

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

XRAY: Final = {"name": "xray-daemon", "image": "public.ecr.aws/xray/aws-xray-daemon:3"}
"""A sidecar that cannot be native."""

INIT_FIRST: Final = "vault.hashicorp.com/agent-init-first"
LINE: Final = f'Set the annotation {INIT_FIRST}: "true"'


def vault_task(**annotations: str) -> JSONObject:
    """A pod that enables Vault's agent and Linkerd."""
    return task_pod(annotations={"vault.hashicorp.com/agent-inject": "true", "linkerd.io/inject": "enabled", **annotations})


def warned(pod: JSONObject, policy: Policy, cluster: Cluster = UNKNOWN_CLUSTER) -> list[str]:
    """The warnings that name the annotation."""
    return [warning for warning in admitted(pod, policy, cluster)[0].warnings if INIT_FIRST in warning]


@pytest.mark.parametrize(("mesh", "proxy"), [(inject_istio, "Istio sidecar"), (inject_linkerd, "Linkerd proxy")])
def test_behind_the_init_container_of_a_mesh_the_line_to_paste_is_in_a_warning(mesh: Injector, proxy: str, policy: Policy) -> None:
    (warning,) = warned(inject_vault(mesh(vault_task())), policy)

    assert warning.startswith(f"airflow-sidecar-webhook: vault-agent-init needs the network before the {proxy} runs")
    assert warning.endswith(LINE)
    assert len(warning) <= 256


def test_so_it_is_before_the_injection_where_the_mesh_is_known_to_inject(policy: Policy) -> None:
    pod = annotated(vault_task(), {"sidecar.istio.io/inject": "true"})
    installed = Cluster(NativeSupport.OLD_SERVER, injectors=frozenset({"istio"}))

    assert warned(pod, policy) != []
    assert warned(vault_task(), policy, installed) != []
    assert warned(vault_task(), policy) == []


def behind_istio(init: JSONObject) -> JSONObject:
    """A pod without annotations of Vault's, with this init container behind Istio's."""
    pod = inject_istio(task_pod())
    pod["spec"]["initContainers"].append(init)
    return pod


def behind_cni_plugin() -> JSONObject:
    """A pod of a mesh whose CNI plugin redirects: the init container before Vault's only checks that."""
    pod = inject_vault(inject_istio(vault_task()))
    pod["spec"]["initContainers"][0]["name"] = "istio-validation"
    return pod


FINE: Final[dict[str, tuple[JSONObject, Cluster]]] = {
    "Vault's comes first": (inject_istio(inject_vault(vault_task())), UNKNOWN_CLUSTER),
    "the user has put it first": (inject_vault(inject_istio(vault_task(**{INIT_FIRST: "1"}))), UNKNOWN_CLUSTER),
    "its requests pass Istio's proxy by": (
        inject_vault(inject_istio(vault_task(**{"traffic.sidecar.istio.io/excludeOutboundPorts": "8200"}))),
        UNKNOWN_CLUSTER,
    ),
    "its requests pass Linkerd's proxy by": (
        inject_vault(inject_linkerd(vault_task(**{"config.linkerd.io/skip-outbound-ports": "8200"}))),
        UNKNOWN_CLUSTER,
    ),
    "the init container is the user's own": (
        behind_istio({"name": "vault-agent-init", "image": "registry.example.com/own:1"}),
        UNKNOWN_CLUSTER,
    ),
    "a CNI plugin redirects": (behind_cni_plugin(), UNKNOWN_CLUSTER),
    "Vault's injector leaves the pod": (
        annotated(vault_task(**{"vault.hashicorp.com/agent-inject": "false"}), {"sidecar.istio.io/inject": "true"}),
        UNKNOWN_CLUSTER,
    ),
    "the sidecar behind it is of no mesh": (
        inject_vault(task_pod(XRAY, inits=(USER_INIT,), annotations={"vault.hashicorp.com/agent-inject": "true"})),
        UNKNOWN_CLUSTER,
    ),
    "there is no mesh": (inject_vault(vault_task()), UNKNOWN_CLUSTER),
    "the proxy is native": (inject_vault(inject_istio_native(vault_task())), UNKNOWN_CLUSTER),
    "the proxy becomes native": (inject_vault(inject_istio(vault_task())), ABLE_CLUSTER),
    "the mesh will inject a native proxy": (annotated(vault_task(), {"sidecar.istio.io/inject": "true"}), ABLE_CLUSTER),
    "there will be no init container": (
        annotated(vault_task(**{"vault.hashicorp.com/agent-pre-populate": "false"}), {"sidecar.istio.io/inject": "true"}),
        UNKNOWN_CLUSTER,
    ),
}


@pytest.mark.parametrize(("pod", "cluster"), FINE.values(), ids=FINE)
def test_nothing_is_said_where(pod: JSONObject, cluster: Cluster, policy: Policy) -> None:
    assert warned(pod, policy, cluster) == []


def test_so_it_is_for_an_administrators_agent_that_no_annotation_shows(policy: Policy) -> None:
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["own"]}}
    first = {"container": "own-init", "annotation": "example.com/first", "value": "yes"}
    catalogue = Catalogue((*parse_sidecars([{**row, "init_first": first}]), *policy.catalogue.sidecars))
    pod = behind_istio({"name": "own-init", "image": "registry.example.com/own:1"})
    (warning,) = treat(pod, dataclasses.replace(policy, catalogue=catalogue), UNKNOWN_CLUSTER).warnings

    assert warning.endswith('Set the annotation example.com/first: "yes"')
