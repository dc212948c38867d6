"""A release of the chart on an API server without a node, and what the service would write there: its certificates."""

from __future__ import annotations

import itertools
import json
import subprocess
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import yaml

from certs.authority import service_names
from certs.errors import CertificatesError
from certs.manager import CertificateManager
from certs.store import CONFIGURATIONS, ENTRY, ObjectNames
from manifests.generate import NAMESPACE
from manifests.rendering import CHART, helm
from testbed import binaries
from testbed.api import path_of
from testbed.namespace import make_namespace
from testbed.wait import until
from tests.e2e.api_server.chart import objects, only, settings_of
from tests.e2e.api_server.later_api import LaterApi
from tests.e2e.api_server.self_managed_webhook import Serving, connect
from tests.e2e.api_server.unique_keys import documents
from tests.e2e.levels import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject


NEWEST: Final = "1.34.0"
"""The Kubernetes version for which the release is rendered."""

RESTRICTED: Final[Mapping[str, str]] = yaml.safe_load(NAMESPACE.read_text("utf-8"))["metadata"]["labels"]
SECONDS: Final = 60
_numbers = itertools.count()


def webhook_namespace(api: ApiClient) -> str:
    """One for the webhook, as its manifest makes it. It stays: a namespace's deletion takes a controller, and none runs here."""
    name = f"webhook-{next(_numbers)}"
    make_namespace(api, name, RESTRICTED)
    return name


class Release:
    """A release of the chart under a name of its own, and the webhook's certificate manager with the rights that the chart grants."""

    def __init__(self, level: Level, namespace: str) -> None:
        """Nothing is installed yet."""
        self.level, self.namespace, self.name = level, namespace, f"a-{namespace}"
        self._where = ("--namespace", namespace, "--kubeconfig", level.server.kubeconfig)
        self.secret = f"/api/v1/namespaces/{namespace}/secrets/{self.name}-authority"
        self.configuration = f"{CONFIGURATIONS}/{self.name}"
        self._passed = [timedelta(0)]
        self._manager: CertificateManager | None = None

    def values(self, **values: Any) -> dict[str, Any]:
        """The values of the release: these, and its name."""
        return {"fullnameOverride": self.name, **values}

    def helm(self, verb: str, *arguments: str, **values: object) -> str:
        """Install, upgrade, roll back or uninstall; what is printed."""
        chart = (CHART, "--values", "-") if verb in {"install", "upgrade"} else ()
        return helm(verb, self.name, *chart, *arguments, *self._where, given=json.dumps(self.values(**values)))

    @property
    def manifest(self) -> list[JSONObject]:
        """The objects of the release, as Helm has stored them."""
        return documents(helm("get", "manifest", self.name, *self._where))

    def rendered(self, **values: object) -> list[JSONObject]:
        """What Helm installs."""
        return objects(self.values(**values), NEWEST, self.namespace)

    def kubectl(self, *arguments: str, given: list[JSONObject]) -> str:
        """The output of a command of kubectl's on these objects."""
        program = str(binaries.find(binaries.KUBECTL))
        command = [program, f"--kubeconfig={self.level.server.kubeconfig}", *arguments, "--filename=-"]
        document = {"apiVersion": "v1", "kind": "List", "items": given}
        return subprocess.run(command, input=json.dumps(document), text=True, check=True, capture_output=True, timeout=120).stdout

    def reconcile_certificates(self, passed: timedelta = timedelta(0)) -> None:
        """What each replica does every few seconds, as the Deployment sets it, by the rights of its service account alone.

        ``passed``: how much later it is than at the call before, for the certificate manager.
        """
        self._passed.append(self._passed[-1] + passed)
        if self._manager is None:
            settings = settings_of(only("Deployment", self.rendered()))
            names = ObjectNames(settings["service_namespace"], settings["ca_secret"], settings["configuration"])
            served = service_names(settings["service_name"], settings["service_namespace"])
            self._manager = CertificateManager(lambda: LaterApi(connect(self.identity()), self._passed), names, served, Serving())
        self._manager.reconcile()

    def until_reconciled(self) -> None:
        """Keep certificates as soon as the API server has taken up the rights."""
        until(self._may_manage, "the service may manage its certificates", SECONDS)

    def _may_manage(self) -> bool:
        try:
            self.reconcile_certificates()
        except CertificatesError:
            return False
        return True

    def identity(self) -> Path:
        """A kubeconfig as the service account."""
        user = f"system:serviceaccount:{self.namespace}:{self.name}"
        self.level.server.credentials.client(user, "system:serviceaccounts", "system:authenticated")
        kubeconfig = self.level.server.credentials.kubeconfig(self.level.server.server, user)
        # To the Kubernetes client the colons of the name would be between the paths of several files.
        return kubeconfig.replace(kubeconfig.with_name(f"{self.name}.kubeconfig"))

    @property
    def written(self) -> tuple[str, str]:
        """What the service wrote: the authority and the caBundle, each in base64."""
        (webhook,) = self.webhooks
        return self.level.api.get(self.secret)["data"][ENTRY], webhook["clientConfig"]["caBundle"]

    @property
    def webhooks(self) -> list[JSONObject]:
        """The webhooks that the API server knows."""
        webhooks: list[JSONObject] = self.level.api.get(self.configuration)["webhooks"]
        return webhooks


@contextmanager
def chart_release(level: Level, namespace: str) -> Iterator[Release]:
    """A release of which nothing is installed yet; at the end, what the chart installs by default is deleted."""
    require(binaries.HELM, binaries.KUBECTL)
    one = Release(level, namespace)
    yield one
    for resource in one.rendered():
        level.api.delete(path_of(resource))
