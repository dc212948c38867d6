"""A pod that Istio has injected and we have converted is the pod that Istio renders natively: Istio's own rendering is the reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.mesh.rendering import USERS_HINT, differences, rendering
from tests.e2e.mesh.task import regular
from tests.e2e.node.native import native

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


CONFIG: Final = "proxy.istio.io/config"
PROBE: Final = {"httpGet": {"path": "/", "port": 8080}}

INITS: Final = [{"name": "fetch", "image": "localhost/fetch:1"}, {"name": "unpack", "image": "localhost/unpack:1"}]
ALIEN: Final = {"name": "alien", "image": "localhost/alien:1", "restartPolicy": "Always"}
XCOM: Final = {"name": "airflow-xcom-sidecar", "image": "localhost/xcom:1", "command": ["sh", "-c", "sleep infinity"]}
OVERLAY: Final = {
    "name": "istio-proxy",
    "image": "auto",
    "resources": {"requests": {"cpu": "50m"}},
    "env": [{"name": "OWN", "value": "1"}],
    "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
}


def annotated(annotations: JSONObject) -> Callable[[JSONObject], None]:
    """Annotations of a user's."""
    return lambda pod: pod["metadata"]["annotations"].update(annotations)


def configured(**configuration: object) -> Callable[[JSONObject], None]:
    """A proxy's own configuration."""
    return annotated({CONFIG: json.dumps(configuration)})


def with_inits(*inits: JSONObject) -> Callable[[JSONObject], None]:
    """Init containers of the user's."""
    return lambda pod: pod["spec"].update(initContainers=list(inits))


def beside(*containers: JSONObject) -> Callable[[JSONObject], None]:
    """Further regular containers."""
    return lambda pod: pod["spec"]["containers"].extend(containers)


def first(container: JSONObject) -> Callable[[JSONObject], None]:
    """A regular container before the task's."""
    return lambda pod: pod["spec"]["containers"].insert(0, container)


def both(one: Callable[[JSONObject], None], other: Callable[[JSONObject], None]) -> Callable[[JSONObject], None]:
    """One change after the other."""

    def change(pod: JSONObject) -> None:
        one(pod)
        other(pod)

    return change


PODS: Final[dict[str, Callable[[JSONObject], None]]] = {
    "plain": annotated({}),
    "user-inits": with_inits(*INITS),
    "user-native-sidecar": with_inits(ALIEN, *INITS),
    "proxy-first": configured(holdApplicationUntilProxyStarts=True),
    "proxy-first-with-inits": both(configured(holdApplicationUntilProxyStarts=True), with_inits(*INITS)),
    "status-port-moved": annotated({"status.sidecar.istio.io/port": "15999"}),
    "status-port-in-config": configured(statusPort=15998),
    "status-port-allowed": annotated({"status.sidecar.istio.io/port": "15021"}),
    "no-status-port": annotated({"status.sidecar.istio.io/port": "0"}),
    "resources": annotated({"sidecar.istio.io/proxyCPU": "20m", "sidecar.istio.io/proxyMemoryLimit": "300Mi"}),
    "core-dump": annotated({"sidecar.istio.io/enableCoreDump": "true"}),
    "core-dump-with-inits": both(annotated({"sidecar.istio.io/enableCoreDump": "true"}), with_inits(*INITS)),
    "tproxy": annotated({"sidecar.istio.io/interceptionMode": "TPROXY"}),
    "versioned-image": annotated({"sidecar.istio.io/proxyImage": "localhost/proxyv2:1.31.1"}),
    "old-image": annotated({"sidecar.istio.io/proxyImage": "localhost/proxyv2:1.20.8"}),
    "readiness": annotated({"readiness.status.sidecar.istio.io/initialDelaySeconds": "7"}),
    "user-volume": annotated(
        {
            "sidecar.istio.io/userVolume": '{"own": {"emptyDir": {}}}',
            "sidecar.istio.io/userVolumeMount": '{"own": {"mountPath": "/own"}}',
        }
    ),
    "probed-task": lambda pod: pod["spec"]["containers"][0].update(ports=[{"name": "http", "containerPort": 8080}], readinessProbe=PROBE),
    "xcom": beside(XCOM),
    "overlaid": beside(OVERLAY),
    "overlaid-first": first(OVERLAY),
    "shared-processes": lambda pod: pod["spec"].update(shareProcessNamespace=True),
    "on-failure": lambda pod: pod["spec"].update(restartPolicy="OnFailure"),
    "not-root": lambda pod: pod["spec"].update(securityContext={"runAsUser": 50000, "fsGroup": 0}),
}
"""Pods, each with something that shows in the proxy or beside it."""

WITHOUT_HOOK: Final = frozenset({"status-port-moved", "status-port-in-config", "no-status-port", "old-image"})
HOOK_LEFT_OUT: Final = [{"op": "remove", "path": "/spec/initContainers/1/lifecycle"}]
"""Istio renders its drain hook there too, where it cannot work: see test_native_end.py; a proxy before 1.21 does not know it."""


@pytest.mark.parametrize("name", PODS)
def test_a_converted_pod_is_the_one_that_istio_renders_natively(rendered: PodNamespace, converted: PodNamespace, name: str) -> None:
    reference = rendering(rendered, PODS[name], USERS_HINT)

    assert "istio-proxy" in native(reference)
    assert differences(reference, rendering(converted, PODS[name], {})) == (HOOK_LEFT_OUT if name in WITHOUT_HOOK else [])


@pytest.mark.parametrize("name", PODS)
def test_a_pod_for_which_istio_got_the_hint_is_the_same(rendered: PodNamespace, hinted: PodNamespace, name: str) -> None:
    assert differences(rendering(rendered, PODS[name], USERS_HINT), rendering(hinted, PODS[name], {})) == []


@pytest.mark.parametrize("name", PODS)
def test_what_istio_is_not_annotated_for_it_renders_as_a_regular_container(rendered: PodNamespace, name: str) -> None:
    found = rendering(rendered, PODS[name], {})
    assert "istio-proxy" not in native(found)
    assert "istio-proxy" in regular(found)
