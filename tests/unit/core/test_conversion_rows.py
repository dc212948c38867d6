"""What a row of an admin's own catalogue makes of its sidecar: members of `Convert` that no built-in row combines this way."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.task_pods import after_conversion, inits_of, native, not_converted, task_pod
from webhook.core.catalogue import Catalogue
from webhook.core.cluster import Cluster, NativeSupport
from webhook.core.reasons import NotConvertedReason
from webhook.core.sidecar import parse_sidecars
from webhook.core.version import Version

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject
    from webhook.core.policy import Policy

READINESS: Final = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 30}
PROBE: Final = {"httpGet": {"path": "/started", "port": "{port}"}, "periodSeconds": 2}


def policy_with(policy: Policy, *rows: JSONObject) -> Policy:
    """The policy with a catalogue of these rows alone, each with the id of its container's name."""
    named = [{"title": row["id"], "sources": ["this test"], "match": {"names": [row["id"]]}, **row} for row in rows]
    return dataclasses.replace(policy, catalogue=Catalogue(parse_sidecars(named)))


def sidecar(name: str, **fields: Any) -> JSONObject:
    """A container of this name."""
    return {"name": name, "image": "registry.example.com/agent:1.5"} | fields


def test_each_of_two_moved_sidecars_is_marked_for_its_injector(policy: Policy) -> None:
    rows = [{"id": name, "native": {"convert": {"annotations": {f"example.com/{name}": "native"}}}} for name in ("one", "two")]
    annotations = after_conversion(task_pod(sidecar("one"), sidecar("two")), policy_with(policy, *rows))["metadata"]["annotations"]

    assert (annotations["example.com/one"], annotations["example.com/two"]) == ("native", "native")


# The sidecar's row, its container, and the startup probe that it gets; None: it is not converted for want of one.
PROBES: Final[dict[str, tuple[JSONObject, JSONObject, JSONObject | None]]] = {
    "of the row, with the port of ready": (
        {"ready": {"port": 1, "path": "/ready"}, "native": {"convert": {"startup_probe": PROBE}}},
        {},
        {"httpGet": {"path": "/started", "port": 1}, "periodSeconds": 2},
    ),
    "of the row, which requires one": (
        {"ready": {"port": 1, "path": "/ready"}, "native": {"convert": {"startup_probe": PROBE, "requires_startup_probe": True}}},
        {},
        {"httpGet": {"path": "/started", "port": 1}, "periodSeconds": 2},
    ),
    "of the row, but there is no ready": ({"native": {"convert": {"startup_probe": PROBE, "requires_startup_probe": True}}}, {}, None),
    "from readiness": (
        {"native": {"convert": {"startup_probe_from_readiness": True, "requires_startup_probe": True}}},
        {"readinessProbe": READINESS},
        {**READINESS, "initialDelaySeconds": 0, "periodSeconds": 1, "failureThreshold": 600, "successThreshold": 1},
    ),
    "from readiness, which there is none of": (
        {"native": {"convert": {"startup_probe_from_readiness": True, "requires_startup_probe": True}}}, {}, None),
    "its own": (
        {"ready": {"port": 1, "path": "/ready"}, "native": {"convert": {"startup_probe": PROBE, "requires_startup_probe": True}}},
        {"startupProbe": READINESS},
        READINESS,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("row", "fields", "probe"), PROBES.values(), ids=PROBES)
def test_a_sidecar_gets_the_startup_probe(row: JSONObject, fields: JSONObject, probe: JSONObject | None, policy: Policy) -> None:
    own = policy_with(policy, {"id": "agent", **row})
    pod = task_pod(sidecar("agent", **fields))

    if probe is None:
        assert not_converted(pod, own) == {"agent": NotConvertedReason.NO_PROBE}
    else:
        assert native(after_conversion(pod, own), "agent")["startupProbe"] == probe


@pytest.mark.parametrize(
    ("version", "is_moved"), [(Version(1, 5), True), (Version(2, 0), True), (Version(1, 4, 9), False), (None, False)], ids=str
)
def test_a_sidecar_is_moved_where_its_injector_has_a_version_that_accepts_that(
    version: Version | None, *, is_moved: bool, policy: Policy
) -> None:
    row = {"id": "agent", "native": {"reinvocation_safe": False, "convert": {"annotations": {"a": "b"}, "annotations_since": "1.5"}}}
    versions = {} if version is None else {"agent": version}
    again = Cluster(NativeSupport.READY, Version(1, 34), reinvoked=frozenset({"agent"}), injector_versions=versions)

    assert (inits_of(after_conversion(task_pod(sidecar("agent")), policy_with(policy, row), again)) == ["agent"]) is is_moved


@pytest.mark.parametrize("completes", [True, False])
def test_a_sidecar_that_its_injector_has_made_native_gets_the_startup_probe_of_a_row_that_completes_it(
    policy: Policy, *, completes: bool
) -> None:
    convert = {"startup_probe": PROBE, "completes_native": completes}
    own = policy_with(policy, {"id": "agent", "ready": {"port": 1, "path": "/ready"}, "native": {"convert": convert}})
    after = after_conversion(task_pod(inits=(sidecar("agent", restartPolicy="Always"),)), own)

    expected = {"httpGet": {"path": "/started", "port": 1}, "periodSeconds": 2} if completes else None
    assert native(after, "agent").get("startupProbe") == expected
