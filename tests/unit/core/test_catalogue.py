"""Which row of the catalogue identifies a container, and which injectors are in play. Where endpoints are: test_sidecar.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from webhook.core.built_in import built_in_sidecars
from webhook.core.catalogue import Catalogue, FoundSidecar, Injectors, locate
from webhook.core.condition import MAX_IMAGE_CHARACTERS
from webhook.core.pod import Pod, read_pod
from webhook.core.sidecar import parse_sidecars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from webhook.core.pod import Container

CATALOGUE: Final = Catalogue(built_in_sidecars())


def test_the_first_row_that_identifies_a_container_wins() -> None:
    """An administrator's rows come before the built-in ones."""
    own = parse_sidecars([{"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["istio-*"]}}])
    container = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.26.8"}
    pod = msgspec.json.decode(msgspec.json.encode({"metadata": {}, "spec": {"containers": [container]}}), type=Pod)

    found = [Catalogue(rows).find(pod, pod.spec.containers[0]) for rows in ((*own, *CATALOGUE.sidecars), (*CATALOGUE.sidecars, *own))]

    assert [row and row.id for row in found] == ["own", "istio"]


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "t", "T", "1"])
def test_gos_words_for_true_request_an_injection(word: str) -> None:
    """So that Vault's injector gets the annotation for its quit."""
    pod = msgspec.json.decode(
        msgspec.json.encode({"metadata": {"annotations": {"vault.hashicorp.com/agent-inject": word}}, "spec": {"containers": []}}), type=Pod
    )

    hints = CATALOGUE.quit_hints(pod, Injectors(), beside_native=False)
    assert [hint.annotations for hint in hints] == [{"vault.hashicorp.com/agent-enable-quit": "true"}]


def test_a_label_may_show_that_an_injector_handles_the_pod() -> None:
    hint = {"annotations": {"example.com/quit": "true"}, "when": [{"label": "example.com/inject"}]}
    catalogue = Catalogue(parse_sidecars([{"id": "own", "title": "Own", "sources": ["here"], "hint": hint}]))
    shown, plain = (
        read_pod({"metadata": {"labels": labels}, "spec": {"containers": []}}) for labels in ({"example.com/inject": "yes"}, {})
    )

    assert [one.annotations for one in catalogue.quit_hints(shown, Injectors(), beside_native=False)] == [{"example.com/quit": "true"}]
    assert catalogue.quit_hints(plain, Injectors(), beside_native=False) == []


def one(annotations: Mapping[str, str] = {}, **fields: Any) -> tuple[Pod, Container]:
    """A pod with these annotations, and its one container."""
    pod = read_pod({"metadata": {"annotations": annotations}, "spec": {"containers": [fields]}})
    return pod, pod.spec.containers[0]


def test_a_container_that_does_its_work_once_has_no_endpoints_and_ends_by_itself() -> None:
    """The pod may show it, as well as the container."""
    quit_ = {"port": 8080, "path": "/quit"}
    row = {"id": "own", "title": "Own", "sources": ["here"], "match": {"names": ["own-*"]}, "quit": quit_, "quit_order": 10}
    (own,) = parse_sidecars([{**row, "one_time": [{"annotation": "example.com/once"}]}])

    once = locate(own, *one({"example.com/once": "true"}, name="own-1"))
    assert once == FoundSidecar("own-1", "own", None, None, None, 10, ends_by_itself=True, is_one_time=True)
    assert locate(own, *one(name="own-1")).quit is not None


@pytest.mark.parametrize(("name", "ends"), [("own", True), ("own-2", True), ("renamed", False)])
def test_a_sidecar_that_ends_by_itself_does_so_only_under_a_name_of_its_row(name: str, ends: bool) -> None:
    """Its program knows the container by that name."""
    match = {"names": ["own", "own-*"], "any_name_with": [{"annotation": "example.com/name"}]}
    catalogue = Catalogue(parse_sidecars([{"id": "row", "title": "Own", "sources": ["here"], "match": match, "ends_by_itself": True}]))
    pod, container = one({"example.com/name": name}, name=name)
    row = catalogue.find(pod, container)
    assert row is not None

    assert locate(row, pod, container) == FoundSidecar(name, "row", None, None, None, row.quit_order, ends_by_itself=ends)


@pytest.mark.parametrize(("when_installed", "hinted"), [(True, True), (False, False)])
def test_an_installed_injector_gets_its_hint_in_a_pod_that_does_not_show_it_only_where_its_row_says_so(
    when_installed: bool, hinted: bool
) -> None:
    hint = {"annotations": {"example.com/quit": "true"}, "when": [{"annotation": "example.com/inject"}], "when_installed": when_installed}
    catalogue = Catalogue(parse_sidecars([{"id": "own", "title": "Own", "sources": ["here"], "hint": hint}]))
    pod, _ = one(name="base")

    hints = [catalogue.quit_hints(pod, Injectors(installed=frozenset({id_})), beside_native=False) for id_ in ("own", "another")]
    assert hints == [[catalogue.sidecars[0].hint] if hinted else [], []]


@pytest.mark.parametrize(("refusal", "hinted"), [({}, False), ({"example.com/native": "no"}, True)])
def test_beside_native_sidecars_a_quit_request_is_enabled_where_the_pod_refuses_the_native_one(
    refusal: dict[str, str], hinted: bool
) -> None:
    when = [{"annotation": "example.com/inject"}]
    row = {"id": "own", "title": "Own", "sources": ["here"], "hint": {"annotations": {"example.com/quit": "true"}, "when": when}}
    native = {"hint": {"annotations": {"example.com/native": "yes"}, "when": when}}
    catalogue = Catalogue(parse_sidecars([{**row, "native": native}]))
    pod, _ = one({"example.com/inject": "yes", **refusal}, name="base")

    assert bool(catalogue.quit_hints(pod, Injectors(), beside_native=True)) is hinted


@pytest.mark.parametrize(("characters", "remembered"), [(MAX_IMAGE_CHARACTERS, 1), (MAX_IMAGE_CHARACTERS + 1, 0)])
def test_a_name_and_an_image_are_remembered_unless_they_are_longer_than_any_image(characters: int, remembered: int) -> None:
    """The container is identified all the same."""
    catalogue = Catalogue(built_in_sidecars())
    pod, proxy = one({"sidecar.istio.io/status": "{}"}, name="istio-proxy", image="x" * (characters - len("istio-proxy")))
    row = catalogue.find(pod, proxy)

    assert row is not None
    assert row.id == "istio"
    assert [value.cache_info().currsize for value in vars(catalogue).values() if hasattr(value, "cache_info")] == [remembered]


def test_what_is_remembered_of_names_and_images_is_bounded() -> None:
    """A cluster's users make up as many as they like."""
    caches = [value.cache_info() for value in vars(Catalogue(())).values() if hasattr(value, "cache_info")]

    assert caches != []
    assert None not in [cache.maxsize for cache in caches]


@pytest.mark.parametrize(
    "entry", [[{"volume": "secrets"}], [{"annotation": "example.com/inject"}, {"volume": "secrets"}]], ids=["volume", "both"]
)
def test_a_row_of_the_users_own_is_awaited_by_whatever_shows_it(entry: list[dict[str, str]]) -> None:
    row = {"id": "own", "title": "Own", "sources": ["here"], "awaited_when": [entry]}
    catalogue = Catalogue(parse_sidecars([row]))
    containers = [{"name": "base", "image": "etl"}]

    for volumes, is_awaited in (([{"name": "secrets", "emptyDir": {}}], True), ([], False)):
        pod = read_pod({"metadata": {"annotations": {"example.com/inject": "yes"}}, "spec": {"containers": containers, "volumes": volumes}})
        assert catalogue.awaits_injection(pod, Injectors()) is is_awaited
