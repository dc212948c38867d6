"""An injector that would add its container a second time: whether our webhook may move it, by what the cluster's configurations say.

Istio's injector is SIMULATED (`simulated_injection.py` says what that cannot show): versions before 1.24 do not know the annotation that
keeps them from it. The configurations, which our webhook reads, and the refusal of a pod with two proxies are the API server's own.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from testbed.api import path_of
from testbed.wait import until
from tests.e2e.api_server.native_webhook import names, native_webhook, status_of, treated_by, unwatching_webhook
from tests.e2e.api_server.scripted_webhook import ScriptedWebhook
from tests.e2e.api_server.simulated_injection import (
    ISTIO,
    NEW_ISTIO,
    OLD_ISTIO,
    PROXY,
    SimulatedIstio,
    configuration,
    injecting,
    injector_webhook,
)
from tests.e2e.api_server.submission import stored
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.e2e.registration import registered, task_pod
from webhook.core.reasons import NotConvertedReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject


LABEL: Final = "reinjecting"
REGULAR: Final[tuple[str, JSONObject]] = "wrapped", {PROXY: NotConvertedReason.REINJECTION.value}
NATIVE: Final[tuple[str, JSONObject]] = "native", {}
REFUSED: Final[tuple[str, JSONObject]] = "refused", {}
"""What a status says: the treatment, and what was not converted."""

DUPLICATE: Final = 'name: Duplicate value: "istio-proxy"'

SOON_SECONDS: Final = 60
"""After a change, until a webhook that reads each second has noticed it."""

UNREADABLE: Final = SimulatedIstio("latest", is_obeying=False)
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Injector:
    """An injector with a configuration of its own.

    Args:
        api: An admin's client.
        labels: What brings the pods of a namespace to it.
        configuration: Its configuration.

    """

    api: ApiClient
    labels: dict[str, str]
    configuration: JSONObject

    def call_again(self, policy: str) -> None:
        """Change its reinvocation policy."""
        [webhook] = self.configuration["webhooks"]
        self.api.patch(path_of(self.configuration), {"webhooks": [{**webhook, "reinvocationPolicy": policy}]})

    def said(self, namespace: str) -> tuple[str, JSONObject]:
        """What the status of a task's pod says there, or that it is refused for its second proxy."""
        response = self.api.request("POST", f"/api/v1/namespaces/{namespace}/pods", task_pod(namespace), dryRun="All")
        if response.is_error:
            assert DUPLICATE in response.json()["message"]
            return REFUSED
        status = status_of(response.json())
        return status["treatment"], status.get("not_converted", {})


@contextmanager
def istio_injector(level: Level, istio: SimulatedIstio, policy: str) -> Iterator[Injector]:
    """Istio's injector alone; it is called after this webhook."""
    name = f"{LABEL}-{next(_numbers)}"
    labels = {LABEL: name}
    with ScriptedWebhook(injecting(istio)) as server, new_namespace(level.api, LABEL, **NOT_OPTED_IN, **labels) as alone:
        document = configuration(name, injector_webhook(f"rev.namespace.{ISTIO}", server, labels, policy))

        def is_called(api: ApiClient) -> bool:
            before = len(server.calls)
            api.create(task_pod(alone), dryRun="All")
            return len(server.calls) > before

        with registered(level.api, document, is_called):
            yield Injector(level.api, labels, document)


@pytest.mark.parametrize(
    ("istio", "policy", "said"),
    [
        pytest.param(OLD_ISTIO, "IfNeeded", REGULAR, id="old, may be called again"),
        pytest.param(OLD_ISTIO, "Never", NATIVE, id="old, is called once"),
        pytest.param(UNREADABLE, "IfNeeded", REGULAR, id="of an unknown version, may be called again"),
        pytest.param(UNREADABLE, "Never", NATIVE, id="of an unknown version, is called once"),
        pytest.param(NEW_ISTIO, "IfNeeded", NATIVE, id="obeys the annotation, may be called again"),
        pytest.param(NEW_ISTIO, "Never", NATIVE, id="obeys the annotation, is called once"),
    ],
)
@pytest.mark.parametrize("server", ["api_server", "newest_api_server"])
def test_a_proxy_becomes_native_unless_its_injector_may_be_called_again_and_would_add_another(
    server: str, istio: SimulatedIstio, policy: str, said: tuple[str, JSONObject], request: pytest.FixtureRequest
) -> None:
    level: Level = request.getfixturevalue(server)
    with (
        istio_injector(level, istio, policy) as injector,
        native_webhook(level) as webhook,
        treated_by(webhook, level.api, **injector.labels) as namespace,
    ):
        pod = stored(level.api, task_pod(namespace), namespace)

        assert injector.said(namespace) == said
        assert (PROXY in names(pod["spec"]["containers"])) == (said == REGULAR)
        assert (PROXY in names(pod["spec"]["initContainers"])) == (said == NATIVE)


def test_a_webhook_that_does_not_know_the_cluster_takes_it_that_the_injector_may_be_called_again(api_server: Level) -> None:
    with (
        istio_injector(api_server, OLD_ISTIO, "Never") as injector,
        unwatching_webhook(api_server) as webhook,
        treated_by(webhook, api_server.api, **injector.labels) as namespace,
    ):
        assert injector.said(namespace) == REGULAR


def test_a_configuration_that_changes_changes_the_decision_at_the_next_read(api_server: Level) -> None:
    """Until then such a pod is refused."""
    with (
        istio_injector(api_server, OLD_ISTIO, "Never") as injector,
        native_webhook(api_server, {"CLUSTER_POLL_SECONDS": "1"}) as webhook,
        treated_by(webhook, api_server.api, **injector.labels) as namespace,
    ):
        assert injector.said(namespace) == NATIVE
        injector.call_again("IfNeeded")
        until(lambda: injector.said(namespace) == REGULAR, "the proxy is not converted", SOON_SECONDS)
        injector.call_again("Never")
        until(lambda: injector.said(namespace) == NATIVE, "the proxy is moved", SOON_SECONDS)


@pytest.mark.parametrize(("istio", "is_accepted"), [(OLD_ISTIO, False), (NEW_ISTIO, True)], ids=["old", "new"])
def test_a_pod_whose_proxy_was_moved_is_refused_after_an_old_injector_and_accepted_after_a_new_one(
    api_server: Level, istio: SimulatedIstio, is_accepted: bool
) -> None:
    """What the rule is for: the API server takes no two containers of one name."""
    api = api_server.api
    with istio_injector(api_server, istio, "Never") as injector, native_webhook(api_server) as webhook:
        with treated_by(webhook, api, **injector.labels) as namespace:
            moved = stored(api, task_pod(namespace), namespace)
        with new_namespace(api, LABEL, **NOT_OPTED_IN, **injector.labels) as alone:
            moved["metadata"]["namespace"] = alone
            response = api.request("POST", f"/api/v1/namespaces/{alone}/pods", moved, dryRun="All")

    assert status_of(moved)["treatment"] == "native"
    assert response.is_success == is_accepted
    assert is_accepted or DUPLICATE in response.json()["message"]
