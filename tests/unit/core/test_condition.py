"""When a condition of a catalogue's row holds."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from webhook.core.condition import MAX_IMAGE_CHARACTERS, MAX_IMAGE_SLASHES, MAX_VALUE_CHARACTERS, Condition, all_hold, image_matches
from webhook.core.pod import Pod

CONTAINER: Final = {
    "name": "sidecar",
    "image": "registry.example.com/mirror/istio/proxyv2:1.24.0",
    "command": ["/usr/bin/agent", "--bare", "--port=15020"],
    "args": [
        *("--name", "value", "proxy", "--off=false", "--on=true", "--zero=0"),
        *("-p", "Exit_On_Eof=On", "-pglued=1", "--prop=Long=yes", "twice=first", "twice=second", "bare", "-c", "run in_script=true; end"),
    ],
    "volumeMounts": [{"name": "certs", "mountPath": "/certs"}],
    "securityContext": {"runAsUser": 1337},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 9902}},
    "env": [{"name": "MODE", "value": "sidecar"}, {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
}
ANNOTATIONS: Final = {
    "inject": "true",
    "shout": " TRUE ",
    "longest": "x" * MAX_VALUE_CHARACTERS,
    "long": "x" * (MAX_VALUE_CHARACTERS + 1),
}
POD: Final = msgspec.json.decode(
    msgspec.json.encode(
        {
            "metadata": {"labels": {"app": "task"}, "annotations": ANNOTATIONS},
            "spec": {
                "containers": [{"name": "base"}, CONTAINER],
                "initContainers": [{"name": "prepare"}],
                "volumes": [{"name": "certs", "emptyDir": {}}],
            },
        }
    ),
    type=Pod,
)
BARE_POD: Final = msgspec.json.decode(b'{"metadata": {}, "spec": {"containers": [{"name": "base"}]}}', type=Pod)

# A condition, and whether it holds for the sidecar in the pod.
CONDITIONS: Final[tuple[tuple[dict[str, Any], bool], ...]] = (
    ({"annotation": "inject"}, True),
    ({"annotation": "inject", "value": "true"}, True),
    ({"annotation": "inject", "value": "t*e"}, True),
    ({"annotation": "inject", "value": "tru"}, False),
    ({"annotation": "inject", "value": "TRUE"}, False),
    ({"annotation": "other"}, False),
    ({"annotation": "shout", "one_of": ["true"], "any_case": True}, True),
    ({"annotation": "shout", "one_of": ["true"]}, False),
    ({"annotation": "shout", "none_of": ["true"], "any_case": True}, False),
    ({"annotation": "shout", "none_of": ["true"]}, True),
    ({"annotation": "longest", "value": "x*"}, True),
    ({"annotation": "long"}, True),
    ({"annotation": "long", "value": "x*"}, False),
    ({"label": "app"}, True),
    ({"label": "app", "value": "task"}, True),
    ({"label": "app", "value": "tas?"}, True),
    ({"label": "app", "value": "job"}, False),
    ({"label": "inject"}, False),
    ({"volume": "certs"}, True),
    ({"volume": "certs", "value": "certs"}, True),
    ({"volume": "other"}, False),
    ({"init_container": "prepare"}, True),
    ({"init_container": "prepare", "value": "prepare"}, True),
    ({"init_container": "base"}, False),
    ({"container": "sidecar"}, True),
    ({"container": "other"}, False),
    ({"env": "MODE"}, True),
    ({"env": "MODE", "value": "sidecar"}, True),
    ({"env": "MODE", "value": "gateway"}, False),
    ({"env": "SECRET"}, True),
    ({"env": "SECRET", "value": "?*"}, False),
    ({"env": "OTHER"}, False),
    ({"flag": "--bare"}, True),
    ({"flag": "--port"}, True),
    ({"flag": "--port", "value": "15020"}, True),
    ({"flag": "--port", "value": "15021"}, False),
    ({"flag": "--name", "value": "value"}, True),
    ({"flag": "--on"}, True),
    ({"flag": "--off"}, False),
    ({"flag": "--zero"}, False),
    ({"flag": "--off", "value": "false"}, True),
    ({"flag": "--other"}, False),
    ({"argument": "proxy"}, True),
    ({"argument": "proxy", "value": "proxy"}, True),
    ({"argument": "--port"}, False),
    ({"property": "exit_on_eof"}, True),
    ({"property": "exit_on_eof", "value": "On"}, True),
    ({"property": "exit_on_eof", "one_of": ["on"], "any_case": True}, True),
    ({"property": "exit_on_eof", "one_of": ["on"]}, False),
    ({"property": "glued", "value": "1"}, True),
    ({"property": "long", "value": "yes"}, True),
    ({"property": "twice", "value": "first"}, True),
    ({"property": "twice", "value": "second"}, False),
    ({"property": "in_script", "value": "true"}, True),
    ({"property": "bare"}, False),
    ({"property": "eof"}, False),
    ({"property": "other"}, False),
    ({"mount": "certs"}, True),
    ({"mount": "other"}, False),
    ({"user": "1337"}, True),
    ({"user": "0"}, False),
    ({"image": "istio/proxyv2"}, True),
    ({"image": "proxyv2"}, True),
    ({"image": "registry.example.com/*"}, True),
    ({"image": "istio/proxy"}, False),
    ({"probe": "readiness"}, True),
    ({"probe": "readiness", "value": "9902"}, True),
    ({"probe": "readiness", "value": "9901"}, False),
)
OF_THE_POD: Final = frozenset({"annotation", "label", "volume", "init_container"})


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS, ids=str)
def test_a_condition_holds_by_the_existence_or_the_value_of_its_subject(condition: dict[str, Any], *, holds: bool) -> None:
    assert Condition(**condition).holds(POD, POD.spec.containers[1]) is holds


@pytest.mark.parametrize("condition", [one for one, _ in CONDITIONS], ids=str)
def test_without_a_container_only_conditions_on_the_pod_can_hold(condition: dict[str, Any]) -> None:
    read = Condition(**condition)

    assert read.holds(POD, None) is (not OF_THE_POD.isdisjoint(condition) and read.holds(POD, POD.spec.containers[1]))


@pytest.mark.parametrize("condition", [one for one, _ in CONDITIONS], ids=str)
def test_in_a_pod_that_has_nothing_but_a_name_no_condition_holds(condition: dict[str, Any]) -> None:
    assert not Condition(**condition).holds(BARE_POD, BARE_POD.spec.containers[0])


@pytest.mark.parametrize("subjects", [{}, {"annotation": "a", "label": "b"}, {"value": "x"}], ids=str)
def test_a_condition_has_exactly_one_subject(subjects: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match="names exactly one of annotation, label, volume, init_container, container, env, flag, argument, property, image"
    ):
        Condition(**subjects)


@pytest.mark.parametrize("first", ["value", "one_of", "none_of"])
@pytest.mark.parametrize("second", ["value", "one_of", "none_of"])
def test_a_condition_checks_its_value_in_one_way(first: str, second: str) -> None:
    checks: dict[str, Any] = {key: "x" if key == "value" else ["x"] for key in (first, second)}
    if first == second:
        Condition(annotation="a", **checks)
        return
    with pytest.raises(ValueError, match=r"^a condition has at most one of value, one_of, none_of$"):
        Condition(annotation="a", **checks)


def test_all_of_several_conditions_hold_only_where_each_does() -> None:
    holds, fails = Condition(annotation="inject"), Condition(annotation="other")

    assert all_hold((holds, holds), POD, None)
    assert all_hold((), POD, None)
    assert not all_hold((holds, fails), POD, None)
    assert not all_hold((fails, holds), POD, None)


@pytest.mark.parametrize(
    ("image", "pattern", "matches"),
    [
        ("apache/airflow:3.0.6", "apache/airflow", True),
        ("registry.example.com:5000/apache/airflow@sha256:00", "apache/airflow", True),
        ("python:3.12", "docker.io/library/python", True),
        ("apache/airflow", "docker.io/apache/airflow", True),
        ("localhost/apache/airflow", "docker.io/*", False),
        ("xapache/airflow", "apache/airflow", False),
        ("apache/airflow-extra", "apache/airflow", False),
        ("Apache/airflow", "apache/airflow", False),
        ("a" * (MAX_IMAGE_CHARACTERS - 2) + "/b", "b", True),
        ("a" * (MAX_IMAGE_CHARACTERS - 1) + "/b", "b", False),
        ("a/" * MAX_IMAGE_SLASHES + "b", "b", True),
        ("a/" * (MAX_IMAGE_SLASHES + 1) + "b", "b", False),
    ],
)
def test_a_pattern_matches_an_images_repository_or_its_end(image: str, pattern: str, *, matches: bool) -> None:
    assert image_matches(image, pattern) is matches
