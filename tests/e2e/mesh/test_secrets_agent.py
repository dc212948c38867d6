"""A task between a real secrets agent and the real proxy: the agent's calls go through the proxy, so the proxy is stopped last.

Not shown: an agent that makes calls after it has closed its own port. The wrapper then counts it as gone, and stops the proxy.
OpenBao's agent makes none: its port closes after everything in it that calls the server has ended (command/agent.go).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.mesh.secrets_agent import FILE, OPENBAO, PORT, VALUE, injected_pod
from tests.e2e.mesh.task import MESSAGE, ended, status_of
from tests.e2e.node.pods import shell

if TYPE_CHECKING:
    from testbed.recorder import Moment
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


CODE: Final = 3
POD: Final = "secrets-task"

ANSWERED: Final = f"curl -s http://127.0.0.1:15000/clusters | grep -q '^outbound|{PORT}||.*rq_success::[1-9]'"
"""Whether a call to the server has succeeded through the proxy (Envoy's admin interface)."""

CALLS_END: Final = ("auth handler stopped", "template server stopped", "sinks finished, exiting")
"""What the agent logs when the parts of it that call the server have ended."""

PROXY_STOPPED: Final = "handling /quitquitquit"


@pytest.fixture(scope="module")
def pod(namespace: PodNamespace, task_image: str, agent_image: str, secrets_server: str) -> JSONObject:
    """A task that copies its secret at once, and ends after its agent has made a call through the proxy."""
    base = shell(task_image, f"cat {FILE} > {MESSAGE}; until {ANSWERED}; do sleep 0.1; done; exit {CODE}")
    return namespace.level.api.create(injected_pod(namespace.name, POD, base, agent_image, secrets_server))


@pytest.fixture(scope="module")
def end(namespace: PodNamespace, pod: JSONObject) -> Moment:
    """That pod when it had ended: so the agent did call its server through the proxy."""
    del pod
    return namespace.end(POD)


def test_both_get_a_quit_request_the_agent_first(pod: JSONObject) -> None:
    assert list(status_of(pod)["sidecars"].items()) == [("vault-agent", "quit"), ("istio-proxy", "quit")]


def test_the_secret_is_there_before_the_task_starts(end: Moment) -> None:
    assert ended(end, "base")["message"] == VALUE


def test_the_pod_ends_with_the_tasks_code_and_both_sidecars_with_0(end: Moment) -> None:
    codes = {container: ended(end, container)["exitCode"] for container in ("base", "vault-agent", "istio-proxy")}
    assert codes == {"base": CODE, "vault-agent": 0, "istio-proxy": 0}


@pytest.mark.usefixtures("end")
def test_the_proxy_gets_its_quit_request_after_everything_in_the_agent_that_calls_has_ended(namespace: PodNamespace) -> None:
    agent = namespace.log(POD, "vault-agent")
    stopped = logged_at(namespace.log(POD, "istio-proxy"), PROXY_STOPPED)
    assert all(logged_at(agent, words) < stopped for words in CALLS_END)


def test_an_agent_of_openbaos_injector_gets_its_quit_request_too(
    namespace: PodNamespace, task_image: str, agent_image: str, secrets_server: str
) -> None:
    """The same program under the names and annotations of its own injector."""
    base = shell(task_image, f"exit {CODE}")
    pod = namespace.level.api.create(injected_pod(namespace.name, "openbao-task", base, agent_image, secrets_server, OPENBAO))
    end = namespace.end("openbao-task")

    assert status_of(pod)["sidecars"] == {"openbao-agent": "quit", "istio-proxy": "quit"}
    assert {container: ended(end, container)["exitCode"] for container in ("base", "openbao-agent", "istio-proxy")} == {
        "base": CODE,
        "openbao-agent": 0,
        "istio-proxy": 0,
    }


def logged_at(log: str, words: str) -> datetime:
    """When a line with these words was logged, by the clock of the program that wrote it."""
    found = re.search(rf"^(\S+Z)\s.*{re.escape(words)}", log, re.MULTILINE)
    assert found, f"nothing about {words!r} in:\n{log}"
    return datetime.fromisoformat(found[1])
