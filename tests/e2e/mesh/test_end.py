"""Pods end beside Istio's real sidecar, in every mix of what moves it: its place among the containers, its ports, the task's code."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.e2e.mesh.task import assert_runs_on, ended, is_from_envoy, regular, request, status_of
from tests.e2e.node.pods import operator_pod, shell
from webhook import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


STATUS_PORT: Final = "status.sidecar.istio.io/port"
PROXY_CONFIG: Final = "proxy.istio.io/config"


class Ports(NamedTuple):
    """Where the proxy's ports are: by annotation of the pod, and by its proxy's configuration."""

    annotations: JSONObject
    configuration: JSONObject


USUAL: Final = Ports({}, {})
STATUS_MOVED: Final = {
    "status-port-moved": Ports({STATUS_PORT: "15999"}, {}),
    "status-port-moved-in-config": Ports({}, {"statusPort": 15998}),
}
READY_MOVED: Final = Ports({}, {"proxyMetadata": {"ENVOY_STATUS_PORT": "15099"}})
NO_STATUS_PORT: Final = Ports({STATUS_PORT: "0"}, {})


class WrappedMix(NamedTuple):
    """A row of the table.

    Args:
        ports: See `Ports`.
        is_proxy_first: Whether the proxy comes first, and the task waits until it is ready (holdApplicationUntilProxyStarts).
        code: The task's.

    """

    ports: Ports
    is_proxy_first: bool
    code: int

    @property
    def annotations(self) -> dict[str, str]:
        """What the user writes on the pod."""
        configuration = {**self.ports.configuration, **({"holdApplicationUntilProxyStarts": True} if self.is_proxy_first else {})}
        return {**self.ports.annotations, **({PROXY_CONFIG: json.dumps(configuration)} if configuration else {})}


MIXES: Final = {
    f"{'proxy-first' if is_proxy_first else 'beside'}-{name}-{code}": WrappedMix(ports, is_proxy_first, code)
    for (name, ports), is_proxy_first, code in itertools.product({"usual": USUAL, **STATUS_MOVED}.items(), (False, True), (0, 3))
} | {
    # Without holdApplicationUntilProxyStarts: its postStart hook polls port 15021 alone, and would fail after its 60 s.
    f"beside-ready-port-moved-{code}": WrappedMix(READY_MOVED, False, code)
    for code in (0, 3)
}

WRAPPED: Final = {
    "treatment": "wrapped",
    "reason": "sidecars-quit",
    "main": "base",
    "entrypoint": "command",
    "shell": "image",
    "sidecars": {"istio-proxy": "quit"},
    "no_native": "unknown",
    "version": __version__,
}

WITHOUT_QUIT: Final = {f"beside-no-status-port-{code}": WrappedMix(NO_STATUS_PORT, False, code) for code in (0, 3)}


@pytest.fixture(scope="module")
def pods(namespace: PodNamespace, task_image: str, web: str) -> Iterator[dict[str, JSONObject]]:
    """Every row as a pod, all at once, as they were created; those that would run on are deleted in the end."""
    api = namespace.level.api
    requests = {name: f"{request(web)}; exit {mix.code}" for name, mix in MIXES.items()}
    scripts = requests | {name: f"exit {mix.code}" for name, mix in WITHOUT_QUIT.items()}
    rows = MIXES | WITHOUT_QUIT
    yield {
        name: api.create(operator_pod(namespace.name, name, shell(task_image, script), annotations=rows[name].annotations))
        for name, script in scripts.items()
    }
    for name in WITHOUT_QUIT:
        namespace.delete(name, grace_seconds=1)


@pytest.mark.parametrize(("name", "mix"), MIXES.items(), ids=MIXES)
def test_a_pod_ends_with_its_tasks_code_after_a_first_request_through_the_proxy(
    namespace: PodNamespace, pods: dict[str, JSONObject], name: str, mix: WrappedMix
) -> None:
    assert regular(pods[name]) == (["istio-proxy", "base"] if mix.is_proxy_first else ["base", "istio-proxy"])
    assert status_of(pods[name]) == WRAPPED

    end = namespace.end(name)
    base = ended(end, "base")
    assert is_from_envoy(base["message"])
    assert base["exitCode"] == mix.code
    assert ended(end, "istio-proxy")["exitCode"] == 0
    assert end.phase == ("Failed" if mix.code else "Succeeded")


@pytest.mark.parametrize(("name", "mix"), WITHOUT_QUIT.items(), ids=WITHOUT_QUIT)
def test_a_pod_whose_agent_serves_no_port_is_left_and_says_that_it_runs_on(
    namespace: PodNamespace, pods: dict[str, JSONObject], name: str, mix: WrappedMix
) -> None:
    assert status_of(pods[name]) == {
        "treatment": "left",
        "reason": "no-quit",
        "main": "base",
        "sidecars": {"istio-proxy": "keeps-running"},
        "no_native": "unknown",
        "version": __version__,
    }

    assert namespace.base_end(name)["exitCode"] == mix.code
    assert_runs_on(namespace, name)


def test_a_pod_with_the_proxy_first_whose_agent_serves_no_port_is_left_too(namespace: PodNamespace, task_image: str) -> None:
    """Only the decision: Istio's own postStart hook delays the task for 60 s, and then the kubelet kills the proxy."""
    mix = WrappedMix(NO_STATUS_PORT, is_proxy_first=True, code=0)
    sent = operator_pod(namespace.name, "proxy-first-no-status-port", shell(task_image, "exit 0"), annotations=mix.annotations)
    pod = namespace.level.api.create(sent, dryRun="All")

    assert regular(pod) == ["istio-proxy", "base"]
    assert status_of(pod)["reason"] == "no-quit"
