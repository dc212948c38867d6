"""Which injectors are annotated so that they render a native sidecar, and that the user's own value wins.

The pods have the shape that the injectors' sources give them, as far as a rule reads it. The tests of the mesh compare with real injectors.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio, inject_linkerd, inject_vault
from tests.support.pods import ABLE_CLUSTER, admitted
from tests.support.task_pods import (
    CONSUL_MARKS,
    DAPR_MARKS,
    DAPRD,
    DATAPLANE,
    FLUENT_BIT,
    GCSFUSE,
    GCSFUSE_VOLUMES,
    LINKERD_MARK,
    LINKERD_SWITCHES,
    after_conversion,
    annotated,
    inits_of,
    istio_pod,
    regular_of,
    status_of,
    task_pod,
)
from webhook.core import names
from webhook.core.admission import treat
from webhook.core.cluster import UNKNOWN_CLUSTER, Cluster, NativeSupport
from webhook.core.decision import Mutate
from webhook.core.reasons import NotConvertedReason
from webhook.core.version import Version

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


# --- the user's word ---


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
    **{whose: case for word in ("True", "1", "yes") for whose, case in saying(word).items() if whose.startswith("Istio")},
    **{whose: case for word in ("yes", "on", "tRUE") for whose, case in saying(word).items() if whose.startswith(("Linkerd", "Consul"))},
    **{whose: case for word in ("enabled", "2") for whose, case in saying(word).items() if whose.startswith("Dapr")},
    **{
        f"gcsfuse's as {word}": (
            task_pod(GCSFUSE, volumes=GCSFUSE_VOLUMES, annotations={"gke-gcsfuse/enable-native-sidecar": word}),
            "gke-gcsfuse-sidecar",
        )
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


GO_TRUE: Final = ("1", "t", "T", "true", "True", "TRUE")
YES: Final = {"Istio": ("true",), "Linkerd": GO_TRUE, "Consul": GO_TRUE, "Dapr": ("y", "yes", "true", "on", "1", "Yes", "ON", " true ")}
"""What each injector reads as yes: a comparison, strconv.ParseBool, dapr/kit IsTruthy."""

CONSENTS: Final = {
    whose: case for injector, words in YES.items() for word in words for whose, case in saying(word).items() if whose.startswith(injector)
}


@pytest.mark.parametrize(("pod", "name"), CONSENTS.values(), ids=CONSENTS)
def test_each_word_that_an_injector_reads_as_yes_is_no_refusal_and_stays_as_it_was_written(
    pod: JSONObject, name: str, policy: Policy
) -> None:
    after = after_conversion(pod, policy)
    said = {key: value for key, value in pod["metadata"]["annotations"].items() if key in {*SWITCHES, *LINKERD_SWITCHES}}

    assert name in inits_of(after)
    assert said.items() <= after["metadata"]["annotations"].items()
    assert said != {}


def test_linkerds_word_of_a_namespace_wins_since_nothing_on_the_pod_overrides_it(policy: Policy) -> None:
    """Linkerd copies a namespace's annotation to a pod that has none of its own (pkg/inject/inject.go AppendNamespaceAnnotations)."""
    before = admitted(task_pod(annotations=LINKERD_MARK), policy, ABLE_CLUSTER)[1]
    injected = inject_linkerd(before)
    injected["metadata"]["annotations"]["config.linkerd.io/proxy-enable-native-sidecar"] = "false"
    after = after_conversion(injected, policy)

    assert set(before["metadata"]["annotations"]).isdisjoint(LINKERD_SWITCHES)
    assert (status_of(after)["treatment"], status_of(after)["not_converted"]) == ("wrapped", {"linkerd-proxy": "opted-out"})
    assert status_of(after)["sidecars"] == {"linkerd-proxy": "quit"}


@pytest.mark.parametrize("switch", LINKERD_SWITCHES)
def test_a_linkerd_proxy_that_the_pod_wants_regular_gets_its_quit_request_and_the_task_is_wrapped(switch: str, policy: Policy) -> None:
    before = admitted(task_pod(annotations={**LINKERD_MARK, switch: "false"}), policy, ABLE_CLUSTER)[1]
    after = after_conversion(inject_linkerd(before), policy)

    assert status_of(after)["sidecars"] == {"linkerd-proxy": "quit"}
    assert status_of(after)["treatment"] == "wrapped"


# --- hints ---


NATIVE_ISTIO: Final = {"sidecar.istio.io/nativeSidecar": "true"}
QUIT_LINKERD: Final = {"config.linkerd.io/proxy-admin-shutdown": "enabled"}
NATIVE_CONSUL: Final = {"consul.hashicorp.com/enable-consul-dataplane-as-sidecar": "true"}
NATIVE_DAPR: Final = {"dapr.io/enable-native-sidecar": "true"}

# For each claim: the pod's annotations and labels, the installed injectors, and the annotations that are added.
HINTS: Final[dict[str, tuple[dict[str, str], dict[str, str], frozenset[str], dict[str, str]]]] = {
    "Istio by its annotation": ({"sidecar.istio.io/inject": "true"}, {}, frozenset(), NATIVE_ISTIO),
    "Istio by its label": ({}, {"sidecar.istio.io/inject": "true"}, frozenset(), NATIVE_ISTIO),
    "Istio by its revision": ({}, {"istio.io/rev": "stable"}, frozenset(), NATIVE_ISTIO),
    "Istio that is installed": ({}, {}, frozenset({"istio"}), NATIVE_ISTIO),
    **{f"Istio by the word {word}": ({}, {"sidecar.istio.io/inject": word}, frozenset(), NATIVE_ISTIO) for word in ("True", "YES", "y", "On")},
    "Istio by an empty label, which says nothing": ({}, {"sidecar.istio.io/inject": ""}, frozenset({"istio"}), NATIVE_ISTIO),
    "Istio that injects gRPC agents": ({"inject.istio.io/templates": "grpc-agent"}, {}, frozenset({"istio"}), {}),
    "Istio by its own template": ({"inject.istio.io/templates": "sidecar"}, {}, frozenset({"istio"}), NATIVE_ISTIO),
    "Istio by another template beside its own": ({"inject.istio.io/templates": "sidecar,spire"}, {}, frozenset({"istio"}), {}),
    "Istio by another template": ({"inject.istio.io/templates": "spire"}, {}, frozenset({"istio"}), {}),
    "Istio, but the pod is in an ambient mesh": ({}, {"istio.io/dataplane-mode": "ambient"}, frozenset({"istio"}), {}),
    "Istio with the user's no": ({"sidecar.istio.io/nativeSidecar": "false"}, {}, frozenset({"istio"}), {}),
    "Istio with the user's no in another word": ({"sidecar.istio.io/nativeSidecar": "no"}, {}, frozenset({"istio"}), {}),
    "Istio with the user's yes": (NATIVE_ISTIO, {}, frozenset({"istio"}), {}),
    "Linkerd by its annotation": ({"linkerd.io/inject": "enabled"}, {}, frozenset(), QUIT_LINKERD),
    "Linkerd by its other annotation": ({"linkerd.io/inject": "ingress"}, {}, frozenset(), QUIT_LINKERD),
    "Linkerd that is installed": ({}, {}, frozenset({"linkerd"}), QUIT_LINKERD),
    "Linkerd that is not wanted": ({"linkerd.io/inject": "disabled"}, {}, frozenset({"linkerd"}), {}),
    **{f"Linkerd with the user's no in {switch}": ({"linkerd.io/inject": "enabled", switch: "false"}, {}, frozenset(), QUIT_LINKERD) for switch in LINKERD_SWITCHES},
    "Linkerd whose quit the user does not want": ({"linkerd.io/inject": "enabled", "config.linkerd.io/proxy-admin-shutdown": "disabled"}, {}, frozenset(), {}),
    "Consul by its annotation": ({"consul.hashicorp.com/connect-inject": "true"}, {}, frozenset(), NATIVE_CONSUL),
    **{f"Consul by the word {word}": ({"consul.hashicorp.com/connect-inject": word}, {}, frozenset(), NATIVE_CONSUL) for word in GO_TRUE},
    "Consul by a word that it does not read": ({"consul.hashicorp.com/connect-inject": "yes"}, {}, frozenset(), {}),
    "Consul that is not wanted": ({"consul.hashicorp.com/connect-inject": "false"}, {}, frozenset({"consul"}), {}),
    "Consul that is installed injects only where a pod says so": ({}, {}, frozenset({"consul"}), {}),
    "Dapr by its annotation": ({"dapr.io/enabled": "true"}, {}, frozenset(), NATIVE_DAPR),
    **{f"Dapr by the word {word}": ({"dapr.io/enabled": word}, {}, frozenset(), NATIVE_DAPR) for word in YES["Dapr"]},
    "Dapr by a word that it does not read": ({"dapr.io/enabled": "enabled"}, {}, frozenset(), {}),
    "Dapr that is installed injects only where a pod says so": ({}, {}, frozenset({"dapr"}), {}),
    "Vault has no switch, and its quit is not needed": ({"vault.hashicorp.com/agent-inject": "true"}, {}, frozenset({"vault"}), {}),
    "no injector": ({}, {}, frozenset(), {}),
}  # fmt: skip


@pytest.mark.parametrize(("annotations", "labels", "installed", "added"), HINTS.values(), ids=HINTS)
def test_each_injector_is_annotated_by_its_own_switch_where_it_is_in_play(
    annotations: dict[str, str], labels: dict[str, str], installed: frozenset[str], added: dict[str, str], policy: Policy
) -> None:
    pod = task_pod(annotations=annotations, labels=labels)
    after = after_conversion(pod, policy, Cluster(NativeSupport.READY, Version(1, 34, 4), installed, frozenset()))["metadata"][
        "annotations"
    ]
    after.pop(names.STATUS_ANNOTATION)

    assert after == pod["metadata"]["annotations"] | added


EVERYBODY: Final = {
    "sidecar.istio.io/inject": "true",
    "linkerd.io/inject": "enabled",
    "consul.hashicorp.com/connect-inject": "true",
    "dapr.io/enabled": "true",
}
SWITCHES: Final = {*NATIVE_ISTIO, *NATIVE_CONSUL, *NATIVE_DAPR}


def injector_annotations(pod: JSONObject, policy: Policy, cluster: Cluster = ABLE_CLUSTER) -> set[str]:
    """Which of the injectors' switches are set."""
    annotations: dict[str, str] = after_conversion(pod, policy, cluster)["metadata"]["annotations"]
    return SWITCHES & annotations.keys()


def test_every_injector_in_play_is_annotated(policy: Policy) -> None:
    assert injector_annotations(task_pod(annotations=EVERYBODY), policy) == SWITCHES


@pytest.mark.parametrize("mode", ["label-only", "wrap"])
def test_no_injector_is_annotated_for_native_where_the_user_wants_something_else(mode: str, policy: Policy) -> None:
    assert injector_annotations(task_pod(annotations={**EVERYBODY, names.MODE_ANNOTATION: mode}), policy) == set()


def test_with_mode_off_nothing_is_touched(policy: Policy) -> None:
    pod = annotated(istio_pod(), {**EVERYBODY, names.MODE_ANNOTATION: "off"})

    assert admitted(pod, policy, ABLE_CLUSTER)[1] == pod


def test_no_injector_is_annotated_on_the_hosts_network(policy: Policy) -> None:
    pod = task_pod(FLUENT_BIT, annotations=EVERYBODY)
    pod["spec"]["hostNetwork"] = True

    assert injector_annotations(pod, policy) == set()


@pytest.mark.parametrize("support", [support for support in NativeSupport if not support.row.is_native])
def test_on_a_cluster_without_native_sidecars_nothing_is_annotated_or_moved_and_the_task_is_wrapped(
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


OUT_OF_MESH: Final = {"sidecar.istio.io/inject": "false"}
VAULT_TO_COME: Final = {"vault.hashicorp.com/agent-inject": "true"}


def test_a_pod_outside_istios_mesh_is_not_skipped_where_another_injector_is_to_be_annotated(policy: Policy) -> None:
    after = after_conversion(task_pod(annotations=VAULT_TO_COME, labels=OUT_OF_MESH), policy, UNKNOWN_CLUSTER)

    assert after["metadata"]["annotations"]["vault.hashicorp.com/agent-enable-quit"] == "true"


@pytest.mark.parametrize(("labels", "has_short_name"), [({}, True), (OUT_OF_MESH, False)], ids=["in the mesh", "outside"])
def test_a_pod_outside_istios_mesh_gets_no_short_name(labels: dict[str, str], has_short_name: bool, policy: Policy) -> None:
    after = after_conversion(task_pod(annotations=VAULT_TO_COME, labels=labels), policy, UNKNOWN_CLUSTER)

    assert (names.CANONICAL_NAME in after["metadata"]["labels"]) == has_short_name


def test_an_annotation_that_an_injector_would_read_after_the_last_review_is_not_set(policy: Policy) -> None:
    """Istio, called again, makes its regular proxy native by it; nobody would take the wrapper from the task then."""
    again = Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), frozenset({"istio"}))
    switch = "sidecar.istio.io/nativeSidecar"
    first_review_before_istio = admitted(task_pod(), policy, again)[1]
    late = after_conversion(inject_istio(first_review_before_istio), policy, again)
    in_time = after_conversion(istio_pod(), policy, again)

    assert status_of(late)["not_converted"] == status_of(in_time)["not_converted"] == {"istio-proxy": NotConvertedReason.REINJECTION}
    assert switch not in late["metadata"]["annotations"]
    assert in_time["metadata"]["annotations"][switch] == "true"


def describing(name: str, **fields: object) -> dict[str, str]:
    """The annotation that describes a sidecar of this name."""
    return {names.SIDECARS_ANNOTATION: json.dumps([{"name": name, "quit": {"port": 8200, "path": "/agent/v1/quit"}, **fields}])}


@pytest.mark.parametrize(
    ("described", "added"),
    [
        ({"native": False}, {"vault.hashicorp.com/agent-enable-quit"}),
        ({}, {"vault.hashicorp.com/agent-enable-quit"}),
        ({"native": True}, set()),
    ],
    ids=str,
)
def test_a_quit_request_is_enabled_for_a_sidecar_that_the_pod_describes_as_not_native(
    described: dict[str, bool], added: set[str], policy: Policy
) -> None:
    """Before the injection, since after it the annotation comes too late."""
    pod = task_pod(annotations={"vault.hashicorp.com/agent-inject": "true", **describing("vault-agent", **described)})
    after = admitted(pod, policy, ABLE_CLUSTER)[1]["metadata"]["annotations"]

    assert after.keys() - pod["metadata"]["annotations"].keys() - {names.STATUS_ANNOTATION} == added


@pytest.mark.parametrize(
    ("described", "switches"),
    [({"native": False}, set()), ({}, set()), ({"native": True}, SWITCHES)],
    ids=["as a regular container", "with nothing more", "as native"],
)
def test_no_injector_is_annotated_for_native_against_the_pods_own_description(
    described: dict[str, bool], switches: set[str], policy: Policy
) -> None:
    rows = [{"name": name, **described} for name in ("istio-proxy", "consul-dataplane", "daprd")]

    assert injector_annotations(task_pod(annotations={**EVERYBODY, names.SIDECARS_ANNOTATION: json.dumps(rows)}), policy) == switches
    assert injector_annotations(task_pod(annotations={**EVERYBODY, **describing("other", **described)}), policy) == SWITCHES


def test_a_sidecar_that_the_pod_describes_as_not_native_is_wrapped_in_both_orders(policy: Policy) -> None:
    pod = task_pod(annotations=describing("istio-proxy", quit={"port": 15020, "path": "/quitquitquit"}))
    first = after_conversion(inject_istio(admitted(pod, policy, ABLE_CLUSTER)[1]), policy, ABLE_CLUSTER)
    second = after_conversion(inject_istio(pod), policy, ABLE_CLUSTER)

    assert status_of(first)["sidecars"] == status_of(second)["sidecars"] == {"istio-proxy": "quit"}
    assert first["spec"] == second["spec"]


def test_the_annotation_of_another_injector_is_set_all_the_same(policy: Policy) -> None:
    """Consul's sidecar is not converted for a reason of its own, by which no injector comes again."""
    again = Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), frozenset({"istio"}))
    dataplane = {**DATAPLANE, "lifecycle": {"postStart": {"exec": {"command": ["/ready"]}}}}
    reviewed = task_pod(dataplane, annotations={**CONSUL_MARKS, names.STATUS_ANNOTATION: "{}"})
    after = admitted(inject_istio(reviewed), policy, again)[1]

    assert status_of(after)["not_converted"] == {
        "consul-dataplane": NotConvertedReason.POST_START,
        "istio-proxy": NotConvertedReason.REINJECTION,
    }
    assert after["metadata"]["annotations"]["consul.hashicorp.com/enable-consul-dataplane-as-sidecar"] == "true"
    assert "sidecar.istio.io/nativeSidecar" not in after["metadata"]["annotations"]


def test_a_pod_outside_istios_mesh_with_native_sidecars_is_not_skipped(policy: Policy) -> None:
    proxy = {**FLUENT_BIT, "restartPolicy": "Always"}
    after = after_conversion(task_pod(inits=(proxy,), labels=OUT_OF_MESH), policy)

    assert status_of(after)["reason"] == "sidecars-native"


def test_a_sidecar_that_its_injector_adds_again_beside_the_native_one_is_removed(policy: Policy) -> None:
    treated = after_conversion(task_pod(FLUENT_BIT), policy)
    proxy = after_conversion(istio_pod(), policy)
    del next(one for one in proxy["spec"]["initContainers"] if one["name"] == "istio-proxy")["restartPolicy"]
    treated["spec"]["containers"].append(dict(FLUENT_BIT))
    proxy["spec"]["containers"].append(istio_pod()["spec"]["containers"][-1])

    assert regular_of(after_conversion(treated, policy)) == regular_of(after_conversion(proxy, policy)) == ["base"]


def test_an_init_container_is_blocked_by_a_mesh_proxy_that_stays_regular(policy: Policy) -> None:
    def blocked(pod: JSONObject, cluster: Cluster) -> list[str]:
        decision = treat(pod, policy, cluster).decision
        assert isinstance(decision, Mutate)
        return [one.name for one in decision.blocked]

    injected = inject_vault(inject_istio(task_pod(annotations=VAULT_TO_COME)))
    to_come = task_pod(annotations={**VAULT_TO_COME, "sidecar.istio.io/inject": "true"})
    assert blocked(injected, UNKNOWN_CLUSTER) == ["vault-agent-init"]
    assert blocked(injected, ABLE_CLUSTER) == []
    assert blocked(to_come, UNKNOWN_CLUSTER) == ["vault-agent-init"]
    assert blocked(to_come, ABLE_CLUSTER) == []


def test_what_the_cluster_lacks_is_named_where_a_container_of_the_pod_could_be_native(policy: Policy) -> None:
    def lacking(pod: JSONObject, cluster: Cluster) -> NativeSupport | None:
        decision = treat(pod, policy, cluster).decision
        assert isinstance(decision, Mutate)
        return decision.no_native

    assert lacking(istio_pod(), UNKNOWN_CLUSTER) is NativeSupport.UNKNOWN
    assert lacking(istio_pod(), ABLE_CLUSTER) is None
    assert lacking(task_pod(), UNKNOWN_CLUSTER) is None
