"""The webhook's own image, built from the Dockerfile, in the chart's pod on a node: it serves, and there is nothing else in it to run."""

from __future__ import annotations

import base64
import json
import tarfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from certs.authority import make_authority, sign_leaf
from manifests.rendering import NAME
from testbed.images.webhook_image import webhook_image
from testbed.wait import until
from tests.e2e.api_server.chart import OPTIONS, objects, only, pod_of
from tests.e2e.namespaces import NOT_OPTED_IN
from tests.e2e.node.namespace import SECONDS, namespace_on
from webhook import __version__
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject


RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
SECRET: Final = "serving"  # noqa: S105  the name of an object
EVERYTHING: Final = "import certs.manager, webhook.kube.client, webhook.server.serve, webhook.command.checked_cluster, uvloop, httptools"
MAX_BYTES: Final = 210 * 1024 * 1024
"""Of the archive, which is not compressed. Half is the Kubernetes client and its bytecode."""

RUNS: Final[dict[str, JSONObject]] = {
    "version": {"args": ["--version"]},
    "imports": {"command": ["/python3", "-P", "-c", EVERYTHING]},
    "busybox": {"command": ["/busybox", "sh", "-c", "echo $((6 * 7))"]},
    "shell": {"command": ["/bin/sh", "-c", "true"]},
    "writes": {"command": ["/busybox", "touch", "/packages/file"]},
}


@pytest.fixture(scope="module")
def image(node: NodeLevel) -> str:
    """The name for a pod's ``image`` field."""
    return node.node.load(webhook_image())


@pytest.fixture(scope="module")
def namespace(node: NodeLevel, image: str) -> Iterator[PodNamespace]:
    with namespace_on(node, "webhook-image", **RESTRICTED, **NOT_OPTED_IN) as here:
        for name, run in RUNS.items():
            here.create(pod(here.name, name, image, run))
        yield here


def pod(namespace: str, name: str, image: str, run: JSONObject) -> JSONObject:
    """The chart's pod without access to the API server, with ``run`` as its container's command."""
    made = pod_of(only("Deployment", objects(OPTIONS["without-api-access"], namespace=namespace)))
    made["metadata"] = {"name": name, "namespace": namespace}
    (container,) = made["spec"]["containers"]
    for unneeded in ("startupProbe", "readinessProbe", "livenessProbe", "env"):
        del container[unneeded]
    container |= {"name": "base", "image": image, **run}
    volumes = [{"name": "certificate", "emptyDir": {}}]
    made["spec"] |= {"serviceAccountName": "default", "restartPolicy": "Never", "volumes": volumes}
    return made


def certificate(namespace: str, address: str) -> JSONObject:
    """A serving certificate of a throwaway authority."""
    authority = make_authority(datetime.now(UTC), "throwaway")
    leaf = sign_leaf(authority, [address], datetime.now(UTC))
    data = {"tls.crt": leaf.certificate_pem, "tls.key": leaf.key_pem}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": SECRET, "namespace": namespace},
        "data": {name: base64.b64encode(text).decode() for name, text in data.items()},
    }


def test_the_service_serves_and_ends_by_itself(namespace: PodNamespace, image: str) -> None:
    settings = [{"name": f"{PREFIX}NATIVE_SIDECARS", "value": "off"}]
    ready = {"readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 1}}
    serving = pod(namespace.name, "serves", image, {"env": settings, **ready})
    serving["spec"]["volumes"] = [{"name": "certificate", "secret": {"secretName": SECRET}}]
    namespace.create(certificate(namespace.name, "localhost"), serving)

    until(lambda: is_ready(namespace.pod("serves")), "the service is ready", SECONDS)
    namespace.delete("serves", grace_seconds=30)

    ended = namespace.gone("serves").terminated("base")
    assert ended is not None
    assert ended["exitCode"] == 0


def is_ready(one: JSONObject) -> bool:
    """Whether its readiness probe succeeds."""
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in one["status"].get("conditions", ()))


def test_the_program_says_its_version(namespace: PodNamespace) -> None:
    assert namespace.base_end("version")["exitCode"] == 0
    assert namespace.log("version").strip() == __version__


def test_every_library_is_there(namespace: PodNamespace) -> None:
    assert (namespace.base_end("imports")["exitCode"], namespace.log("imports")) == (0, "")


def test_the_busybox_that_is_copied_into_tasks_runs(namespace: PodNamespace) -> None:
    assert namespace.base_end("busybox")["exitCode"] == 0
    assert namespace.log("busybox").strip() == "42"


def test_there_is_no_shell(namespace: PodNamespace) -> None:
    ended = namespace.base_end("shell")

    assert ended["reason"] == "StartError"
    assert "no such file or directory" in ended["message"]


def test_its_root_is_read_only(namespace: PodNamespace) -> None:
    assert namespace.base_end("writes")["exitCode"] == 1
    assert "Read-only file system" in namespace.log("writes")


def test_it_says_what_it_is_and_is_for_a_user_without_a_name(image: str) -> None:
    assert image
    image_config = configuration()

    assert image_config["Labels"]["org.opencontainers.image.title"] == NAME
    assert image_config["Labels"]["org.opencontainers.image.version"] == __version__
    assert image_config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert image_config["User"] == "65532:65532"


def configuration() -> JSONObject:
    """What the image says of itself (https://github.com/opencontainers/image-spec/blob/main/config.md)."""
    with tarfile.open(webhook_image().archive()) as archive:
        (manifest,) = json.loads(content(archive, "manifest.json"))
        found: JSONObject = json.loads(content(archive, manifest["Config"]))["config"]
    return found


def content(archive: tarfile.TarFile, name: str) -> bytes:
    """A file of an archive."""
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def test_it_is_small(image: str) -> None:
    assert image
    assert webhook_image().archive().stat().st_size < MAX_BYTES
