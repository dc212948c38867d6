"""With the setting entrypoint_guess an image of Airflow without a row is wrapped: the wrapper looks for a known entrypoint inside it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from testbed.images import catalogue
from testbed.webhook import Webhook
from tests.e2e.node.namespace import namespace_on
from tests.e2e.node.native import selecting
from tests.e2e.node.pods import executor_pod, stand_in_proxy
from webhook.core.names import ENTRYPOINT_ANNOTATION, PREFIX, STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.levels import NodeLevel
    from tests.e2e.node.namespace import PodNamespace
    from tests.support.json_object import JSONObject

ENDS_WITH_SECRET: Final = {"name": "STAND_IN_COMMAND", "value": '[ "$OWN_SECRET" = exported ] && exit 3; exit 9'}
"""The task ends with 3 where the image's own entrypoint has run, else with 9."""

CODES: Final = {"found": 9, "not-found": 4, "own-entrypoint": 9}
"""By pod: how its task ends. Without a guess that of own-entrypoint would end with 3."""

ONLY_ARGS: Final = f"{PREFIX}: only the args run: this image has no known entrypoint. Set the annotation {ENTRYPOINT_ANNOTATION}\n"


@pytest.fixture(scope="module")
def namespace(node: NodeLevel) -> Iterator[PodNamespace]:
    """A namespace for whose pods a webhook that may guess is called."""
    webhook = Webhook(node.place, "webhook-that-guesses", {"ENTRYPOINT_GUESS": "allow"})
    try:
        with (
            selecting(replace(node, webhook=webhook), "airflow-sidecar-webhook-that-guesses") as labels,
            namespace_on(replace(node, webhook=webhook), "guessing", **labels) as guessing,
        ):
            yield guessing
    finally:
        webhook.end()


@pytest.fixture(scope="module", autouse=True)
def _pods(namespace: PodNamespace, airflow_image: str, bash_image: str, agent_image: str) -> None:
    proxy = stand_in_proxy(agent_image)
    task = {"args": ["airflow", "x"], "env": [ENDS_WITH_SECRET]}
    own = namespace.level.node.load(catalogue.airflow_own_entrypoint())
    found = {"image": unlisted(namespace.level, airflow_image, "found"), **task}
    not_found = {"image": unlisted(namespace.level, bash_image, "not-found"), "args": ["/bin/sh", "-c", "exit 4"]}
    namespace.create(
        executor_pod(namespace.name, "found", found, proxy),
        executor_pod(namespace.name, "not-found", not_found, proxy),
        executor_pod(namespace.name, "own-entrypoint", {"image": own, **task}, proxy),
    )


def unlisted(level: NodeLevel, image: str, name: str) -> str:
    """The same image under a name that no row of the entrypoint table has."""
    other = f"localhost/unlisted-{name}:1"
    level.node.ctr("images", "tag", "--force", image, other)
    return other


def status_of(namespace: PodNamespace, pod: str) -> JSONObject:
    """The status that the webhook wrote."""
    status: JSONObject = json.loads(namespace.pod(pod)["metadata"]["annotations"][STATUS_ANNOTATION])
    return status


@pytest.mark.parametrize("pod", CODES)
def test_the_pod_ends_with_the_tasks_code_and_its_status_names_the_guess(namespace: PodNamespace, pod: str) -> None:
    end = namespace.end(pod)
    codes = {name: (end.terminated(name) or {}).get("exitCode") for name in ("base", "istio-proxy")}

    assert codes == {"base": CODES[pod], "istio-proxy": 0}
    assert (status_of(namespace, pod)["treatment"], status_of(namespace, pod)["entrypoint"]) == ("wrapped", "guessed")


def test_the_known_entrypoint_that_the_image_has_runs_the_task(namespace: PodNamespace) -> None:
    namespace.end("found")
    outputs = namespace.outputs("found")

    # Airflow's entrypoint takes the first word away, and runs the program of that name with the others.
    assert json.loads(outputs["stdout"]) == {"stand_in_airflow": ["x"]}
    assert outputs["stderr"] == ""


def test_where_the_image_has_none_the_args_run_alone_and_one_line_on_stderr_says_so(namespace: PodNamespace) -> None:
    namespace.end("not-found")

    assert namespace.outputs("not-found") == {"stdout": "", "stderr": ONLY_ARGS}


def test_each_guess_is_counted(namespace: PodNamespace) -> None:
    for pod in CODES:
        namespace.end(pod)
    metrics = httpx.get(namespace.level.webhook.metrics_url, trust_env=False).text
    (counted,) = re.findall(r"^airflow_sidecar_webhook_guessed_entrypoints_total(?:\{[^}]*\})? ([\d.]+)$", metrics, re.MULTILINE)

    # The probe of the registration is a pod of the executor, too, but has a row.
    assert float(counted) >= len(CODES)
