"""Namespaces of the tests' own, so that tests that share a cluster do not see each other's pods."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from testbed.manifest import OPTED_IN
from testbed.namespace import make_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient

NOT_OPTED_IN: Final = dict.fromkeys(OPTED_IN, "disabled")
"""The namespace label that keeps the API server from calling the webhook."""

_numbers = itertools.count()


@contextmanager
def new_namespace(api: ApiClient, name: str, **labels: str) -> Iterator[str]:
    """A namespace for one test, its name made unique; opted in unless ``labels`` say otherwise."""
    name = f"{name}-{next(_numbers)}"
    with namespace_named(api, name, **labels):
        yield name


@contextmanager
def namespace_named(api: ApiClient, name: str, **labels: str) -> Iterator[None]:
    """The namespace of exactly this name; opted in unless ``labels`` say otherwise."""
    make_namespace(api, name, {**OPTED_IN, **labels})
    try:
        yield
    finally:
        api.delete(f"/api/v1/namespaces/{name}")
