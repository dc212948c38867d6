"""The reaper on a real kubelet: pods whose task has ended and whose sidecars run on end, with the task's own result where that is possible.

Three passes over the same pods: one while they have their grace, one with the default methods, and one that may do everything.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from testbed.manifest import OPTED_IN
from testbed.wait import until
from tests.e2e.node.left_pods import COLLECTOR, LEFT_PODS, RAN, READY, do_sidecars_run
from tests.e2e.node.namespace import SECONDS
from tests.e2e.node.out_of_memory import out_of_memory_pod
from tests.e2e.node.pods import executor_pod, shell, stand_in_proxy
from tests.e2e.node.untouched_pods import NAMES, REASONS, RESTARTED
from tests.e2e.reaping import connect, methods, pods_of, reap
from tests.e2e.registration import is_patched
from webhook.core.names import STATUS_ANNOTATION
from webhook.kube.exec import held_command

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.e2e.node.untouched_pods import UntouchedPods
    from tests.support.json_object import JSONObject

pytestmark = pytest.mark.usefixtures("unsparing_reaper")

KILLED: Final = 137
WAITS: Final = "echo the task ran; sleep 600"

LOST: Final = {"oom": KILLED, "killed": KILLED, "unknown-entrypoint": 0}
"""Pods that no admission can end, with the code of their task; the webhook's status is on each."""

UNMARKED: Final = {"before-label": 0, "webhook-down": 3}
"""The same without that status."""


class Passes(NamedTuple):
    """The reports of the three passes, by pod, and their other members."""

    in_grace: dict[str, JSONObject]
    default: dict[str, JSONObject]
    everything: dict[str, JSONObject]
    whole: JSONObject


@pytest.fixture(scope="module")
def unlisted_image(namespace: PodNamespace, task_image: str) -> str:
    """The image with a shell, under a name that no row of the entrypoint table has."""
    name = "localhost/unlisted-reaped:1"
    namespace.level.node.ctr("images", "tag", "--force", task_image, name)
    namespace.level.node.ctr("images", "tag", "--force", task_image, COLLECTOR)
    return name


@pytest.fixture(scope="module")
def passes(
    namespace: PodNamespace,
    bystander: PodNamespace,
    untouched: UntouchedPods,
    unlisted_image: str,
    task_image: str,
    agent_image: str,
    measured: list[str],
) -> Passes:
    """The passes, over all three namespaces."""
    create_unmarked(namespace, bystander, task_image, agent_image)
    create_lost(namespace, unlisted_image, task_image, agent_image)
    namespace.create(*[case.make(namespace.name, name, task_image, agent_image) for name, case in LEFT_PODS.items()])
    for name in (*LOST, *LEFT_PODS):
        namespace.base_end(name)
    for name, case in LEFT_PODS.items():
        namespace.wait_for_log(name, READY, case.sidecar("")["name"])
    until(lambda: all(do_sidecars_run(namespace.pod(name)) for name in (*LOST, *LEFT_PODS)), "every sidecar runs", SECONDS)
    here = [f"--namespace={place.name}" for place in (namespace, bystander, untouched.place)]
    kubeconfig = namespace.level.server.kubeconfig
    everything = ("--unmarked", "--end-successful", "--methods", "quit,exec,deadline")
    in_grace = reap(kubeconfig, *here, "--grace", "3600", *everything)
    began = time.monotonic()
    default = reap(kubeconfig, *here, "--grace", "0")
    measured.append(f"{time.monotonic() - began:7.1f} s for a pass of the reaper over {len(LOST) + len(LEFT_PODS)} pods that run on")
    permissive = reap(kubeconfig, *here, "--grace", "0", "--unmarked", "--methods", "quit,exec")
    return Passes(pods_of(in_grace), pods_of(default), pods_of(permissive), default)


def create_unmarked(namespace: PodNamespace, bystander: PodNamespace, task_image: str, agent_image: str) -> None:
    """One pod in a namespace that opts in after it, and one while the webhook is down."""
    proxy = stand_in_proxy(agent_image)
    bystander.create(executor_pod(bystander.name, "before-label", shell(task_image, "echo the task ran"), proxy))
    bystander.level.api.patch(f"/api/v1/namespaces/{bystander.name}", {"metadata": {"labels": OPTED_IN}})
    namespace.level.webhook.end()
    namespace.create(executor_pod(namespace.name, "webhook-down", shell(task_image, "echo the task ran; exit 3"), proxy))
    namespace.level.webhook.start_again()
    until(lambda: is_patched(namespace.level.api), "pods are patched again", SECONDS)
    for place, name in ((bystander, "before-label"), (namespace, "webhook-down")):
        place.base_end(name)
        place.wait_for_log(name, READY, "istio-proxy")


def create_lost(namespace: PodNamespace, unlisted_image: str, task_image: str, agent_image: str) -> None:
    """Two pods whose container is killed as a whole, with the wrapper in it; and one whose entrypoint nobody knows."""
    proxy = stand_in_proxy(agent_image)
    unknown = {"image": unlisted_image, "args": ["/bin/sh", "-c", "echo the task ran"]}
    namespace.create(
        out_of_memory_pod(namespace.name, "oom", task_image, agent_image),
        executor_pod(namespace.name, "killed", shell(task_image, WAITS), proxy),
        executor_pod(namespace.name, "unknown-entrypoint", unknown, proxy),
    )
    namespace.wait_for_log("killed", RAN)
    namespace.kill_base("killed")
    namespace.wait_for_log("unknown-entrypoint", READY, "istio-proxy")


def exit_codes(pod: JSONObject) -> dict[str, int]:
    """The code of each container of a pod that has ended."""
    return {one["name"]: one["state"]["terminated"]["exitCode"] for one in pod["status"]["containerStatuses"]}


def test_a_pod_in_its_grace_is_left_alone(passes: Passes) -> None:
    found = {name: (pod["reason"], pod["acts"]) for name, pod in passes.in_grace.items() if pod["reason"] == "grace"}

    assert found == dict.fromkeys((*LEFT_PODS, *LOST, *UNMARKED), ("grace", []))


@pytest.mark.parametrize("name", LEFT_PODS)
def test_a_pod_ends_by_the_gentlest_method_that_works(name: str, passes: Passes) -> None:
    report = passes.default[name]
    assert (methods(report), report["phase"]) == LEFT_PODS[name].first, report


@pytest.mark.parametrize("name", [name for name, case in LEFT_PODS.items() if case.second])
def test_a_sidecar_that_has_no_quit_request_or_refuses_it_ends_by_its_signal_where_exec_is_allowed(name: str, passes: Passes) -> None:
    report = passes.everything[name]
    assert (methods(report), report["phase"]) == LEFT_PODS[name].second, report


@pytest.mark.parametrize(("name", "code"), LOST.items(), ids=LOST)
def test_a_pod_whose_wrapper_was_killed_or_never_there_has_the_result_of_its_task(
    name: str, code: int, passes: Passes, namespace: PodNamespace
) -> None:
    report = passes.default[name]

    assert (methods(report), report["phase"]) == (["quit"], "Failed" if code else "Succeeded"), report
    assert exit_codes(namespace.pod(name)) == {"base": code, "istio-proxy": 0}
    assert namespace.log(name) == RAN


@pytest.mark.usefixtures("passes")
def test_the_kernel_took_the_wrapper_with_the_task(namespace: PodNamespace) -> None:
    statuses = {name: json.loads(namespace.pod(name)["metadata"]["annotations"][STATUS_ANNOTATION]) for name in LOST}

    assert {name: status["treatment"] for name, status in statuses.items()} == {
        "oom": "wrapped",
        "killed": "wrapped",
        "unknown-entrypoint": "left",
    }
    assert statuses["unknown-entrypoint"]["reason"] == "entrypoint-unknown"
    assert namespace.base_end("oom")["reason"] == "OOMKilled"


@pytest.mark.parametrize(("name", "code"), UNMARKED.items(), ids=UNMARKED)
def test_a_pod_that_the_webhook_has_not_seen_ends_only_where_that_is_allowed(
    name: str, code: int, passes: Passes, namespace: PodNamespace, bystander: PodNamespace
) -> None:
    place = bystander if name == "before-label" else namespace
    report = passes.everything[name]

    assert (passes.default[name]["reason"], passes.default[name]["acts"]) == ("no-status", [])
    assert (methods(report), report["phase"]) == (["quit"], "Failed" if code else "Succeeded"), report
    assert exit_codes(place.pod(name)) == {"base": code, "istio-proxy": 0}
    assert place.log(name) == RAN


@pytest.mark.usefixtures("passes")
@pytest.mark.parametrize("name", LEFT_PODS)
def test_the_tasks_own_exit_code_and_its_log_stay(name: str, namespace: PodNamespace) -> None:
    pod = namespace.pod(name)

    assert pod["status"]["phase"] != "Running"
    assert exit_codes(pod)["base"] == LEFT_PODS[name].code
    assert namespace.log(name) == RAN


def test_a_proxy_that_took_its_quit_request_exited_0_and_the_request_came_from_the_loopback(
    passes: Passes, namespace: PodNamespace
) -> None:
    # The stand-in ends by no quit request but one from its loopback.
    assert methods(passes.default["fails"]) == ["quit"]
    assert exit_codes(namespace.pod("fails"))["istio-proxy"] == 0


@pytest.mark.parametrize("name", ["fails-refused", "fails-forbidden", "fails-accepted-and-hangs"])
def test_the_deadline_ends_a_failed_task_whose_proxy_refuses_or_hangs(name: str, passes: Passes, namespace: PodNamespace) -> None:
    *_, last, deadline = [act["outcome"] for act in passes.default[name]["acts"]]
    assert (last, deadline) == ("accepted" if name.endswith("hangs") else "refused", "accepted")
    assert namespace.pod(name)["status"]["reason"] == "DeadlineExceeded"


@pytest.mark.parametrize(
    ("name", "reason"), [("succeeds-refused", "methods-spent"), ("succeeds-forbidden", "methods-spent"), ("collector", "no-clean-end")]
)
def test_a_successful_task_whose_sidecar_nothing_ends_is_left_with_a_remedy(name: str, reason: str, passes: Passes) -> None:
    report = passes.default[name]
    assert (report["reason"], report["verdict"]) == (reason, "leave")
    assert report["remedy"]
    assert passes.whole["code"] == 3


def test_a_sidecar_that_exits_with_1_on_its_quit_request_fails_its_pod_and_the_report_has_both(passes: Passes) -> None:
    report = passes.default["ends-with-1-on-quit"]
    assert (report["exit_code"], report["phase"]) == (0, "Failed")


def test_each_pass_says_why_a_pod_must_not_be_touched(passes: Passes) -> None:
    for found in (passes.in_grace, passes.default, passes.everything):
        assert {name: (found[name]["reason"], found[name]["acts"]) for name in REASONS} == {
            name: (reason, []) for name, reason in REASONS.items()
        }
    assert {*RESTARTED, "foreign", "native", "works"} & {*passes.in_grace, *passes.default, *passes.everything} == set()
    counts = passes.whole["counts"]
    # "native" is the one, and "works" and "tries-again" are the others.
    assert (counts["nothing-runs"], counts["task-running"] + counts.get("task-restarts", 0)) == (1, 2)


@pytest.mark.usefixtures("passes")
@pytest.mark.parametrize("name", NAMES)
def test_no_pass_touches_what_must_not_be_touched(name: str, untouched: UntouchedPods) -> None:
    untouched.assert_untouched(name)


def test_a_held_command_runs_once_it_is_released_and_not_before(namespace: PodNamespace, task_image: str) -> None:
    script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    namespace.create(executor_pod(namespace.name, "signalled", shell(task_image, script)))
    namespace.wait_for_log("signalled", "ready")
    client = connect(namespace.level.server.kubeconfig)

    with held_command(client, namespace.path("signalled"), "base", "kill -TERM 1"):
        pass
    assert "running" in namespace.pod("signalled")["status"]["containerStatuses"][0]["state"]
    with held_command(client, namespace.path("signalled"), "base", "kill -TERM 1") as command:
        assert command.release() == ""
    assert namespace.end("signalled").phase == "Succeeded"
