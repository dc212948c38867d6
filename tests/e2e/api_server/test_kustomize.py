"""install.yaml under `kubectl kustomize`: what stays behind of the namespace and the image that it was made for."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from certs.store import CONFIGURATIONS
from manifests.generate import INSTALL, install, install_policy
from manifests.rendering import MANIFESTS, NAME
from testbed import binaries
from testbed.namespace import make_namespace
from testbed.wait import until
from tests.e2e.api_server.chart import only
from tests.e2e.api_server.test_certificate_policy import GROUP, MERGE, METADATA_CHANGES, OK, REFUSED, client
from tests.e2e.api_server.unique_keys import documents
from tests.e2e.levels import require
from tests.e2e.objects import created
from tests.e2e.rights import rule, user_who_may
from webhook import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.levels import Level
    from tests.support.json_object import JSONObject

OTHER: Final = "platform"
IMAGE: Final = f"localhost/{NAME}"
SECONDS: Final = 60
UNKNOWN_TO_KUSTOMIZE: Final = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
"""kubectl 1.34's kustomize takes them for namespaced. The API server removes a namespace from an object that has none."""

CONFIGURATION: Final = "a-moved"


@pytest.fixture
def moved(tmp_path: Path) -> list[JSONObject]:
    """The manifests in another namespace."""
    return kustomized(tmp_path, namespace=OTHER)


def kustomized(folder: Path, **overlay: Any) -> list[JSONObject]:
    """The objects of an overlay over the manifests."""
    # kustomize refuses absolute paths.
    content = {"resources": [os.path.relpath(MANIFESTS, folder.resolve())], **overlay}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), "utf-8")
    return documents(kubectl("kustomize", str(folder)))


def kubectl(*arguments: str) -> str:
    """The output of kubectl."""
    require(binaries.KUBECTL)
    command = [str(binaries.find(binaries.KUBECTL)), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def by_name(of: list[JSONObject]) -> dict[tuple[str, str], JSONObject]:
    return {(one["kind"], one["metadata"]["name"]): one for one in of}


@cache
def rendered(namespace: str) -> str:
    """What the chart renders for this namespace, as the manifests have it."""
    require(binaries.HELM)
    manifest = f"{install(namespace)}---\n{install_policy(namespace)}"
    return manifest.replace(f"kind: Namespace\nmetadata:\n  name: {NAME}\n", f"kind: Namespace\nmetadata:\n  name: {namespace}\n")


def test_without_an_overlay_it_is_what_the_manifests_are() -> None:
    assert by_name(documents(kubectl("kustomize", str(MANIFESTS)))) == by_name(documents(rendered(NAME)))


def test_in_another_namespace_it_is_what_the_chart_renders_for_that_one(moved: list[JSONObject]) -> None:
    for one in moved:
        if one["kind"] in UNKNOWN_TO_KUSTOMIZE:
            assert one["metadata"].pop("namespace") == OTHER
    assert by_name(moved) == by_name(documents(rendered(OTHER)))


def test_another_image_replaces_the_one_of_the_manifest(tmp_path: Path) -> None:
    other = kustomized(tmp_path, images=[{"name": IMAGE, "newName": "registry.example/w"}])
    (container,) = only("Deployment", other)["spec"]["template"]["spec"]["containers"]

    assert container["image"] == f"registry.example/w:{__version__}"
    assert f"image: {IMAGE}:{__version__}" in INSTALL.read_text("utf-8")


@pytest.fixture
def applied(moved: list[JSONObject], tmp_path: Path, api_server: Level) -> Iterator[list[JSONObject]]:
    """The moved manifests on a real API server, as kubectl applies them: all as a dry run, then the policy for good."""
    make_namespace(api_server.api, OTHER, {})
    # The test bed's own has that name.
    only("MutatingWebhookConfiguration", moved)["metadata"]["name"] = CONFIGURATION
    where = f"--kubeconfig={api_server.server.kubeconfig}"
    everything, policies = tmp_path / "everything.yaml", tmp_path / "policies.yaml"
    everything.write_text(yaml.safe_dump_all(moved), "utf-8")
    policies.write_text(yaml.safe_dump_all(one for one in moved if one["kind"] in UNKNOWN_TO_KUSTOMIZE), "utf-8")
    kubectl("apply", where, "--filename", str(everything), "--dry-run=server", "--validate=strict")
    kubectl("apply", where, "--filename", str(policies))
    yield moved
    kubectl("delete", where, "--filename", str(policies))


def test_in_another_namespace_the_api_server_takes_it_and_the_policy_limits_the_identity_there(
    applied: list[JSONObject], api_server: Level
) -> None:
    identity = f"system:serviceaccount:{OTHER}:{only('ServiceAccount', applied)['metadata']['name']}"
    may_patch = rule("get patch", "mutatingwebhookconfigurations", GROUP)
    configuration = {"apiVersion": f"{GROUP}/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": CONFIGURATION}}
    with (
        created(api_server.api, configuration),
        user_who_may(api_server.server, identity, may_patch),
        user_who_may(api_server.server, "somebody", may_patch),
    ):
        until(lambda: labelled(api_server, identity) == REFUSED, "the policy is in force", SECONDS)

        assert labelled(api_server, "somebody") == OK


def labelled(level: Level, user: str) -> int:
    """The status of the response to a label on the configuration by a user, as a dry run."""
    change = {"metadata": METADATA_CHANGES["labels"]}
    return client(level, user).request("PATCH", f"{CONFIGURATIONS}/{CONFIGURATION}", change, MERGE, dryRun="All").status
