"""What the webhook learns about a real cluster, and how soon: changing nodes, injectors, API servers that do not answer, missing rights."""

from __future__ import annotations

import itertools
import os
import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
import pytest
from kubernetes.config import incluster_config
from prometheus_client.parser import text_string_to_metric_families

from testbed.api import path_of
from testbed.manifest import watch_rules
from testbed.wait import until
from testbed.webhook import Webhook
from tests.e2e.api_server.nodes import make_node, nodes, remove_node, set_kubelet
from tests.e2e.levels import api_server_level
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.objects import created
from tests.e2e.registration import is_patched_in, registered, task_pod
from tests.e2e.rights import user_who_may
from webhook.core.cluster import ServerVersion
from webhook.core.version import Version
from webhook.kube.backoff import LONGEST_PAUSE_SECONDS
from webhook.kube.client import connect_in_pod
from webhook.kube.errors import RefusedError
from webhook.kube.reading import list_nodes, list_webhooks, read_server
from webhook.kube.view import ClusterResource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject


SOON_SECONDS: Final = 5
"""After an event, as docs/decisions/0011-watcher.md promises."""

WAIT_SECONDS: Final = 60
"""For the same on a busy machine; only a failing test reaches it."""

RECOVERY_SECONDS: Final = LONGEST_PAUSE_SECONDS + WAIT_SECONDS
NEW, OLD = "v1.34.2", "v1.28.15"
CHECK_SECONDS: Final = 1
"""Between two reads of the version and the injectors; short, so that the tests are fast."""

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Watching:
    """A webhook that watches the cluster it serves.

    Args:
        webhook: The process.
        api: An admin's client.

    """

    webhook: Webhook
    api: ApiClient

    @property
    def support(self) -> str:
        """Its present support for native sidecars."""
        return next(labels["support"] for name, labels, value in self._samples() if name == "native_support" and value == 1)

    def metric(self, metric: str, **labels: str) -> float:
        """One sample."""
        return next(value for name, given, value in self._samples() if name == metric and given == labels)

    def becomes(self, support: str, seconds: float = WAIT_SECONDS) -> JSONObject:
        """Wait for this support; the log line that reports it, which comes after the metric."""
        until(lambda: self.support == support, f"native sidecars are {support}", seconds)
        return until(lambda: self._last_change(support), f"the log says that native sidecars are {support}", WAIT_SECONDS)

    def problem(self, resource: ClusterResource) -> str:
        """The first problem that it logs about a resource."""
        lines = until(lambda: [line for line in self._problems() if line["resource"] == resource], f"trouble with {resource}", WAIT_SECONDS)
        return str(lines[0]["problem"])

    def is_ready(self) -> bool:
        """Whether it reports ready."""
        return httpx.get(self.webhook.ready_url, trust_env=False).is_success

    def _last_change(self, support: str) -> JSONObject | None:
        lines = [line for line in self.webhook.log if line["event"] == "native sidecars"]
        return lines[-1] if lines and lines[-1]["support"] == support else None

    def _problems(self) -> list[JSONObject]:
        return [line for line in self.webhook.log if line["event"] == "cannot read the cluster's state"]

    def _samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        text = httpx.get(self.webhook.metrics_url, trust_env=False).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield sample.name.removeprefix("airflow_sidecar_webhook_"), sample.labels, sample.value


@contextmanager
def watching(level: Level, kubeconfig: Path | None = None, **settings: str) -> Iterator[Watching]:
    """A webhook with a kubeconfig, by default an admin's, after its first read of the cluster's state."""
    settings = {"CLUSTER_POLL_SECONDS": str(CHECK_SECONDS), **settings}
    webhook = Webhook(level.place, f"watcher-{next(_numbers)}", settings, kubeconfig or level.server.kubeconfig)
    try:
        here = Watching(webhook, level.api)
        until(here.is_ready, "the webhook is ready", WAIT_SECONDS)
        yield here
    finally:
        assert webhook.end() == 0


def test_the_first_read_is_over_when_the_webhook_is_ready(api_server: Level) -> None:
    with nodes(api_server.api, a=NEW), watching(api_server) as here:
        assert here.support == "ready"
        line = here.becomes("ready")

    assert (line["before"], line["server"], line["oldest_kubelet"], line["node"]) == ("unknown", "1.34.4", "1.34.2", "a")


def test_a_cluster_that_gains_an_old_node_or_loses_it_is_another_one_within_seconds(api_server: Level) -> None:
    with nodes(api_server.api, a=NEW), watching(api_server) as here:
        make_node(here.api, "b", OLD)
        gained = here.becomes("old-kubelet")
        remove_node(here.api, "b")
        lost = here.becomes("ready")

        assert (gained["oldest_kubelet"], gained["node"], lost["node"]) == ("1.28.15", "b", "a")
        assert [line["event"] for line in here.webhook.log].count("native sidecars") == 3


def test_a_kubelet_that_is_replaced_counts_as_the_new_one(api_server: Level) -> None:
    with nodes(api_server.api, a=OLD, b=NEW), watching(api_server) as here:
        assert here.support == "old-kubelet"
        set_kubelet(here.api, "a", "v1.29.3-eks-7f9249a")
        here.becomes("ready")
        set_kubelet(here.api, "b", "newest")
        assert here.becomes("old-kubelet")["node"] == "b", "what cannot be read may be old"


def test_virtual_nodes_are_set_aside(api_server: Level) -> None:
    with nodes(api_server.api, a=NEW), watching(api_server) as here:
        make_node(here.api, "fargate", OLD, **{"eks.amazonaws.com/compute-type": "fargate"})
        make_node(here.api, "virtual", "v1.19.0-vk", type="virtual-kubelet")
        until(lambda: here.metric("cluster_nodes", type="virtual") == 2, "both are counted", WAIT_SECONDS)

        assert here.support == "ready"
        assert here.metric("cluster_nodes", type="regular") == 1


def test_a_cluster_without_nodes_has_the_oldest_that_may_come(api_server: Level, old_api_server: Level) -> None:
    with watching(api_server) as here, watching(old_api_server) as there:
        assert here.support == "ready", "1.31 may join"
        assert there.support == "old-kubelet", "1.29.0 may join"
        line = there.becomes("old-kubelet")

    assert line["server"] == "1.32.0", "what it emulates, not what it is"


def meshed_pod(namespace: str) -> JSONObject:
    """A task beside Istio's sidecar as a regular container."""
    pod = task_pod(namespace)
    pod["metadata"]["annotations"] = {"sidecar.istio.io/status": "{}"}
    pod["spec"]["containers"].append({"name": "istio-proxy", "image": "istio/proxyv2:1.28.0", "args": ["proxy", "sidecar"]})
    return pod


def test_the_next_pod_is_treated_by_the_nodes_that_are_there(api_server: Level) -> None:
    label = "watching-webhook"
    labels = {**NOT_OPTED_IN, label: "yes"}
    with ExitStack() as ends:
        ends.enter_context(nodes(api_server.api, a=NEW))
        here = ends.enter_context(watching(api_server))
        namespace = ends.enter_context(new_namespace(here.api, label, **labels))
        configuration = here.webhook.configuration(label, namespaceSelector={"matchLabels": labels})
        ends.enter_context(registered(here.api, configuration, partial(is_patched_in, namespace)))

        def native() -> list[str]:
            pod = here.api.create(meshed_pod(namespace), dryRun="All")
            return [one["name"] for one in pod["spec"].get("initContainers", ()) if one.get("restartPolicy") == "Always"]

        assert native() == ["istio-proxy"]
        make_node(here.api, "b", OLD)
        until(lambda: native() == [], "the sidecar stays a regular container", WAIT_SECONDS)
        remove_node(here.api, "b")
        until(lambda: native() == ["istio-proxy"], "the sidecar is native again", WAIT_SECONDS)


def test_an_injector_is_known_by_its_webhook(api_server: Level) -> None:
    selector = {"matchLabels": {"nobody": "has-this"}}
    with watching(api_server) as here:
        injector = here.webhook.configuration("istio-sidecar-injector", namespaceSelector=selector)
        injector["webhooks"][0]["name"] = "object.sidecar-injector.istio.io"
        here.api.create(injector)
        try:
            until(lambda: installed(here) == [["istio"]], "the injector is found", WAIT_SECONDS)
        finally:
            here.api.delete(path_of(injector))
        until(lambda: installed(here) == [["istio"], []], "its removal is found", WAIT_SECONDS)


def installed(here: Watching) -> list[list[str]]:
    """The injectors, each time that they changed."""
    return [line["installed"] for line in here.webhook.log if line["event"] == "injectors"]


def recovered(here: Watching) -> set[str]:
    """The resources that can be read again, by its log."""
    return {line["resource"] for line in here.webhook.log if line["event"] == "reading the cluster's state again"}


def test_what_is_known_outlives_the_api_server_and_is_put_right_when_it_is_back() -> None:
    with api_server_level("API server that is killed", ()) as level, nodes(level.api, a=NEW), watching(level) as here:
        level.server.stop(signal.SIGKILL)
        until(lambda: min(ages(here).values()) > SOON_SECONDS, "all that is known grows old", WAIT_SECONDS)
        assert here.support == "ready"
        assert here.is_ready()
        assert "Connection refused" in str([line["problem"] for line in here.webhook.log if "problem" in line])
        level.server.start()
        make_node(level.api, "b", OLD)
        here.becomes("old-kubelet", RECOVERY_SECONDS)
        until(lambda: max(ages(here).values()) < SOON_SECONDS, "all is fresh", RECOVERY_SECONDS)
        # An API server that has just started may no longer have the version of a list (410), so a resource may be lost and read once more.
        until(lambda: recovered(here) == set(ClusterResource), "the log says so of each resource", WAIT_SECONDS)


def test_an_api_server_that_freezes_changes_nothing_and_holds_up_no_end() -> None:
    with api_server_level("API server that is frozen", ()) as level, nodes(level.api, a=NEW), watching(level) as here:
        os.kill(level.server.pid, signal.SIGSTOP)
        try:
            until(lambda: min(ages(here).values()) > SOON_SECONDS, "all that is known grows old", WAIT_SECONDS)
            assert here.support == "ready"
            assert here.is_ready()
            assert here.webhook.end() == 0
        finally:
            os.kill(level.server.pid, signal.SIGCONT)


def ages(here: Watching) -> dict[str, float]:
    """Seconds since the last read of each resource."""
    return {resource: time.time() - here.metric("cluster_last_read_timestamp_seconds", resource=resource) for resource in ClusterResource}


def rights_without(resource: str, verb: str) -> list[JSONObject]:
    """The same but for one."""
    rules = watch_rules()
    (rule,) = (rule for rule in rules if rule["resources"] == [resource])
    rule["verbs"].remove(verb)
    return [rule for rule in rules if rule["verbs"]]


@contextmanager
def user_with(level: Level, rules: Sequence[JSONObject], name: str = "") -> Iterator[Path]:
    """The kubeconfig of a user, by default a new one, with these rights in effect, and no others."""
    with user_who_may(level.server, name or f"watching-user-{next(_numbers)}", *rules) as user:
        yield level.server.credentials.kubeconfig(level.server.server, user)


def test_the_rights_of_the_manifest_suffice(api_server: Level) -> None:
    with nodes(api_server.api, a=NEW), user_with(api_server, watch_rules()) as kubeconfig, watching(api_server, kubeconfig) as here:
        make_node(here.api, "b", OLD)
        here.becomes("old-kubelet")
        until(lambda: min(ages(here).values()) < CHECK_SECONDS, "it reads again", WAIT_SECONDS)

        assert {line["level"] for line in here.webhook.log} == {"info"}


MISSING: Final = {
    "list nodes": ("nodes", "list", ClusterResource.NODES, "unknown", 'cannot list resource "nodes" in API group "" at the cluster scope'),
    "watch nodes": ("nodes", "watch", ClusterResource.NODES, "ready", 'cannot watch resource "nodes" in API group "" at the cluster scope'),
    "list mutatingwebhookconfigurations": (
        "mutatingwebhookconfigurations",
        "list",
        ClusterResource.CONFIGURATIONS,
        "ready",
        'cannot list resource "mutatingwebhookconfigurations" in API group "admissionregistration.k8s.io" at the cluster scope',
    ),
}


@pytest.mark.parametrize(("of", "verb", "resource", "support", "problem"), MISSING.values(), ids=MISSING)
def test_a_missing_right_is_named_and_the_rest_is_known(
    api_server: Level, of: str, verb: str, resource: ClusterResource, support: str, problem: str
) -> None:
    with (
        nodes(api_server.api, a=NEW),
        user_with(api_server, rights_without(of, verb)) as kubeconfig,
        watching(api_server, kubeconfig) as here,
    ):
        assert here.problem(resource).endswith(problem)
        until(lambda: here.support == support, f"native sidecars are {support}", WAIT_SECONDS)
        assert here.metric("cluster_errors_total", resource=resource) > 0


def test_without_the_right_to_watch_an_old_node_is_seen_by_listing_again(api_server: Level) -> None:
    with (
        nodes(api_server.api, a=NEW),
        user_with(api_server, rights_without("nodes", "watch")) as kubeconfig,
        watching(api_server, kubeconfig) as here,
    ):
        here.problem(ClusterResource.NODES)
        make_node(here.api, "b", OLD)
        here.becomes("old-kubelet", RECOVERY_SECONDS)


def test_a_pod_speaks_as_its_service_account(api_server: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api, account = api_server.api, {"name": "watcher", "namespace": "default"}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    with (
        created(api, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}) as made,
        user_with(api_server, watch_rules(), "system:serviceaccount:default:watcher"),
    ):
        token = api.request("POST", f"{path_of(made)}/token", request).json()["status"]["token"]
        (tmp_path / "token").write_text(token)
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(api_server.server.credentials.authority_file))
        address = urlsplit(api_server.server.server)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(address.hostname))
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(address.port))
        client = connect_in_pod()

        assert read_server(client) == ServerVersion("v1.34.4", Version(1, 34, 4))
        assert len(list_nodes(client)) == 0
        assert "airflow-sidecar-webhook" in {webhook.configuration for webhook in list_webhooks(client)}
        with pytest.raises(RefusedError, match=r"403 .*system:serviceaccount:default:watcher"):
            client.get("/api/v1/secrets")


def test_a_switch_that_is_on_holds_without_any_right_and_off_reads_nothing(api_server: Level) -> None:
    with user_with(api_server, ()) as kubeconfig, watching(api_server, kubeconfig, NATIVE_SIDECARS="on") as on:
        assert on.support == "forced-on"
        assert "cannot list resource" in on.problem(ClusterResource.NODES)
    with watching(api_server, NATIVE_SIDECARS="off") as off:
        assert off.support == "forced-off"
        assert [line["event"] for line in off.webhook.log] == ["listening", "listening"]
