"""The controller beside faults, on a real API server: nothing is done twice, nothing is forgotten, and each fault is reported.

=====================================================  ==============================================================
fault                                                  where
=====================================================  ==============================================================
watch breaks off; 410, 409, 429, 500, no response,     here, each at every kind of request that the controller sends
response lost
API server restarted; namespace being deleted;         `test_reaper_watching.py`
leader killed between act and verification
the same at every moment                               `tests/unit/reaper/test_agenda_interleaved.py`
a right is missing, one by one                         here, and `tests/unit/reaper/test_controller.py` for quit requests
clock of a node or of a replica minutes off            `tests/unit/reaper/test_agenda.py`, `test_controller.py`
nothing gets through to a node                         here
all of these in a pass                                 `test_reaper_faults.py`, `test_reaper.py`, `node/test_reaper_disturbed.py`
=====================================================  ==============================================================
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.ended_pods import FAILED, SUCCEEDED, ended_pod
from tests.e2e.api_server.fake_kubelet import SilentKubelet, node_of
from tests.e2e.api_server.test_reaper_watching import (
    RIGHTS,
    SECONDS,
    SOON,
    deadline_of,
    events_on,
    finish,
    replica,
    until_accepted,
    until_ended,
)
from tests.e2e.faulty_proxy import FaultyProxy, ProxyFault, faulty_proxy
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.reaper_process import ControllerProcess, watching_reaper
from tests.e2e.rights import rule, user_who_may

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

_numbers: Final = itertools.count()


@pytest.fixture
def namespace(api_server: Level) -> Iterator[str]:
    with new_namespace(api_server.api, "faults", **NOT_OPTED_IN) as name:
        yield name


LIST: Final = r"/pods\?(?!.*watch=true)"
WATCH: Final = "watch=true"
DEADLINE: Final = r"/pods/[^/]*$"
LEASE: Final = r"/leases/"
EVENT: Final = r"/events$"
REQUESTS: Final = {LIST: "GET", WATCH: "GET", DEADLINE: "PATCH", LEASE: "PUT", EVENT: "POST"}
"""What the controller requests, by the method."""

FAULTS: Final[dict[str, dict[str, int]]] = {
    "429": dict.fromkeys(REQUESTS, 429),
    "500": dict.fromkeys(REQUESTS, 500),
    "409 and 410": {LIST: 410, WATCH: 410, DEADLINE: 409, LEASE: 409},
    "no response": dict.fromkeys(REQUESTS, 0),
}
"""The status with which the first of each of these requests is refused; 0: there is no response."""


@contextmanager
def replica_through(level: Level, namespace: str, faults: list[ProxyFault]) -> Iterator[tuple[ControllerProcess, FaultyProxy]]:
    """A controller of this namespace whose requests meet faults."""
    name = f"reaper-beside-faults-{next(_numbers)}"
    with ExitStack() as ends:
        ends.enter_context(user_who_may(level.server, name, *RIGHTS.values()))
        proxy, kubeconfig = ends.enter_context(faulty_proxy(level, name))
        proxy.faults += faults
        options = ("-n", namespace, "--lease", namespace, *SOON)
        yield ends.enter_context(watching_reaper(level, name, kubeconfig, *options)), proxy


def ends_once(level: Level, proxy: FaultyProxy, namespace: str) -> None:
    """A pod that was there before and one that comes later end, and get their deadline and their Events, with one patch each."""
    pods = [level.api.get(f"/api/v1/namespaces/{namespace}/pods/early")]
    until_ended(level, pods[0])
    pods.append(ended_pod(level, namespace, "late", FAILED))
    until_ended(level, pods[1])
    for pod in pods:
        finish(level, pod)
        until(lambda: "TaskPodEnded" in events_on(level, pod), "its end is reported", SECONDS)  # noqa: B023
    assert [proxy.succeeded("PATCH", path_of(pod)) for pod in pods] == [1, 1]


def until_reported(reaper: ControllerProcess, *what: str) -> None:
    """A failed request of each of these is logged, which follows the proxy's count."""
    for one in what:
        reaper.until_logged("request failed", what=one)


@pytest.mark.parametrize("kind", FAULTS)
def test_when_each_kind_of_request_is_refused_once_each_pod_is_ended_once(kind: str, api_server: Level, namespace: str) -> None:
    ended_pod(api_server, namespace, "early", FAILED)
    faults = [ProxyFault(REQUESTS[path], path, status) for path, status in FAULTS[kind].items()]
    with replica_through(api_server, namespace, faults) as (reaper, proxy):
        ends_once(api_server, proxy, namespace)
        until(lambda: [fault for fault in faults if fault.times] == [], "each request was refused once", SECONDS)

        if kind == "409 and 410":
            # Somebody else has written the Lease, or the pod has changed: both are read again, and that is all.
            until(lambda: len(reaper.logged("lease taken")) > 1, "it acts again", SECONDS)
            until_reported(reaper, f"pods of {namespace}")
            assert [line for line in reaper.logged("request failed") if line["problem"].startswith("409")] == []
            assert [line for line in reaper.logged("act") if line["detail"].startswith("409")] == []
        else:
            until_reported(reaper, f"pods of {namespace}", "lease", "event")
            reaper.until_logged("act", outcome="failed")


def test_when_the_response_to_each_kind_of_request_is_lost_nothing_is_done_twice(api_server: Level, namespace: str) -> None:
    ended_pod(api_server, namespace, "early", FAILED)
    faults = [ProxyFault(method, path, is_carried_out=True) for path, method in REQUESTS.items()]
    with replica_through(api_server, namespace, faults) as (reaper, proxy):
        ends_once(api_server, proxy, namespace)
        until(lambda: [fault for fault in faults if fault.times] == [], "each response was lost once", SECONDS)
        until_reported(reaper, f"pods of {namespace}", "lease", "event")


def test_when_the_watch_breaks_off_nothing_is_missed(api_server: Level, namespace: str) -> None:
    ended_pod(api_server, namespace, "early", FAILED)
    with replica_through(api_server, namespace, []) as (reaper, proxy):
        until_ended(api_server, api_server.api.get(f"/api/v1/namespaces/{namespace}/pods/early"))
        # Nothing can be watched while the second pod comes.
        proxy.faults.append(nothing_watched := ProxyFault("GET", WATCH, 503, times=1000))
        until(lambda: proxy.cut(WATCH) or reaper.logged("request failed"), "the watch is broken off", SECONDS)
        until(lambda: nothing_watched.times < 1000, "the watch is tried again", SECONDS)
        late = ended_pod(api_server, namespace, "late", FAILED)
        nothing_watched.times = 0
        until_accepted(reaper, "late")
        assert proxy.succeeded("PATCH", path_of(late)) == 1
        reaper.until_logged("request succeeds again")


ONE_RIGHT_LESS: Final[dict[str, tuple[dict[str, JSONObject], str, str]]] = {
    "list pods": ({"pods": rule("get watch patch", "pods")}, "request failed", "pods of"),
    "watch pods": ({"pods": rule("get list patch", "pods")}, "request failed", "pods of"),
    "patch pods": ({"pods": rule("get list watch", "pods")}, "act", "forbidden"),
    "create events": ({"events": rule("patch", "events")}, "request failed", "event"),
    "get leases": ({"leases": rule("create update", "leases", "coordination.k8s.io")}, "request failed", "lease"),
    "create leases": ({"leases": rule("get update", "leases", "coordination.k8s.io")}, "request failed", "lease"),
    "update leases": ({"leases": rule("get create", "leases", "coordination.k8s.io")}, "request failed", "lease"),
}
"""The rights that remain instead, and what the log then says. `get pods` is for quit requests: `test_controller.py`."""

NOT_NEEDED_TO_ACT: Final = frozenset({"watch pods", "create events"})


@pytest.mark.parametrize("right", ONE_RIGHT_LESS)
def test_the_controller_names_the_right_that_it_lacks_and_does_what_it_can(right: str, api_server: Level, namespace: str) -> None:
    instead, event, word = ONE_RIGHT_LESS[right]
    pod = ended_pod(api_server, namespace, "without", FAILED)
    with replica(api_server, namespace, {**RIGHTS, **instead}) as reaper:

        def is_named() -> bool:
            verb, resource = right.split()
            lines = [str(line) for line in reaper.logged(event)]
            return any(word in line and "403" in line and f'cannot {verb} resource "{resource}"' in line for line in lines)

        until(is_named, f"the missing right to {right} is named", SECONDS)
        if right in NOT_NEEDED_TO_ACT:
            until_ended(api_server, pod)
        else:
            assert reaper.logged("act", outcome="accepted") == []
            assert deadline_of(api_server, pod) is None


def test_without_the_right_to_patch_events_one_that_occurs_again_is_not_counted_and_the_right_is_named(
    api_server: Level, namespace: str
) -> None:
    pod = ended_pod(api_server, namespace, "left", SUCCEEDED)
    with replica(api_server, namespace) as first:
        until(lambda: "SidecarStuck" in events_on(api_server, pod), "the Event is written", SECONDS)
        assert first.end() == 0
    with replica(api_server, namespace, {**RIGHTS, "events": rule("create", "events")}) as second:
        line = second.until_logged("request failed", what="event")
    assert 'cannot patch resource "events"' in line["problem"]
    assert events_on(api_server, pod)["SidecarStuck"]["count"] == 1


def test_a_node_to_which_nothing_gets_through_is_reported_and_holds_up_no_other_pod(api_server: Level, namespace: str) -> None:
    with node_of(SilentKubelet(), api_server) as kubelet:
        ended_pod(api_server, namespace, "cut-off", FAILED, nodeName=kubelet.node)
        with replica(api_server, namespace, RIGHTS, "--methods", "quit,deadline") as reaper:
            until(lambda: kubelet.connections, "the API server connects to the kubelet", SECONDS)
            # It has no node, so that a quit request fails at once.
            ended_pod(api_server, namespace, "other", FAILED)
            reaper.until_logged("act", pod="other", method="quit", outcome="failed")
            line = reaper.until_logged("act", pod="cut-off", outcome="failed")
            assert (line["method"], line["container"]) == ("quit", "istio-proxy")
