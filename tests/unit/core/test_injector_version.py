"""The versions that images suggest: `explain` and `patch` assume them, and the service does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.task_pods import DAPR_MARKS, DAPRD, FLUENT_BIT, annotated, istio_pod, task_pod
from webhook.core import Catalogue, Version, default_policy, parse_sidecars, suggested_versions

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject


def daprd_pod(image: str, **annotations: str) -> JSONObject:
    """A pod that Dapr has injected, with this image."""
    return annotated(task_pod({**DAPRD, "image": image}, labels=DAPR_MARKS), annotations)


SUGGESTIONS: Final[dict[str, tuple[JSONObject, dict[str, Version]]]] = {
    "Istio's tag": (istio_pod(image="istio/proxyv2:1.26.8-distroless"), {"istio": Version(1, 26, 8)}),
    "Dapr's tag": (daprd_pod("ghcr.io/dapr/daprd:1.17.13"), {"dapr": Version(1, 17, 13)}),
    "a digest": (istio_pod(image="istio/proxyv2@sha256:00"), {}),
    "a tag that counts something else": (daprd_pod("reg.example/daprd:2024.10"), {}),
    "an image of the pod's own": (daprd_pod("reg.example/daprd:1.18.0", **{"dapr.io/sidecar-image": "reg.example/daprd:1.18.0"}), {}),
    "an image of the pod's own in Istio": (annotated(istio_pod(), {"sidecar.istio.io/proxyImage": "istio/proxyv2:1.26.8"}), {}),
    "an image of the user's placeholder": (
        annotated(istio_pod(), {"proxy.istio.io/overrides": '{"containers":[{"name":"istio-proxy","image":"own:1.30"}]}'}),
        {},
    ),
    "a sidecar that no injector adds": (task_pod(FLUENT_BIT), {}),
    "a sidecar that is never native": (task_pod({"name": "airflow-xcom-sidecar", "image": "alpine:3.20"}), {}),
    "a sidecar that is never converted": (task_pod({"name": "datadog-agent-injected", "image": "datadog/agent:7.60.0"}), {}),
    "no pod": ({"spec": {"containers": 1}}, {}),
}


@pytest.mark.parametrize(("pod", "versions"), SUGGESTIONS.values(), ids=SUGGESTIONS)
def test_an_image_suggests_the_version_of_its_injector_unless_the_pod_may_have_set_it(
    pod: JSONObject, versions: dict[str, Version]
) -> None:
    assert suggested_versions(pod, default_policy().catalogue) == versions


def test_a_variable_of_the_container_may_show_that_the_pod_has_set_its_image() -> None:
    """An administrator's row may say so."""
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["own"]}}
    native = {"convert": {"annotations_since": "1.0"}, "image_set_by": [{"env": "OWN_IMAGE"}]}
    catalogue = Catalogue(parse_sidecars([{**row, "native": native}]))
    sidecar = {"name": "own", "image": "own:1.2.3"}

    assert suggested_versions(task_pod(sidecar), catalogue) == {"own": Version(1, 2, 3)}
    assert suggested_versions(task_pod({**sidecar, "env": [{"name": "OWN_IMAGE", "value": "yes"}]}), catalogue) == {}
