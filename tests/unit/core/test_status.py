"""What a pod carries of its treatment: from its status and the pod the rules say again what they said at its admission."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from demo.simulated_injectors import inject_istio
from tests.support.examples import EXAMPLES
from tests.support.pods import ABLE_CLUSTER, admitted, load, pods_in
from webhook import __version__
from webhook.core import (
    UNKNOWN_CLUSTER,
    Cluster,
    NativeSupport,
    Version,
    cluster_at_admission,
    default_policy,
    is_label_value,
    sidecars_at_admission,
    treat,
)
from webhook.core.earlier_status import read_recorded_status
from webhook.core.names import MODE_ANNOTATION, STATUS_ANNOTATION, TREATMENT_LABEL
from webhook.core.reasons import NotConvertedReason
from webhook.core.status import INJECTING_BY_NAMESPACE

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

POLICY: Final = default_policy()
CLUSTERS: Final = {
    "native": ABLE_CLUSTER,
    "native, before named ports are found": Cluster(NativeSupport.READY, Version(1, 29, 4), reinvoked=None),
    "old kubelet": Cluster(NativeSupport.OLD_KUBELET, Version(1, 34)),
    "forced off": Cluster(NativeSupport.FORCED_OFF),
}
STRANGER: Final = {"name": "uploader", "image": "registry.example.com/uploader:1"}


def with_stranger(pod: JSONObject) -> JSONObject:
    """The pod with Istio's sidecar and a container that nobody knows."""
    injected = inject_istio(pod)
    injected["spec"]["containers"] = [*injected["spec"]["containers"], STRANGER]
    return injected


PODS: Final = [example.pod for example in EXAMPLES] + [with_stranger(pod) for _, pod in pods_in("airflow-3.3.2-provider-10.25.0")]


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
def test_a_pod_that_lives_gets_the_reasons_and_remedies_of_its_admission(cluster: Cluster) -> None:
    compared = 0
    for pod in PODS:
        outcome = treat(pod, POLICY, cluster)
        live = outcome.patched(pod)
        recorded = cluster_at_admission(live)
        if outcome.status is None or recorded is None:
            continue
        again = treat(live, POLICY, recorded)
        compared += 1
        assert (again.reason, again.status, again.operations) == (outcome.reason, outcome.status, ()), pod
        assert again.remedies == outcome.remedies, pod

    assert compared > 50


def test_a_pod_in_which_a_sidecar_awaits_a_mesh_gets_the_same_reason_while_it_lives() -> None:
    """Istio is installed, and may inject by the namespace's label, which the pod does not show."""
    pod = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
    probe = {"httpGet": {"path": "/startup", "port": 9090}}
    database = {
        "name": "database",
        "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2",
        "args": ["--quitquitquit"],
        "startupProbe": probe,
    }
    pod["spec"]["containers"].append(database)
    cluster = replace(ABLE_CLUSTER, injectors=frozenset({"istio"}))
    live = treat(pod, POLICY, cluster).patched(pod)

    again = treat(live, POLICY, cluster_at_admission(live) or UNKNOWN_CLUSTER)

    assert again.status is not None
    assert again.status.not_converted == {"database": NotConvertedReason.BEFORE_MESH}
    assert again.reason == "sidecars-quit"


def test_the_meshes_that_inject_by_namespace_are_those_of_the_catalogue() -> None:
    assert {row.id for row, _hint in POLICY.catalogue.meshes if row.injected_by_namespace} == INJECTING_BY_NAMESPACE


def test_a_pod_that_is_treated_carries_its_treatment_as_a_label_and_the_version_of_the_webhook_in_its_status() -> None:
    treatments = set()
    for pod in PODS:
        outcome, after = admitted(pod, POLICY, ABLE_CLUSTER)
        if outcome.status is not None:
            treatments.add(after["metadata"]["labels"][TREATMENT_LABEL])
            assert after["metadata"]["labels"][TREATMENT_LABEL] == outcome.status.treatment
            assert f'"version":"{__version__}"' in after["metadata"]["annotations"][STATUS_ANNOTATION]

    assert treatments == {"native", "wrapped", "labelled", "left"}
    assert all(map(is_label_value, treatments))


@pytest.mark.parametrize("label", ["native", "left", "of another hand", ""])
def test_the_label_of_a_pod_that_is_created_again_is_that_of_its_new_treatment(label: str) -> None:
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json"))
    pod["metadata"]["labels"][TREATMENT_LABEL] = label

    assert admitted(pod, POLICY, UNKNOWN_CLUSTER)[1]["metadata"]["labels"][TREATMENT_LABEL] == "wrapped"
    assert admitted(pod, POLICY, ABLE_CLUSTER)[1]["metadata"]["labels"][TREATMENT_LABEL] == "native"


def test_a_status_of_another_version_is_replaced() -> None:
    treated = admitted(load("airflow-3.3.2-provider-10.25.0/ke_default.json"), POLICY, ABLE_CLUSTER)[1]
    before = copy.deepcopy(treated)
    annotations = before["metadata"]["annotations"]
    annotations[STATUS_ANNOTATION] = annotations[STATUS_ANNOTATION].replace(__version__, "0.0.1")

    assert before != treated
    assert admitted(before, POLICY, ABLE_CLUSTER)[1] == treated


def test_a_pod_that_is_skipped_gets_no_label() -> None:
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json"))
    pod["metadata"]["annotations"][MODE_ANNOTATION] = "off"

    assert admitted(pod, POLICY, ABLE_CLUSTER) == (treat(pod, POLICY, ABLE_CLUSTER), pod)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"treatment":"x","reason":"y"}', "[" * 100_000, '{"treatment": "left"}', "\ud800"])
def test_a_status_that_the_webhook_does_not_write_says_nothing_of_the_cluster(text: str) -> None:
    pod = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
    pod["metadata"]["annotations"][STATUS_ANNOTATION] = text

    assert cluster_at_admission(pod) is None


def test_a_pod_without_a_status_says_nothing_of_the_cluster() -> None:
    assert cluster_at_admission(load("airflow-3.3.2-provider-10.25.0/ke_default.json")) is None
    assert cluster_at_admission({"spec": 1}) is None


def test_how_each_sidecar_ends_is_read_from_the_status_of_a_pod_that_was_audited_too() -> None:
    _, after = admitted(inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json")), POLICY, ABLE_CLUSTER)
    status = json.loads(after["metadata"]["annotations"][STATUS_ANNOTATION])
    after["metadata"]["annotations"][STATUS_ANNOTATION] = json.dumps(status | {"treatment": "audited"})

    assert sidecars_at_admission(after) == status["sidecars"] == {"istio-proxy": "native"}
    assert sidecars_at_admission(load("airflow-3.3.2-provider-10.25.0/ke_default.json")) == {}


def test_what_people_read_of_a_status_is_cut() -> None:
    text = json.dumps({"treatment": "t" * 99, "reason": "r" * 99, "entrypoint": "e" * 99, "version": "v" * 99})
    recorded = read_recorded_status({STATUS_ANNOTATION: text})

    assert (recorded.treatment, recorded.reason, recorded.entrypoint, recorded.version) == ("t" * 64, "r" * 64, "e" * 64, "v" * 64)


def test_the_status_names_the_native_sidecars_that_got_their_mark_back() -> None:
    live = admitted(inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json")), POLICY, ABLE_CLUSTER)[1]
    for init in live["spec"]["initContainers"]:
        init.pop("restartPolicy", None)
    outcome = treat(live, POLICY, ABLE_CLUSTER)

    assert outcome.status is not None
    assert outcome.status.restored == ("istio-proxy",)


def test_the_status_of_a_wrapped_pod_says_where_its_shell_comes_from() -> None:
    outcome = treat(inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_default.json")), POLICY, UNKNOWN_CLUSTER)

    assert outcome.status is not None
    assert outcome.status.shell == "image"
