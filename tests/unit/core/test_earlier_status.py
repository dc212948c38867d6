"""What an earlier review wrote counts, and whatever else stands in its place is no status."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Final

import pytest

from demo.simulated_injectors import inject_istio_native
from tests.support.pods import ABLE_CLUSTER, admitted
from tests.support.task_pods import FLUENT_BIT, after_conversion, annotated, istio_pod, native, regular_of, status_of, task_pod
from webhook.core import names
from webhook.core.admission import treat
from webhook.core.cluster import UNKNOWN_CLUSTER
from webhook.core.earlier_status import MAX_STATUS_CHARACTERS, read_earlier_status

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


def with_old_types(pod: JSONObject) -> JSONObject:
    """The pod as an injector writes it back that decodes it with types from before Kubernetes 1.28."""
    pod = copy.deepcopy(pod)
    for init in pod["spec"]["initContainers"]:
        init.pop("restartPolicy", None)
    return pod


def test_a_native_proxy_that_has_lost_its_mark_gets_it_back_and_the_status_and_a_warning_say_so(policy: Policy) -> None:
    """Seen with vault-k8s before 1.4 and agent-init-first; the API server refuses the pod for a probe."""
    treated = admitted(inject_istio_native(task_pod()), policy, ABLE_CLUSTER)[1]
    outcome, after = admitted(with_old_types(treated), policy, ABLE_CLUSTER)

    assert after["spec"] == treated["spec"]
    assert (status_of(after)["treatment"], status_of(after)["restored"]) == ("native", ["istio-proxy"])
    assert [warning for warning in outcome.warnings if "removed restartPolicy: Always from istio-proxy" in warning] != []
    assert admitted(after, policy, ABLE_CLUSTER)[0].operations == ()


def test_so_does_one_that_this_webhook_has_converted_and_that_has_no_field_of_a_native_sidecar(policy: Policy) -> None:
    treated = after_conversion(task_pod(FLUENT_BIT), policy)
    after = after_conversion(with_old_types(treated), policy)

    assert after["spec"] == treated["spec"]
    assert status_of(after)["restored"] == ["logs"]


def test_sidecars_that_lose_their_marks_one_after_the_other_are_reported_in_the_order_of_the_pod(policy: Policy) -> None:
    """Another webhook may remove the mark of a later one first."""
    second = {**FLUENT_BIT, "name": "second"}
    treated = after_conversion(task_pod(FLUENT_BIT, second), policy)
    logs, other = [init["name"] for init in treated["spec"]["initContainers"]]
    for lost in (other, logs):
        init = next(init for init in treated["spec"]["initContainers"] if init["name"] == lost)
        del init["restartPolicy"]
        treated = after_conversion(treated, policy)

    assert status_of(treated)["restored"] == [logs, other]
    assert admitted(treated, policy, ABLE_CLUSTER)[0].operations == ()


def test_an_init_container_that_was_never_native_stays_one(policy: Policy) -> None:
    """By its image it is a known sidecar; but it may run once, and end."""
    pod = task_pod(inits=({"name": "logs", "image": "fluent/fluent-bit:4.0.0"},))
    after = after_conversion(pod, policy)

    assert after["spec"]["initContainers"] == pod["spec"]["initContainers"]
    assert status_of(after)["reason"] == "no-sidecar"


def test_on_a_cluster_without_native_sidecars_it_is_not_called_native(policy: Policy) -> None:
    pod = with_old_types(inject_istio_native(task_pod()))
    outcome = treat(pod, policy, UNKNOWN_CLUSTER)

    assert outcome.result == "labelled"
    assert outcome.patched(pod)["spec"] == pod["spec"]
    assert outcome.status is not None
    assert outcome.status.sidecars == {}


NO_STATUS: Final = {
    "no JSON": "native",
    "a list": "[]",
    "another type": '{"sidecars": ["logs"]}',
    "a number": '{"sidecars": {"logs": 1}}',
    "nested without end": '{"sidecars":' * 10_000,
    "too long": json.dumps({"sidecars": {"logs": "native"}, "x": "y" * 40_000}),
}


@pytest.mark.parametrize("text", NO_STATUS.values(), ids=NO_STATUS)
def test_what_is_no_status_of_the_webhooks_counts_for_nothing(text: str, policy: Policy) -> None:
    pod = annotated(task_pod(inits=({"name": "logs", "image": "fluent/fluent-bit:4.0.0"},)), {names.STATUS_ANNOTATION: text})
    after = admitted(pod, policy, ABLE_CLUSTER)[1]

    assert "restartPolicy" not in after["spec"]["initContainers"][0]


def test_a_status_may_be_as_long_as_the_webhooks_longest() -> None:
    text = '{"reason": "sidecars-quit"}'

    assert read_earlier_status({names.STATUS_ANNOTATION: text.ljust(MAX_STATUS_CHARACTERS)}).reason == "sidecars-quit"
    assert read_earlier_status({names.STATUS_ANNOTATION: text.ljust(MAX_STATUS_CHARACTERS + 1)}).reason is None


def test_of_an_audited_pod_nothing_counts_that_would_have_been_done() -> None:
    status = {"treatment": "audited", "main": "base", "sidecars": {"logs": "native"}, "restored": ["logs"], "converted": ["logs"]}
    read = read_earlier_status({names.STATUS_ANNOTATION: json.dumps(status)})

    assert (read.main, read.sidecars, read.restored, read.converted) == ("base", {}, (), ())


def test_a_duplicate_of_a_proxy_whose_mark_was_removed_goes_and_the_proxy_is_native_again(policy: Policy) -> None:
    """Its injector searched the regular containers only, and another one dropped the mark of the native proxy."""
    pod = with_old_types(after_conversion(istio_pod(), policy))
    pod["spec"]["containers"].append(istio_pod()["spec"]["containers"][-1])
    after = after_conversion(pod, policy)

    assert regular_of(after) == ["base"]
    assert native(after, "istio-proxy")["startupProbe"]


def test_a_duplicate_of_a_plain_init_container_is_left_to_the_api_server(policy: Policy) -> None:
    """Two containers of one name: it refuses the pod, and names them."""
    pod = istio_pod(inits=({"name": "istio-proxy", "image": "busybox"},))

    assert str(treat(pod, policy, ABLE_CLUSTER).reason) == "duplicate-names"


def test_an_unknown_init_container_with_a_probe_is_left_to_the_api_server(policy: Policy) -> None:
    """It refuses the probe there; what the container was to be is not known."""
    pod = task_pod(inits=({"name": "mine", "image": "registry.example.com/mine:1", "startupProbe": {"exec": {"command": ["true"]}}},))
    outcome = treat(pod, policy, ABLE_CLUSTER)

    assert outcome.status is not None
    assert [operation for operation in outcome.operations if "initContainers" in operation["path"]] == []
