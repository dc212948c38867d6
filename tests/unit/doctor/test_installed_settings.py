"""The settings of the installed webhook, on a fake API server. On a real one: tests/e2e/api_server/test_doctor.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from testbed.manifest import installed
from tests.support.fake_api_reader import FakeApiReader, page
from tests.support.live_pods import RUNNING, ended, live_pod
from webhook.core import Mode, NativeSwitch, read_progress
from webhook.doctor.collector import read_webhooks
from webhook.doctor.installed_settings import CheckedSettings, checked_settings
from webhook.doctor.registration import OWN_WEBHOOK, ClientConfig, RegisteredWebhook, WebhookService
from webhook.doctor.snapshot import SettingsOrigin
from webhook.kube.errors import RefusedError
from webhook.kube.reading import CONFIGURATIONS_PATH
from webhook.settings import PREFIX, Settings

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject

DEPLOYMENT: Final = "/apis/apps/v1/namespaces/infra/deployments/webhook"
ROWS: Final = "/api/v1/namespaces/infra/configmaps/rows"
RULES: Final = "/etc/airflow-sidecar-webhook/rules"
SIDECARS: Final = (
    "- {id: ours, title: Ours, match: {markers: [{image: registry.example.com/ours}]}, native: {convert: {}}, sources: [none]}"
)
OURS: Final[JSONObject] = {"name": "ours", "image": "registry.example.com/ours:1"}
FORBIDDEN: Final = RefusedError(403, "forbidden")


def configuration(**client: Any) -> JSONObject:
    """The configuration of the webhook, reached in this way."""
    return {"metadata": {"name": "webhook"}, "webhooks": [{"name": OWN_WEBHOOK, "clientConfig": client}]}


INSTALLED: Final = configuration(service={"namespace": "infra", "name": "webhook"})


def deployment(mounts: dict[str, str] | None = None, **variables: str) -> JSONObject:
    """The webhook's, with these settings; ``mounts``: the paths at which ConfigMaps are mounted, by the names of those."""
    container = {
        "name": "webhook",
        "env": [{"name": "TZ", "value": "UTC"}, *({"name": f"{PREFIX}{name}", "value": value} for name, value in variables.items())],
        "volumeMounts": [{"name": f"v-{name}", "mountPath": path} for name, path in (mounts or {}).items()],
    }
    volumes = [{"name": f"v-{name}", "configMap": {"name": name}} for name in mounts or {}]
    return {"spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}}}


REGISTERED: Final = (RegisteredWebhook(OWN_WEBHOOK, clientConfig=ClientConfig(WebhookService("infra", "webhook"))),)


def settings_by(api: FakeApiReader, given: Settings) -> CheckedSettings:
    """By what the doctor checks where the API server gives these answers."""
    return checked_settings(api, given, read_webhooks(api))


def checked(
    deployment: object, *, configured: JSONObject = INSTALLED, given: Settings | None = None, rows: object = None
) -> CheckedSettings:
    """By what the doctor checks where the webhook is installed so."""
    answers: dict[str, list[object]] = {CONFIGURATIONS_PATH: [page(configured)], DEPLOYMENT: [deployment], ROWS: [rows]}
    return settings_by(FakeApiReader(answers), given or Settings())


def test_the_settings_are_the_variables_of_the_deployment() -> None:
    found = checked(deployment(NATIVE_SIDECARS="off", MODE="wrap", SERVICE_NAMESPACE="infra", CERTIFICATES="self-managed"))

    assert found.origin == SettingsOrigin("infra", "webhook")
    assert (found.settings.native_sidecars, found.settings.certificates) == (NativeSwitch.OFF, "self-managed")
    assert found.policy.mode is Mode.WRAP


def test_the_settings_of_the_deployment_that_the_chart_installs_are_read() -> None:
    metadata = installed("Deployment")["metadata"]
    answers: dict[str, list[object]] = {
        CONFIGURATIONS_PATH: [page(installed("MutatingWebhookConfiguration"))],
        f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}": [installed("Deployment")],
    }
    found = settings_by(FakeApiReader(answers), Settings())

    assert found.origin == SettingsOrigin(metadata["namespace"], metadata["name"])
    assert (found.settings.certificates, found.settings.service_namespace) == ("self-managed", metadata["namespace"])


def test_the_namespace_of_the_pod_is_that_of_the_deployment() -> None:
    variable = {"name": f"{PREFIX}SERVICE_NAMESPACE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}}
    installed = deployment(CERTIFICATES="self-managed")
    installed["spec"]["template"]["spec"]["containers"][0]["env"].append(variable)

    found = checked(installed)

    assert found.origin == SettingsOrigin("infra", "webhook")
    assert found.settings.service_namespace == "infra"


@pytest.mark.parametrize("source", [{"fieldRef": {"fieldPath": "metadata.name"}}, {}])
def test_a_setting_from_another_field_is_not_known(source: JSONObject) -> None:
    installed = deployment()
    installed["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": f"{PREFIX}MODE", "valueFrom": source})

    origin = checked(installed).origin

    assert origin is not None
    assert "valueFrom" in origin.problem


def test_settings_that_the_user_gives_are_used_as_they_are_and_nothing_is_read() -> None:
    api = FakeApiReader()
    found = checked_settings(api, Settings(native_sidecars=NativeSwitch.ON), REGISTERED)

    assert (found.settings.native_sidecars, found.origin, api.requests) == (NativeSwitch.ON, None, [])


def test_the_admins_own_rows_are_read_from_their_config_map() -> None:
    rows = {"data": {"sidecars.yaml": SIDECARS}}
    found = checked(deployment({"rows": RULES}, SIDECARS_FILE=f"{RULES}/sidecars.yaml"), rows=rows)

    assert found.origin == SettingsOrigin("infra", "webhook")
    progress = read_progress(live_pod({"base": ended(), "ours": RUNNING}, OURS), found.policy.catalogue)
    assert progress is not None
    assert [(one.name, one.kind) for one in progress.running] == [("ours", "sidecar")]


def with_fields(**fields: object) -> JSONObject:
    """The webhook's Deployment, whose container has these fields."""
    found = deployment()
    found["spec"]["template"]["spec"]["containers"][0] |= fields
    return found


ELSEWHERE: Final = {"name": f"{PREFIX}MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}}

NOT_READ: Final[dict[str, tuple[object, object, str]]] = {
    "the Deployment may not be read": (FORBIDDEN, None, "403 forbidden"),
    "there is none of that name": (RefusedError(404, "not found"), None, "404 not found"),
    "it is of another shape": ({"spec": 1}, None, "cannot be decoded"),
    "a setting is not of this version": (deployment(COLOUR="blue"), None, "there is no such setting"),
    "the settings are in a file": (deployment(CONFIG="/a.yaml"), None, "in a file of its own"),
    "an argument names the file": (with_fields(args=["serve", "--config", "/a.yaml"]), None, "in a file of its own"),
    "a setting is in another object": (with_fields(env=[ELSEWHERE]), None, "in other objects"),
    "all are in another object": (with_fields(envFrom=[{"configMapRef": {"name": "settings"}}]), None, "in other objects"),
    "the rows may not be read": (deployment({"rows": RULES}, SIDECARS_FILE=f"{RULES}/sidecars.yaml"), FORBIDDEN, "403 forbidden"),
    "the rows are not there": (deployment({"rows": RULES}, SIDECARS_FILE=f"{RULES}/sidecars.yaml"), {}, "has no entry sidecars.yaml"),
    "the rows are not in a ConfigMap": (deployment(SIDECARS_FILE="/opt/sidecars.yaml"), None, "/opt/sidecars.yaml is not mounted from"),
    "the rows are no rows": (
        deployment({"rows": RULES}, SIDECARS_FILE=f"{RULES}/sidecars.yaml"),
        {"data": {"sidecars.yaml": "- {id: 5}"}},
        f"{RULES}/sidecars.yaml: ",
    ),
}


@pytest.mark.parametrize(("deployment", "rows", "problem"), NOT_READ.values(), ids=NOT_READ)
def test_settings_that_cannot_be_read_are_the_default_ones_with_the_reason(deployment: object, rows: object, problem: str) -> None:
    found = checked(deployment, rows=rows)

    assert found.settings == Settings()
    assert found.origin is not None
    assert (found.origin.namespace, found.origin.name) == ("infra", "webhook")
    assert problem in found.origin.problem
    assert "\n" not in found.origin.problem


@pytest.mark.parametrize(
    "configured", [configuration(url="https://127.0.0.1"), {"metadata": {"name": "other"}}], ids=["by a URL", "not installed"]
)
def test_where_the_webhook_is_not_reached_by_a_service_the_default_settings_are_used(configured: JSONObject) -> None:
    found = checked(FORBIDDEN, configured=configured)

    assert (found.settings, found.origin) == (Settings(), None)


def test_where_the_configurations_may_not_be_listed_the_default_settings_are_used() -> None:
    found = settings_by(FakeApiReader({CONFIGURATIONS_PATH: [FORBIDDEN]}), Settings())

    assert (found.settings, found.origin) == (Settings(), None)
