"""A task beside a native istio-proxy, whichever way it became native: the real injector, the real proxy, the real kubelet."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from testbed.images import catalogue
from tests.e2e.api_server.submission import submission
from tests.e2e.mesh.task import REQUEST_FAILED, ended, is_from_envoy, regular, request, status_of
from tests.e2e.node.native import native, native_status
from tests.e2e.node.pods import operator_pod, shell
from tests.support.pods import container, load
from webhook import __version__

if TYPE_CHECKING:
    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


PROXY_FIRST: Final = {"proxy.istio.io/config": '{"holdApplicationUntilProxyStarts": true}'}
STATUS_MOVED: Final = {"status.sidecar.istio.io/port": "15999"}
NO_STATUS_PORT: Final = {"status.sidecar.istio.io/port": "0"}
READY_MOVED: Final = {"proxy.istio.io/config": '{"proxyMetadata": {"ENVOY_STATUS_PORT": "15099"}}'}

NATIVE: Final = {
    "treatment": "native",
    "reason": "sidecars-native",
    "main": "base",
    "sidecars": {"istio-proxy": "native"},
    "version": __version__,
}
EXECUTOR_POD: Final = "airflow-3.3.2-provider-10.25.0/ke_minimal_template.json"


class NativeMix(NamedTuple):
    """What the user wrote on the pod, and how the task ends."""

    annotations: dict[str, str]
    code: int


MIXES: Final = {
    "succeeds": NativeMix({}, 0),
    "fails": NativeMix({}, 3),
    "proxy-first": NativeMix(PROXY_FIRST, 3),
    "status-port-moved": NativeMix(STATUS_MOVED, 3),
}


@pytest.fixture(scope="module")
def pods(way: PodNamespace, task_image: str, web: str, versioned_image: dict[str, str]) -> dict[str, JSONObject]:
    """Every row as a pod, all at once, as they were created."""
    created = {}
    for name, mix in MIXES.items():
        base = shell(task_image, f"{request(web)}; exit {mix.code}")
        annotations = {**versioned_image, **mix.annotations}
        created[name] = way.level.api.create(operator_pod(way.name, name, base, annotations=annotations))
    return created


def failed_hooks(namespace: PodNamespace, pod: str) -> list[str]:
    """The kubelet's events about failed lifecycle hooks of a pod."""
    events = namespace.level.api.request(
        "GET", f"/api/v1/namespaces/{namespace.name}/events", fieldSelector=f"involvedObject.name={pod},reason=FailedPreStopHook"
    )
    return [event["message"] for event in events.json()["items"]]


@pytest.mark.parametrize(("name", "mix"), MIXES.items(), ids=MIXES)
def test_a_pod_ends_with_its_tasks_code_after_a_first_request_through_the_native_proxy(
    way: PodNamespace, pods: dict[str, JSONObject], name: str, mix: NativeMix
) -> None:
    assert (regular(pods[name]), native(pods[name])) == (["base"], ["istio-proxy"])
    assert status_of(pods[name]) == NATIVE

    end = way.end(name)
    base = ended(end, "base")
    assert is_from_envoy(base["message"])
    assert base["exitCode"] == mix.code
    proxy = native_status(end, "istio-proxy")
    assert (proxy["restartCount"], proxy["state"]["terminated"]["exitCode"]) == (0, 0)
    assert end.phase == ("Failed" if mix.code else "Succeeded")


@pytest.mark.usefixtures("pods")
def test_the_proxy_is_made_to_drain_before_it_ends(way: PodNamespace) -> None:
    way.end("fails")
    assert failed_hooks(way, "fails") == []


def test_a_pod_whose_proxy_is_ready_on_another_port_ends_too(way: PodNamespace, task_image: str, web: str) -> None:
    """Istio's own probes poll 15021 all the same: what they hold up never starts."""
    base = shell(task_image, f"{request(web)}; exit 3")
    way.create(operator_pod(way.name, "ready-port-moved", base, annotations=READY_MOVED))
    try:
        end = ended(way.end("ready-port-moved"), "base")
    finally:
        way.delete("ready-port-moved", grace_seconds=1)
    assert is_from_envoy(end["message"])
    assert end["exitCode"] == 3


def test_the_proxy_of_a_pod_whose_agent_serves_no_port_is_ended_all_the_same(converted: PodNamespace, task_image: str) -> None:
    """The one that nothing but the kubelet can end."""
    base = shell(task_image, "exit 3")
    pod = converted.level.api.create(operator_pod(converted.name, "no-status-port", base, annotations=NO_STATUS_PORT))
    assert status_of(pod) == NATIVE

    end = converted.end("no-status-port")
    assert ended(end, "base")["exitCode"] == 3
    assert native_status(end, "istio-proxy")["state"]["terminated"]["exitCode"] == 0
    assert failed_hooks(converted, "no-status-port") == []


@pytest.mark.parametrize("annotations", [STATUS_MOVED, NO_STATUS_PORT], ids=["moved", "none"])
def test_where_the_status_port_is_another_istios_own_hook_fails_and_ours_leaves_it_out(
    rendered: PodNamespace, converted: PodNamespace, task_image: str, annotations: dict[str, str]
) -> None:
    name = f"hook-{annotations['status.sidecar.istio.io/port']}"
    base = shell(task_image, "exit 3")
    hinted = {**annotations, "sidecar.istio.io/nativeSidecar": "true"}
    rendered.create(operator_pod(rendered.name, name, base, annotations=hinted))
    converted.create(operator_pod(converted.name, name, base, annotations=annotations))

    for namespace in (rendered, converted):
        assert ended(namespace.end(name), "base")["exitCode"] == 3
    assert [len(failed_hooks(namespace, name)) for namespace in (rendered, converted)] == [1, 0]


def test_an_init_container_of_the_users_goes_through_the_proxy_too(
    converted: PodNamespace, namespace: PodNamespace, task_image: str, web: str
) -> None:
    """As a regular container the proxy starts after it."""
    fetch = {"name": "fetch", **shell(task_image, f"{request(web)}; grep -q 'server: envoy' /dev/termination-log")}
    for one in (converted, namespace):
        one.create(operator_pod(one.name, "init", shell(task_image, "exit 3"), initContainers=[fetch]))

    end, legacy = converted.end("init"), namespace.end("init")
    assert [one["name"] for one in end.pod["spec"]["initContainers"]] == ["istio-init", "istio-proxy", "fetch"]
    assert is_from_envoy(native_status(end, "fetch")["state"]["terminated"]["message"])
    assert ended(end, "base")["exitCode"] == 3
    assert native_status(legacy, "fetch")["state"]["terminated"]["exitCode"] in {1, REQUEST_FAILED}
    assert "terminated" not in legacy.pod["status"]["containerStatuses"][0]["state"]


def test_a_pod_of_the_executor_keeps_its_args_and_runs_them_by_the_images_entry_point(
    converted: PodNamespace, node: NodeLevel, web: str
) -> None:
    sent = copy.deepcopy(submission(load(EXECUTOR_POD), converted.name))
    base = container(sent, "base")
    base.update(image=node.node.load(catalogue.airflow_like()))
    base["env"].append({"name": "STAND_IN_COMMAND", "value": f"{request(web)}; exit 3"})
    pod = converted.level.api.create(sent)
    name = pod["metadata"]["name"]
    assert status_of(pod) == NATIVE
    assert (container(pod, "base").get("command"), container(pod, "base")["args"]) == (None, base["args"])

    end = ended(converted.end(name), "base")
    assert is_from_envoy(end["message"])
    assert end["exitCode"] == 3
    ran = json.loads(converted.log(name).splitlines()[0])["stand_in_airflow"]
    assert ran == base["args"][-len(ran) :]


def test_a_task_that_gets_term_still_reaches_its_server_and_keeps_its_code(converted: PodNamespace, task_image: str, web: str) -> None:
    base = shell(task_image, f"trap 'sleep 0.3; {request(web)}; exit 7' TERM; echo runs; while :; do sleep 0.1; done")
    converted.create(operator_pod(converted.name, "deleted", base))
    converted.wait_for_log("deleted", "runs")
    converted.delete("deleted", 30)

    gone = converted.gone("deleted")
    assert is_from_envoy(ended(gone, "base")["message"])
    assert ended(gone, "base")["exitCode"] == 7
    assert native_status(gone, "istio-proxy")["state"]["terminated"]["exitCode"] == 0
