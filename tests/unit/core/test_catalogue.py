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
