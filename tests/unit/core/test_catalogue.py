"""The catalogue as data: what each row recognises, what it must not, and where the endpoints are.

`SIGHTINGS` holds the smallest pod for each marker of each row. What an injector really writes is not shown here: the pods are
written from the sources that the rows name. The real pods under ``fixtures/airflow-pods`` are Airflow's, before any injection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from docs import generate_sidecars
from webhook.core.pod import Pod
from webhook.core.sidecar import Catalogue, Endpoint, FoundSidecar, Sidecar, locate, parse_sidecars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.core.condition import Condition
    from webhook.core.pod import Container

ROOT: Final = Path(__file__).parents[3]
AIRFLOW_PODS: Final = ROOT / "tests" / "fixtures" / "airflow-pods"

SIDECARS: Final = parse_sidecars(yaml.safe_load((ROOT / "webhook" / "data" / "sidecars.yaml").read_text(encoding="utf-8")))
BY_ID: Final = {sidecar.id: sidecar for sidecar in SIDECARS}
MATCHED: Final = [sidecar for sidecar in SIDECARS if sidecar.match is not None]
CATALOGUE: Final = Catalogue(SIDECARS)

PRODUCTS: Final = [
    "istio",
    "vault",
    "linkerd",
    "consul",
    "kuma",
    "dapr",
    "cloud-sql-proxy",
    "cloud-sql-proxy-v1",
    "cloud-sql-proxy-operator",
    "alloydb-auth-proxy",
    "gcsfuse",
    "app-mesh",
    "azure-workload-identity",
    "open-service-mesh",
    "datadog",
    "opentelemetry-operator",
    "fluent-bit",
    "filebeat",
    "promtail",
    "bank-vaults",
    "akeyless",
    "conjur",
    "1password",
    "tbot",
    "oauth2-proxy",
    "tailscale",
    "nginx-service-mesh",
    "traefik-mesh",
    "istio-ambient",
    "cilium",
    "airflow-xcom",
    "airflow-kerberos",
    "git-sync",
]
"""The 33 products of the research, in its order."""

COMPANIONS: Final = {
    "istio-proxyless": "istio",
    "linkerd-debug": "linkerd",
    "dapr-unix-socket": "dapr",
    "gcsfuse-metadata-prefetch": "gcsfuse",
    "xray-daemon": "app-mesh",
    "osm-healthcheck": "open-service-mesh",
    "secretless": "conjur",
}
"""Rows of a further container of a product, each after the product's own row."""

NO_CONTAINER: Final = {"akeyless", "1password", "traefik-mesh", "istio-ambient", "cilium"}

FOREIGN_IMAGE: Final = "registry.example.com/team/foreign:1"


@dataclass(frozen=True)
class Sighting:
    """A pod with one container beside the task's.

    Args:
        id: The row that tells the container, or None.
        name: The container's name.
        image: Its image.
        args: Its args.
        env: Its environment; None as a value stands for ``valueFrom``.
        annotations: The pod's annotations.
        labels: The pod's labels.
        volumes: Names of the pod's volumes.

    """

    id: str | None
    name: str
    image: str = FOREIGN_IMAGE
    args: tuple[str, ...] = ()
    env: dict[str, str | None] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()

    @property
    def pod(self) -> Pod:
        """The pod, the task's container first."""
        env = [{"name": key} if value is None else {"name": key, "value": value} for key, value in self.env.items()]
        container = {"name": self.name, "image": self.image, "args": list(self.args), "env": env}
        document = {
            "metadata": {"name": "task", "annotations": self.annotations, "labels": self.labels},
            "spec": {
                "containers": [
                    {"name": "base", "image": "apache/airflow:3.0.0", "args": ["python", "-m", "airflow"]},
                    container,
                ],
                "volumes": [{"name": name} for name in self.volumes],
            },
        }
        return msgspec.json.decode(msgspec.json.encode(document), type=Pod)

    @property
    def container(self) -> Container:
        """The container beside the task's."""
        return self.pod.spec.containers[1]

    @property
    def told(self) -> str | None:
        """The id of the row by which the catalogue tells the container."""
        found = CATALOGUE.find(self.pod, self.container)
        return None if found is None else found.id

    @property
    def found(self) -> FoundSidecar:
        """The container with its endpoints."""
        sidecar = CATALOGUE.find(self.pod, self.container)
        assert sidecar is not None, f"{self.name} is not told"
        return locate(sidecar, self.pod, self.container)

    def __str__(self) -> str:
        """As the test's name shows it."""
        return f"{self.id}-{self.name}"


ISTIO: Final = Sighting("istio", "istio-proxy", annotations={"sidecar.istio.io/status": '{"containers":["istio-proxy"]}'})
VAULT: Final = Sighting("vault", "vault-agent", annotations={"vault.hashicorp.com/agent-inject-status": "injected"})
LINKERD: Final = Sighting("linkerd", "linkerd-proxy", annotations={"linkerd.io/proxy-version": "edge-26.5.2"})
CONSUL: Final = Sighting("consul", "consul-dataplane", annotations={"consul.hashicorp.com/connect-inject-status": "injected"})
KUMA: Final = Sighting("kuma", "kuma-sidecar", annotations={"kuma.io/sidecar-injected": "true"})
DAPR: Final = Sighting("dapr", "daprd", labels={"dapr.io/sidecar-injected": "true"})
CLOUD_SQL: Final = Sighting("cloud-sql-proxy", "db", image="registry.example.com/cloud-sql-connectors/cloud-sql-proxy:2.11.0")
OPERATOR: Final = Sighting(
    "cloud-sql-proxy-operator",
    "csql-default-main",
    image="registry.example.com/cloud-sql-connectors/cloud-sql-proxy:2.13.0",
    env={"CSQL_PROXY_USER_AGENT": "cloud-sql-proxy-operator/1.6.0", "CSQL_PROXY_QUITQUITQUIT": "true"},
)
ALLOYDB: Final = Sighting("alloydb-auth-proxy", "db", image="registry.example.com/alloydb-connectors/alloydb-auth-proxy:1.12.0")
APP_MESH: Final = Sighting("app-mesh", "envoy", env={"APPMESH_VIRTUAL_NODE_NAME": "mesh/m/virtualNode/n"})
AZURE: Final = Sighting("azure-workload-identity", "azwi-proxy", annotations={"azure.workload.identity/inject-proxy-sidecar": "true"})
OSM: Final = Sighting("open-service-mesh", "envoy", labels={"osm-proxy-uuid": "4f1a"})
BANK_VAULTS: Final = Sighting("bank-vaults", "vault-agent", volumes=("vault-env",))
GCSFUSE: Final = {"gke-gcsfuse/volumes": "true"}
BANZAI: Final = "vault.security.banzaicloud.io"
SECRETS_WEBHOOK: Final = "secrets-webhook.security.bank-vaults.io"

SIGHTINGS: Final = (
    ISTIO,
    Sighting("istio", "istio-proxy", image="registry.example.com/mirror/istio/proxyv2:1.22.0-distroless"),
    Sighting("istio", "istio-proxy", image="registry.example.com:5000/openshift-service-mesh/proxyv2-rhel9@sha256:00"),
    replace(ISTIO, id="istio-proxyless", env={"DISABLE_ENVOY": "true"}),
    Sighting("istio-proxyless", "istio-proxy", env={"DISABLE_ENVOY": "1"}),
    VAULT,
    LINKERD,
    Sighting("linkerd", "linkerd-proxy", labels={"linkerd.io/control-plane-ns": "linkerd"}),
    Sighting("linkerd-debug", "linkerd-debug", annotations=LINKERD.annotations),
    Sighting("linkerd-debug", "linkerd-debug", labels={"linkerd.io/control-plane-ns": "linkerd"}),
    Sighting("linkerd-debug", "linkerd-debug", image="registry.example.com/linkerd/debug:edge-26.5.2"),
    CONSUL,
    replace(CONSUL, name="consul-dataplane-admin"),
    Sighting("consul", "consul-dataplane", labels=CONSUL.annotations),
    KUMA,
    DAPR,
    CLOUD_SQL,
    Sighting("cloud-sql-proxy-v1", "cloudsql-proxy", image="registry.example.com/cloudsql-docker/gce-proxy:1.38.3"),
    Sighting("cloud-sql-proxy-v1", "db", args=("/cloud_sql_proxy", "-instances=p:r:i=tcp:5432")),
    Sighting("cloud-sql-proxy-v1", "db", args=("cloud_sql_proxy", "-instances=p:r:i=tcp:5432")),
    OPERATOR,
    ALLOYDB,
    Sighting("gcsfuse", "gke-gcsfuse-sidecar", annotations=GCSFUSE),
    Sighting("gcsfuse", "gke-gcsfuse-sidecar", image="registry.example.com/gcs-fuse-csi-driver-sidecar-mounter:v1.17.2"),
    Sighting("gcsfuse-metadata-prefetch", "gke-gcsfuse-metadata-prefetch", annotations=GCSFUSE),
    Sighting(
        "gcsfuse-metadata-prefetch",
        "gke-gcsfuse-metadata-prefetch",
        image="registry.example.com/gcs-fuse-csi-driver-metadata-prefetch:v1.17.2",
    ),
    APP_MESH,
    Sighting("app-mesh", "envoy", env={"APPMESH_RESOURCE_ARN": "arn:aws:appmesh:eu-west-1:1:mesh/m/virtualNode/n"}),
    Sighting("xray-daemon", "xray-daemon", image="registry.example.com/xray/aws-xray-daemon:3.x"),
    AZURE,
    Sighting("azure-workload-identity", "azwi-proxy", image="registry.example.com/oss/azure/workload-identity/proxy:v1.5.0"),
    OSM,
    Sighting("osm-healthcheck", "osm-healthcheck", labels=OSM.labels),
    Sighting("datadog", "datadog-agent-injected", labels={"agent.datadoghq.com/sidecar": "fargate"}),
    Sighting("datadog", "datadog-agent-injected", image="registry.example.com/datadog/agent:7"),
    Sighting("datadog", "datadog-agent-injected", image="registry.example.com/datadoghq/agent:7"),
    Sighting("opentelemetry-operator", "otc-container", labels={"sidecar.opentelemetry.io/injected": "ns.sidecar"}),
    Sighting("opentelemetry-operator", "otc-container", image="otel/opentelemetry-collector-contrib:0.139.0"),
    Sighting("fluent-bit", "logs", image="registry.example.com/fluent/fluent-bit:4.0"),
    Sighting("fluent-bit", "logs", image="amazon/aws-for-fluent-bit:stable"),
    Sighting("fluent-bit", "logs", image="bitnamilegacy/fluent-bit:4.0"),
    Sighting("filebeat", "logs", image="registry.example.com/beats/filebeat-wolfi:9.1.0"),
    Sighting("filebeat", "logs", image="bitnami/filebeat:9"),
    Sighting("promtail", "logs", image="grafana/promtail:3.5.0"),
    BANK_VAULTS,
    Sighting("bank-vaults", "consul-template", volumes=("vault-env",)),
    Sighting("bank-vaults", "vault-agent", annotations={f"{BANZAI}/vault-agent-configmap": "config"}),
    Sighting("bank-vaults", "consul-template", annotations={f"{BANZAI}/vault-ct-configmap": "config"}),
    Sighting("bank-vaults", "vault-agent", annotations={f"{SECRETS_WEBHOOK}/vault-agent-configmap": "config"}),
    Sighting("bank-vaults", "consul-template", annotations={f"{SECRETS_WEBHOOK}/vault-ct-configmap": "config"}),
    Sighting("conjur", "authenticator", image="cyberark/conjur-authn-k8s-client:0.26"),
    Sighting("conjur", "authenticator", image="cyberark/conjur-kubernetes-authenticator:0.26"),
    Sighting("conjur", "any-name", image="cyberark/secrets-provider-for-k8s:1.7"),
    Sighting("secretless", "secretless", annotations={"conjur.org/status": "injected"}),
    Sighting("secretless", "secretless", image="cyberark/secretless-broker:1.7"),
    Sighting("tbot", "tbot", image="registry.example.com/gravitational/tbot-distroless:18.4.0"),
    Sighting("tbot", "tbot", image="registry.example.com/gravitational/tbot-fips-distroless:18.4.0"),
    Sighting("tbot", "tbot", image="registry.example.com/gravitational/tbot:16"),
    Sighting("oauth2-proxy", "auth", image="registry.example.com/oauth2-proxy/oauth2-proxy:v7.9.0"),
    Sighting("oauth2-proxy", "auth", image="bitnami/oauth2-proxy:7"),
    Sighting("dapr-unix-socket", "daprd", args=("/daprd", "--unix-domain-socket", "/var/run/dapr")),
    Sighting("tailscale", "ts-sidecar", image="tailscale/tailscale:v1.88"),
    Sighting("nginx-service-mesh", "nginx-mesh-sidecar", annotations={"injector.nsm.nginx.com/status": "injected"}),
    Sighting("airflow-xcom", "airflow-xcom-sidecar", image="alpine:3.24.2", labels={"kubernetes_pod_operator": "True"}),
    Sighting("airflow-xcom", "airflow-xcom-sidecar", image="alpine", volumes=("xcom",)),
    Sighting("airflow-kerberos", "worker-kerberos", image="apache/airflow:3.1.7", args=("kerberos",)),
    Sighting("git-sync", "git-sync", image="registry.example.com/git-sync/git-sync:v4.3.0"),
)

NAMED_SIGHTINGS: Final = tuple(one for one in SIGHTINGS if one.id and (match := BY_ID[one.id].match) and match.names)
"""Those of rows that ask for a name."""

EXCEPTIONS: Final = (
    replace(ISTIO, id=None, image="auto"),
    replace(ISTIO, id=None, args=("proxy", "router")),
    replace(ISTIO, id="istio-proxyless", env={"DISABLE_ENVOY": "true"}),
    replace(ISTIO, id="istio-proxyless", env={"DISABLE_ENVOY": "1"}),
    replace(ISTIO, id=None, image="auto", env={"DISABLE_ENVOY": "true"}),
    replace(ISTIO, id=None, args=("proxy", "router"), env={"DISABLE_ENVOY": "true"}),
    replace(DAPR, id="dapr-unix-socket", args=("/daprd", "--unix-domain-socket", "/var/run/dapr")),
    OPERATOR,
    replace(BANK_VAULTS, id="vault", annotations=VAULT.annotations),
    replace(BANK_VAULTS, id=None, annotations={f"{BANZAI}/vault-agent-once": "true"}),
    replace(BANK_VAULTS, id=None, annotations={f"{SECRETS_WEBHOOK}/vault-agent-once": "true"}),
    Sighting(None, "sp", image="cyberark/secrets-provider-for-k8s:1.7", annotations={"conjur.org/container-mode": "init"}),
    Sighting(
        None,
        "sp",
        image="cyberark/secrets-provider-for-k8s:1.7",
        annotations={"conjur.org/container-mode": "application"},
    ),
    Sighting(None, "tbot", image="gravitational/tbot-distroless:18", args=("start", "--oneshot")),
    Sighting(None, "git-sync", image="git-sync/git-sync:v4.3.0", args=("--one-time",)),
    *(
        Sighting(None, "git-sync", image="git-sync/git-sync:v4.3.0", env={name: yes})
        for name in ("GITSYNC_ONE_TIME", "GIT_SYNC_ONE_TIME")
        for yes in ("true", "TRUE", "1")
    ),
)
"""A pod for each exception (``unless``), with the row that tells it instead."""


def written(found: FoundSidecar) -> tuple[str | None, str | None, str | None]:
    """Ready, alive and quit as people write them."""
    ready, alive = (f"{one.port}{one.path}" if one else None for one in (found.ready, found.alive))
    return ready, alive, f"{found.quit.method}:{found.quit.port}{found.quit.path}" if found.quit else None


def test_the_33_products_stand_in_the_order_of_the_research() -> None:
    """Rows of a product's further containers aside."""
    assert [sidecar.id for sidecar in SIDECARS if sidecar.id not in COMPANIONS] == PRODUCTS


@pytest.mark.parametrize(("companion", "product"), COMPANIONS.items())
def test_a_row_for_a_further_container_follows_the_row_of_its_product(companion: str, product: str) -> None:
    """So that the page shows them together."""
    ids = [sidecar.id for sidecar in SIDECARS]
    assert ids.index(companion) == ids.index(product) + 1


def test_no_id_stands_twice() -> None:
    """The parser refuses it; this shows that it looks."""
    ids = [sidecar.id for sidecar in SIDECARS]
    assert len(set(ids)) == len(ids)
    with pytest.raises(ValueError, match="two rows have the id"):
        parse_sidecars([{"id": "one", "title": "One", "sources": ["here"]}] * 2)


def test_only_products_without_a_container_to_end_have_no_match() -> None:
    """And those can lead to no action."""
    unmatched = [sidecar for sidecar in SIDECARS if sidecar.match is None]
    assert {sidecar.id for sidecar in unmatched} == NO_CONTAINER
    assert not any(sidecar.ready or sidecar.quit or sidecar.hint or sidecar.must_outlive_task for sidecar in unmatched)


@pytest.mark.parametrize("sidecar", MATCHED, ids=lambda sidecar: sidecar.id)
def test_no_row_is_told_by_a_name_alone(sidecar: Sidecar) -> None:
    """A row without a name is told by its image or its program, never by something that stands on the whole pod."""
    assert sidecar.match is not None
    assert sidecar.match.markers
    if not sidecar.match.names:
        assert all(marker.image or marker.argument for marker in sidecar.match.markers)


def test_only_what_people_write_themselves_is_told_without_a_name() -> None:
    """Injectors name their containers."""
    assert {sidecar.id for sidecar in MATCHED if sidecar.match and not sidecar.match.names} == {
        "cloud-sql-proxy", "cloud-sql-proxy-v1", "alloydb-auth-proxy", "xray-daemon", "fluent-bit", "filebeat", "promtail", "conjur",
        "tbot", "oauth2-proxy", "tailscale", "git-sync",
    }  # fmt: skip


@pytest.mark.parametrize("sidecar", MATCHED, ids=lambda sidecar: sidecar.id)
def test_an_image_glob_that_begins_with_a_star_stands_only_beside_a_name(sidecar: Sidecar) -> None:
    """Alone it would fit images that nobody has thought of."""
    assert sidecar.match is not None
    assert sidecar.match.names or not any((marker.image or "").startswith("*") for marker in sidecar.match.markers)


@pytest.mark.parametrize("sidecar", SIDECARS, ids=lambda sidecar: sidecar.id)
def test_every_row_names_its_sources(sidecar: Sidecar) -> None:
    """And says what they are for."""
    assert sidecar.sources
    assert all(len(source) > len("owner/repo:path") for source in sidecar.sources)


def test_only_verified_endpoints_are_asked_to_quit() -> None:
    """A new quit is a decision: it stands here as well."""
    assert {sidecar.id for sidecar in SIDECARS if sidecar.quit} == {
        "istio", "vault", "linkerd", "consul", "kuma", "dapr",
        "cloud-sql-proxy", "cloud-sql-proxy-operator", "alloydb-auth-proxy", "open-service-mesh",
    }  # fmt: skip


def test_a_task_waits_only_for_endpoints_that_are_always_there() -> None:
    """One behind a flag would make it wait in vain, until the deadline fails the task."""
    assert {sidecar.id for sidecar in SIDECARS if sidecar.ready} == {
        "istio", "istio-proxyless", "linkerd", "consul", "kuma", "dapr", "cloud-sql-proxy-operator",
        "app-mesh", "azure-workload-identity", "open-service-mesh", "secretless",
    }  # fmt: skip


ORDER: Final = {
    10: {"vault", "bank-vaults", "conjur", "secretless"},
    20: {"cloud-sql-proxy", "cloud-sql-proxy-v1", "cloud-sql-proxy-operator", "alloydb-auth-proxy"},
    30: {"datadog", "opentelemetry-operator", "fluent-bit", "filebeat", "promtail", "xray-daemon"},
    40: {"azure-workload-identity", "tbot", "airflow-kerberos"},
    50: {"dapr", "dapr-unix-socket", "gcsfuse", "gcsfuse-metadata-prefetch", "oauth2-proxy", "git-sync"},
    80: {"tailscale", "linkerd-debug", "osm-healthcheck"},
    90: {"istio", "istio-proxyless", "linkerd", "consul", "kuma", "app-mesh", "open-service-mesh", "nginx-service-mesh"},
    99: {"airflow-xcom"},
}
"""Secrets, databases, telemetry, identity, the rest, network, mesh; the last calls of each go through those after it."""


@pytest.mark.parametrize("order", ORDER)
def test_agents_are_asked_before_databases_and_all_before_the_mesh(order: int) -> None:
    """The whole of each step."""
    assert {sidecar.id for sidecar in MATCHED if sidecar.quit_order == order} == ORDER[order]


def test_only_the_xcom_sidecar_is_kept() -> None:
    """Airflow reads the result from it after the task."""
    assert [sidecar.id for sidecar in SIDECARS if sidecar.must_outlive_task] == ["airflow-xcom"]
    assert BY_ID["airflow-xcom"].native is None


def test_only_what_somebody_else_ends_ends_by_itself() -> None:
    """Kuma's control plane and the gcsfuse driver watch for a pod in which only their container is left."""
    assert {sidecar.id for sidecar in SIDECARS if sidecar.ends_by_itself} == {"kuma", "gcsfuse"}


def test_an_unquoted_true_in_an_annotation_is_refused() -> None:
    """YAML would make it a boolean, which no annotation can hold."""
    row = "- {id: x, title: X, sources: [here], hint: {annotations: {example.com/quit: true}, when: []}}"
    with pytest.raises(msgspec.ValidationError, match=r"\$\[0\]\.hint\.annotations"):
        parse_sidecars(yaml.safe_load(row))


@pytest.mark.parametrize("sighting", SIGHTINGS, ids=str)
def test_a_sidecar_is_told_in_its_smallest_pod(sighting: Sighting) -> None:
    """By the whole catalogue, so no row hides another; and the task's own container is never told."""
    assert sighting.told == sighting.id
    assert CATALOGUE.find(sighting.pod, sighting.pod.spec.containers[0]) is None


@pytest.mark.parametrize("sidecar", MATCHED, ids=lambda sidecar: sidecar.id)
def test_every_marker_has_a_pod_that_only_it_tells(sidecar: Sidecar) -> None:
    """So that none can be wrong without a test failing."""
    assert sidecar.match is not None
    for marker in sidecar.match.markers:
        assert any(_holds_alone(marker, sidecar, sighting) for sighting in SIGHTINGS if sighting.id == sidecar.id), marker


def _holds_alone(marker: Condition, sidecar: Sidecar, sighting: Sighting) -> bool:
    assert sidecar.match is not None
    return [marker] == [one for one in sidecar.match.markers if one.holds(sighting.pod, sighting.container)]


@pytest.mark.parametrize("sidecar", MATCHED, ids=lambda sidecar: sidecar.id)
def test_every_exception_has_a_pod(sidecar: Sidecar) -> None:
    """One that the row would tell but for this exception."""
    assert sidecar.match is not None
    for exception in sidecar.match.unless:
        others = tuple(one for one in sidecar.match.unless if one is not exception)
        tolerant = msgspec.structs.replace(sidecar.match, unless=others)
        assert any(tolerant.fits(one.pod, one.container) and one.told != sidecar.id for one in EXCEPTIONS), exception


@pytest.mark.parametrize("sighting", EXCEPTIONS, ids=str)
def test_an_exception_is_told_by_the_row_that_is_meant(sighting: Sighting) -> None:
    """Or by none."""
    assert sighting.told == sighting.id


@pytest.mark.parametrize("sighting", SIGHTINGS, ids=str)
def test_the_name_alone_tells_nothing(sighting: Sighting) -> None:
    """Whoever writes a container called vault-agent is not asked to end it by our rules."""
    assert Sighting(None, sighting.name).told is None


@pytest.mark.parametrize("sighting", NAMED_SIGHTINGS, ids=str)
def test_a_marker_beside_another_name_tells_nothing(sighting: Sighting) -> None:
    """Annotations and labels stand on the whole pod: they must not turn its other containers into sidecars."""
    assert replace(sighting, name="some-helper").told is None


@pytest.mark.parametrize("sighting", [one for one in SIGHTINGS if one not in NAMED_SIGHTINGS], ids=str)
def test_what_people_write_themselves_may_have_any_name(sighting: Sighting) -> None:
    """The image or the program tells."""
    assert replace(sighting, name="some-helper").told == sighting.id


@pytest.mark.parametrize(
    ("sighting", "told"),
    [
        (VAULT, "vault"),
        (BANK_VAULTS, "bank-vaults"),
        (replace(VAULT, volumes=("vault-env",)), "vault"),
        (APP_MESH, "app-mesh"),
        (OSM, "open-service-mesh"),
        (Sighting(None, "envoy", image="envoyproxy/envoy:v1.35"), None),
        (Sighting(None, "vault-agent", image="hashicorp/vault:1.20", args=("agent",)), None),
        (CLOUD_SQL, "cloud-sql-proxy"),
        (OPERATOR, "cloud-sql-proxy-operator"),
        (replace(OPERATOR, env={}), "cloud-sql-proxy"),
    ],
    ids=str,
)
def test_an_ambiguous_name_is_told_by_the_product_that_left_its_marker(sighting: Sighting, told: str | None) -> None:
    """vault-agent is HashiCorp's or bank-vaults'; envoy is App Mesh's, Open Service Mesh's or anybody's."""
    assert sighting.told == told


def istio(annotations: dict[str, str], env: dict[str, str | None]) -> Sighting:
    """An injected pod with these settings."""
    return replace(ISTIO, annotations=ISTIO.annotations | annotations, env=env)


PORT: Final = "status.sidecar.istio.io/port"
CONFIG: Final = "proxy.istio.io/config"

PLACES: Final[tuple[tuple[dict[str, str], dict[str, str | None]], ...]] = (
    ({PORT: "1001"}, {}),
    ({CONFIG: '{"statusPort": 1002}'}, {}),
    ({}, {"PROXY_CONFIG": '{"statusPort":1003}\n'}),
)
"""The places in which Istio's status port may stand, the strongest first, each with its own port."""


@pytest.mark.parametrize("places", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_the_strongest_place_of_istios_status_port_wins(places: tuple[int, ...]) -> None:
    """Pod annotation, then ProxyConfig in the annotation, then ProxyConfig as injected (istio pilot-agent config.go)."""
    annotations: dict[str, str] = {}
    env: dict[str, str | None] = {}
    for place in places:
        annotations |= PLACES[place][0]
        env |= PLACES[place][1]
    found = istio(annotations, env).found
    port = 1001 + places[0]
    assert written(found) == ("15021/healthz/ready", f"{port}/healthz/ready", f"POST:{port}/quitquitquit")


def test_istio_without_a_setting_is_on_its_usual_ports() -> None:
    """Also with an empty ProxyConfig, as the injector writes it."""
    usual = FoundSidecar(
        name="istio-proxy",
        id="istio",
        ready=Endpoint(15021, "/healthz/ready"),
        alive=Endpoint(15020, "/healthz/ready"),
        quit=Endpoint(15020, "/quitquitquit", "POST"),
        quit_order=90,
        ends_by_itself=False,
    )
    assert ISTIO.found == istio({CONFIG: "holdApplicationUntilProxyStarts: true"}, {"PROXY_CONFIG": "{}\n"}).found == usual


@pytest.mark.parametrize(
    "text",
    [
        "statusPort: 1002",
        "concurrency: 2\nstatusPort: 1002\n",
        'statusPort: "1002"',
        '{"statusPort": 1002, "concurrency": 2}',
        '{"statusPort":"1002"}',
        "{statusPort: 1002}",
        "# statusPort: 5\nstatusPort: 1002  # mine",
    ],
)
def test_proxy_config_may_be_yaml_or_json(text: str) -> None:
    """Users write the annotation by hand."""
    assert written(istio({CONFIG: text}, {}).found)[2] == "POST:1002/quitquitquit"


@pytest.mark.parametrize(
    ("annotations", "env"),
    [({PORT: "0"}, {}), ({CONFIG: "statusPort: 0"}, {}), ({}, {"PROXY_CONFIG": '{"statusPort":0}'})],
)
def test_with_a_status_port_of_zero_istio_is_neither_waited_for_nor_asked(annotations: dict[str, str], env: dict[str, str | None]) -> None:
    """And hides what weaker places say: the agent has no status server then."""
    weaker = {"PROXY_CONFIG": '{"statusPort":1003}'} | env
    found = istio(annotations, weaker).found
    assert written(found) == (None, None, None)


GARBAGE: Final = (
    "",
    " ",
    "http",
    "15020/tcp",
    "-1",
    "+80",
    "1e4",
    "0x3a98",
    "65536",
    "99999999999999999999",
    "9" * 5000,
    "\uff11\uff15\uff10\uff12\uff10",  # digits of another script
    "\u00b2",  # str.isdigit() says yes
    "15020 --end; reboot",
    "15020\n15021",
    "$(PORT)",
)
"""What is no port number."""


@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: repr(text[:12]))
def test_a_status_port_that_is_no_port_number_is_passed_over(text: str) -> None:
    """The next place is asked; nothing of the text gets further."""
    document = json.dumps({"statusPort": text})
    found = istio({PORT: text, CONFIG: document}, {"PROXY_CONFIG": '{"statusPort":1003}'}).found
    assert written(found)[2] == "POST:1003/quitquitquit"


@pytest.mark.parametrize(
    "document",
    [
        "statusPort",
        "statusPort: [1002]",
        "statusPort: {a: 1002}",
        "statusPort: &a [*a]",
        "statusPort: *nowhere",
        "- statusPort",
        "statusPort: 1002\n---\nstatusPort: 1004",
        "statusPort: 1002\n\tconcurrency: 2",
        "{[a]: statusPort, statusPort: 1002}",
        "{statusPort: 1002",
        "statusPort: 1002\0",
        "statusPort: " + "[" * 4000,
        "x: " + "[" * 3000 + "]" * 3000 + "\nstatusPort: 1002",
        "statusPort: 1002 #" + "x" * 5000,
        "nested: {statusPort: 1002}",
        "StatusPort: 1002",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_proxy_config_that_is_no_plain_mapping_is_passed_over(document: str) -> None:
    """However deep, long or self-referring it is."""
    assert written(istio({CONFIG: document}, {}).found)[2] == "POST:15020/quitquitquit"


TEXTS: Final = st.text(max_size=200) | st.integers(-1, 70000).map(str) | st.integers().map(lambda number: f"statusPort: {number}")


@given(port=TEXTS, config=TEXTS, env=TEXTS)
def test_whatever_stands_in_istios_settings_the_quit_is_a_request_line_of_ours(port: str, config: str, env: str) -> None:
    """A port from 1 to 65535, or no quit."""
    found = istio({PORT: port, CONFIG: config}, {"PROXY_CONFIG": env}).found
    if found.quit is not None:
        assert (found.quit.method, found.quit.path) == ("POST", "/quitquitquit")
        assert 1 <= found.quit.port <= 65535


QUIT_ASKED: Final = {"vault.hashicorp.com/agent-enable-quit": "true"}


@pytest.mark.parametrize(
    ("sighting", "ready", "quit_by"),
    [
        (istio({}, {"ENVOY_STATUS_PORT": "16021"}), "16021/healthz/ready", "POST:15020/quitquitquit"),
        (replace(ISTIO, env={"DISABLE_ENVOY": "true"}), "15020/healthz/ready", None),
        (istio({PORT: "1001"}, {"DISABLE_ENVOY": "true"}), "1001/healthz/ready", None),
        (VAULT, None, None),
        (replace(VAULT, annotations=VAULT.annotations | QUIT_ASKED), None, "POST:8200/agent/v1/quit"),
        (
            replace(
                VAULT,
                annotations=VAULT.annotations | QUIT_ASKED | {"vault.hashicorp.com/agent-cache-listener-port": "8300"},
            ),
            None,
            "POST:8300/agent/v1/quit",
        ),
        (
            replace(VAULT, annotations=VAULT.annotations | QUIT_ASKED | {"vault.hashicorp.com/agent-configmap": "mine"}),
            None,
            None,
        ),
        (
            replace(VAULT, annotations=VAULT.annotations | {"vault.hashicorp.com/agent-enable-quit": "false"}),
            None,
            None,
        ),
        (BANK_VAULTS, None, None),
        (LINKERD, "4191/ready", "POST:4191/shutdown"),
        (
            replace(LINKERD, env={"LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED": "true"}),
            "4191/ready",
            "POST:4191/shutdown",
        ),
        (replace(LINKERD, env={"LINKERD2_PROXY_SHUTDOWN_ENDPOINT_ENABLED": "false"}), "4191/ready", None),
        (
            replace(LINKERD, annotations=LINKERD.annotations | {"config.linkerd.io/admin-port": "4999"}),
            "4999/ready",
            "POST:4999/shutdown",
        ),
        (CONSUL, "19000/ready", "POST:19000/quitquitquit"),
        (
            replace(CONSUL, name="consul-dataplane-admin", args=("-envoy-admin-bind-port=19001", "-graceful-port=20601")),
            "19001/ready",
            "POST:19001/quitquitquit",
        ),
        (KUMA, "9901/ready", "POST:9901/quitquitquit"),
        (
            replace(KUMA, annotations=KUMA.annotations | {"kuma.io/envoy-admin-port": "9999"}),
            "9999/ready",
            "POST:9999/quitquitquit",
        ),
        (replace(KUMA, env={"KUMA_READINESS_PORT": "9902"}), "9902/ready", None),
        (
            replace(KUMA, env={"KUMA_READINESS_UNIX_SOCKET_DISABLED": "true", "KUMA_READINESS_PORT": "9902"}),
            "9902/ready",
            None,
        ),
        (DAPR, "3500/v1.0/healthz/outbound", "POST:3500/v1.0/shutdown"),
        (
            replace(DAPR, args=("/daprd", "--dapr-http-port", "3600")),
            "3600/v1.0/healthz/outbound",
            "POST:3600/v1.0/shutdown",
        ),
        (replace(KUMA, env={"KUMA_READINESS_UNIX_SOCKET_DISABLED": "true"}), "9901/ready", None),
        (replace(DAPR, env={"DAPR_API_TOKEN": None}), "3500/v1.0/healthz/outbound", None),
        (replace(DAPR, annotations={"dapr.io/api-token-secret": "token"}), "3500/v1.0/healthz/outbound", None),
        (CLOUD_SQL, None, None),
        (replace(CLOUD_SQL, args=("--quitquitquit", "--port=5432", "p:r:i")), None, "POST:9091/quitquitquit"),
        (
            replace(CLOUD_SQL, args=("p:r:i", "--quitquitquit=true", "--admin-port=9191")),
            None,
            "POST:9191/quitquitquit",
        ),
        (replace(CLOUD_SQL, args=("--quitquitquit", "--admin-port", "9191")), None, "POST:9191/quitquitquit"),
        (replace(CLOUD_SQL, args=("--quitquitquit=false", "p:r:i")), None, None),
        (
            replace(CLOUD_SQL, env={"CSQL_PROXY_QUITQUITQUIT": "true", "CSQL_PROXY_ADMIN_PORT": "9192"}),
            None,
            "POST:9192/quitquitquit",
        ),
        (OPERATOR, "9801/startup", "POST:9091/quitquitquit"),
        (
            replace(OPERATOR, env=OPERATOR.env | {"CSQL_PROXY_ADMIN_PORT": "9092", "CSQL_PROXY_HTTP_PORT": "9802"}),
            "9802/startup",
            "POST:9092/quitquitquit",
        ),
        (replace(OPERATOR, env=OPERATOR.env | {"CSQL_PROXY_QUITQUITQUIT": "false"}), "9801/startup", None),
        (ALLOYDB, None, None),
        (replace(ALLOYDB, args=("--quitquitquit=false",)), None, None),
        (replace(ALLOYDB, args=("--quitquitquit", "--admin-port=9191")), None, "POST:9191/quitquitquit"),
        (
            replace(ALLOYDB, env={"ALLOYDB_PROXY_QUITQUITQUIT": "true", "ALLOYDB_PROXY_ADMIN_PORT": "9192"}),
            None,
            "POST:9192/quitquitquit",
        ),
        (APP_MESH, "9901/ready", None),
        (replace(APP_MESH, env=APP_MESH.env | {"ENVOY_ADMIN_ACCESS_PORT": "9911"}), "9911/ready", None),
        (AZURE, "8000/readyz", None),
        (replace(AZURE, args=("--proxy-port=8100",)), "8100/readyz", None),
        (
            replace(AZURE, annotations=AZURE.annotations | {"azure.workload.identity/proxy-sidecar-port": "8200"}),
            "8200/readyz",
            None,
        ),
        (OSM, "15000/ready", "POST:15000/quitquitquit"),
        (Sighting("secretless", "secretless", annotations={"conjur.org/status": "injected"}), "5335/ready", None),
    ],
    ids=str,
)
def test_endpoints_are_where_the_pod_says(sighting: Sighting, ready: str | None, quit_by: str | None) -> None:
    """Moved ports, endpoints that are not enabled, and the usual ones."""
    assert written(sighting.found)[::2] == (ready, quit_by)


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "t", "T", "1"])
def test_gos_words_for_true_enable_a_quit(word: str) -> None:
    """strconv.ParseBool reads the annotation and the environment variables."""
    vault = replace(VAULT, annotations=VAULT.annotations | {"vault.hashicorp.com/agent-enable-quit": word})
    cloud_sql = replace(CLOUD_SQL, env={"CSQL_PROXY_QUITQUITQUIT": word})
    alloydb = replace(ALLOYDB, env={"ALLOYDB_PROXY_QUITQUITQUIT": word})
    assert [written(one.found)[2] for one in (vault, cloud_sql, alloydb)] == [
        "POST:8200/agent/v1/quit",
        "POST:9091/quitquitquit",
        "POST:9091/quitquitquit",
    ]
    assert asked("vault", {"vault.hashicorp.com/agent-inject": word})


def test_hashicorps_agent_is_not_bank_vaults_in_whatever_order_the_rows_are_tried() -> None:
    """A pod may carry the marks of both."""
    match = BY_ID["bank-vaults"].match
    both = replace(VAULT, volumes=("vault-env",))
    assert match is not None
    assert not match.fits(both.pod, both.container)


def asked(name: str, annotations: dict[str, str]) -> bool:
    """Whether a pod with these annotations shows that the injector comes and can still be asked."""
    ask = BY_ID[name].hint
    assert ask is not None
    pod = Sighting(None, "helper", annotations=annotations).pod
    return any(one.holds(pod, None) for one in ask.when) and not any(one.holds(pod, None) for one in ask.unless)


@pytest.mark.parametrize(
    ("name", "annotations", "is_asked"),
    [
        ("vault", {"vault.hashicorp.com/agent-inject": "true"}, True),
        ("vault", {"vault.hashicorp.com/agent-inject": "True"}, True),
        ("vault", {"vault.hashicorp.com/agent-inject": "false"}, False),
        ("vault", {}, False),
        (
            "vault",
            {"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-inject-status": "injected"},
            False,
        ),
        ("vault", {"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-configmap": "mine"}, False),
        (
            "vault",
            {"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-pre-populate-only": "true"},
            False,
        ),
        ("linkerd", {"linkerd.io/inject": "enabled"}, True),
        ("linkerd", {"linkerd.io/inject": "ingress"}, True),
        ("linkerd", {"linkerd.io/inject": "disabled"}, False),
        ("linkerd", {}, False),
        ("linkerd", {"linkerd.io/inject": "enabled", "linkerd.io/proxy-version": "edge-26.5.2"}, False),
    ],
)
def test_an_injector_is_asked_before_it_injects_and_not_after(name: str, annotations: dict[str, str], *, is_asked: bool) -> None:
    """An annotation that comes after the injection promises a quit that is not there."""
    assert asked(name, annotations) is is_asked


def test_only_injectors_that_have_a_switch_for_the_quit_are_asked() -> None:
    """What is set is what their documentation names."""
    assert {sidecar.id: sidecar.hint.annotations for sidecar in SIDECARS if sidecar.hint} == {
        "vault": {"vault.hashicorp.com/agent-enable-quit": "true"},
        "linkerd": {"config.linkerd.io/proxy-admin-shutdown": "enabled"},
    }


def airflow_pods() -> Iterator[tuple[str, Pod]]:
    """Every pod of the fixtures, also inside admission reviews, with the name of its file."""
    for path in sorted(AIRFLOW_PODS.rglob("*.json")):
        if path.name == "INDEX.json":
            continue
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        document = document["request"]["object"] if "request" in document else document
        if document.get("kind") == "Pod":
            yield path.stem, msgspec.json.decode(msgspec.json.encode(document), type=Pod)


def test_airflows_own_pods_hold_exactly_these_sidecars() -> None:
    """In three shapes each (two Airflows, one admission review); git-sync-init ends by itself, vector and helper are nobody's."""
    pods = list(airflow_pods())
    found = {
        (stem, container.name, sidecar.id)
        for stem, pod in pods
        for container in (*pod.spec.containers, *pod.init_containers)
        if (sidecar := CATALOGUE.find(pod, container)) is not None
    }
    assert len(pods) > 90  # an empty folder would pass
    assert found == {
        ("ke_kerberos_sidecar_template", "worker-kerberos", "airflow-kerberos"),
        ("ke_multi_container_template", "git-sync", "git-sync"),
        ("kpo_task_decorator", "airflow-xcom-sidecar", "airflow-xcom"),
        ("kpo_template_multi", "cloud-sql-proxy", "cloud-sql-proxy"),
        ("kpo_xcom", "airflow-xcom-sidecar", "airflow-xcom"),
        ("kpo_xcom_neither", "airflow-xcom-sidecar", "airflow-xcom"),
    }


def test_the_page_of_the_sidecars_is_current() -> None:
    """Else: python -m docs.generate_sidecars."""
    assert generate_sidecars.PAGE.read_text(encoding="utf-8") == generate_sidecars.page(generate_sidecars.load())


def test_check_fails_on_a_page_that_is_not_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing or stale; writing mends it, and the check itself writes nothing."""
    monkeypatch.setattr(generate_sidecars, "PAGE", tmp_path / "sidecars.md")
    assert generate_sidecars.main(["--check"]) == 1
    generate_sidecars.PAGE.write_text("stale", encoding="utf-8")
    assert generate_sidecars.main(["--check"]) == 1
    assert generate_sidecars.PAGE.read_text(encoding="utf-8") == "stale"
    assert generate_sidecars.main([]) == 0
    assert generate_sidecars.main(["--check"]) == 0
