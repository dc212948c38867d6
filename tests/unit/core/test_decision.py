"""The decision, row by row: what each thing that can be said of a pod leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_linkerd, inject_vault
from tests.support.pods import ABLE_CLUSTER, admitted, container, load, review_of
from webhook.core import names
from webhook.core.admission import admit
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.decision import Skip
from webhook.core.pod_options import Mode
from webhook.core.reasons import ContainerReason, Reason
from webhook.core.restart import FAILURES
from webhook.core.review import parse_review
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

EXECUTOR = "airflow-3.3.2-provider-10.25.0/ke_minimal_template.json"
OPERATOR = "airflow-3.3.2-provider-10.25.0/kpo_cmds_args.json"
GUESSING = build_policy(Settings(entrypoint_guess="allow"))


def executor_pod(**annotations: str) -> JSONObject:
    """A pod of the KubernetesExecutor with Istio's sidecar."""
    return annotated(inject_istio(load(EXECUTOR)), **annotations)


def operator_pod(command: list[str] | None, image: str = "registry.example.com/etl:9", **annotations: str) -> JSONObject:
    """A pod of the KubernetesPodOperator with this command and Istio's sidecar."""
    pod = inject_istio(load(OPERATOR))
    base = container(pod, "base")
    base |= {"image": image, "command": command, "args": ["--day", "1"]}
    return annotated(pod, **annotations)


def annotated(pod: JSONObject, **annotations: str) -> JSONObject:
    """The pod with pod options; ``main_container`` stands for ``airflow-sidecar-webhook/main-container``."""
    pod["metadata"]["annotations"] |= {f"{names.PREFIX}/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return pod


def with_field(pod: JSONObject, path: str, value: Any) -> JSONObject:
    """The pod with one field set."""
    *parents, last = path.split(".")
    place = pod
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return pod


def with_image(pod: JSONObject, image: str) -> JSONObject:
    """The pod with this image for its task."""
    container(pod, "base")["image"] = image
    return pod


def decided(pod: JSONObject, policy: Policy) -> tuple[str, str]:
    """Result and reason of a pod that the API server may refuse."""
    outcome = admit(parse_review(review_of(pod)), policy, UNKNOWN_CLUSTER)
    return outcome.result, outcome.reason


def with_containers(regular: int, init: int) -> JSONObject:
    """An executor's pod with so many regular and init containers."""
    pod = load("airflow-3.3.2-provider-10.25.0/ke_default.json")
    pod["spec"]["containers"] += [{"name": f"other-{number}", "image": "redis:7"} for number in range(1, regular)]
    pod["spec"]["initContainers"] = [{"name": f"init-{number}", "image": "redis:7"} for number in range(init)]
    return pod


def with_metadata(field: str, key: str, value: str) -> JSONObject:
    """An executor's pod without a sidecar and with one more label or annotation."""
    pod = load(EXECUTOR)
    pod["metadata"][field][key] = value
    return pod


def options(pod: JSONObject, name: str = "base") -> list[str]:
    """The wrapper's options in this pod, up to the ``--`` before the user's words."""
    command = container(pod, name)["command"]
    return list(command[command.index(names.PREFIX) + 1 :])


def option(pod: JSONObject, flag: str) -> str:
    """The value of one option."""
    found = options(pod)
    return found[found.index(flag) + 1]


ROWS: dict[str, tuple[JSONObject, str]] = {
    "no label of Airflow's": (with_field(executor_pod(), "metadata.labels", {"component": "worker"}), "skipped not-airflow"),
    "the label says something else": (
        with_field(executor_pod(), "metadata.labels", {"kubernetes_executor": "true"}),
        "skipped not-airflow",
    ),
    "a long-running component of the chart": (
        with_field(executor_pod(), "metadata.labels", {"tier": "airflow", "component": "scheduler"}),
        "skipped not-airflow",
    ),
    "restartPolicy Always": (with_field(executor_pod(), "spec.restartPolicy", "Always"), "skipped long-running"),
    "restartPolicy absent, which is Always": (with_field(executor_pod(), "spec.restartPolicy", None), "skipped long-running"),
    "a mirror pod": (with_metadata("annotations", "kubernetes.io/config.mirror", "x"), "skipped mirror-pod"),
    "mode off": (executor_pod(mode="off"), "skipped switched-off"),
    "mode label-only": (executor_pod(mode="label-only"), "labelled label-only"),
    "mode wrap": (executor_pod(mode="wrap"), "wrapped sidecars-quit"),
    "mode native on a cluster without": (executor_pod(mode="native"), "left native-only"),
    "native sidecars": (inject_istio_native(load(EXECUTOR)), "native sidecars-native"),
    "ambient mesh by label": (with_metadata("labels", "istio.io/dataplane-mode", "ambient"), "labelled ambient-mesh"),
    "ambient mesh by annotation": (with_metadata("annotations", "ambient.istio.io/redirection", "enabled"), "labelled ambient-mesh"),
    "injection switched off by label": (with_metadata("labels", "sidecar.istio.io/inject", "false"), "skipped not-in-mesh"),
    "injection switched off by annotation": (with_metadata("annotations", "sidecar.istio.io/inject", "no"), "skipped not-in-mesh"),
    **{
        f"injection switched on by the word {word}": (with_metadata("labels", "sidecar.istio.io/inject", word), "labelled no-sidecar")
        for word in ("true", "TRUE", "yes", "y", "on")
    },
    "64 containers of both kinds": (with_containers(32, 32), "labelled no-sidecar"),
    "65 containers of both kinds": (with_containers(32, 33), "skipped too-many-containers"),
    "host network and a sidecar": (with_field(executor_pod(), "spec.hostNetwork", True), "left host-network"),
    "Windows": (with_field(executor_pod(), "spec.os", {"name": "windows"}), "left windows"),
    "Linux": (with_field(executor_pod(), "spec.os", {"name": "linux"}), "wrapped sidecars-quit"),
    "an operator's command that names a shell": (operator_pod(["/bin/bash", "-c", "true"]), "wrapped sidecars-quit"),
    "an operator's command in an image that is known to have a shell": (operator_pod(["etl"], "python:3.12"), "wrapped sidecars-quit"),
    "an operator's command in a foreign image": (operator_pod(["/etl"]), "left shell-unknown"),
    "the user says that the image has a shell": (operator_pod(["/etl"], shell="image"), "wrapped sidecars-quit"),
    "the user wants the helper, but there is none": (operator_pod(["sh"], shell="helper"), "left shell-unknown"),
    "an operator without a command in a foreign image": (operator_pod(None), "left entrypoint-unknown"),
    "an operator with an empty command": (operator_pod([]), "left entrypoint-unknown"),
    "an operator without a command in Airflow's image": (operator_pod(None, "apache/airflow:3.3.2"), "wrapped sidecars-quit"),
    "the user names the entrypoint": (operator_pod(None, "python:3.12", entrypoint='["python"]'), "wrapped sidecars-quit"),
}


@pytest.mark.parametrize(("pod", "result"), ROWS.values(), ids=ROWS)
def test_each_row_has_its_result(pod: JSONObject, result: str, policy: Policy) -> None:
    outcome, _ = admitted(pod, policy)

    assert f"{outcome.result} {outcome.reason}" == result


def test_without_an_entrypoint_a_guess_is_never_made_about_a_foreign_image(policy: Policy) -> None:
    outcome, after = admitted(operator_pod(None, "registry.example.com/etl:9"), policy)

    assert container(after, "base")["command"] is None
    assert '"airflow-sidecar-webhook/entrypoint": ' in outcome.warnings[-1]


def test_the_users_entrypoint_is_run_before_the_args(policy: Policy) -> None:
    after = admitted(operator_pod(None, "python:3.12", entrypoint='["/usr/bin/tini", "--", "a$(B)"]'), policy)[1]

    # A command is expanded by the kubelet, an image's ENTRYPOINT is not: $$ stands for $.
    assert container(after, "base")["command"][-3:] == ["/usr/bin/tini", "--", "a$$(B)"]
    assert container(after, "base")["args"] == ["--day", "1"]


ENTRYPOINTS = {
    "command": (operator_pod(["sh", "-c", "true"]), "command"),
    "annotation": (operator_pod(None, entrypoint='["/run.sh"]', shell="image"), "annotation"),
    "table": (operator_pod(None, image="apache/airflow:3.0.6"), "table"),
    "a guess in the image": (with_image(executor_pod(), "registry.example.com/etl:9"), "guessed"),
}


@pytest.mark.parametrize(("pod", "source"), ENTRYPOINTS.values(), ids=ENTRYPOINTS)
def test_the_status_says_where_the_entrypoint_comes_from(pod: JSONObject, source: str) -> None:
    outcome, after = admitted(pod, GUESSING)

    assert outcome.status is not None
    assert outcome.status.entrypoint == source
    assert options(after)[options(after).index("--entrypoint-source") + 1] == source


def test_each_candidate_of_the_table_is_tried_in_an_image_of_airflows_that_the_table_does_not_know() -> None:
    after = admitted(with_image(executor_pod(), "registry.example.com/etl:9"), GUESSING)[1]

    assert options(after).count("--try-entrypoint") == len(GUESSING.entrypoints.candidates) > 1


def test_whoever_creates_the_pod_reads_that_its_entrypoint_is_guessed_and_how_to_say_it() -> None:
    outcome, _ = admitted(with_image(executor_pod(), "registry.example.com/etl:9"), GUESSING)

    said, how, line = outcome.warnings
    assert said == f"{names.PREFIX}: base (entrypoint-guessed): {ContainerReason.ENTRYPOINT_GUESSED.sentence}"
    assert how.endswith(" registry.example.com/etl:9")
    assert line.endswith(f"\"{names.ENTRYPOINT_ANNOTATION}\": 'ENTRYPOINT'")


def test_without_leave_nothing_is_guessed_about_an_image_of_airflows_either(policy: Policy) -> None:
    pod = with_image(executor_pod(), "registry.example.com/etl:9")
    outcome, after = admitted(pod, policy)

    assert (outcome.result, outcome.reason) == ("left", "entrypoint-unknown")
    assert after["spec"] == pod["spec"]


def test_native_sidecars_need_no_entrypoint(policy: Policy) -> None:
    outcome, after = admitted(with_image(executor_pod(), "registry.example.com/etl:9"), policy, ABLE_CLUSTER)

    assert (outcome.result, outcome.reason) == ("native", "sidecars-native")
    assert "command" not in container(after, "base")


STACKABLE = ("oci.stackable.tech/sdp/airflow:3.0.6-stackable25.11.0", "docker.stackable.tech/stackable/airflow:2.9.3-stackable24.7.0")


@pytest.mark.parametrize("image", STACKABLE)
def test_stackables_image_runs_what_ends_its_log_agent(image: str, policy: Policy) -> None:
    after = admitted(with_image(executor_pod(), image), policy)[1]

    assert container(after, "base")["command"][-3:] == ["/usr/bin/tini", "--", "/run-airflow.sh"]


def test_a_container_without_an_image_is_no_image_of_the_table(policy: Policy) -> None:
    """A pod may leave the image to the admission of somebody else; the API server refuses it otherwise."""
    pod = operator_pod(None)
    del container(pod, "base")["image"]

    assert decided(pod, policy) == ("left", "entrypoint-unknown")


@pytest.mark.parametrize("mode", ["auto", "native"])
@pytest.mark.parametrize("mark", ["kubernetes_pod_operator", "spark_kubernetes_operator"])
def test_a_quit_is_enabled_only_where_a_wrapper_will_request_it(mode: str, mark: str, policy: Policy) -> None:
    """Without native sidecars, a pod in mode native and Spark's pods are never wrapped."""
    pod = annotated(load(OPERATOR), mode=mode)
    del pod["metadata"]["labels"]["kubernetes_pod_operator"]
    pod["metadata"]["labels"][mark] = "True"
    pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] = "true"
    after = admitted(pod, policy)[1]

    is_enabled = "vault.hashicorp.com/agent-enable-quit" in after["metadata"]["annotations"]
    assert is_enabled == (mode == "auto" and mark == "kubernetes_pod_operator")


def test_an_images_cmd_is_run_only_where_the_pod_gives_no_args(policy: Policy) -> None:
    pod = operator_pod(None, "docker.io/bitnami/airflow:2")
    with_args = admitted(pod, policy)[1]
    container(pod, "base")["args"] = None
    without_args = admitted(pod, policy)[1]

    assert container(with_args, "base")["command"][-1] == "/opt/bitnami/scripts/airflow/entrypoint.sh"
    assert container(without_args, "base")["command"][-1] == "/opt/bitnami/scripts/airflow/run.sh"


def test_the_main_container_is_the_one_the_user_named(policy: Policy) -> None:
    pod = operator_pod(["sh", "-c", "true"], main_container="worker")
    pod["spec"]["containers"].append({"name": "worker", "image": "python:3.12", "command": ["python"]})
    after = admitted(pod, policy)[1]

    assert container(after, "worker")["command"][-1] == "python"
    assert container(after, "base")["command"] == ["sh", "-c", "true"]


def test_a_container_that_the_user_describes_as_a_sidecar_and_names_as_the_task_is_the_task(policy: Policy) -> None:
    described = '[{"name": "worker", "quit": {"port": 9091, "path": "/quit"}}]'
    pod = annotated(operator_pod(["sh", "-c", "true"]), main_container="worker", sidecars=described)
    pod["spec"]["containers"].append({"name": "worker", "image": "python:3.12", "command": ["sh", "-c", "exit"]})
    outcome, after = admitted(pod, policy)

    assert outcome.invalid_annotations.named == ()
    assert outcome.status is not None
    assert (outcome.status.main, "worker" in outcome.status.sidecars) == ("worker", False)
    assert names.PREFIX in container(after, "worker")["command"]


def test_a_main_container_that_is_not_there_is_warned_about_and_the_rule_holds(policy: Policy) -> None:
    pod = executor_pod(main_container="nobody")
    pod["spec"]["containers"].append({"name": "cache", "image": "redis:7"})
    outcome, after = admitted(pod, policy)

    assert outcome.result == "wrapped"
    assert outcome.warnings[0] == "annotation airflow-sidecar-webhook/main-container is ignored: allowed is one of base, cache"
    assert names.PREFIX in container(after, "base")["command"]


def test_base_is_the_task_whatever_image_it_runs(policy: Policy) -> None:
    pod = operator_pod(["sh", "-c", "true"], "registry.k8s.io/git-sync/git-sync:v4.4.2")
    pod["spec"]["containers"].append({"name": "uploader", "image": "x"})
    after = admitted(pod, policy)[1]

    assert names.PREFIX in container(after, "base")["command"]
    assert "command" not in container(after, "uploader")


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        (["/busybox/sh", "-c", "true"], ["/busybox/sh"]),
        (["bash", "-c", "true"], ["bash", "--posix"]),
        (["busybox", "sh", "-c", "true"], ["busybox", "sh"]),
    ],
)
def test_the_wrapper_starts_with_the_shell_that_the_command_itself_names(command: list[str], shell: list[str], policy: Policy) -> None:
    once = admitted(operator_pod(command), policy)[1]
    wrapped = container(once, "base")["command"]

    assert wrapped[: len(shell) + 1] == [*shell, "-c"]
    assert wrapped[-len(command) :] == command
    assert admitted(once, policy)[0].operations == ()


@pytest.mark.parametrize(("image", "reason"), [("python:3.12", "sidecars-quit"), ("cgr.dev/chainguard/python", "shell-unknown")])
def test_an_image_that_only_shares_its_last_name_is_not_known_to_have_a_shell(image: str, reason: str, policy: Policy) -> None:
    assert admitted(operator_pod(["python", "x.py"], image), policy)[0].reason == reason


def test_a_restart_policy_of_the_containers_own_is_what_counts(policy: Policy) -> None:
    for own, expected in (("OnFailure", "wrapped"), ("Always", "skipped")):
        pod = executor_pod()
        pod["spec"]["containers"][0]["restartPolicy"] = own
        request = parse_review(review_of(pod))
        outcome = admit(request, policy, UNKNOWN_CLUSTER)

        assert outcome.result == expected
        assert isinstance(outcome.decision, Skip) or (outcome.decision.wrap and outcome.decision.wrap.restart_codes == FAILURES)


@pytest.mark.parametrize(
    ("operator", "values", "pod_policy", "expected"),
    [
        ("In", [42, 43], "Never", "not-after:42,43"),
        ("NotIn", [0, 3], "Never", "after:0,3"),
        ("In", [42], "OnFailure", "after:0"),
        ("In", [0], "OnFailure", "after:"),
        ("In", [256], "Never", "always"),
    ],
)
def test_no_quit_request_is_sent_after_an_exit_code_for_which_the_tasks_own_rules_start_it_again(
    operator: str, values: list[int], pod_policy: str, expected: str, policy: Policy
) -> None:
    """Its second run is beside the same sidecars, which would have ended (KEP-5307)."""
    pod = executor_pod()
    rule = {"action": "Restart", "exitCodes": {"operator": operator, "values": values}}
    pod["spec"]["containers"][0] |= {"restartPolicy": pod_policy, "restartPolicyRules": [rule]}
    command = container(admit(parse_review(review_of(pod)), policy, UNKNOWN_CLUSTER).patched(pod), "base")["command"]

    assert command[command.index("--quit") + 1] == expected


@pytest.mark.parametrize("field", ["hostNetwork", "os"])
def test_no_quit_is_enabled_where_it_would_be_of_no_use(field: str, policy: Policy) -> None:
    pod = load(EXECUTOR)
    pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] = "true"
    pod["spec"][field] = True if field == "hostNetwork" else {"name": "windows"}
    after = admitted(pod, policy)[1]

    assert "vault.hashicorp.com/agent-enable-quit" not in after["metadata"]["annotations"]


def test_a_skipped_pod_is_warned_of_a_bad_annotation_too() -> None:
    outcome, _ = admitted(executor_pod(mode="Wrap"), build_policy(Settings(mode=Mode.OFF)))

    assert outcome.reason == "switched-off"
    assert outcome.warnings[0].startswith("annotation airflow-sidecar-webhook/mode is ignored: ")


def test_a_known_sidecar_cannot_be_named_as_the_task(policy: Policy) -> None:
    outcome, after = admitted(executor_pod(main_container="istio-proxy"), policy)

    assert outcome.invalid_annotations.named[0].key == names.MAIN_CONTAINER_ANNOTATION
    assert names.PREFIX in container(after, "base")["command"]


def test_an_annotation_that_does_not_exist_is_reported_with_those_that_do(policy: Policy) -> None:
    outcome, _ = admitted(executor_pod(colour="7"), policy)

    assert outcome.warnings[0].startswith(
        "annotation airflow-sidecar-webhook/colour is ignored: allowed is one of airflow-sidecar-webhook/mode, "
    )


def test_an_annotation_that_is_misspelt_is_reported_with_the_one_that_is_meant(policy: Policy) -> None:
    outcome, _ = admitted(executor_pod(wait_second="7"), policy)

    meant = "airflow-sidecar-webhook/wait-seconds"
    assert outcome.warnings == (f"annotation {meant[:-1]} is ignored: there is no such annotation; did you mean {meant}?",)


def test_a_container_that_nobody_knows_is_named_in_the_status(policy: Policy) -> None:
    pod = executor_pod()
    pod["spec"]["containers"].append({"name": "cache", "image": "redis:7"})
    after = admitted(pod, policy)[1]

    assert '"sidecars":{"istio-proxy":"quit"},"may_keep_running":["cache"]' in after["metadata"]["annotations"][names.STATUS_ANNOTATION]


def test_the_warning_names_a_sidecar_that_keeps_running_beside_a_wrapped_task(policy: Policy) -> None:
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/ke_kerberos_sidecar_template.json"))
    outcome, _ = admitted(pod, policy)

    assert outcome.reason == "some-keep-running"
    assert outcome.warnings == (
        f"{names.PREFIX}: some-keep-running: {Reason.SOME_KEEP_RUNNING.sentence} See the remedy of that sidecar.",
        f"{names.PREFIX}: worker-kerberos (no-quit-request): {ContainerReason.NO_QUIT.sentence} {ContainerReason.NO_QUIT.remedy}",
        (
            f"{names.PREFIX}: add to metadata.annotations of pod_template_file, or of the task's pod_override: "
            f'"{names.SIDECARS_ANNOTATION}": \'[{{"name": "worker-kerberos", "quit": {{"port": PORT, "path": "PATH"}}}}]\''
        ),
    )


def test_the_only_container_that_is_no_sidecar_is_the_tasks_where_none_is_called_base(policy: Policy) -> None:
    pod = load("airflow-3.3.2-provider-10.25.0/kpo_base_container_name.json")
    pod["spec"]["containers"].insert(0, {"name": "airflow-xcom-sidecar", "image": "alpine"})
    outcome, after = admitted(inject_istio(pod), policy)

    assert outcome.result == "wrapped"
    assert names.PREFIX in container(after, "main")["command"]


def test_a_pod_of_nothing_but_sidecars_has_no_main_container(policy: Policy) -> None:
    pod = executor_pod()
    pod["spec"]["containers"] = [container(pod, "istio-proxy")]

    assert admitted(pod, policy)[0].reason == "no-main-container"


@pytest.mark.parametrize("name", ["base", "spark-kubernetes-driver", "spark-kubernetes-executor"])
def test_a_spark_pod_is_never_wrapped(name: str, policy: Policy) -> None:
    pod = with_field(executor_pod(), "metadata.labels", {"spark_kubernetes_operator": "True", "dag_id": "d", "task_id": "t"})
    container(pod, "base")["name"] = name
    outcome, after = admitted(pod, policy)

    assert (outcome.result, outcome.reason) == ("left", "spark")
    assert container(after, name) == container(pod, name)
    assert after["metadata"]["labels"]["service.istio.io/canonical-name"] == "example_dag.extract"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mode", "always"), ("mode", ""), ("main-container", "Not A Name"), ("entrypoint", "/run.sh"), ("entrypoint", "[]"),
        ("entrypoint", '["a\\nb"]'), ("shell", "bash"), ("sidecars", "istio-proxy"), ("sidecars", '[{"name": "x", "quit": {"port": 0, "path": "/q"}}]'),
        ("sidecars", '[{"name": "x", "quit": {"port": 1, "path": "/q q"}}]'), ("sidecars", '[{"name": "x", "stop": 1}]'), ("sidecars", '[{"name": "x", "quit": {"port": 1, "path": "/q\\n"}}]'), ("sidecars", "[" * 30_000),
        ("wait-seconds", "-1"), ("wait-seconds", "541"), ("wait-seconds", "1.5"), ("wait-seconds", "\u0661"), ("when-not-ready", "maybe"),
    ],
)  # fmt: skip
def test_a_bad_annotation_is_reported_with_what_is_allowed_and_never_stops_a_task(key: str, value: str, policy: Policy) -> None:
    pod = executor_pod()
    pod["metadata"]["annotations"][f"{names.PREFIX}/{key}"] = value
    outcome, _ = admitted(pod, policy)

    assert outcome.result == "wrapped"
    assert [bad.key for bad in outcome.invalid_annotations.named] == [f"{names.PREFIX}/{key}"]
    assert outcome.warnings[0].startswith(f"annotation {names.PREFIX}/{key} is ignored: allowed is ")


def test_the_users_annotations_reach_the_wrapper(policy: Policy) -> None:
    after = admitted(executor_pod(wait_seconds="7", when_not_ready="run"), policy)[1]

    assert option(after, "--wait-seconds") == "7"
    assert option(after, "--when-not-ready") == "run"


def test_a_user_names_a_sidecar_of_his_own(policy: Policy) -> None:
    described = (
        '[{"name": "cache", "quit": {"port": 9091, "path": "/quit?a=$(B)", "method": "GET"}, "ready": {"port": 9090, "path": "/ok"}}]'
    )
    pod = annotated(load(EXECUTOR), sidecars=described)
    pod["spec"]["containers"].append({"name": "cache", "image": "registry.example.com/cache:1"})
    outcome, after = admitted(pod, policy)

    assert outcome.result == "wrapped"
    found = options(after)
    place = found.index("--sidecar")
    assert found[place : place + 5] == ["--sidecar", "cache", "9090/ok", "-", "GET:9091/quit?a=$$(B)"]


def test_the_task_and_the_xcom_sidecar_cannot_be_named_as_sidecars(policy: Policy) -> None:
    quits = ", ".join(f'{{"name": "{name}", "quit": {{"port": 1, "path": "/"}}}}' for name in ("base", "airflow-xcom-sidecar"))
    pod = annotated(inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_xcom.json")), sidecars=f"[{quits}]", main_container="base")
    after = admitted(pod, policy)[1]

    assert [word for word in options(after) if word in {"base", "airflow-xcom-sidecar"}] == []


def test_the_xcom_sidecar_is_never_the_task_even_where_the_user_describes_and_names_it(policy: Policy) -> None:
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_xcom.json"))
    annotated(pod, sidecars='[{"name": "airflow-xcom-sidecar"}]', main_container="airflow-xcom-sidecar")
    after = admitted(pod, policy)[1]

    assert container(after, "airflow-xcom-sidecar") == container(pod, "airflow-xcom-sidecar")
    assert names.PREFIX in container(after, "base")["command"]


def test_agents_get_their_quit_request_first_and_the_mesh_proxy_last(policy: Policy) -> None:
    pod = load(EXECUTOR)
    pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] = "true"
    after = admitted(inject_istio(inject_vault(admitted(pod, policy)[1])), policy)[1]
    found = options(after)

    assert [found[place + 1] for place, word in enumerate(found) if word == "--sidecar"] == ["vault-agent", "istio-proxy"]


def test_a_quit_that_cannot_work_is_not_tried_and_the_others_still_are(policy: Policy) -> None:
    pod = load(EXECUTOR)
    pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] = "true"
    outcome, after = admitted(inject_istio(inject_vault(pod)), policy)

    assert outcome.result == "wrapped"
    assert "vault-agent" not in options(after)
    assert '"sidecars":{"vault-agent":"keeps-running","istio-proxy":"quit"}' in after["metadata"]["annotations"][names.STATUS_ANNOTATION]


def test_a_status_port_of_0_leaves_no_quit_and_no_wait(policy: Policy) -> None:
    pod = load(EXECUTOR)
    pod["metadata"]["annotations"]["status.sidecar.istio.io/port"] = "0"

    assert admitted(inject_istio(pod), policy)[0].reason == "no-quit"


QUIT_HINTS = {
    "vault-agent that will be injected": ({"vault.hashicorp.com/agent-inject": "true"}, {"vault.hashicorp.com/agent-enable-quit": "true"}),
    "vault-agent with the user's own value": ({"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-enable-quit": "false"}, {}),
    "vault-agent that is there already": (
        {"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-inject-status": "injected"}, {}),
    "no vault": ({}, {}),
    "Linkerd that will be injected": ({"linkerd.io/inject": "enabled"}, {"config.linkerd.io/proxy-admin-shutdown": "enabled"}),
    "Linkerd with the user's own value": ({"linkerd.io/inject": "enabled", "config.linkerd.io/proxy-admin-shutdown": "disabled"}, {}),
    "Linkerd that is not wanted": ({"linkerd.io/inject": "disabled"}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("given", "added"), QUIT_HINTS.values(), ids=QUIT_HINTS)
def test_injectors_are_annotated_for_a_clean_quit_before_they_inject_and_never_over_the_user(
    given: dict[str, str], added: dict[str, str], policy: Policy
) -> None:
    pod = load(EXECUTOR)
    pod["metadata"]["annotations"] |= given
    after = admitted(pod, policy)[1]["metadata"]["annotations"]
    after.pop(names.STATUS_ANNOTATION)

    assert after == pod["metadata"]["annotations"] | added


def test_an_injector_that_the_admin_says_is_installed_is_annotated_without_a_mark_on_the_pod() -> None:
    after = admitted(load(EXECUTOR), build_policy(Settings(injectors=("linkerd",))))[1]

    assert after["metadata"]["annotations"]["config.linkerd.io/proxy-admin-shutdown"] == "enabled"


def test_a_linkerd_proxy_with_the_annotation_can_be_ended(policy: Policy) -> None:
    pod = load(EXECUTOR)
    pod["metadata"]["annotations"]["linkerd.io/inject"] = "enabled"
    after = admitted(inject_linkerd(admitted(pod, policy)[1]), policy)[1]

    assert "POST:4191/shutdown" in options(after)
    assert admitted(inject_linkerd(pod), policy)[0].reason == "no-quit"


def test_a_wrap_is_taken_back_when_the_sidecar_has_become_a_native_one(policy: Policy) -> None:
    wrapped = admitted(executor_pod(), policy)[1]
    proxy = container(wrapped, "istio-proxy")
    wrapped["spec"]["containers"].remove(proxy)
    wrapped["spec"]["initContainers"].append(proxy | {"restartPolicy": "Always"})
    after = admitted(wrapped, policy)[1]

    assert "command" not in container(after, "base")
    assert '"treatment":"native","reason":"sidecars-native"' in after["metadata"]["annotations"][names.STATUS_ANNOTATION]


@pytest.mark.parametrize("place", ["labels", "annotations"])
def test_a_wrap_is_taken_back_in_a_copy_without_its_sidecar_that_is_not_injected_again(place: str, policy: Policy) -> None:
    """Whoever debugs a task outside of the mesh: its wrapper would wait for a sidecar that never comes."""
    copy = admitted(executor_pod(), policy)[1]
    copy["spec"]["containers"].remove(container(copy, "istio-proxy"))
    copy["metadata"].setdefault(place, {})["sidecar.istio.io/inject"] = "false"
    outcome, after = admitted(copy, policy)

    assert (outcome.result, outcome.reason) == ("labelled", "no-sidecar")
    assert container(after, "base") == container(load(EXECUTOR), "base")
    assert admitted(after, policy)[1] == after
