"""Objects of a cluster that exist for one test."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from testbed.api import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import ApiClient
    from tests.support.json_object import JSONObject


@contextmanager
def created(api: ApiClient, resource: JSONObject) -> Iterator[JSONObject]:
    """An object, for the time of a test."""
    made = api.create(resource)
    try:
        yield made
    finally:
        api.delete(path_of(made), gracePeriodSeconds="0")
