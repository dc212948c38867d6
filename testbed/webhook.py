"""The webhook as a process, with a certificate of a throwaway authority, and the configuration that registers it."""

from __future__ import annotations

import base64
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from certs.authority import make_authority, sign_leaf
from testbed.manifest import installed
from webhook.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.api import JSONObject
    from testbed.place import Place


ENTRYPOINTS: Final = Path(__file__).parent / "images" / "entrypoints.yaml"

NO_CLUSTER: Final = {"KUBECONFIG": os.devnull, "KUBERNETES_SERVICE_HOST": ""}
"""The environment of a webhook that must not find the cluster that the caller has credentials for."""


class Webhook:
    """A running webhook."""

    def __init__(
        self, place: Place, name: str = "webhook", settings: Mapping[str, str] | None = None, kubeconfig: Path | None = None
    ) -> None:
        """Start it on a free port; with a kubeconfig it watches that cluster. RuntimeError with its log: it does not start."""
        folder = place.folder / name
        folder.mkdir()
        self._authority = make_authority(datetime.now(UTC), "throwaway")
        leaf = sign_leaf(self._authority, [place.address], datetime.now(UTC))
        (folder / "tls.crt").write_bytes(leaf.certificate_pem)
        (folder / "tls.key").write_bytes(leaf.key_pem)
        own = {"HOST": place.address, "PORT": "0", "HEALTH_PORT": "0", "DRAIN_SECONDS": "0"}
        own |= {"ENTRYPOINTS_FILE": str(ENTRYPOINTS)}
        own |= {"CERTIFICATE_FILE": str(folder / "tls.crt"), "PRIVATE_KEY_FILE": str(folder / "tls.key")}
        self._environment = {f"{PREFIX}{key}": value for key, value in {**own, **(settings or {})}.items()} | NO_CLUSTER
        if kubeconfig is not None:
            self._environment["KUBECONFIG"] = str(kubeconfig)
        self._place, self._name = place, name
        self._address = place.address
        self._start()

    def start_again(self) -> None:
        """Start it again after its end, on the same port with the same certificate. RuntimeError with its log: it does not start."""
        self._environment[f"{PREFIX}PORT"] = str(self._ports()[True])
        self._start(len(self.log))

    def _start(self, logged: int = 0) -> None:
        self._process = self._place.start(self._name, [sys.executable, "-m", "webhook", "serve"], self._environment)
        self._process.ready(lambda: self._listens(logged), "listens")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """The URL of its reviews."""
        return f"https://{self._address}:{self._ports()[True]}/mutate"

    @property
    def metrics_url(self) -> str:
        """The URL of its metrics."""
        return f"{self._health_url}/metrics"

    @property
    def ready_url(self) -> str:
        """The URL of its readiness."""
        return f"{self._health_url}/readyz"

    @property
    def _health_url(self) -> str:
        return f"http://{self._address}:{self._ports()[False]}"

    @property
    def log(self) -> list[JSONObject]:
        """Every line of its log."""
        lines = self._process.log.read_text("utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def reviews(self) -> list[JSONObject]:
        """The line of each review that it has answered until now."""
        # A line follows its response, and comes before the process answers anything else.
        httpx.get(self.metrics_url, trust_env=False).raise_for_status()
        return [line for line in self.log if line["event"] == "review"]

    @property
    def client_config(self) -> JSONObject:
        """The clientConfig of its registration."""
        return client_config(self.url, self._authority.certificate_pem)

    def configuration(self, name: str | None = None, **fields: object) -> JSONObject:
        """The installed MutatingWebhookConfiguration, with this process as its server; ``fields`` replace those of its webhook."""
        document = installed("MutatingWebhookConfiguration")
        document["metadata"]["name"] = name or document["metadata"]["name"]
        document["webhooks"][0] |= {"clientConfig": self.client_config, **fields}
        return document

    def end(self) -> int:
        """End it; its exit code."""
        return self._process.end()

    def _listens(self, logged: int) -> bool:
        try:
            return [line["event"] for line in self.log[logged:]].count("listening") > 1
        except json.JSONDecodeError:
            # A line that is not JSON: the reason why it is about to end.
            return False

    def _ports(self) -> dict[bool, int]:
        return {line["tls"]: line["port"] for line in self.log if line["event"] == "listening"}


def client_config(url: str, authority_pem: bytes) -> JSONObject:
    """The clientConfig of a webhook at a URL, whose certificate this authority signed."""
    return {"url": url, "caBundle": base64.b64encode(authority_pem).decode()}
