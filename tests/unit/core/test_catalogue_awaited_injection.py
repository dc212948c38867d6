"""Sidecars of a pod whose init containers an injector gives other mounts than its containers: they become native after the injection.

The injectors here mount as their sources do: vault-k8s agent-inject/agent/agent.go Patch, vault-secrets-webhook pkg/webhook/pod.go.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from demo.simulated_injectors import inject_istio, inject_linkerd, inject_vault
from tests.support.pods import ABLE_CLUSTER, admitted
from tests.support.task_pods import (
    CLOUD_SQL,
    FLUENT_BIT,
    OPERATOR_MARKS,
    after_conversion,
    inits_of,
    native,
    not_converted,
    regular_of,
    status_of,
    task_pod,
)
from webhook.core import UNKNOWN_CLUSTER, cluster_at_admission, treat
from webhook.core.reasons import NotConvertedReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

VAULT: Final = {"vault.hashicorp.com/agent-inject": "true"}
LATE: Final = VAULT | {"vault.hashicorp.com/agent-pre-populate": "false"}
ONLY_TASK: Final = VAULT | {"vault.hashicorp.com/agent-inject-containers": "base"}
BANK_VAULTS: Final = "vault.security.banzaicloud.io"
SUCCESSOR: Final = "secrets-webhook.security.bank-vaults.io"


def vault(pod: JSONObject) -> JSONObject:
    """Vault's agent with its mounts: in all containers or those that are named, and with pre-populate in all init containers."""
    after = inject_vault(pod)
    if after is pod:
        return pod
    marks = after["metadata"]["annotations"]
    named = marks.get("vault.hashicorp.com/agent-inject-containers", ",".join(regular_of(pod))).split(",")
    mount_in([one for one in after["spec"]["containers"] if one["name"] in named], "vault-secrets")
    if marks.get("vault.hashicorp.com/agent-pre-populate") == "false":
        after["spec"]["initContainers"].pop()
    else:
        mount_in(after["spec"]["initContainers"][:-1], "vault-secrets")
    return after


def openbao(pod: JSONObject) -> JSONObject:
    """OpenBao's injector, which takes Vault's annotations and writes its own."""
    after = vault(pod)
    if after is not pod:
        marks = after["metadata"]["annotations"]
        marks["openbao.org/agent-inject-status"] = marks.pop("vault.hashicorp.com/agent-inject-status")
    return after


def bank_vaults(pod: JSONObject) -> JSONObject:
    """Bank-Vaults' agent, in front of the containers, all of which get its mount."""
    if any(volume["name"] == "agent-configmap" for volume in pod["spec"].get("volumes") or ()):
        return pod
    after = copy.deepcopy(pod)
    mount_in(after["spec"]["containers"], "agent-secrets")
    config = {"name": "agent-configmap", "mountPath": "/vault/config/config.hcl"}
    after["spec"]["containers"].insert(0, {"name": "vault-agent", "image": "hashicorp/vault:1.20.0", "volumeMounts": [config]})
    volumes = [{"name": "agent-secrets", "emptyDir": {}}, {"name": "agent-configmap", "configMap": {"name": "sales"}}]
    after["spec"]["volumes"] = [*(after["spec"].get("volumes") or ()), *volumes]
    return after


def mount_in(containers: Iterable[JSONObject], volume: str) -> None:
    """Add a mount of this volume to each."""
    for one in containers:
        mounts = one.get("volumeMounts") or []
        if all(mount["name"] != volume for mount in mounts):
            one["volumeMounts"] = [*mounts, {"name": volume, "mountPath": "/vault/secrets"}]


def mounts(pod: JSONObject) -> dict[str, list[str]]:
    """The volumes of these injectors that each container mounts."""
    volumes = ("vault-secrets", "agent-secrets")
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
    return {one["name"]: [mount["name"] for mount in one.get("volumeMounts") or () if mount["name"] in volumes] for one in containers}


INJECTIONS: Final[dict[str, tuple[dict[str, str], Injector, list[str]]]] = {
    "Vault without its init container": (LATE, vault, ["vault-secrets"]),
    "Vault for the task alone": (ONLY_TASK, vault, []),
    "OpenBao by Vault's annotations": (LATE, openbao, ["vault-secrets"]),
    "Bank-Vaults' agent": ({f"{BANK_VAULTS}/vault-agent-configmap": "sales"}, bank_vaults, ["agent-secrets"]),
}
"""Annotations, the injector that they are for, and what it mounts into a sidecar of the pod."""


@pytest.mark.parametrize("sidecar", [CLOUD_SQL, FLUENT_BIT], ids=["quit", "no quit"])
@pytest.mark.parametrize(("annotations", "injector", "mounted"), INJECTIONS.values(), ids=INJECTIONS)
def test_whoever_is_called_first_a_native_sidecar_has_the_mounts_of_a_container(
    annotations: dict[str, str], injector: Injector, mounted: list[str], sidecar: JSONObject, policy: Policy
) -> None:
    pod = task_pod(sidecar, annotations=annotations)
    waiting = admitted(pod, policy, ABLE_CLUSTER)[1]
    first, later = (after_conversion(injector(copy.deepcopy(one)), policy) for one in (waiting, pod))

    assert status_of(waiting)["not_converted"] == {sidecar["name"]: NotConvertedReason.BEFORE_AGENT}
    assert native(first, sidecar["name"])
    assert mounts(first) == mounts(later)
    assert mounts(first)[sidecar["name"]] == mounted
    assert (inits_of(first), regular_of(first)) == (inits_of(later), regular_of(later))
    assert admitted(first, policy, ABLE_CLUSTER)[0].operations == ()


@pytest.mark.parametrize("annotations", [LATE, ONLY_TASK], ids=["late", "only the task"])
@pytest.mark.parametrize("mesh", [inject_istio, inject_linkerd], ids=["istio", "linkerd"])
def test_a_mesh_proxy_has_the_mounts_of_a_container_too(mesh: Injector, annotations: dict[str, str], policy: Policy) -> None:
    """The annotation by which its injector would render it natively is not set before Vault's has come."""
    labels = OPERATOR_MARKS | {"sidecar.istio.io/inject": "true"}
    pod = task_pod(annotations=annotations | {"linkerd.io/inject": "enabled"}, labels=labels)
    first = after_conversion(vault(mesh(after_conversion(pod, policy))), policy)
    later = after_conversion(vault(mesh(copy.deepcopy(pod))), policy)

    assert mounts(first) == mounts(later)
    assert (inits_of(first), regular_of(first)) == (inits_of(later), regular_of(later)) == (inits_of(first), ["base"])


NOT_AWAITED: Final[dict[str, JSONObject]] = {
    "Vault with its init container": {"annotations": VAULT},
    "Vault is not asked for": {"annotations": {"vault.hashicorp.com/agent-pre-populate": "false"}},
    "Vault has come": {"annotations": LATE | {"vault.hashicorp.com/agent-inject-status": "injected"}},
    "Bank-Vaults without files": {"annotations": {f"{BANK_VAULTS}/vault-addr": "https://vault:8200"}},
    "Bank-Vaults skips it": {"annotations": {f"{BANK_VAULTS}/mutate": "skip", f"{BANK_VAULTS}/vault-ct-configmap": "sales"}},
}


@pytest.mark.parametrize("marks", NOT_AWAITED.values(), ids=NOT_AWAITED)
def test_a_sidecar_becomes_native_at_once_where_no_such_injection_is_to_come(marks: JSONObject, policy: Policy) -> None:
    assert not_converted(task_pod(CLOUD_SQL, **marks), policy) == {}


AWAITED: Final = (
    LATE,
    {"openbao.org/agent-inject": "1", "openbao.org/agent-pre-populate": "F"},
    {"openbao.org/agent-inject": "true", "openbao.org/agent-inject-containers": "base"},
    {f"{BANK_VAULTS}/vault-ct-configmap": "sales"},
    {f"{SUCCESSOR}/vault-ct-configmap": "sales"},
    {f"{SUCCESSOR}/vault-agent-configmap": "sales"},
    {f"{SUCCESSOR}/bao-ct-configmap": "sales"},
    {f"{SUCCESSOR}/bao-agent-configmap": "sales"},
)


@pytest.mark.parametrize("annotations", AWAITED, ids="-".join)
def test_an_injector_is_awaited_unless_the_cluster_has_none(annotations: dict[str, str], policy: Policy) -> None:
    pod = task_pod(CLOUD_SQL, annotations=annotations)
    without = replace(ABLE_CLUSTER, injectors=frozenset({"istio"}), are_injectors_known=True)

    assert not_converted(pod, policy) == {"database": NotConvertedReason.BEFORE_AGENT}
    assert not_converted(pod, policy, without) == {}
    # If the webhook is not called again, the pod ends all the same.
    assert status_of(after_conversion(pod, policy))["sidecars"] == {"database": "quit"}


@pytest.mark.parametrize("is_installed", [True, False], ids=["installed", "not installed"])
def test_the_pod_gets_the_same_status_while_it_lives(policy: Policy, *, is_installed: bool) -> None:
    cluster = replace(ABLE_CLUSTER, injectors=frozenset({"vault"} if is_installed else ()), are_injectors_known=True)
    outcome = treat(task_pod(CLOUD_SQL, annotations=LATE), policy, cluster)
    live = outcome.patched(task_pod(CLOUD_SQL, annotations=LATE))

    again = treat(live, policy, cluster_at_admission(live) or UNKNOWN_CLUSTER)

    assert (again.status, again.operations) == (outcome.status, ())
    assert outcome.status is not None
    assert bool(outcome.status.not_converted) == is_installed


def test_whoever_creates_a_pod_in_which_nothing_ends_the_sidecar_meanwhile_is_warned_of_that_alone(policy: Policy) -> None:
    outcome = treat(task_pod(FLUENT_BIT, annotations=LATE), policy, ABLE_CLUSTER)

    assert {remedy.reason for remedy in outcome.remedies} == {"before-agent"}
    (warning,) = outcome.warnings
    assert "remove the annotations" in warning
