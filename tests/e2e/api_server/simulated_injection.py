"""Injectors as webhooks of the tests' own, SIMULATED: real configurations and calls, and what a second call makes of a pod.

They inject as `demo/simulated_injectors.py` does. Beyond that they have what decides whether a conversion survives them: an Istio that
obeys the annotation for native sidecars or does not know it, and how it searches for its proxy when it is called again (istio
pkg/kube/inject/inject.go RunTemplate: each list of containers is merged on its own). They cannot show what a real injector's template
makes of a pod, how it merges single fields, or what it does with a user's overrides.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import jsonpatch

from demo.simulated_injectors import inject_istio
from tests.e2e.api_server.scripted_webhook import Call, ScriptedReply, ScriptedWebhook, allowed, patched

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.simulated_injectors import Injector
    from tests.support.json_object import JSONObject


ISTIO: Final = "sidecar-injector.istio.io"
VAULT: Final = "vault.hashicorp.com"
"""The names of the real injectors' webhooks, or the ends of them."""

PROXY: Final = "istio-proxy"
NATIVE_SIDECAR: Final = "sidecar.istio.io/nativeSidecar"
STATUS: Final = "sidecar.istio.io/status"


@dataclass(frozen=True, slots=True)
class SimulatedIstio:
    """Istio's injector, where the mesh's default is a regular container.

    Args:
        version: The tag of its images.
        is_obeying: Whether it knows the annotation ``sidecar.istio.io/nativeSidecar`` (from 1.24 on).

    """

    version: str
    is_obeying: bool

    def __call__(self, pod: JSONObject) -> JSONObject:
        """The pod as it leaves it."""
        annotations = pod["metadata"].get("annotations") or {}
        if STATUS in annotations:
            return self._again(pod)
        if self.is_obeying or NATIVE_SIDECAR not in annotations:
            return self._with_version(inject_istio(pod))
        unread = {key: value for key, value in annotations.items() if key != NATIVE_SIDECAR}
        after = self._with_version(inject_istio({**pod, "metadata": {**pod["metadata"], "annotations": unread}}))
        after["metadata"]["annotations"][NATIVE_SIDECAR] = annotations[NATIVE_SIDECAR]
        return after

    def _again(self, pod: JSONObject) -> JSONObject:
        """Its template adds the proxy to the one list that it renders it in, if it is not there; a native one is moved from the other."""
        spec = pod["spec"]
        is_native = self.is_obeying and pod["metadata"]["annotations"].get(NATIVE_SIDECAR, "false") != "false"
        if PROXY in [container["name"] for container in spec["initContainers" if is_native else "containers"]]:
            return pod
        if is_native:
            after = self._with_version(inject_istio(without_istio(pod)))
            return {**after, "spec": {**after["spec"], "volumes": spec["volumes"]}}
        fresh = self._with_version(inject_istio({"metadata": {}, "spec": {"containers": [{"name": "base"}]}}))
        return {**pod, "spec": {**spec, "containers": [*spec["containers"], fresh["spec"]["containers"][-1]]}}

    def _with_version(self, pod: JSONObject) -> JSONObject:
        """A copy with images of its version."""
        after = copy.deepcopy(pod)
        for container in (*after["spec"]["containers"], *(after["spec"].get("initContainers") or ())):
            if container["name"] in {PROXY, "istio-init"}:
                container["image"] = f"docker.io/istio/proxyv2:{self.version}"
        return after


def without_istio(pod: JSONObject) -> JSONObject:
    """A copy without what Istio has injected."""
    metadata, spec = pod["metadata"], pod["spec"]
    injected = {"containers": PROXY, "initContainers": "istio-init", "volumes": "istio-envoy"}
    lists = {field: [one for one in spec[field] if one["name"] != name] for field, name in injected.items()}
    annotations = {key: value for key, value in metadata["annotations"].items() if key != STATUS}
    return {**pod, "metadata": {**metadata, "annotations": annotations}, "spec": {**spec, **lists}}


NEW_ISTIO: Final = SimulatedIstio("1.26.8", is_obeying=True)
OLD_ISTIO: Final = SimulatedIstio("1.20.8", is_obeying=False)


def inject_with_own_template(pod: JSONObject) -> JSONObject:
    """Istio with a template of the mesh's own that names istio-proxy under ``containers``: a native one stands in both lists (istio#56455)."""
    after = copy.deepcopy(NEW_ISTIO(pod))
    containers = after["spec"]["containers"]
    if PROXY not in [container["name"] for container in containers]:
        containers.append({"name": PROXY, "image": "registry.example.com/own:1"})
    return after


def annotated_for_vault(pod: JSONObject) -> JSONObject:
    """A copy of a pod, with the annotation for Vault's agent."""
    metadata = pod["metadata"]
    annotations = {**(metadata.get("annotations") or {}), "vault.hashicorp.com/agent-inject": "true"}
    return {**pod, "metadata": {**metadata, "annotations": annotations}}


def injecting(injector: Injector) -> Callable[[Call], ScriptedReply]:
    """Answer with the patch that makes of the pod what this injector makes of it; nothing, where that changes nothing."""

    def answer(call: Call) -> ScriptedReply:
        operations = jsonpatch.make_patch(call.pod, injector(call.pod)).patch
        return patched(call, operations) if operations else allowed(call)

    return answer


def injector_webhook(name: str, server: ScriptedWebhook, labels: JSONObject, reinvocation: str) -> JSONObject:
    """One webhook of a configuration, for the pods of the namespaces with these labels."""
    return {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "reinvocationPolicy": reinvocation,
        "clientConfig": server.client_config,
        "namespaceSelector": {"matchLabels": labels},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    }


def configuration(name: str, *webhooks: JSONObject) -> JSONObject:
    """A configuration with these webhooks."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": name}, "webhooks": list(webhooks)}
