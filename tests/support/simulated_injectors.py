"""SIMULATED injectors for whole rounds of admission: what decides whether a pod survives them together with another webhook.

Beside those of `demo/simulated_injectors.py` they have each injector's own words for yes and no, what it makes of a user's placeholder, how it
looks for its own container when it is called again, and what injectors do that no row of the catalogue knows: put a container first, start
the task by a program of their own, drop fields that their types do not have. They cannot show what a real injector's template makes of a pod.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from demo.simulated_injectors import inject_dapr, inject_istio, inject_istio_native, inject_istio_with_hold, inject_linkerd, inject_vault
from tests.support.simulated_kubelet import image_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.json_object import JSONObject

GO_TRUE: Final = frozenset({"1", "t", "T", "true", "True", "TRUE"})
"""strconv.ParseBool."""

ISTIO_YES: Final = frozenset({"y", "yes", "true", "on"})
"""In any case; "" counts as nothing said (istio pkg/kube/inject/inject.go injectRequired)."""

DAPR_YES: Final = frozenset({"y", "yes", "true", "on", "1"})
"""In any case (dapr/kit utils IsTruthy)."""

NATIVE_SIDECAR: Final = "sidecar.istio.io/nativeSidecar"
ISTIO_STATUS: Final = "sidecar.istio.io/status"
TEMPLATES: Final = "inject.istio.io/templates"


@dataclass(frozen=True)
class SimulatedInjector:
    """One injector as an admin has installed it.

    Args:
        name: For people.
        id: Its row in the catalogue; "" for one that the catalogue does not know.
        inject: What it makes of a pod; it may be called again.
        containers: Names of the containers that it adds or fills.
        version: What its configuration's label says; "" where it says nothing.
        needs_network: Its init container that ends only with the network.
        init_containers: Names of its init containers; those of a mesh move with its proxy.
        may_be_called_again: Whether an admin may set ``reinvocationPolicy: IfNeeded`` for it.

    """

    name: str
    id: str
    inject: Callable[[JSONObject], JSONObject]
    containers: frozenset[str] = frozenset()
    version: str = ""
    needs_network: str = ""
    init_containers: frozenset[str] = frozenset()
    may_be_called_again: bool = True


def annotations_of(pod: JSONObject) -> JSONObject:
    """Its annotations; a new map where there are none."""
    return pod["metadata"].get("annotations") or {}


def labels_of(pod: JSONObject) -> JSONObject:
    """Its labels; a new map where there are none."""
    return pod["metadata"].get("labels") or {}


def _with(pod: JSONObject, field: str, **entries: str) -> JSONObject:
    """A copy of the pod with these labels or annotations."""
    after = copy.deepcopy(pod)
    after["metadata"][field] = {**(after["metadata"].get(field) or {}), **entries}
    return after


def _names(pod: JSONObject, field: str) -> list[str]:
    return [one["name"] for one in pod["spec"].get(field) or ()]


def _without(pod: JSONObject, field: str, name: str) -> JSONObject:
    after = copy.deepcopy(pod)
    after["spec"][field] = [one for one in after["spec"].get(field) or () if one["name"] != name]
    return after


@dataclass(frozen=True)
class Istio:
    """Istio's injector.

    Args:
        render: The mesh's defaults.
        is_obeying: Whether it knows the annotation for native sidecars (from 1.24 on).
        by_default: What it takes that annotation for where it is absent.

    """

    render: Callable[[JSONObject], JSONObject]
    is_obeying: bool = True
    by_default: str = "false"

    def __call__(self, pod: JSONObject) -> JSONObject:
        """The pod as it leaves it."""
        if ISTIO_STATUS in annotations_of(pod):
            return self._again(pod)
        if not self._is_wanted(pod):
            return pod
        return self._rendered(pod)

    def _is_wanted(self, pod: JSONObject) -> bool:
        words = labels_of(pod).get("sidecar.istio.io/inject") or annotations_of(pod).get("sidecar.istio.io/inject") or "true"
        return str(words).lower() in ISTIO_YES and not pod["spec"].get("hostNetwork")

    def _rendered(self, pod: JSONObject) -> JSONObject:
        """With the user's own istio-proxy merged over what the template says, image and resources above all."""
        own = next((one for one in pod["spec"]["containers"] if one["name"] == "istio-proxy"), None)
        before = _without(pod, "containers", "istio-proxy")
        if not before["spec"]["containers"]:
            return pod
        hidden: JSONObject = {} if self.is_obeying else {key: text for key, text in annotations_of(pod).items() if key == NATIVE_SIDECAR}
        for key in hidden:
            del before["metadata"]["annotations"][key]
        for field in ("labels", "annotations"):
            (before["metadata"].get(field) or {}).pop("sidecar.istio.io/inject", None)
        after = _with(self.render(before), "annotations", **hidden)
        for field in ("labels", "annotations"):
            said = (pod["metadata"].get(field) or {}).get("sidecar.istio.io/inject")
            after = after if said is None else _with(after, field, **{"sidecar.istio.io/inject": said})
        proxy = next(one for one in (*after["spec"]["containers"], *after["spec"]["initContainers"]) if one["name"] == "istio-proxy")
        proxy.update({key: field for key, field in (own or {}).items() if field != "auto"})
        if "spire" in str(annotations_of(pod).get(TEMPLATES)) and "istio-proxy" not in _names(after, "containers"):
            # The user's template names istio-proxy under containers (istio/istio#56455).
            after["spec"]["containers"].append({"name": "istio-proxy", "image": "auto"})
        return after

    def _again(self, pod: JSONObject) -> JSONObject:
        """It adds the proxy to the one list in which it renders it, if it is not there; a native one is moved from the other list."""
        is_native = self.is_obeying and annotations_of(pod).get(NATIVE_SIDECAR, self.by_default) != "false"
        if "istio-proxy" in _names(pod, "initContainers" if is_native else "containers"):
            return pod
        if is_native or "istio-proxy" not in _names(pod, "initContainers"):
            bare = _without(_without(_without(pod, "containers", "istio-proxy"), "initContainers", "istio-init"), "volumes", "istio-envoy")
            del bare["metadata"]["annotations"][ISTIO_STATUS]
            return self._rendered(bare) if self._is_wanted(bare) else pod
        # Its template's, without the user's own fields (webhook.go reapplyOverwrittenContainers searches one list, too).
        rendered = self.render({"metadata": {"annotations": {NATIVE_SIDECAR: "false"}}, "spec": {"containers": [{"name": "base"}]}})
        after = copy.deepcopy(pod)
        after["spec"]["containers"] += [one for one in rendered["spec"]["containers"] if one["name"] == "istio-proxy"]
        return after


def vault(pod: JSONObject) -> JSONObject:
    """HashiCorp's injector; its init container may be put first, and the sidecar left out."""
    said = annotations_of(pod)
    if said.get("vault.hashicorp.com/agent-inject") not in GO_TRUE:
        return pod
    after = inject_vault(_with(pod, "annotations", **{"vault.hashicorp.com/agent-inject": "true"}))
    after["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] = said["vault.hashicorp.com/agent-inject"]
    if "vault.hashicorp.com/agent-inject-status" in said:
        return pod
    if said.get("vault.hashicorp.com/agent-init-first") in GO_TRUE:
        inits = after["spec"]["initContainers"]
        after["spec"]["initContainers"] = [inits[-1], *inits[:-1]]
    if said.get("vault.hashicorp.com/agent-pre-populate-only") in GO_TRUE:
        after = _without(after, "containers", "vault-agent")
    return after


def openbao(pod: JSONObject) -> JSONObject:
    """OpenBao's injector (openbao-k8s agent-inject)."""
    said = annotations_of(pod)
    if said.get("openbao.org/agent-inject") not in GO_TRUE or "openbao.org/agent-inject-status" in said:
        return pod
    after = _with(pod, "annotations", **{"openbao.org/agent-inject-status": "injected"})
    agent = {
        "name": "openbao-agent",
        "image": "quay.io/openbao/openbao:2.4.0",
        "command": ["/bin/sh", "-ec"],
        "args": ["bao agent"],
        "volumeMounts": [{"name": "home-sidecar", "mountPath": "/home/openbao"}],
    }
    after["spec"]["containers"].append(agent)
    after["spec"]["volumes"] = [*(after["spec"].get("volumes") or ()), {"name": "home-sidecar", "emptyDir": {"medium": "Memory"}}]
    return after


def linkerd(pod: JSONObject) -> JSONObject:
    """Linkerd's injector, where the mesh's default is a regular container."""
    if annotations_of(pod).get("linkerd.io/inject") == "ingress":
        after = inject_linkerd(_with(pod, "annotations", **{"linkerd.io/inject": "enabled"}))
        return _with(after, "annotations", **{"linkerd.io/inject": "ingress"})
    return inject_linkerd(pod)


def _dapr(pod: JSONObject, is_native: bool) -> JSONObject:
    said = annotations_of(pod)
    annotated = _with(pod, "annotations", **{"dapr.io/enabled": "true", "dapr.io/enable-native-sidecar": str(is_native).lower()})
    (annotated["metadata"].get("labels") or {}).pop("dapr.io/sidecar-injected", None)
    after = inject_dapr(annotated)
    after["metadata"]["annotations"] = copy.deepcopy(said)
    return after


def dapr(pod: JSONObject) -> JSONObject:
    """Dapr's injector from 1.18 on: it looks for its container in both lists."""
    said = annotations_of(pod)
    is_wanted = str(said.get("dapr.io/enabled")).lower() in DAPR_YES
    if not is_wanted or "daprd" in (*_names(pod, "containers"), *_names(pod, "initContainers")):
        return pod
    return _dapr(pod, str(said.get("dapr.io/enable-native-sidecar")).lower() in DAPR_YES)


def dapr_before_native(pod: JSONObject) -> JSONObject:
    """Dapr's injector before 1.18: it knows no native sidecar, and looks for its container among the regular ones only."""
    is_wanted = str(annotations_of(pod).get("dapr.io/enabled")).lower() in DAPR_YES
    return pod if not is_wanted or "daprd" in _names(pod, "containers") else _dapr(pod, False)


def fluid(pod: JSONObject) -> JSONObject:
    """Fluid's injector on its default platform: a FUSE container is put first, with a hook that waits for its own mount."""
    if labels_of(pod).get("done.sidecar.fluid.io/inject") == "true" or "fuse.serverful.fluid.io/inject" in labels_of(pod):
        return pod
    after = _with(pod, "labels", **{"done.sidecar.fluid.io/inject": "true"})
    after["spec"]["containers"].insert(0, copy.deepcopy(FUSE) | {"name": "fluid-fuse-0"})
    return after


def juicefs(pod: JSONObject) -> JSONObject:
    """JuiceFS's injector: a mount container is put first."""
    if labels_of(pod).get("done.sidecar.juicefs.com/inject") == "true":
        return pod
    after = _with(pod, "labels", **{"done.sidecar.juicefs.com/inject": "true"})
    after["spec"]["containers"].insert(0, copy.deepcopy(FUSE) | {"name": "jfs-mount"})
    return after


def sensor(pod: JSONObject) -> JSONObject:
    """An injector that nobody knows: its container is put first, and it leaves no mark."""
    if "sensor" in _names(pod, "containers"):
        return pod
    after = copy.deepcopy(pod)
    after["spec"]["containers"].insert(0, copy.deepcopy(FUSE) | {"name": "sensor", "image": "registry.example.com/sensor:7"})
    return after


FUSE: Final = {
    "name": "fuse",
    "image": "registry.example.com/fuse:1",
    "command": ["sh", "-c", "exec /mount"],
    "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", "until mountpoint /data; do sleep 1; done"]}}},
}


def launcher(pod: JSONObject) -> JSONObject:
    """An injector as Bank-Vaults' is: its program, from an init container, starts what each regular container starts, the image's own too."""
    if "vault-env" in _names(pod, "volumes"):
        return pod
    after = copy.deepcopy(pod)
    for one in after["spec"]["containers"]:
        image = image_of(one)
        given = [*(one.get("command") or image.entrypoint), *(one.get("args") or ([] if one.get("command") else image.cmd))]
        one.update({"command": ["/vault/vault-env"], "args": given})
        one["volumeMounts"] = [*(one.get("volumeMounts") or ()), {"name": "vault-env", "mountPath": "/vault/"}]
    copied = {"name": "copy-vault-env", "image": "ghcr.io/bank-vaults/vault-env:v1.22.1", "command": ["cp", "/vault-env", "/vault/"]}
    after["spec"]["initContainers"] = [copied, *(after["spec"].get("initContainers") or ())]
    after["spec"]["volumes"] = [*(after["spec"].get("volumes") or ()), {"name": "vault-env", "emptyDir": {"medium": "Memory"}}]
    return after


def old_types(pod: JSONObject) -> JSONObject:
    """An injector whose types are older than Kubernetes 1.28: it drops ``restartPolicy`` of every container (vault-k8s before 1.4)."""
    after = _with(pod, "labels", **{"example.com/seen": "true"})
    for one in (*after["spec"]["containers"], *(after["spec"].get("initContainers") or ())):
        one.pop("restartPolicy", None)
        one.pop("restartPolicyRules", None)
    return after


def datadog(pod: JSONObject) -> JSONObject:
    """Datadog's injector with selectors of the user's own: no label, another registry."""
    if "datadog-agent-injected" in _names(pod, "containers"):
        return pod
    after = copy.deepcopy(pod)
    agent = {"name": "datadog-agent-injected", "image": "registry.example.com/mirror/agent:7"}
    after["spec"]["containers"].append(agent | {"env": [{"name": "DD_KUBERNETES_KUBELET_NODENAME", "value": "node"}]})
    return after


def gcsfuse(pod: JSONObject) -> JSONObject:
    """GKE's injector on a cluster with an old node: a regular container is put first, with the user's image."""
    if annotations_of(pod).get("gke-gcsfuse/volumes") not in GO_TRUE or "gke-gcsfuse-tmp" in _names(pod, "volumes"):
        return pod
    own: JSONObject = next((one for one in pod["spec"]["containers"] if one["name"] == "gke-gcsfuse-sidecar"), {})
    after = _without(pod, "containers", "gke-gcsfuse-sidecar")
    mounter = {
        "name": "gke-gcsfuse-sidecar",
        "image": own.get("image") or "gke.gcr.io/gcs-fuse-csi-driver-sidecar-mounter:v1.15.0",
        "securityContext": {"runAsUser": 65534, "runAsGroup": 65534},
        "volumeMounts": [{"name": "gke-gcsfuse-tmp", "mountPath": "/gcsfuse-tmp"}],
    }
    after["spec"]["containers"].insert(0, mounter)
    after["spec"]["volumes"] = [*(after["spec"].get("volumes") or ()), {"name": "gke-gcsfuse-tmp", "emptyDir": {}}]
    return after


def kuma(pod: JSONObject) -> JSONObject:
    """Kuma's injector 2.14 with regular containers: ready on 9902 only, no quit request."""
    if annotations_of(pod).get("kuma.io/sidecar-injected") == "true" or "kuma.io/sidecar-injection" not in labels_of(pod):
        return pod
    after = _with(pod, "annotations", **{"kuma.io/sidecar-injected": "true"})
    ready = {"httpGet": {"path": "/ready", "port": 9902}}
    after["spec"]["containers"].append({"name": "kuma-sidecar", "image": "kuma/kuma-sidecar:2.14.0", "readinessProbe": ready})
    after["spec"]["initContainers"] = [
        *(after["spec"].get("initContainers") or ()),
        {"name": "kuma-init", "image": "kuma/kuma-init:2.14.0"},
    ]
    return after


PROXY: Final = frozenset({"istio-proxy"})
ISTIO_INITS: Final = frozenset({"istio-init"})

INJECTORS: Final = (
    SimulatedInjector("istio", "istio", Istio(inject_istio), PROXY, "1.26.8", init_containers=ISTIO_INITS),
    SimulatedInjector("istio that holds", "istio", Istio(inject_istio_with_hold), PROXY, "1.26.8", init_containers=ISTIO_INITS),
    SimulatedInjector(
        "istio that is native", "istio", Istio(inject_istio_native, by_default="true"), PROXY, "1.27.0", init_containers=ISTIO_INITS
    ),
    SimulatedInjector("istio before native", "istio", Istio(inject_istio, is_obeying=False), PROXY, "1.20.8", init_containers=ISTIO_INITS),
    SimulatedInjector("linkerd", "linkerd", linkerd, frozenset({"linkerd-proxy"}), "2.18", init_containers=frozenset({"linkerd-init"})),
    SimulatedInjector("vault", "vault", vault, frozenset({"vault-agent"}), "1.7.6", needs_network="vault-agent-init"),
    SimulatedInjector("openbao", "openbao", openbao, frozenset({"openbao-agent"})),
    SimulatedInjector("dapr", "dapr", dapr, frozenset({"daprd"}), "1.18.3"),
    SimulatedInjector("dapr before native", "dapr", dapr_before_native, frozenset({"daprd"}), "1.17.2"),
    SimulatedInjector("fluid", "fluid", fluid, frozenset({"fluid-fuse-0"})),
    SimulatedInjector("juicefs", "juicefs", juicefs, frozenset({"jfs-mount"})),
    SimulatedInjector("datadog", "datadog", datadog, frozenset({"datadog-agent-injected"})),
    SimulatedInjector("gcsfuse", "gcsfuse", gcsfuse, frozenset({"gke-gcsfuse-sidecar"})),
    SimulatedInjector("kuma", "kuma", kuma, frozenset({"kuma-sidecar"}), "2.14.0"),
    SimulatedInjector("sensor", "", sensor),
    SimulatedInjector("launcher", "", launcher),
    # Called again after the webhook has put back what it drops, it would drop it again: `doctor` finds such a cluster by a dry run.
    SimulatedInjector("old types", "", old_types, may_be_called_again=False),
)
