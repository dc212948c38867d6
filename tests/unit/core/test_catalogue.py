"""Which row of the catalogue identifies a container, and which injectors are in play. Where endpoints are: test_sidecar.py."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest

from webhook.core.built_in import built_in_sidecars
from webhook.core.catalogue import Catalogue, Injectors
from webhook.core.pod import Pod
from webhook.core.sidecar import parse_sidecars

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


def test_what_is_remembered_of_names_and_images_is_bounded() -> None:
    """A cluster's users make up as many as they like."""
    caches = [value.cache_info() for value in vars(Catalogue(())).values() if hasattr(value, "cache_info")]

    assert caches != []
    assert None not in [cache.maxsize for cache in caches]
