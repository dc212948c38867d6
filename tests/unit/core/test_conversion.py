"""Which sidecars become native, and which stay and why.

The pods have the shape that the injectors' sources give them, as far as a rule reads it. The tests of the mesh compare with real injectors.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from demo.simulated_injectors import inject_dapr, inject_istio, inject_linkerd
from tests.support.oracles.admission import apply_reply
from tests.support.oracles.pod_validation import validate
from tests.support.pods import ABLE_CLUSTER, admitted, container, review_of
from tests.support.task_pods import (
    COLLECTOR,
    CONSUL_MARKS,
    DAPR_MARKS,
    DAPRD,
    DATAPLANE,
    FLUENT_BIT,
    GCSFUSE,
    GCSFUSE_VOLUMES,
    GIT_SYNC,
    after_conversion,
    annotated,
    inits_of,
    istio_pod,
    native,
    not_converted,
    on_server,
    regular_of,
    status_of,
    task_pod,
    vault_pod,
)
from webhook.core import names
from webhook.core.admission import admit, treat
from webhook.core.catalogue import Catalogue
from webhook.core.cluster import UNKNOWN_CLUSTER, Cluster, NativeSupport
from webhook.core.conversion import can_be_native
from webhook.core.facts import read_facts
from webhook.core.pod import read_pod
from webhook.core.reasons import NotConvertedReason
from webhook.core.review import parse_review, render_review
from webhook.core.sidecar import parse_sidecars
from webhook.core.status import cluster_at_admission
from webhook.core.version import Version

if TYPE_CHECKING:
    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


# --- what is never moved ---


def test_a_container_that_ends_by_itself_to_do_its_work_is_not_started_again_and_again(policy: Policy) -> None:
    prefetch = {
        "name": "gke-gcsfuse-metadata-prefetch",
        "image": "gke.gcr.io/gcs-fuse-csi-driver-metadata-prefetch:v1.15.0",
        "securityContext": {"runAsUser": 65534},
    }
    pod = vault_pod(command=["vault"], args=["agent", "-exit-after-auth"])
    pod["spec"]["containers"].append(prefetch)

    assert not_converted(pod, policy) == {
        "vault-agent": NotConvertedReason.ONE_TIME,
        "gke-gcsfuse-metadata-prefetch": NotConvertedReason.NOT_CONVERTIBLE,
    }


ONE_AUTHENTICATION: Final = {
    "one dash": {"command": ["vault"], "args": ["agent", "-exit-after-auth"]},
    "two dashes": {"command": ["vault"], "args": ["agent", "--exit-after-auth=true"]},
    "in a shell": {"command": ["/bin/sh", "-ec"], "args": ["exec vault agent -config=/vault/agent.hcl -exit-after-auth"]},
    "in quotes": {"command": ["sh", "-c", "sh -c 'vault agent --exit-after-auth'"], "args": []},
    "before the next command": {"command": ["bash", "-euc", "(vault agent -exit-after-auth=1); sleep 1"], "args": []},
}


@pytest.mark.parametrize("fields", ONE_AUTHENTICATION.values(), ids=ONE_AUTHENTICATION)
def test_a_vault_agent_that_authenticates_once_stays(fields: JSONObject, policy: Policy) -> None:
    assert not_converted(vault_pod(**fields), policy) == {"vault-agent": NotConvertedReason.ONE_TIME}


LASTING_AUTHENTICATION: Final = {
    "switched off": {"command": ["vault"], "args": ["agent", "-exit-after-auth=false"]},
    "switched off in a shell": {"command": ["/bin/sh", "-ec"], "args": ["vault agent -exit-after-auth=F"]},
    "something like it": {"command": ["/bin/sh", "-ec"], "args": ["vault agent -config=/vault/-exit-after-auth.hcl"]},
}


@pytest.mark.parametrize("fields", LASTING_AUTHENTICATION.values(), ids=LASTING_AUTHENTICATION)
def test_a_vault_agent_that_goes_on_is_moved(fields: JSONObject, policy: Policy) -> None:
    assert inits_of(after_conversion(vault_pod(**fields), policy)) == ["vault-agent-init", "vault-agent"]


@pytest.mark.parametrize(
    "fields",
    [
        {"args": ["--one-time"]},
        {"args": ["--one-time=true"]},
        {"args": ["--one-time", "false"]},
        {"command": ["sh", "-c"], "args": ["git-sync --one-time"]},
    ],
    ids=str,
)
def test_a_git_sync_that_runs_once_stays(fields: JSONObject, policy: Policy) -> None:
    """A word of its own behind the flag is no value to Go."""
    assert regular_of(after_conversion(task_pod({**GIT_SYNC, **fields}), policy)) == ["base", "git-sync"]


@pytest.mark.parametrize("word", ["0", "f", "F", "false", "False", "FALSE"])
def test_a_git_sync_that_is_set_not_to_run_once_is_moved(word: str, policy: Policy) -> None:
    """Go's words for false (strconv.ParseBool), by which its flags are read."""
    assert inits_of(after_conversion(task_pod({**GIT_SYNC, "args": [f"--one-time={word}", "--repo=r"]}), policy)) == ["git-sync"]


def test_the_last_regular_container_is_never_moved(policy: Policy) -> None:
    """A pod of nothing but sidecars: what looks like one may be the task."""
    pod = istio_pod()
    pod["spec"]["containers"] = [container(pod, "istio-proxy")]

    assert regular_of(after_conversion(pod, policy)) == ["istio-proxy"]


@pytest.mark.parametrize("image", ["auto", "registry.example.com/mirror/proxyv2:1.24.2"])
def test_a_placeholder_that_istio_will_overlay_is_not_moved(image: str, policy: Policy) -> None:
    """Its injector moves it itself, with what the user customised (istio pkg/kube/inject/webhook.go moveContainer)."""
    pod = task_pod({"name": "istio-proxy", "image": image}, annotations={"sidecar.istio.io/inject": "true"})
    after = after_conversion(pod, policy)

    assert regular_of(after) == ["base", "istio-proxy"]
    assert after["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] == "true"


def test_the_driver_of_gcsfuse_takes_an_injected_sidecar_by_its_mount_and_user_and_so_does_the_webhook(policy: Policy) -> None:
    """A user's placeholder has an image or resources of his own (gcs-fuse-csi-driver pkg/webhook/parsers.go)."""
    placeholders = [{key: value for key, value in GCSFUSE.items() if key != left} for left in ("securityContext", "volumeMounts")]

    for placeholder in placeholders:
        after = after_conversion(task_pod(placeholder, volumes=GCSFUSE_VOLUMES), policy)
        assert status_of(after)["sidecars"] == {"gke-gcsfuse-sidecar": "placeholder"}
        assert regular_of(after) == ["base", "gke-gcsfuse-sidecar"]


def test_a_placeholder_is_neither_waited_for_nor_ended_nor_taken_for_the_task(policy: Policy) -> None:
    pod = task_pod({"name": "istio-proxy", "image": "mirror/proxyv2:1"})
    pod["spec"]["containers"].reverse()
    for one in pod["spec"]["containers"]:
        one["name"] = "etl" if one["name"] == "base" else one["name"]
    after = after_conversion(pod, policy, UNKNOWN_CLUSTER)

    assert (status_of(after)["treatment"], status_of(after)["main"]) == ("labelled", "etl")
    assert [one.get("command") for one in after["spec"]["containers"]] == [one.get("command") for one in pod["spec"]["containers"]]


def test_a_task_that_runs_a_sidecars_image_is_the_task(policy: Policy) -> None:
    pod = task_pod(FLUENT_BIT)
    container(pod, "base")["image"] = "registry.k8s.io/git-sync/git-sync:v4.4.2"

    assert regular_of(after_conversion(pod, policy)) == ["base"]


def test_a_sidecar_of_the_users_own_is_moved_only_where_he_says_so(policy: Policy) -> None:
    def pod(says: str) -> JSONObject:
        return task_pod({"name": "cache", "image": "redis:8"}, annotations={names.SIDECARS_ANNOTATION: f'[{{"name": "cache"{says}}}]'})

    assert not_converted(pod(""), policy) == {"cache": NotConvertedReason.NOT_CONVERTIBLE}
    assert not_converted(pod(', "native": false'), policy) == {"cache": NotConvertedReason.NOT_CONVERTIBLE}
    assert inits_of(after_conversion(pod(', "native": true'), policy)) == ["cache"]


def test_a_container_with_restarts_of_its_own_stays(policy: Policy) -> None:
    """KEP-5307, from 1.35 on: a native sidecar has neither another policy than Always nor rules."""
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    for fields in ({"restartPolicy": "OnFailure"}, {"restartPolicy": "Never", "restartPolicyRules": rules}):
        pod = task_pod({**FLUENT_BIT, **fields})
        after = annotated(copy.deepcopy(pod), {names.STATUS_ANNOTATION: ""})
        status = status_of(patched(pod, policy, on_server(35)))

        assert validate(after, 35) == []
        assert status["not_converted"] == {"logs": NotConvertedReason.OWN_RESTARTS}


def patched(pod: JSONObject, policy: Policy, cluster: Cluster) -> JSONObject:
    """The pod after one pass on a server newer than the oracle of `admitted` assumes."""
    question = review_of(pod)
    request = parse_review(question)
    outcome = admit(request, policy, cluster)
    return apply_reply(question, render_review(request.uid, outcome.operations, outcome.warnings))


def test_a_sidecar_that_mounts_a_volume_of_gcsfuse_stays(policy: Policy) -> None:
    """Its driver serves no init container (gcs-fuse-csi-driver issue #38)."""
    pod = task_pod({**FLUENT_BIT, "volumeMounts": [{"name": "bucket", "mountPath": "/bucket"}]})
    pod["spec"]["volumes"].append({"name": "bucket", "csi": {"driver": "gcsfuse.csi.storage.gke.io"}})

    assert not_converted(pod, policy) == {"logs": NotConvertedReason.CSI_VOLUME}
    pod["spec"]["volumes"][-1]["csi"]["driver"] = "secrets-store.csi.k8s.io"
    assert not_converted(pod, policy) == {}


WITHOUT_RULE: Final = {
    "Kuma, whose control plane looks among the regular containers": ({"name": "kuma-sidecar", "image": "kumahq/kuma-dp:2.10"}, {"annotations": {"kuma.io/sidecar-injected": "true"}}),
    "Datadog, whose injector looks there only": ({"name": "datadog-agent-injected", "image": "datadog/agent:7"}, {}),
    "App Mesh, whose injector looks there only": ({"name": "envoy", "image": "aws-appmesh-envoy:v1", "env": [{"name": "APPMESH_RESOURCE_ARN", "value": "x"}]}, {}),
    "Azure's proxy, which its webhook would add again": ({"name": "azwi-proxy", "image": "mcr.microsoft.com/oss/azure/workload-identity/proxy:v1.5.0", "args": ["--proxy-port=8000"]}, {}),
    "the Cloud SQL operator's proxy, which it would add again": (
        {"name": "csql-ns-db", "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2", "env": [{"name": "CSQL_PROXY_USER_AGENT", "value": "cloud-sql-proxy-operator/1"}]}, {}),
    "an Istio agent without Envoy": ({"name": "istio-proxy", "image": "istio/proxyv2:1.26.8", "args": ["proxy", "sidecar"], "env": [{"name": "DISABLE_ENVOY", "value": "true"}]}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("sidecar", "marks"), WITHOUT_RULE.values(), ids=WITHOUT_RULE)
def test_a_sidecar_that_somebody_searches_among_the_regular_containers_stays(
    sidecar: JSONObject, marks: JSONObject, policy: Policy
) -> None:
    assert not_converted(task_pod(sidecar, **marks), policy) == {sidecar["name"]: NotConvertedReason.NOT_CONVERTIBLE}


LINKERD_VERSIONS: Final = {
    "stable-2.14.10": False,
    "edge-24.4.4": False,
    "enterprise-2.15.6": False,
    "": False,
    "edge": False,
    "2.18.0": False,
    "edge-24.5.1": True,
    "edge-26.5.2": True,
    "stable-2.16.0": True,
    "enterprise-2.18.1": True,
}
"""Whether the rest of that Linkerd finds a native proxy; not where nothing is known."""


@pytest.mark.parametrize("version", LINKERD_VERSIONS)
def test_linkerds_proxy_stays_regular_where_the_rest_of_linkerd_would_not_find_a_native_one(version: str, policy: Policy) -> None:
    proxy, init = {"name": "linkerd-proxy", "image": "linkerd/proxy"}, {"name": "linkerd-init", "image": "linkerd/proxy-init"}
    denying = {**proxy, "env": [{"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": "deny"}]}
    marks = {"linkerd.io/proxy-version": version}
    by_plugin = task_pod(proxy, inits=({"name": "linkerd-network-validator", "image": "linkerd/proxy-init"},), annotations=marks)

    for pod in (by_plugin, task_pod(denying, inits=(init,), annotations=marks)):
        assert not_converted(pod, policy) == ({} if LINKERD_VERSIONS[version] else {"linkerd-proxy": NotConvertedReason.OLD_MESH})
    assert not_converted(task_pod(proxy, inits=(init,), annotations=marks), policy) == {}


ISTIO_IMAGES: Final = {
    "istio/proxyv2:1.18.7": False,
    "istio/proxyv2:1.19.0": True,
    "istio/proxyv2:1.26.8-distroless": True,
    "openshift-service-mesh/proxyv2-rhel8:2.5.2": False,
    f"openshift-service-mesh/proxyv2-rhel8@sha256:{64 * '0'}": False,
}
"""Whether the CNI plugin of that Istio finds a native proxy; not where nothing is known."""


@pytest.mark.parametrize("image", ISTIO_IMAGES)
def test_istios_proxy_stays_regular_where_its_cni_plugin_would_not_find_a_native_one(image: str, policy: Policy) -> None:
    proxy = {"name": "istio-proxy", "image": image, "args": ["proxy", "sidecar"]}
    marks = {"sidecar.istio.io/status": "{}"}
    by_plugin = task_pod(proxy, annotations=marks, inits=({"name": "istio-validation", "image": image},))
    by_init = task_pod(proxy, annotations=marks, inits=({"name": "istio-init", "image": image},))

    assert not_converted(by_plugin, policy) == ({} if ISTIO_IMAGES[image] else {"istio-proxy": NotConvertedReason.OLD_MESH})
    assert not_converted(by_plugin, policy, msgspec.structs.replace(ABLE_CLUSTER, injector_versions={"istio": Version(1, 19)})) == {}
    old = admitted(by_plugin, policy, msgspec.structs.replace(ABLE_CLUSTER, injector_versions={"istio": Version(1, 18, 7)}))[1]
    assert status_of(old)["not_converted"] == {"istio-proxy": NotConvertedReason.OLD_MESH}
    assert treat(old, policy, cluster_at_admission(old) or ABLE_CLUSTER).reason == "sidecars-quit", "as long as it lives"
    assert not_converted(by_init, policy) == {}


def test_every_reason_not_to_convert_a_sidecar_has_a_test() -> None:
    source = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))

    assert [reason for reason in NotConvertedReason if f"NotConvertedReason.{reason.name}" not in source] == []


# --- injectors that come again ---


CALLED_ONCE: Final = frozenset[str]()
UNKNOWN: Final = None
AGAIN: Final = frozenset({"istio", "dapr"})


@pytest.mark.parametrize(
    ("version", "reinvoked", "is_moved"),
    [
        (Version(1, 24), AGAIN, True),
        (Version(1, 24), UNKNOWN, True),
        (Version(1, 30, 3), AGAIN, True),
        (Version(1, 23, 6), CALLED_ONCE, True),
        (Version(1, 23, 6), AGAIN, False),
        (Version(1, 23, 6), UNKNOWN, False),
        (None, CALLED_ONCE, True),
        (None, AGAIN, False),
        (None, UNKNOWN, False),
    ],
)
def test_istios_proxy_is_moved_where_its_injector_obeys_the_annotation_or_comes_no_more(
    version: Version | None, reinvoked: frozenset[str] | None, is_moved: bool, policy: Policy
) -> None:
    """Else it would add a second istio-proxy among the regular containers, and the pod would be refused."""
    assert not_converted(istio_pod(), policy, of_version("istio", version, reinvoked)) == (
        {} if is_moved else {"istio-proxy": NotConvertedReason.REINJECTION}
    )


def of_version(injector: str, version: Version | None, reinvoked: frozenset[str] | None) -> Cluster:
    """A cluster whose configuration of this injector names this version."""
    versions = {injector: version} if version else {}
    return Cluster(NativeSupport.READY, Version(1, 34, 4), frozenset(), reinvoked, injector_versions=versions)


@pytest.mark.parametrize("image", ["istio/proxyv2:1.30.3", "registry:5000/mesh/proxyv2:1.99", "istio/proxyv2@sha256:00"])
def test_an_images_tag_which_the_pod_may_set_never_shows_what_the_injector_does_when_it_is_called_again(image: str, policy: Policy) -> None:
    assert not_converted(istio_pod(image=image), policy, of_version("istio", None, AGAIN)) == {
        "istio-proxy": NotConvertedReason.REINJECTION
    }
    assert not_converted(
        task_pod({**DAPRD, "image": "mirror/daprd:2024.10"}, labels=DAPR_MARKS), policy, of_version("dapr", None, AGAIN)
    ) == {"daprd": NotConvertedReason.REINJECTION}


def test_istio_with_another_template_does_not_obey_its_annotation(policy: Policy) -> None:
    pod = annotated(istio_pod(), {"inject.istio.io/templates": "sidecar,spire"})

    assert not_converted(pod, policy, of_version("istio", Version(1, 30), AGAIN)) == {"istio-proxy": NotConvertedReason.REINJECTION}
    assert not_converted(pod, policy, of_version("istio", Version(1, 30), CALLED_ONCE)) == {}


@pytest.mark.parametrize(
    ("version", "reinvoked", "is_moved"),
    [
        (Version(1, 18), AGAIN, True),
        (Version(1, 17, 9), CALLED_ONCE, True),
        (Version(1, 17, 9), AGAIN, False),
        (Version(1, 17, 9), UNKNOWN, False),
        (None, AGAIN, False),
    ],
)
def test_daprs_sidecar_is_moved_where_its_injector_searches_both_lists_or_comes_no_more(
    version: Version | None, reinvoked: frozenset[str] | None, is_moved: bool, policy: Policy
) -> None:
    cluster = of_version("dapr", version, reinvoked)
    pod = task_pod(DAPRD, labels=DAPR_MARKS)

    assert not_converted(pod, policy, cluster) == ({} if is_moved else {"daprd": NotConvertedReason.REINJECTION})


@pytest.mark.parametrize(
    ("pod", "name"),
    [
        (vault_pod(), "vault-agent"),
        (inject_linkerd(task_pod(annotations={"linkerd.io/inject": "enabled"})), "linkerd-proxy"),
        (task_pod(DATAPLANE, annotations=CONSUL_MARKS), "consul-dataplane"),
        (task_pod(COLLECTOR), "otc-container"),
        (task_pod(GCSFUSE, volumes=GCSFUSE_VOLUMES), "gke-gcsfuse-sidecar"),
    ],
)
def test_an_injector_that_finds_its_own_mark_or_container_may_come_again(pod: JSONObject, name: str, policy: Policy) -> None:
    everybody_again = Cluster(
        NativeSupport.READY, Version(1, 34, 4), frozenset(), frozenset({"vault", "linkerd", "consul", "opentelemetry-operator", "gcsfuse"})
    )

    assert name in inits_of(after_conversion(pod, policy, everybody_again))


def test_a_moved_proxy_of_istio_is_marked_for_its_injector(policy: Policy) -> None:
    annotations = after_conversion(istio_pod(), policy)["metadata"]["annotations"]
    status = json.loads(annotations["sidecar.istio.io/status"])

    assert annotations["sidecar.istio.io/nativeSidecar"] == "true"
    assert status["initContainers"] == ["istio-init", "istio-proxy"]
    assert status["containers"] is None
    assert status["revision"] == "default"


STATUSES: Final = {
    "another container stays in its list": (
        '{"initContainers":["istio-init"],"containers":["istio-proxy","other"]}',
        '{"initContainers":["istio-init","istio-proxy"],"containers":["other"]}',
    ),
    "no list of init containers": ('{"containers":["istio-proxy"]}', '{"containers":null,"initContainers":["istio-proxy"]}'),
    "null for the list of init containers": (
        '{"initContainers":null,"containers":["istio-proxy"]}', '{"initContainers":["istio-proxy"],"containers":null}'),
    "fields that nobody knows": ('{"containers":["istio-proxy"],"new":[1,{"a":2}]}', '{"containers":null,"new":[1,{"a":2}],"initContainers":["istio-proxy"]}'),
    "the proxy is not in it": ('{"initContainers":[],"containers":["x"]}', None),
    "no JSON": ("injected", None),
    "empty": ("", None),
    "a list": ("[]", None),
    "a list of another type": ('{"containers":"istio-proxy"}', None),
    "init containers of another type": ('{"containers":["istio-proxy"],"initContainers":{"a":1}}', None),
    "deeper than any": ("[" * 10_000, None),
}  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), STATUSES.values(), ids=STATUSES)
def test_istios_status_annotation_is_moved_along_or_left_as_it_is(given: str, expected: str | None, policy: Policy) -> None:
    after = after_conversion(annotated(istio_pod(), {"sidecar.istio.io/status": given}), policy)

    assert inits_of(after) == ["istio-init", "istio-proxy"]
    assert after["metadata"]["annotations"]["sidecar.istio.io/status"] == (given if expected is None else expected)


@pytest.mark.parametrize(("characters", "is_moved"), [(32 * 1024, True), (32 * 1024 + 1, False)])
def test_a_record_of_more_than_32_ki_characters_stays_as_it_is(characters: int, *, is_moved: bool, policy: Policy) -> None:
    text = '{"containers":["istio-proxy"],"new":""}'
    text = text.replace('"new":""', f'"new":"{"x" * (characters - len(text))}"')
    after = after_conversion(annotated(istio_pod(), {"sidecar.istio.io/status": text}), policy)

    assert len(text) == characters
    assert (after["metadata"]["annotations"]["sidecar.istio.io/status"] != text) is is_moved


def test_a_status_annotation_that_is_not_there_is_not_made_up(policy: Policy) -> None:
    pod = istio_pod()
    del pod["metadata"]["annotations"]["sidecar.istio.io/status"]
    after = after_conversion(pod, policy)

    assert inits_of(after) == ["istio-init", "istio-proxy"]
    assert "sidecar.istio.io/status" not in after["metadata"]["annotations"]


# --- environment, resizing, ports ---


@pytest.mark.parametrize("env", [None, [], [{"name": "OTHER", "value": "1"}]])
def test_gcsfuse_gets_the_variable_for_native(env: list[JSONObject] | None, policy: Policy) -> None:
    """Without it SIGTERM waits for an exit file that nobody writes."""
    after = after_conversion(task_pod(GCSFUSE if env is None else {**GCSFUSE, "env": env}, volumes=GCSFUSE_VOLUMES), policy)

    assert native(after, "gke-gcsfuse-sidecar")["env"] == [*(env or ()), {"name": "NATIVE_SIDECAR", "value": "TRUE"}]


def test_gcsfuse_with_the_variable_gets_no_second_one(policy: Policy) -> None:
    env = [{"name": "NATIVE_SIDECAR", "value": "TRUE"}]

    assert native(after_conversion(task_pod({**GCSFUSE, "env": env}, volumes=GCSFUSE_VOLUMES), policy), "gke-gcsfuse-sidecar")["env"] == env


def test_gcsfuse_with_another_value_stays(policy: Policy) -> None:
    pod = task_pod({**GCSFUSE, "env": [{"name": "NATIVE_SIDECAR", "value": "FALSE"}]}, volumes=GCSFUSE_VOLUMES)

    assert not_converted(pod, policy) == {"gke-gcsfuse-sidecar": NotConvertedReason.OPTED_OUT}


@pytest.mark.parametrize(("minor", "keeps"), [(29, False), (32, False), (33, True), (34, True)])
def test_a_resize_policy_goes_where_the_server_refuses_it_on_an_init_container(minor: int, keeps: bool, policy: Policy) -> None:
    resize = [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]
    after = native(after_conversion(task_pod({**FLUENT_BIT, "resizePolicy": resize}), policy, on_server(minor)), "logs")

    assert after.get("resizePolicy") == (resize if keeps else None)


def test_a_resize_policy_goes_where_the_server_is_not_known(policy: Policy) -> None:
    pod = task_pod({**FLUENT_BIT, "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]})

    assert "resizePolicy" not in native(after_conversion(pod, policy, Cluster(NativeSupport.FORCED_ON)), "logs")


def test_a_sidecar_with_a_port_of_the_host_stays(policy: Policy) -> None:
    pod = task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020, "hostPort": 2020}]})

    assert not_converted(pod, policy) == {"logs": NotConvertedReason.HOST_PORT}


@pytest.mark.parametrize(
    ("minor", "reasons"), [(29, {"logs": NotConvertedReason.NAMED_PORT}), (31, {"logs": NotConvertedReason.NAMED_PORT}), (32, {})]
)
def test_a_sidecar_with_a_named_port_stays_until_services_see_it(minor: int, reasons: dict[str, str], policy: Policy) -> None:
    pod = task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020, "name": "metrics"}]})

    assert not_converted(pod, policy, on_server(minor)) == reasons


def test_a_port_without_a_name_holds_no_sidecar_back(policy: Policy) -> None:
    assert not_converted(task_pod({**FLUENT_BIT, "ports": [{"containerPort": 2020}]}), policy, on_server(29)) == {}


@pytest.mark.parametrize(
    ("inject", "mark"),
    [(inject_istio, "sidecar.istio.io/inject"), (inject_linkerd, "linkerd.io/inject"), (inject_dapr, "dapr.io/enabled")],
)
def test_named_ports_that_an_injector_gives_its_own_container_are_used_by_no_service(inject: Injector, mark: str, policy: Policy) -> None:
    pod = inject(task_pod(annotations={mark: "enabled" if "linkerd" in mark else "true"}))

    assert [one for one in regular_of(pod) if one != "base"] != []
    assert regular_of(after_conversion(pod, policy, on_server(29))) == ["base"]


def test_a_user_port_on_istios_proxy_holds_it_back(policy: Policy) -> None:
    pod = istio_pod(ports=[{"containerPort": 15090, "name": "http-envoy-prom"}, {"containerPort": 8080, "name": "web"}])

    assert not_converted(pod, policy, on_server(31)) == {"istio-proxy": NotConvertedReason.NAMED_PORT}


def test_a_container_that_is_added_again_goes_while_another_sidecar_is_converted(policy: Policy) -> None:
    """An injector that searches the regular containers only, called for a converted pod that is created anew."""
    pod = after_conversion(vault_pod(), policy)
    pod["spec"]["containers"] += [copy.deepcopy(native(pod, "vault-agent")), copy.deepcopy(FLUENT_BIT)]
    del pod["spec"]["containers"][-2]["restartPolicy"]
    after = treat(pod, policy, ABLE_CLUSTER).patched(pod)

    assert regular_of(after) == ["base"]
    assert sorted(inits_of(after)) == ["logs", "vault-agent", "vault-agent-init"]


XRAY: Final = {"name": "xray-daemon", "image": "public.ecr.aws/xray/aws-xray-daemon:3"}
"""A sidecar that cannot be native by the catalogue."""


def without_mark(init: JSONObject) -> JSONObject:
    """An init container that was native, as its field shows."""
    return {**init, "startupProbe": {"exec": {"command": ["true"]}}}


@pytest.mark.parametrize("sidecar", [None, FLUENT_BIT, XRAY], ids=["no sidecar", "one that becomes native", "one that does not"])
def test_a_native_sidecar_gets_its_mark_back_whatever_is_beside_it(sidecar: JSONObject | None, policy: Policy) -> None:
    lost = without_mark({**FLUENT_BIT, "name": "first"})
    after = after_conversion(task_pod(*([sidecar] if sidecar else []), inits=(lost,)), policy)

    assert native(after, "first")["image"] == FLUENT_BIT["image"]
    assert ("xray-daemon" in regular_of(after)) == (sidecar == XRAY)


def test_a_native_sidecar_of_a_row_that_does_not_say_how_to_convert_one_stays_as_it_is(policy: Policy) -> None:
    daemon = {**XRAY, "restartPolicy": "Always"}

    assert after_conversion(task_pod(inits=(daemon,)), policy)["spec"]["initContainers"] == [daemon]


def test_a_startup_probe_that_a_sidecar_must_have_takes_its_port_from_the_pod(policy: Policy) -> None:
    """An administrator's row may say so."""
    convert = {
        "requires_startup_probe": True,
        "startup_probe": {"httpGet": {"path": "/ready", "port": "{port}"}},
        "startup_port_from": {"annotation": "example.com/port"},
    }
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["own"]}, "native": {"convert": convert}}
    own = dataclasses.replace(policy, catalogue=Catalogue(parse_sidecars([row])))
    sidecar = {"name": "own", "image": "own:1"}

    converted = after_conversion(task_pod(sidecar, annotations={"example.com/port": "9000"}), own)
    assert native(converted, "own")["startupProbe"]["httpGet"] == {"path": "/ready", "port": 9000}
    assert not_converted(task_pod(sidecar), own) == {"own": NotConvertedReason.NO_PROBE}


def test_an_unknown_container_can_be_native_only_where_it_is_surely_not_the_task(policy: Policy) -> None:
    """The remedy for it says so."""

    def is_possible(pod: JSONObject) -> bool:
        facts = read_facts(read_pod(pod), policy.catalogue)
        return can_be_native(facts.pod.spec.containers[-1], facts, ABLE_CLUSTER)

    uploader = {"name": "uploader", "image": "registry.example.com/uploader:1"}
    unclear = istio_pod()
    unclear["metadata"]["labels"] = {"kubernetes_pod_operator": "True"}
    unclear["spec"]["containers"] = [{"name": "etl", "image": "registry.example.com/etl:1"}, uploader]

    assert is_possible(task_pod(uploader))
    assert not is_possible(task_pod({**uploader, "ports": [{"containerPort": 80, "hostPort": 80}]}))
    assert not is_possible(unclear)


def test_a_duplicate_that_is_removed_counts_for_nothing_in_the_order_of_the_others(policy: Policy) -> None:
    """Its requests are as large as the init container's, and would hide that another order raises the pod's."""
    amounts = {"requests": {"memory": "1Gi"}}
    duplicate = {**FLUENT_BIT, "name": "again", "resources": amounts}
    prepare = {"name": "prepare", "image": "busybox", "resources": amounts}
    pod = task_pod({**FLUENT_BIT, "resources": amounts}, duplicate, inits=({**duplicate, "restartPolicy": "Always"}, prepare))
    after = after_conversion(pod, policy)
    del pod["spec"]["containers"][-1]

    assert inits_of(after) == inits_of(after_conversion(pod, policy))
    assert regular_of(after) == ["base"]
