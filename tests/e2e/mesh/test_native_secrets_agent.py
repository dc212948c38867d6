"""A task between a real secrets agent and the real proxy, both native: the agent has its proxy from its first call to its last.

SIMULATED is HashiCorp's injector alone, as in `secrets_agent`. Its last call is the one that ``agent-revoke-on-shutdown`` adds
(vault-k8s agent-inject/agent/container_sidecar.go, createLifecycle): a preStop hook that revokes the token.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from testbed.wait import until
from tests.e2e.mesh.secrets_agent import BRIEF, FILE, VALUE, injected_pod
from tests.e2e.mesh.task import MESSAGE, end_from_within, ended, regular, status_of
from tests.e2e.node.namespace import SECONDS
from tests.e2e.node.native import native, native_status
from tests.e2e.node.pods import shell
from tests.support.pods import container

if TYPE_CHECKING:
    from testbed.recorder import Moment
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


CODE: Final = 3
POD: Final = "secrets-task"
NEW_VALUE: Final = "battery-staple"
RENEWED: Final = "renewed auth token"
TERMINATED: Final = "Status server has successfully terminated"
"""What Istio's agent logs at SIGTERM (pilot/cmd/pilot-agent/status/server.go)."""

ROUNDING: Final = timedelta(seconds=1)
"""Times in the API are whole seconds, rounded down."""

GO: Final = "/dev/shm/go"  # noqa: S108  of the container
TASK: Final = f"""
cat {FILE} > {MESSAGE}
curl -sS -f -o /dev/null -H 'X-Vault-Token: root' -d '{{"data": {{"password": "{NEW_VALUE}"}}}}' URL/v1/secret/data/database || exit 1
until grep -q {NEW_VALUE} {FILE}; do sleep 0.1; done
until [ -e {GO} ]; do sleep 0.1; done
exit {CODE}
"""
"""It changes its secret on the server, by the proxy, waits until its agent has fetched it, and until SIGTERM."""


def renewing(pod: JSONObject, url: str) -> JSONObject:
    """The pod, with an agent that has to renew its token, polls for new values each second, and revokes the token at its end."""
    agent = container(pod, "vault-agent")
    variable = next(one for one in agent["env"] if one["name"] == "VAULT_CONFIG")
    configuration = json.loads(base64.b64decode(variable["value"]))
    configuration["auto_auth"]["method"]["config"]["role"] = BRIEF
    configuration["template_config"]["static_secret_render_interval"] = "1s"  # noqa: S105  a time
    variable["value"] = base64.b64encode(json.dumps(configuration).encode()).decode()
    revoke = f"/bin/sleep 1 && bao token revoke -address={url} -self"
    agent["lifecycle"] = {"preStop": {"exec": {"command": ["/bin/sh", "-c", revoke]}}}
    return pod


@pytest.fixture(scope="module")
def pod(converted: PodNamespace, task_image: str, agent_image: str, secrets_server: str) -> JSONObject:
    """The task's pod, as it was created."""
    base = shell(task_image, TASK.replace("URL", secrets_server))
    sent = injected_pod(converted.name, POD, base, agent_image, secrets_server)
    return converted.level.api.create(renewing(sent, secrets_server))


@pytest.fixture(scope="module")
def end(converted: PodNamespace, pod: JSONObject) -> Moment:
    """That pod when it had ended: so it has seen the new value, and its agent has renewed its token under it."""
    del pod
    running = converted.when(POD, lambda moment: _running_since(moment) is not None, "has its task running")
    until(lambda: _renewals_after(converted, _running_since(running)), "the agent renews its token under the task", SECONDS)
    end_from_within(converted, POD, "base", f"touch {GO}")
    return converted.end(POD)


def _running_since(moment: Moment) -> datetime | None:
    """When the task began, rounded up: times in the API are whole seconds."""
    states = [one["state"] for one in moment.pod["status"].get("containerStatuses", ()) if one["name"] == "base"]
    began = [datetime.fromisoformat(state["running"]["startedAt"]) + ROUNDING for state in states if "running" in state]
    return began[0] if began else None


def _renewals_after(namespace: PodNamespace, began: datetime | None) -> list[datetime]:
    return [at for at in times_logged(namespace.log(POD, "vault-agent"), RENEWED) if began and at > began]


def test_the_agent_comes_after_its_init_container_and_both_after_the_proxy(pod: JSONObject) -> None:
    order = ["istio-init", "istio-proxy", "vault-agent-init", "vault-agent"]
    assert [one["name"] for one in pod["spec"]["initContainers"]] == order
    assert (native(pod), regular(pod)) == (["istio-proxy", "vault-agent"], ["base"])
    assert status_of(pod)["sidecars"] == {"istio-proxy": "native", "vault-agent": "native"}


def test_the_secret_is_there_before_the_task_starts(end: Moment) -> None:
    assert ended(end, "base")["message"] == VALUE


def test_the_pod_ends_with_the_tasks_code_and_both_sidecars_with_0(end: Moment) -> None:
    assert ended(end, "base")["exitCode"] == CODE
    codes = [native_status(end, name)["state"]["terminated"]["exitCode"] for name in ("vault-agent", "istio-proxy")]
    assert codes == [0, 0]
    assert [native_status(end, name)["restartCount"] for name in ("vault-agent", "istio-proxy")] == [0, 0]


def test_the_agent_renews_its_token_while_the_task_runs(converted: PodNamespace, end: Moment) -> None:
    began, finished = (datetime.fromisoformat(ended(end, "base")[when]) + ROUNDING for when in ("startedAt", "finishedAt"))
    assert [at for at in times_logged(converted.log(POD, "vault-agent"), RENEWED) if began < at < finished]


@pytest.mark.usefixtures("end")
def test_its_last_call_gets_through(converted: PodNamespace) -> None:
    path = f"/api/v1/namespaces/{converted.name}/events"
    events = converted.level.api.request("GET", path, fieldSelector=f"involvedObject.name={POD},reason=FailedPreStopHook")
    assert events.json()["items"] == []


@pytest.mark.usefixtures("end")
def test_the_proxy_gets_term_after_the_agent_has(converted: PodNamespace) -> None:
    gone = times_logged(converted.log(POD, "vault-agent"), "sinks finished, exiting")
    terminated = times_logged(converted.log(POD, "istio-proxy"), TERMINATED)
    assert [len(gone), len(terminated)] == [1, 1]
    assert gone < terminated


def times_logged(log: str, words: str) -> list[datetime]:
    """When lines with these words were logged, by the clock of the program that wrote them."""
    return [datetime.fromisoformat(time) for time in re.findall(rf"^(\S+Z)\s.*{re.escape(words)}", log, re.MULTILINE)]
