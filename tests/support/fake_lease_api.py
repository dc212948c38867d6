"""A fake API server that holds one Lease, with the optimistic concurrency of a real one."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from webhook.kube.client import Response

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject


@dataclass
class FakeLeaseApi:
    """The API server.

    Args:
        namespace: Of the Lease.
        name: Of the Lease.
        stored: The Lease; None: there is none.
        problems: What becomes of the next requests instead: an error, or a response; an empty list: nothing.
        requests: The methods of the requests.
        version: The last resourceVersion.

    """

    namespace: str = "infra"
    name: str = "reaper"
    stored: JSONObject | None = None
    problems: list[Exception | Response] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    version: int = 0

    @property
    def holder(self) -> str:
        """Who holds it."""
        return str(self.stored["spec"]["holderIdentity"]) if self.stored else ""

    def request(self, method: str, path: str, body: Any = None, media_type: str = "application/json", *, read_seconds: float) -> Response:
        """The response."""
        assert media_type == "application/json"
        assert read_seconds > 0
        self.requests.append(method)
        if self.problems:
            problem = self.problems.pop(0)
            if isinstance(problem, Exception):
                raise problem
            return problem
        collection = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        assert path == (collection if method == "POST" else f"{collection}/{self.name}")
        return self._answer(method, body)

    def _answer(self, method: str, body: Any) -> Response:
        if method == "GET":
            return self._respond(200) if self.stored else Response(404, b'{"code": 404, "message": "not found"}', None)
        is_stale = self.stored is not None and (
            method == "POST" or body["metadata"]["resourceVersion"] != self.stored["metadata"]["resourceVersion"]
        )
        if is_stale:
            return Response(409, b'{"code": 409, "message": "the object has been modified"}', None)
        self.version += 1
        self.stored = copy.deepcopy(body)
        assert self.stored is not None
        self.stored["metadata"]["resourceVersion"] = str(self.version)
        return self._respond(200)

    def _respond(self, status: int) -> Response:
        return Response(status, json.dumps(self.stored).encode(), None)
