"""Every pod of the fixtures through a real API server with the real webhook: accepted, patched exactly as decided, valid."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

import jsonpatch
import pytest

from demo.simulated_injectors import inject_istio
from testbed.api import path_of
from tests.e2e.api_server.submission import comparable, stored, submission
from tests.e2e.namespaces import NOT_OPTED_IN, new_namespace
from tests.support.expectations import expected
from tests.support.pods import admitted, pods_in
from webhook.core.names import STATUS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from testbed.levels import Level
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy


ALL: Final = dict(pods_in(""))
CHANGEABLE: Final = re.compile(
    r"/metadata/annotations(/airflow-sidecar-webhook~1status)?|/metadata/labels(/service\.istio\.io~1canonical-name|/airflow-sidecar-webhook~1treatment)?"
    r"|/spec/containers/\d+/command(/\d+)?"
)
"""The paths of a pod that the webhook may change."""

SOME: Final = [
    "airflow-2.10.5-provider-10.1.0/ke_default.json",
    "airflow-3.3.2-provider-10.25.0/kpo_xcom.json",
    "helm-chart/chart-1.19.0-kubernetes/pod-of-job-prod-create-user.json",
]


class Namespaces(NamedTuple):
    """One that opted in, and one that did not."""

    api: ApiClient
    opted_in: str
    bystander: str


@pytest.fixture(scope="module")
def namespaces(any_api_server: Level) -> Iterator[Namespaces]:
    api = any_api_server.api
    with ExitStack() as ends:
        opted_in = ends.enter_context(new_namespace(api, "pods"))
        yield Namespaces(api, opted_in, ends.enter_context(new_namespace(api, "pods", **NOT_OPTED_IN)))


def treatment_of(pod: JSONObject) -> str:
    """The status on a pod, as the table of expectations writes it; one that was skipped carries none."""
    text = (pod["metadata"].get("annotations") or {}).get(STATUS_ANNOTATION)
    if text is None:
        return "skipped"
    status = json.loads(text)
    return f"{status['treatment']} {status.get('entrypoint') or status['reason']}"


def touched(before: JSONObject, after: JSONObject) -> list[str]:
    """The paths at which two pods differ."""
    return [operation["path"] for operation in jsonpatch.make_patch(before, after)]


def prove(namespaces: Namespaces, pod: JSONObject, said: str, policy: Policy) -> None:
    """That a pod is accepted, and differs from one that our webhook did not see in what was decided, and in nothing else."""
    untouched = stored(namespaces.api, pod, namespaces.bystander)
    treated = stored(namespaces.api, pod, namespaces.opted_in)

    assert treated == admitted(untouched, policy)[1]
    assert said.startswith("skipped") if treatment_of(treated) == "skipped" else treatment_of(treated) == said
    assert (treated == untouched) == (treatment_of(treated) == "skipped")
    assert [path for path in touched(untouched, treated) if not CHANGEABLE.fullmatch(path)] == []
    own = command_of_main(untouched, treated)
    assert not own or command_of_main(treated, treated)[-len(own) :] == own


def command_of_main(pod: JSONObject, treated: JSONObject) -> list[str]:
    """The words of the container that the status names as the task's; none where it has no command, or where there is no status."""
    status = json.loads((treated["metadata"].get("annotations") or {}).get(STATUS_ANNOTATION, "{}"))
    commands = [container.get("command") for container in pod["spec"]["containers"] if container["name"] == status.get("main")]
    return commands[0] or [] if commands else []


@pytest.mark.parametrize("path", ALL)
def test_a_pod_as_airflow_sends_it_is_accepted_and_becomes_what_was_decided(namespaces: Namespaces, path: str, policy: Policy) -> None:
    prove(namespaces, ALL[path], expected(path)[0], policy)


@pytest.mark.parametrize("path", ALL)
def test_so_does_a_pod_that_istio_has_injected(namespaces: Namespaces, path: str, policy: Policy) -> None:
    prove(namespaces, inject_istio(ALL[path]), expected(path)[1], policy)


@pytest.mark.parametrize("path", SOME)
def test_what_is_stored_is_what_the_dry_run_showed(namespaces: Namespaces, path: str) -> None:
    pod = submission(inject_istio(ALL[path]), namespaces.opted_in)
    created = namespaces.api.create(pod)
    read = namespaces.api.get(path_of(created))
    namespaces.api.delete(path_of(created), gracePeriodSeconds="0")

    assert comparable(read) == stored(namespaces.api, inject_istio(ALL[path]), namespaces.opted_in)
