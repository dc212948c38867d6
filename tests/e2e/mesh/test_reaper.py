"""The reaper beside Istio's real sidecar and OpenBao's real agent: pods that the webhook left end with the result of their task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from testbed.wait import until
from tests.e2e.mesh.secrets_agent import OPENBAO_WITHOUT_QUIT, VALUE, injected_pod
from tests.e2e.mesh.task import ended, regular
from tests.e2e.node.namespace import SECONDS
from tests.e2e.node.pods import executor_pod, shell
from tests.e2e.reaping import pods_of, reap
from webhook.core.names import MODE_ANNOTATION

if TYPE_CHECKING:
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

CODES: Final = {"left-successful": (0, "Succeeded"), "left-failed": (3, "Failed"), "left-killed": (137, "Failed")}
LABEL_ONLY: Final = {MODE_ANNOTATION: "label-only"}
STATUS_PORT: Final = "status.sidecar.istio.io/port"

SECRETS: Final = "left-beside-agent"
AGENT_RUNS: Final = "starting template server"

ONCE_READY: Final = "until curl -sf -o /dev/null http://127.0.0.1:15021/healthz/ready; do sleep 0.2; done"
"""So the proxy takes requests once the task has ended."""


class TwoPasses(NamedTuple):
    """The reports of two passes, by pod: with the default methods, and with exec."""

    default: dict[str, JSONObject]
    with_exec: dict[str, JSONObject]


@pytest.fixture(scope="module")
def passes(namespace: PodNamespace, task_image: str, agent_image: str, secrets_server: str) -> TwoPasses:
    """The passes; the status port of one of the proxies is moved."""
    for name, (code, _) in CODES.items():
        annotations = LABEL_ONLY | ({STATUS_PORT: "15999"} if code == 3 else {})
        namespace.create(executor_pod(namespace.name, name, shell(task_image, f"{ONCE_READY}; exit {code}"), annotations=annotations))
    base = shell(task_image, f"{ONCE_READY}; cat /vault/secrets/database")
    secrets = injected_pod(namespace.name, SECRETS, base, agent_image, secrets_server, OPENBAO_WITHOUT_QUIT)
    secrets["metadata"]["annotations"] |= LABEL_ONLY
    namespace.create(secrets)
    namespace.wait_for_log(SECRETS, AGENT_RUNS, "openbao-agent")
    for name in (*CODES, SECRETS):
        namespace.base_end(name)
    until(lambda: all(do_regular_sidecars_run(namespace.pod(name)) for name in (*CODES, SECRETS)), "every sidecar runs", SECONDS)
    here = (namespace.level.server.kubeconfig, "-n", namespace.name, "--grace", "0")
    return TwoPasses(pods_of(reap(*here)), pods_of(reap(*here, "--methods", "quit,exec")))


def do_regular_sidecars_run(pod: JSONObject) -> bool:
    """Whether the kubelet has reported that every regular container but ``base`` runs."""
    return all("running" in one["state"] for one in pod["status"]["containerStatuses"] if one["name"] != "base")


def acts(pod: JSONObject) -> list[tuple[str, str]]:
    """Method and container of each act, in their order.

    Not the outcome: the kubelet stops a pod whose last container has ended, and on a busy machine the response to the quit request that
    ended it is lost with the connection.
    """
    return [*dict.fromkeys((act["method"], act["container"]) for act in pod["acts"])]


@pytest.mark.parametrize("name", CODES)
def test_istios_agent_takes_the_quit_request_and_the_pod_has_the_result_of_its_task(
    name: str, passes: TwoPasses, namespace: PodNamespace
) -> None:
    code, phase = CODES[name]
    pod = namespace.pod(name)
    states = {one["name"]: one["state"]["terminated"]["exitCode"] for one in pod["status"]["containerStatuses"]}

    assert "istio-proxy" in regular(pod)
    assert acts(passes.default[name]) == [("quit", "istio-proxy")], passes.default[name]
    assert (passes.default[name]["phase"], states) == (phase, {"base": code, "istio-proxy": 0})


def test_an_agent_without_a_quit_request_and_the_proxy_that_it_uses_are_left_where_exec_is_not_allowed(passes: TwoPasses) -> None:
    left = passes.default[SECRETS]
    assert (left["reason"], left["containers"], left["phase"], left["acts"]) == ("no-clean-end", ["openbao-agent"], "Running", [])


def test_with_exec_the_agent_ends_by_its_signal_and_the_proxy_after_it(passes: TwoPasses, namespace: PodNamespace) -> None:
    end = namespace.end(SECRETS)

    assert acts(passes.with_exec[SECRETS]) == [("exec", "openbao-agent"), ("quit", "istio-proxy")]
    assert (end.phase, namespace.log(SECRETS)) == ("Succeeded", VALUE)
    assert {name: ended(end, name)["exitCode"] for name in ("base", "openbao-agent", "istio-proxy")} == {
        "base": 0,
        "openbao-agent": 0,
        "istio-proxy": 0,
    }
