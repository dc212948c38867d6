"""Every pod that Airflow and its chart really send: decided as it should be, and its command line is the same word for word."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

from demo.simulated_injectors import inject_istio, inject_istio_native, inject_istio_with_hold
from tests.support.each import each
from tests.support.expectations import expected
from tests.support.oracles.kubelet_expansion import container_argv
from tests.support.other_airflow_versions import OTHER_VERSIONS
from tests.support.pods import admitted, container, load, own_command, pods_in
from webhook.core.decision import Mutate
from webhook.core.names import PREFIX, STATUS_ANNOTATION, TREATMENT_LABEL, XCOM_CONTAINER
from webhook.core.short_name import is_label_value
from webhook.policy_files import build_policy
from webhook.settings import Settings

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.admission import Outcome
    from webhook.core.policy import Policy

ALL = {path: pod for folder in ("airflow-2.10.5-provider-10.1.0", "airflow-3.3.2-provider-10.25.0", "admission-simulated", "helm-chart")
       for path, pod in pods_in(folder)}  # fmt: skip
WRAPPED = [path for path in ALL if expected(path)[1].startswith("wrapped")]
ENTRYPOINT = ["/usr/bin/dumb-init", "--", "/entrypoint"]
GUESSING = build_policy(Settings(entrypoint_guess="allow"))
ENVIRONMENT = {"CLEAN_TS": "2026-01-01", "FOO": "bar", "HOME": "/home/airflow", "MY_VAR": "expanded"}


def shown(outcome: Outcome) -> str:
    """The outcome as the table of expectations writes it."""
    if isinstance(outcome.decision, Mutate) and outcome.decision.wrap:
        return f"{outcome.result} {outcome.decision.wrap.entrypoint.source}"
    return f"{outcome.result} {outcome.reason}"


def test_the_fixtures_are_all_there() -> None:
    assert len(ALL) == 149


@each("path", ALL)
def test_each_pod_is_decided_as_the_table_says(path: str, policy: Policy) -> None:
    as_created, with_istio = expected(path)
    assert shown(admitted(ALL[path], policy)[0]) == as_created
    assert shown(admitted(inject_istio(ALL[path]), policy)[0]) == with_istio


@each("path", ALL)
def test_a_pod_that_is_skipped_stays_exactly_as_it_was(path: str, policy: Policy) -> None:
    outcome, after = admitted(ALL[path], policy)
    assert (after == ALL[path]) == (outcome.result == "skipped")


def main_of(pod: JSONObject, outcome: Outcome) -> str:
    """The name of the main container, as the status says it."""
    annotations = pod["metadata"]["annotations"]
    return str(annotations[STATUS_ANNOTATION].partition('"main":"')[2].partition('"')[0]) if outcome.result == "wrapped" else ""


@each("path", WRAPPED)
def test_after_the_prefix_the_command_line_is_what_would_have_run_element_by_element(path: str, policy: Policy) -> None:
    before = inject_istio(ALL[path])
    outcome, after = admitted(before, policy)
    name = main_of(after, outcome)
    command, args = container(after, name)["command"], container(after, name).get("args")

    assert args == container(before, name).get("args")
    assert command[: command.index(PREFIX) + 1] == ["/bin/sh", "-c", policy.script, PREFIX]
    own = container(before, name).get("command")
    assert command[command.index("--", command.index(PREFIX)) + 1 :] == (own or ENTRYPOINT)


@pytest.mark.parametrize("version", ["airflow-2.10.5-provider-10.1.0", "airflow-3.3.2-provider-10.25.0"])
def test_with_leave_to_guess_airflows_own_entrypoint_is_tried_first_and_the_args_stay(version: str) -> None:
    before = inject_istio(ALL[f"{version}/ke_pod_override.json"])
    after = admitted(before, GUESSING)[1]
    command = container(after, "base")["command"]

    assert container(after, "base")["args"] == container(before, "base")["args"]
    assert command[-2:] == ["--end-try", "--"]
    assert ["--try-entrypoint", *ENTRYPOINT, "--end-try"] == command[command.index("--try-entrypoint") : command.index("--end-try") + 1]


@each("path", WRAPPED)
def test_the_kubelet_expands_the_users_words_as_before_and_none_of_ours(path: str, policy: Policy) -> None:
    before = inject_istio(ALL[path])
    outcome, after = admitted(before, policy)
    name = main_of(after, outcome)
    ran = container_argv(container(after, name), ENVIRONMENT)
    would_have_run = container_argv(container(before, name), ENVIRONMENT)

    assert ran[2] == policy.script
    assert ran[len(ran) - len(would_have_run) :] == would_have_run


@each("path", WRAPPED)
def test_nothing_but_the_main_containers_command_and_our_marks_has_changed(path: str, policy: Policy) -> None:
    before = inject_istio(ALL[path])
    outcome, after = admitted(before, policy)
    undone = copy.deepcopy(after)
    main = container(undone, main_of(after, outcome))
    main["command"] = own_command(main["command"])
    if main["command"] is None:
        del main["command"]
    for pod in (undone, before := copy.deepcopy(before)):
        pod["metadata"]["annotations"].pop(STATUS_ANNOTATION, None)
        pod["metadata"]["labels"].pop("service.istio.io/canonical-name")
        pod["metadata"]["labels"].pop(TREATMENT_LABEL, None)

    assert undone == before


@each("path", [path for path in ALL if expected(path) not in {("skipped not-airflow",) * 2, ("skipped not-in-mesh",) * 2}])
@pytest.mark.parametrize("inject", [inject_istio, inject_istio_with_hold, inject_istio_native])
def test_an_injector_before_or_after_us_gives_the_same_end_state(path: str, inject: Injector, policy: Policy) -> None:
    injected_first = admitted(inject(ALL[path]), policy)[1]
    we_first = admitted(inject(admitted(ALL[path], policy)[1]), policy)[1]

    assert we_first == injected_first


@each("path", ALL)
def test_a_second_pass_changes_nothing(path: str, policy: Policy) -> None:
    once = admitted(inject_istio(ALL[path]), policy)[1]
    outcome, twice = admitted(once, policy)

    assert outcome.operations == ()
    assert twice == once
    assert outcome.result in {"unchanged", "skipped"}


@each("path", ALL)
def test_the_short_name_is_valid_and_the_users_own_wins(path: str, policy: Policy) -> None:
    given = ALL[path]["metadata"].get("labels") or {}
    after = admitted(inject_istio(ALL[path]), policy)[1]["metadata"].get("labels") or {}

    if "service.istio.io/canonical-name" in after:
        assert is_label_value(after["service.istio.io/canonical-name"])
        users = given.get("service.istio.io/canonical-name") or given.get("app.kubernetes.io/name") or given.get("app")
        assert users in (None, after["service.istio.io/canonical-name"])
    for key, value in given.items():
        assert after[key] == value


def test_a_native_istio_proxy_never_gets_a_quit_request(policy: Policy) -> None:
    outcome, after = admitted(inject_istio_native(load("airflow-3.3.2-provider-10.25.0/ke_default.json")), policy)

    assert shown(outcome) == "native sidecars-native"
    assert "command" not in container(after, "base")


def test_the_xcom_sidecar_is_left_as_it_is_beside_a_wrapped_base(policy: Policy) -> None:
    pod = inject_istio(load("airflow-3.3.2-provider-10.25.0/kpo_xcom.json"))
    outcome, after = admitted(pod, policy)

    assert outcome.result == "wrapped"
    assert container(after, XCOM_CONTAINER) == container(pod, XCOM_CONTAINER)
    assert XCOM_CONTAINER not in container(after, "base")["command"]


def test_a_job_that_is_tried_again_quits_its_proxy_only_after_success(policy: Policy) -> None:
    for path in (
        "admission-simulated/helm/pod-of-job-prod-create-user.json",
        "admission-simulated/helm/pod-of-job-prod-run-airflow-migrations.json",
    ):
        pod = inject_istio(load(path))
        main = admitted(pod, policy)[1]["spec"]["containers"][0]["command"]

        assert pod["spec"]["restartPolicy"] == "OnFailure"
        assert main[main.index("--quit") + 1] == "after:0"


@pytest.mark.parametrize("version", OTHER_VERSIONS.values(), ids=OTHER_VERSIONS)
def test_pods_of_other_airflow_versions_are_wrapped_too(version: JSONObject, policy: Policy) -> None:
    pod = load("airflow-3.3.2-provider-10.25.0/ke_minimal_template.json")
    pod["metadata"] |= {"name": version["name"], "labels": version["labels"], "annotations": {"dag_id": "d", "task_id": "t"}}
    base = container(pod, "base")
    base |= {"args": version["args"], "image": f"registry.example.com/mirror/apache/airflow:{version['labels']['airflow_version']}"}
    outcome, after = admitted(inject_istio(pod), policy)

    assert shown(outcome) == "wrapped table"
    assert container(after, "base")["command"][-3:] == ENTRYPOINT
    assert container(after, "base")["args"] == version["args"]
    assert after["metadata"]["labels"]["service.istio.io/canonical-name"] == "d.t"
