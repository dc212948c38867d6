"""The kinds of cert-manager and of the Prometheus operator on an API server, by the stand-ins of `stand_in_definitions.yaml`."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import yaml

from testbed.api import path_of
from testbed.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.api import ApiClient
    from tests.support.json_object import JSONObject

STAND_INS: Final = Path(__file__).with_suffix(".yaml")
SECONDS: Final = 60


@contextmanager
def stand_in_definitions(api: ApiClient) -> Iterator[None]:
    """The stand-ins; within this block objects of their kinds can be created."""
    with definitions(api, list(yaml.safe_load_all(STAND_INS.read_text("utf-8")))):
        yield


@contextmanager
def definitions(api: ApiClient, found: Sequence[JSONObject]) -> Iterator[None]:
    """These CustomResourceDefinitions; within this block objects of their kinds can be created."""
    for definition in found:
        api.create(definition)
    for definition in found:
        until(partial(is_established, api, definition), f"{definition['metadata']['name']} is served", SECONDS)
    yield
    for definition in found:
        api.delete(path_of(definition))
    # The next tests may create them again.
    for definition in found:
        until(partial(is_gone, api, definition), f"{definition['metadata']['name']} is gone", SECONDS)


def is_gone(api: ApiClient, one: JSONObject) -> bool:
    """Whether the object has been deleted, with what its finalizers wait for."""
    return api.request("GET", path_of(one)).status_code == httpx.codes.NOT_FOUND


def is_established(api: ApiClient, definition: JSONObject) -> bool:
    """Whether objects of a kind can be created, in its newest version."""
    spec = definition["spec"]
    (stored,) = (version["name"] for version in spec["versions"] if version["storage"])
    return api.request("GET", f"/apis/{spec['group']}/{stored}/{spec['names']['plural']}").is_success
