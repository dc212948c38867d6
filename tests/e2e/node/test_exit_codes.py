"""A wrapped pod ends exactly as the same pod does without a sidecar and without the webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.e2e.node.pods import operator_pod, shell, stand_in_proxy
from webhook.core.names import SHELL_ANNOTATION

if TYPE_CHECKING:
    from testbed.recorder import Moment
    from tests.e2e.node.namespace import PodNamespace


class ExitCase(NamedTuple):
    """A task and the code that it ends with. Where it signals itself, the pod shares its processes: otherwise, unpatched, it would be PID 1."""

    script: str
    code: int
    shares_processes: bool = False


CASES = {
    "success": ExitCase("exit 0", 0),
    "one": ExitCase("exit 1", 1),
    "three": ExitCase("exit 3", 3),
    "kill": ExitCase("kill -KILL $$", 137, shares_processes=True),
    "segmentation-fault": ExitCase("kill -SEGV $$", 139, shares_processes=True),
    "term": ExitCase("kill -TERM $$", 143, shares_processes=True),
}
SIGNALLED = [name for name, case in CASES.items() if case.shares_processes]
UNSTARTABLE = {"not-found": (["/no/such/program"], 127), "not-executable": (["/etc/passwd"], 126)}


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, bystander: PodNamespace, task_image: str, agent_image: str) -> None:
    proxy = stand_in_proxy(agent_image)
    for name, case in CASES.items():
        base = shell(task_image, case.script)
        namespace.create(operator_pod(namespace.name, name, base, proxy, shareProcessNamespace=case.shares_processes))
        bystander.create(operator_pod(bystander.name, name, base, shareProcessNamespace=case.shares_processes))
    for name in SIGNALLED:
        namespace.create(operator_pod(namespace.name, f"{name}-unshared", shell(task_image, CASES[name].script), proxy))
    for name, (command, _) in UNSTARTABLE.items():
        base = {"image": task_image, "command": command}
        namespace.create(operator_pod(namespace.name, name, base, proxy, annotations={SHELL_ANNOTATION: "image"}))
        bystander.create(operator_pod(bystander.name, name, base))


def end_of(moment: Moment) -> tuple[object, ...]:
    """A pod's end as a client sees it, without times and ids."""
    base = moment.terminated("base")
    assert base
    status = moment.pod["status"]
    fields = [base.get(field) for field in ("exitCode", "reason", "signal", "message")]
    return (moment.phase, status.get("reason"), status.get("message"), *fields)


@pytest.mark.parametrize("name", CASES)
def test_a_wrapped_pod_ends_as_the_same_pod_without_a_sidecar(namespace: PodNamespace, bystander: PodNamespace, name: str) -> None:
    code = CASES[name].code
    phase, reason = ("Failed", "Error") if code else ("Succeeded", "Completed")
    assert end_of(bystander.end(name)) == (phase, None, None, code, reason, None, None)
    assert end_of(namespace.end(name)) == end_of(bystander.end(name))


@pytest.mark.parametrize("name", SIGNALLED)
def test_a_task_that_a_signal_ends_is_reported_alike_where_processes_are_not_shared(namespace: PodNamespace, name: str) -> None:
    assert end_of(namespace.end(f"{name}-unshared")) == end_of(namespace.end(name))


@pytest.mark.parametrize("name", CASES)
def test_the_sidecar_of_a_pod_that_ended_got_a_quit_request_and_ended_with_0(namespace: PodNamespace, name: str) -> None:
    proxy = namespace.end(name).terminated("istio-proxy")
    assert proxy
    assert (proxy["exitCode"], proxy["reason"]) == (0, "Completed")
    quits = [event for event in namespace.agent_events(name) if event.get("path") == "/quitquitquit"]
    assert [event["method"] for event in quits] == ["POST"]


@pytest.mark.parametrize("name", UNSTARTABLE)
def test_a_command_that_cannot_be_run_ends_the_pod_with_a_shells_code_where_the_runtime_alone_says_128(
    namespace: PodNamespace, bystander: PodNamespace, name: str
) -> None:
    command, code = UNSTARTABLE[name]
    alone, wrapped = bystander.end(name).terminated("base"), namespace.end(name).terminated("base")
    assert alone
    assert wrapped
    assert (alone["exitCode"], alone["reason"]) == (128, "StartError")
    assert (wrapped["exitCode"], wrapped["reason"]) == (code, "Error")
    assert command[0] in namespace.log(name)
