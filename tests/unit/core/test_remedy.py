"""What to do about a pod: each line that is printed is pasted, and then does what it promises."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
import yaml
from msgspec.structs import replace

from demo.simulated_injectors import inject_istio
from tests.support.examples import EXAMPLES
from tests.support.paste import pasted
from tests.support.pods import ABLE_CLUSTER, container, load, pods_in
from webhook.core import (
    UNKNOWN_CLUSTER,
    Cluster,
    ClusterObservation,
    ContainerReason,
    NativeSupport,
    NativeSwitch,
    NotConvertedReason,
    Reason,
    ServerVersion,
    SkipReason,
    Treatment,
    Version,
    assess,
    default_policy,
    treat,
)
from webhook.core.catalogue import Catalogue
from webhook.core.names import HELPER_MOUNT_PATH, PREFIX, SIDECARS_ANNOTATION
from webhook.core.origin import ORIGIN_LABELS, PodOrigin
from webhook.core.pod import read_pod
from webhook.core.remedy import METADATA_OF, remedies_of_skip
from webhook.core.sidecar import parse_sidecars

if TYPE_CHECKING:
    from tests.support.examples import Example
    from tests.support.json_object import JSONObject
    from webhook.core import ExplainedWord, Outcome, Policy, Remedy

POLICY: Final = default_policy()
OPERATOR: Final = "airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"
REASONS: Final = (*Reason, *SkipReason, *NotConvertedReason, *NativeSupport, *ContainerReason)
WITH_LINE: Final = [reason for reason in REASONS if reason.line]
EMULATION: Final = ClusterObservation(
    ServerVersion("v1.34.2", Version(1, 32), emulates=True), Version(1, 34), are_nodes_known=True, reinvoked=frozenset()
)
OLD_ABLE_CLUSTER: Final = replace(ABLE_CLUSTER, server=Version(1, 31))
RULES: Final = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
UPLOADER: Final = {"name": "uploader", "image": "registry.example.com/uploader:1"}
CLOUD_SQL: Final = {"name": "sql", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.18.0", "args": ["project:region:db"]}


def operator_pod(*sidecars: JSONObject, command: list[str] | None = None, **annotations: str) -> JSONObject:
    """A pod of the KubernetesPodOperator that runs a shell, with these beside its task."""
    pod = load(OPERATOR)
    container(pod, "base").update(image="registry.example.com/etl:9", command=command or ["/bin/sh", "-c", "true"])
    pod["spec"]["containers"] += sidecars
    pod["metadata"]["annotations"] = (pod["metadata"].get("annotations") or {}) | {
        f"{PREFIX}/{key.replace('_', '-')}": value for key, value in annotations.items()
    }
    return pod


def in_mesh(pod: JSONObject, **spec: Any) -> JSONObject:
    """The pod with Istio's sidecar."""
    injected = inject_istio(pod)
    injected["spec"] |= spec
    return injected


def without_command(image: str = "registry.example.com/etl:9") -> JSONObject:
    """A task that gives its image args only."""
    pod = operator_pod()
    base = container(pod, "base")
    del base["command"]
    base |= {"image": image, "args": ["run"]}
    return pod


def relabelled(pod: JSONObject, **labels: str) -> JSONObject:
    """The pod with no other labels than these."""
    pod["metadata"]["labels"] = {key if key in ORIGIN_LABELS else key.replace("_", "-"): value for key, value in labels.items()}
    return pod


def known_only() -> JSONObject:
    """A task whose container is taken for a sidecar."""
    pod = in_mesh(operator_pod())
    container(pod, "base").update(name="logs", image="fluent/fluent-bit:4.0.0")
    return pod


def two_candidates() -> JSONObject:
    """A task whose container has a name of its own, beside another one."""
    pod = in_mesh(operator_pod(UPLOADER))
    container(pod, "base")["name"] = "etl"
    return pod


def beside_kuma() -> JSONObject:
    """A task beside a sidecar that ends once no other container runs, and a container that nobody knows."""
    probe = {"httpGet": {"path": "/ready", "port": 9902}}
    pod = operator_pod({"name": "kuma-sidecar", "image": "kumahq/kuma-dp:2.14.0", "readinessProbe": probe}, UPLOADER)
    pod["metadata"]["annotations"]["kuma.io/sidecar-injected"] = "true"
    return pod


def described(**fields: Any) -> JSONObject:
    """A task beside a container that its user describes as one that may be native, and that quits on request."""
    return operator_pod(
        {"name": "cache", "image": "redis:7", **fields},
        sidecars='[{"name": "cache", "native": true, "quit": {"port": 9091, "path": "/quit"}}]',
    )


def on_virtual_node() -> JSONObject:
    """A task in a mesh that names virtual nodes in every way that can be removed."""
    tolerations = [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}, {"key": "spot", "operator": "Exists"}]
    selected = {"type": "virtual-kubelet", "disk": "ssd"}
    pod = in_mesh(operator_pod(), nodeName="virtual-node-aci", nodeSelector=selected, tolerations=tolerations)
    pod["metadata"]["labels"] |= {"alibabacloud.com/eci": "true", "team": "etl"}
    pod["metadata"]["annotations"] |= {"alibabacloud.com/burst-resource": "eci", "owner": "etl"}
    return pod


class PasteCase(NamedTuple):
    """A pod with a reason for its treatment, and its result once the reason's line is pasted."""

    pod: JSONObject
    after: str
    cluster: Cluster = UNKNOWN_CLUSTER


CASES: Final[dict[ExplainedWord, PasteCase]] = {
    SkipReason.NOT_AIRFLOW: PasteCase(in_mesh(relabelled(operator_pod(), app="etl")), "wrapped"),
    SkipReason.SPARK_SUBMIT: PasteCase(in_mesh(relabelled(operator_pod(), spark_role="executor")), "native", ABLE_CLUSTER),
    SkipReason.LONG_RUNNING: PasteCase(in_mesh(operator_pod(), restartPolicy="Always"), "wrapped"),
    SkipReason.SWITCHED_OFF: PasteCase(in_mesh(operator_pod(mode="off")), "wrapped"),
    Reason.LABEL_ONLY: PasteCase(in_mesh(operator_pod(mode="label-only")), "wrapped"),
    Reason.UNKNOWN_CONTAINER: PasteCase(beside_kuma(), "labelled"),
    Reason.NATIVE_ONLY: PasteCase(in_mesh(operator_pod(mode="native")), "wrapped"),
    Reason.HOST_NETWORK: PasteCase(in_mesh(operator_pod(), hostNetwork=True), "wrapped"),
    Reason.NO_MAIN_CONTAINER: PasteCase(known_only(), "wrapped"),
    Reason.MAIN_CONTAINER_AMBIGUOUS: PasteCase(two_candidates(), "wrapped"),
    Reason.ENTRYPOINT_UNKNOWN: PasteCase(in_mesh(without_command()), "wrapped"),
    Reason.SHELL_UNKNOWN: PasteCase(in_mesh(operator_pod(command=["/tool"])), "wrapped"),
    ContainerReason.UNKNOWN: PasteCase(operator_pod(UPLOADER), "native", ABLE_CLUSTER),
    ContainerReason.END_UNKNOWN: PasteCase(in_mesh(operator_pod(UPLOADER, mode="label-only")), "labelled"),
    ContainerReason.NEVER_ENDED: PasteCase(in_mesh(operator_pod(UPLOADER), hostNetwork=True), "left"),
    ContainerReason.NO_QUIT: PasteCase(operator_pod({"name": "logs", "image": "fluent/fluent-bit:4.0.0"}), "wrapped"),
    NotConvertedReason.NO_PROBE: PasteCase(
        operator_pod(
            {"name": "cache", "image": "redis:7"},
            sidecars='[{"name": "cache", "native": true, "ready": {"port": 8080, "path": "/ready"}}]',
        ),
        "native",
        ABLE_CLUSTER,
    ),
    NotConvertedReason.OWN_RESTARTS: PasteCase(described(restartPolicy="Never", restartPolicyRules=RULES), "native", ABLE_CLUSTER),
    NotConvertedReason.POST_START: PasteCase(
        described(lifecycle={"postStart": {"exec": {"command": ["wait"]}}, "preStop": {"sleep": {"seconds": 1}}}), "native", ABLE_CLUSTER
    ),
    NotConvertedReason.STARTUP_PROBE: PasteCase(
        operator_pod({"name": "logs", "image": "fluent/fluent-bit:4", "startupProbe": {"exec": {"command": ["ls"]}}}),
        "native",
        ABLE_CLUSTER,
    ),
    NotConvertedReason.HOST_PORT: PasteCase(
        described(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81}, {"containerPort": 82, "hostPort": 82}]),
        "native",
        ABLE_CLUSTER,
    ),
    NotConvertedReason.NAMED_PORT: PasteCase(
        described(ports=[{"containerPort": 80, "name": "web"}, {"containerPort": 81}]), "native", OLD_ABLE_CLUSTER
    ),
    NativeSupport.VIRTUAL_NODE: PasteCase(on_virtual_node(), "native", ABLE_CLUSTER),
}
"""By reason. `SETTINGS` and `ADMINISTRATORS` have those whose line is in no pod."""

SETTINGS: Final[dict[ExplainedWord, NativeSwitch]] = {
    NativeSupport.FORCED_OFF: NativeSwitch.OFF,
    NativeSupport.EMULATING_SERVER: NativeSwitch.AUTO,
}
"""By reason: the setting that leads to it."""

ADMINISTRATORS: Final = {NativeSupport.OLD_SERVER, NativeSupport.OLD_KUBELET, NotConvertedReason.REINJECTION}
"""Reasons whose line is a command for an administrator of the cluster: tests/e2e/api_server/test_remedies.py runs them."""

OTHER_POLICY: Final = {Reason.HELPER_NAME_TAKEN, ContainerReason.ENTRYPOINT_GUESSED}
"""Reasons of an installation that sets more: they have tests of their own."""


def remedies(outcome: Outcome, reason: str) -> list[Remedy]:
    """The outcome's remedies of this reason."""
    return [remedy for remedy in outcome.remedies if remedy.reason == reason]


@pytest.mark.parametrize("reason", CASES)
def test_a_pod_with_the_line_pasted_gets_the_treatment_that_the_remedy_promises(reason: ExplainedWord) -> None:
    pod, result, cluster = CASES[reason]
    (remedy,) = remedies(treat(pod, POLICY, cluster), reason)
    after = treat(pasted(pod, remedy), POLICY, cluster)

    assert remedies(after, reason) == []
    assert after.result == result, after.remedies


@pytest.mark.parametrize("reason", SETTINGS)
def test_with_the_settings_line_pasted_native_sidecars_are_used(reason: ExplainedWord) -> None:
    pod = in_mesh(operator_pod())
    (remedy,) = remedies(treat(pod, POLICY, assess(EMULATION, SETTINGS[reason])), reason)
    setting = NativeSwitch(yaml.safe_load(remedy.line)["native_sidecars"])
    able = ClusterObservation(ServerVersion("v1.34.2", Version(1, 34)), Version(1, 34), are_nodes_known=True, reinvoked=frozenset())

    assert treat(pod, POLICY, assess(EMULATION if setting is NativeSwitch.ON else able, setting)).result == "native"


OF_OPERATOR: Final = "annotations of the operator (KubernetesPodOperator)"
OF_CONTAINER: Final = (ContainerReason, NotConvertedReason)
WHERE: Final[dict[ExplainedWord, str]] = {
    SkipReason.NOT_AIRFLOW: "metadata.labels of the pod",
    SkipReason.SPARK_SUBMIT: "the options of spark-submit",
    SkipReason.LONG_RUNNING: "spec of the pod",
    SkipReason.SWITCHED_OFF: "metadata.annotations of the pod",
    Reason.LABEL_ONLY: OF_OPERATOR,
    Reason.NO_MAIN_CONTAINER: "the container of the task",
    ContainerReason.UNKNOWN: OF_OPERATOR,
    ContainerReason.NO_QUIT: OF_OPERATOR,
    NotConvertedReason.NO_PROBE: "the container cache",
    NotConvertedReason.HOST_PORT: "on the pod's manifest or template, as POD.yaml",
    NativeSupport.VIRTUAL_NODE: "on the pod's manifest or template, as POD.yaml",
}


@pytest.mark.parametrize("reason", WHERE)
def test_a_remedy_says_where_its_line_belongs_and_which_containers_it_is_about(reason: ExplainedWord) -> None:
    pod, _, cluster = CASES[reason]
    (remedy,) = remedies(treat(pod, POLICY, cluster), reason)

    assert remedy.where == WHERE[reason]
    assert (remedy.containers != ()) == isinstance(reason, OF_CONTAINER)
    assert remedy.subject == (f"{remedy.containers[0]} ({reason})" if remedy.containers else reason)


@pytest.mark.parametrize("reason", [one for one in SkipReason if one.remedy == ""])
def test_where_nothing_is_to_be_done_about_a_skipped_pod_there_is_no_remedy(reason: SkipReason) -> None:
    assert remedies_of_skip(read_pod(operator_pod()), reason) == ()


@pytest.mark.parametrize("policy", ["Never", "OnFailure", "Always", None])
def test_only_a_pod_that_is_meant_to_end_gets_the_label_as_a_remedy(policy: str | None) -> None:
    pod = relabelled(operator_pod(), app="etl")
    pod["spec"]["restartPolicy"] = policy
    found = treat(pod, POLICY, UNKNOWN_CLUSTER).remedies

    assert [one.reason for one in found] == (["not-airflow"] if policy in {"Never", "OnFailure"} else [])


ENABLED_BY: Final[dict[str, tuple[list[JSONObject], str | None, str]]] = {
    "a flag": ([{"flag": "--quit"}], "args of the container own", '"--quit"'),
    "a flag with a value": ([{"flag": "--quit", "value": "on"}], "args of the container own", '"--quit=on"'),
    "a flag with a word for yes": ([{"flag": "--quit", "one_of": ["true", "1"]}], "args of the container own", '"--quit=true"'),
    "an annotation": ([{"annotation": "a/b", "value": "on"}], OF_OPERATOR, "\"a/b\": 'on'"),
    "a label": ([{"label": "l", "value": "on"}], "labels of the operator (KubernetesPodOperator)", "\"l\": 'on'"),
    "a variable": ([{"env": "E", "one_of": ["true"]}], "env of the container own", '{"name": "E", "value": "true"}'),
    "the first of two": ([{"env": "E", "value": "1"}, {"flag": "--quit"}], "env of the container own", '{"name": "E", "value": "1"}'),
    "the first that a line can meet": ([{"volume": "v"}, {"flag": "--quit"}], "args of the container own", '"--quit"'),
    "an annotation of any value": ([{"annotation": "a/b"}], None, ""),
    "a pattern": ([{"annotation": "a/b", "value": "o*"}], None, ""),
    "no word of some": ([{"env": "E", "none_of": ["false"]}], None, ""),
    "no word for yes": ([{"env": "E", "one_of": ["on", "yes"]}], None, ""),
    "a volume": ([{"volume": "v", "value": "x"}], None, ""),
}
"""By condition: where the line belongs that meets it, and the line; None: no line does."""


def policy_with(**quit_: Any) -> Policy:
    """A policy whose catalogue has one row, with this quit request."""
    match = {"names": ["own"]}
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": match, "quit": {"port": 9091, "path": "/quit", **quit_}}
    return dataclasses.replace(POLICY, catalogue=Catalogue(parse_sidecars([row])))


@pytest.mark.parametrize(("conditions", "where", "line"), ENABLED_BY.values(), ids=ENABLED_BY)
def test_a_quit_request_is_enabled_by_the_line_for_its_condition(conditions: list[JSONObject], where: str | None, line: str) -> None:
    outcome = treat(operator_pod({"name": "own", "image": "own:1"}), policy_with(enabled_by=conditions), UNKNOWN_CLUSTER)
    found = [(one.containers, one.where, one.line) for one in remedies(outcome, ContainerReason.QUIT_DISABLED)]

    assert found == ([] if where is None else [(("own",), where, line)])
    assert len(remedies(outcome, ContainerReason.NO_QUIT)) == (where is None)


def test_a_quit_request_that_its_user_has_disabled_is_not_enabled_by_a_line() -> None:
    policy = policy_with(enabled_by=[{"flag": "--quit"}], disabled_by=[{"env": "OFF"}])
    pod = operator_pod({"name": "own", "image": "own:1", "env": [{"name": "OFF", "value": "1"}]})

    assert remedies(treat(pod, policy, UNKNOWN_CLUSTER), ContainerReason.QUIT_DISABLED) == []


@pytest.mark.parametrize("in_a_mesh", [True, False])
def test_a_pod_without_need_of_a_wrapper_has_a_remedy_for_its_ambiguous_task(in_a_mesh: bool) -> None:
    pod = operator_pod(UPLOADER)
    container(pod, "base")["name"] = "etl"
    outcome = treat(in_mesh(pod) if in_a_mesh else pod, POLICY, ABLE_CLUSTER)
    (remedy,) = outcome.remedies

    assert outcome.reason is (Reason.SIDECARS_NATIVE if in_a_mesh else Reason.NO_SIDECAR)
    assert (remedy.reason, remedy.containers, remedy.where) == ("main-container-ambiguous", (), OF_OPERATOR)
    assert remedy.text == "CONTAINER is one of etl, uploader."


def test_the_line_for_containers_that_end_by_themselves_keeps_those_that_are_named_and_leaves_out_what_is_no_name() -> None:
    pod = beside_kuma()
    pod["spec"]["containers"] += [{"name": name, "image": "own:1"} for name in ("named", "second", "No Name")]
    pod["metadata"]["annotations"][f"{PREFIX}/outlives-task"] = "named"
    (remedy,) = remedies(treat(pod, POLICY, UNKNOWN_CLUSTER), Reason.UNKNOWN_CONTAINER)

    assert yaml.safe_load(remedy.line) == {f"{PREFIX}/outlives-task": "named,second,uploader"}


def test_in_a_pod_that_is_never_wrapped_no_quit_request_is_to_be_enabled() -> None:
    pod = relabelled(operator_pod(CLOUD_SQL), spark_kubernetes_operator="True", spark_role="driver")
    found = [one.reason for one in treat(pod, POLICY, UNKNOWN_CLUSTER).remedies]

    assert "cannot-be-ended" in found
    assert "quit-disabled" not in found


def test_a_configuration_that_the_catalogue_does_not_know_is_named_by_a_word_to_replace() -> None:
    match, native = {"names": ["own"]}, {"convert": {}, "reinvocation_safe": False}
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": match, "native": native, "injected_by": ["own*"]}
    policy = dataclasses.replace(POLICY, catalogue=Catalogue(parse_sidecars([row])))
    cluster = replace(ABLE_CLUSTER, injectors=frozenset({"own"}), reinvoked=frozenset({"own"}))
    (remedy,) = remedies(treat(operator_pod({"name": "own", "image": "own:1"}), policy, cluster), NotConvertedReason.REINJECTION)

    assert remedy.line.startswith("kubectl get mutatingwebhookconfigurations NAME --output=json | ")


def test_of_many_containers_three_are_named() -> None:
    twice = [{"name": name, "image": "redis:7"} for name in "abcde"] * 2
    (remedy,) = treat(operator_pod(*twice), POLICY, UNKNOWN_CLUSTER).remedies

    assert remedy.text == "Rename one of those that are called a, b, c and 2 more."


@pytest.mark.parametrize("image", ["bad image!", None])
def test_an_image_that_is_no_name_of_one_is_not_in_a_command(image: str | None) -> None:
    pod = in_mesh(without_command())
    container(pod, "base")["image"] = image
    (remedy,) = remedies(treat(pod, POLICY, UNKNOWN_CLUSTER), Reason.ENTRYPOINT_UNKNOWN)

    assert remedy.text.endswith("docker image inspect --format '{{json .Config.Entrypoint}}' IMAGE")


def test_every_reason_with_a_line_has_a_pod_that_it_is_tried_on() -> None:
    assert CASES.keys() | SETTINGS.keys() | ADMINISTRATORS | OTHER_POLICY == set(WITH_LINE)


@pytest.mark.parametrize("reason", [Reason.ENTRYPOINT_UNKNOWN, ContainerReason.ENTRYPOINT_GUESSED])
def test_an_executors_image_whose_entrypoint_is_not_known_is_wrapped_for_good_once_it_is_said(reason: ExplainedWord) -> None:
    pod = in_mesh(load("airflow-3.3.2-provider-10.25.0/ke_default.json"))
    container(pod, "base")["image"] = "registry.example.com/team/tasks:1"
    policy = dataclasses.replace(POLICY, guesses_entrypoint=reason is ContainerReason.ENTRYPOINT_GUESSED)
    (remedy,) = remedies(treat(pod, policy, UNKNOWN_CLUSTER), reason)
    after = treat(pasted(pod, remedy), policy, UNKNOWN_CLUSTER)

    assert "{{json .Config.Entrypoint}}' registry.example.com/team/tasks:1" in remedy.text
    assert remedy.where == "metadata.annotations of pod_template_file, or of the task's pod_override"
    assert (after.result, remedies(after, reason)) == ("wrapped", [])


def test_an_image_with_a_shell_needs_no_helper_and_no_place_for_it() -> None:
    policy = dataclasses.replace(POLICY, helper_image="registry.example.com/helper:1")
    pod = in_mesh(operator_pod(command=["/tool"]))
    container(pod, "base")["volumeMounts"] = [{"name": "own", "mountPath": HELPER_MOUNT_PATH}]
    pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or ()), {"name": "own", "emptyDir": {}}]
    (remedy,) = remedies(treat(pod, policy, UNKNOWN_CLUSTER), Reason.HELPER_NAME_TAKEN)

    assert treat(pasted(pod, remedy), policy, UNKNOWN_CLUSTER).result == "wrapped"


@pytest.mark.parametrize(
    ("reason", "where"),
    [
        (Reason.SPARK, "spec.driver.labels and spec.executor.labels of the SparkApplication"),
        (Reason.WINDOWS, "labels of the operator (KubernetesPodOperator)"),
    ],
)
def test_a_sidecar_that_nothing_can_end_is_left_out_by_its_injectors_own_switch(reason: Reason, where: str) -> None:
    pod = in_mesh(operator_pod())
    if reason is Reason.SPARK:
        pod = relabelled(pod, spark_kubernetes_operator="True", spark_role="driver")
    else:
        pod["spec"]["os"] = {"name": "windows"}
    outcome = treat(pod, POLICY, UNKNOWN_CLUSTER)
    (remedy,) = remedies(outcome, ContainerReason.CANNOT_BE_ENDED)
    after = treat(pasted(pod, remedy), POLICY, UNKNOWN_CLUSTER)

    assert outcome.reason is reason
    assert remedy.where == where
    assert (remedy.containers, yaml.safe_load(remedy.line)) == (("istio-proxy",), {"sidecar.istio.io/inject": "false"})
    assert (after.result, after.reason) == ("skipped", SkipReason.NOT_IN_MESH)


SWITCHED_BY_POD: Final = {row.id: row for row in POLICY.catalogue.sidecars if row.injection_off}
SWITCHED_OFF: Final = [one for one in EXAMPLES if one.row in SWITCHED_BY_POD and one.name == "typical"]


@pytest.mark.parametrize("example", SWITCHED_OFF, ids=str)
def test_a_sidecar_that_does_not_end_in_a_pod_of_sparks_is_left_out_by_its_rows_own_switch(example: Example) -> None:
    pod = relabelled(example.pod, **(example.pod["metadata"].get("labels") or {}), spark_kubernetes_operator="True", spark_role="driver")
    pod["metadata"]["labels"].pop("kubernetes_executor")
    found = [
        one for one in remedies(treat(pod, POLICY, UNKNOWN_CLUSTER), ContainerReason.CANNOT_BE_ENDED) if example.sidecar in one.containers
    ]
    row = SWITCHED_BY_POD[example.row or ""]
    off = row.injection_off
    assert off is not None

    assert [yaml.safe_load(one.line) for one in found] == ([] if row.ends_by_itself else [{off.annotation or off.label: off.value}])


FIXTURES: Final = [pod for folder in ("airflow-3.3.2-provider-10.25.0", "helm-chart") for _, pod in pods_in(folder)]


def with_stranger(pod: JSONObject) -> JSONObject:
    """The pod with a container that nobody knows, and one whose quit request has to be enabled."""
    changed = copy.deepcopy(pod)
    changed["spec"]["containers"] = [*changed["spec"]["containers"], UPLOADER, CLOUD_SQL]
    return changed


EVERY_POD: Final = [example.pod for example in EXAMPLES] + [with_stranger(in_mesh(pod)) for pod in FIXTURES]


@pytest.mark.parametrize("cluster", [UNKNOWN_CLUSTER, ABLE_CLUSTER], ids=["without native", "with native"])
def test_no_remedy_returns_once_its_line_is_pasted_in_any_pod(cluster: Cluster) -> None:
    tried = set()
    for pod in EVERY_POD:
        for remedy in treat(pod, POLICY, cluster).remedies:
            if remedy.place is not None and remedy.place.is_in_pod:
                tried.add(remedy.reason)
                again = remedies(treat(pasted(pod, remedy), POLICY, cluster), remedy.reason)
                assert [one for one in again if one.containers == remedy.containers] == [], (remedy, pod)

    assert tried >= ({"not-in-catalogue", "not-airflow"} if cluster.is_native else {"not-in-catalogue", "quit-disabled"})


@pytest.mark.parametrize("cluster", [UNKNOWN_CLUSTER, ABLE_CLUSTER], ids=["without native", "with native"])
def test_whoever_pastes_line_after_line_gets_a_pod_that_ends(cluster: Cluster) -> None:
    for pod in EVERY_POD:
        left = pod
        for _ in range(8):
            outcome = treat(left, POLICY, cluster)
            lines = [one for one in outcome.remedies if one.place is not None and one.place.is_in_pod]
            if not lines:
                break
            left = pasted(left, lines[0])
        assert lines == []
        if outcome.status and outcome.reason is not Reason.SPARK:
            assert outcome.status.treatment is not Treatment.LEFT, (outcome, left)


def test_what_is_removed_is_all_that_the_pod_loses() -> None:
    pod, _, _ = CASES[NotConvertedReason.POST_START]
    (remedy,) = remedies(treat(pod, POLICY, ABLE_CLUSTER), NotConvertedReason.POST_START)
    after = pasted(pod, remedy)

    assert container(after, "cache")["lifecycle"] == {"preStop": {"sleep": {"seconds": 1}}}
    container(after, "cache")["lifecycle"] = container(pod, "cache")["lifecycle"]
    assert after == pod


def test_a_pod_off_virtual_nodes_keeps_what_names_other_nodes() -> None:
    pod = on_virtual_node()
    (remedy,) = remedies(treat(pod, POLICY, ABLE_CLUSTER), NativeSupport.VIRTUAL_NODE)
    after = pasted(pod, remedy)
    spec = after["spec"]

    assert after["metadata"]["labels"] == {key: value for key, value in pod["metadata"]["labels"].items() if key != "alibabacloud.com/eci"}
    assert "alibabacloud.com/burst-resource" not in after["metadata"]["annotations"]
    assert after["metadata"]["annotations"]["owner"] == "etl"
    assert "nodeName" not in spec
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["tolerations"] == [{"key": "spot", "operator": "Exists"}]


def test_an_affinity_to_virtual_nodes_is_left_to_its_author() -> None:
    terms = [{"matchExpressions": [{"key": "type", "operator": "In", "values": ["virtual-kubelet"]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    pod = in_mesh(operator_pod(), affinity=affinity, nodeSelector={"type": "virtual-kubelet"})
    (remedy,) = remedies(treat(pod, POLICY, ABLE_CLUSTER), NativeSupport.VIRTUAL_NODE)

    assert (remedy.text, remedy.line) == (NativeSupport.VIRTUAL_NODE.remedy, "")


def test_a_port_number_that_occurs_twice_is_left_to_its_author() -> None:
    twice = [{"containerPort": 53, "hostPort": 53, "protocol": "UDP"}, {"containerPort": 53, "hostPort": 53, "protocol": "TCP"}]
    (remedy,) = remedies(treat(described(ports=twice), POLICY, ABLE_CLUSTER), NotConvertedReason.HOST_PORT)

    assert (remedy.text, remedy.line) == ("Remove hostPort from the ports of the container cache.", "")


def test_what_an_injector_adds_is_in_no_manifest() -> None:
    pod = in_mesh(operator_pod())
    container(pod, "istio-proxy")["lifecycle"] = {"postStart": {"exec": {"command": ["wait"]}}}
    (remedy,) = remedies(treat(pod, POLICY, ABLE_CLUSTER), NotConvertedReason.POST_START)

    assert (remedy.containers, remedy.line) == (("istio-proxy",), "")


def test_an_injector_that_is_called_again_is_called_once_by_a_command_for_its_configuration() -> None:
    cluster = replace(ABLE_CLUSTER, injectors=frozenset({"istio"}), reinvoked=frozenset({"istio"}))
    (remedy,) = remedies(treat(in_mesh(operator_pod()), POLICY, cluster), NotConvertedReason.REINJECTION)

    assert remedy.where == "as an administrator of the cluster"
    assert remedy.line.startswith("kubectl get mutatingwebhookconfigurations --selector=app=sidecar-injector --output=json | ")


def test_the_remedy_of_a_volume_that_another_sidecar_serves_says_that_nothing_is_to_be_done() -> None:
    pod = described(volumeMounts=[{"name": "bucket", "mountPath": "/bucket"}])
    pod["spec"]["volumes"] = [{"name": "bucket", "csi": {"driver": "gcsfuse.csi.storage.gke.io"}}]
    outcome = treat(pod, POLICY, ABLE_CLUSTER)
    (remedy,) = remedies(outcome, NotConvertedReason.CSI_VOLUME)

    assert remedy.text.startswith("Nothing to do: ")
    assert (outcome.result, remedy.line) == ("wrapped", "")


def test_a_line_of_the_sidecars_annotation_keeps_what_the_annotation_has() -> None:
    own = '[{"name": "cache", "quit": {"port": 9091, "path": "/q\'uit"}}]'
    pod = operator_pod({"name": "cache", "image": "redis:7"}, UPLOADER, sidecars=own)
    (remedy,) = remedies(treat(pod, POLICY, ABLE_CLUSTER), "not-in-catalogue")
    described = json.loads(yaml.safe_load(remedy.line)[SIDECARS_ANNOTATION])

    assert described == [*json.loads(own), {"name": "uploader", "native": True}]


def test_containers_that_the_annotation_has_no_room_for_are_named_without_a_line() -> None:
    cached = [{"name": f"cache-{number}"} for number in range(16)]
    pod = operator_pod(*({**one, "image": "redis:7"} for one in cached), UPLOADER, sidecars=json.dumps(cached))
    (remedy,) = remedies(treat(pod, POLICY, ABLE_CLUSTER), "not-in-catalogue")

    assert (remedy.containers, remedy.line) == (("uploader",), "")


def test_cloud_sql_proxy_gets_the_flag_and_in_a_script_the_variable() -> None:
    in_script = CLOUD_SQL | {"command": ["sh", "-c", "exec cloud-sql-proxy project:region:db"], "args": None}
    flag, variable = (remedies(treat(operator_pod(one), POLICY, UNKNOWN_CLUSTER), "quit-disabled")[0] for one in (CLOUD_SQL, in_script))

    assert (flag.where, flag.line) == ("args of the container sql", '"--quitquitquit"')
    assert (variable.where, variable.line) == (
        "env of the container sql",
        '{"name": "CSQL_PROXY_QUITQUITQUIT", "value": "true"}',
    )


def test_a_container_that_cannot_become_native_is_described_with_its_quit_request() -> None:
    pod = operator_pod(UPLOADER | {"ports": [{"containerPort": 80, "hostPort": 80}]})
    (remedy,) = remedies(treat(pod, POLICY, ABLE_CLUSTER), "not-in-catalogue")

    assert '"quit": {"port": PORT, "path": "PATH"}' in remedy.line


def test_a_line_with_a_word_to_replace_is_refused_as_long_as_it_is_there() -> None:
    pod = operator_pod(UPLOADER)
    (remedy,) = remedies(treat(pod, POLICY, UNKNOWN_CLUSTER), "not-in-catalogue")
    pod["metadata"]["annotations"] |= yaml.safe_load(remedy.line)
    after = treat(pod, POLICY, UNKNOWN_CLUSTER)

    assert after.warnings[0].startswith(f"annotation {SIDECARS_ANNOTATION} is ignored")
    assert remedies(after, "not-in-catalogue") == [remedy]


def test_the_names_that_two_containers_or_two_volumes_have_are_in_the_remedy() -> None:
    pod = operator_pod(UPLOADER, UPLOADER)
    pod["spec"]["volumes"] = [{"name": "data\n" * 20_000}, {"name": "data\n" * 20_000}]
    (remedy,) = treat(pod, POLICY, UNKNOWN_CLUSTER).remedies

    assert remedy.text.startswith('Rename one of those that are called uploader, "data\\ndata\\n')
    assert len(remedy.text) < 200


def test_a_pod_that_is_meant_to_run_on_gets_no_label_as_a_remedy() -> None:
    pod = in_mesh(relabelled(operator_pod(), app="shop"), restartPolicy="Always")

    assert treat(pod, POLICY, UNKNOWN_CLUSTER).remedies == ()


def test_of_each_maker_of_pods_it_is_known_where_an_annotation_is_set() -> None:
    assert METADATA_OF.keys() == set(PodOrigin)
