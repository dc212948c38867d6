"""An API server at a later time, for whoever goes by its clock: a certificate manager."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from certs.api import JSON

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from certs.api import ApiResponse, KubernetesApi
    from tests.support.json_object import JSONObject


class LaterApi:
    """An API server whose responses carry a later date: for a certificate manager, the last one of these times has passed."""

    def __init__(self, api: KubernetesApi, passed: Sequence[timedelta]) -> None:
        """The times may get more while it is used."""
        self._api, self._passed = api, passed

    def request(self, method: str, path: str, body: JSONObject | None = None, media_type: str = JSON, **parameters: str) -> ApiResponse:
        """As the API server answers, but for the date."""
        answer = self._api.request(method, path, body, media_type, **parameters)
        return replace(answer, date=answer.date + self._passed[-1])
