"""A fake API server in this process, with a clock of its own: a watch ends at its time at once, or at the next thing that happens."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.fake_task_cluster import end_of
from tests.support.live_pods import ENDED_AT
from webhook.kube.client import Response
from webhook.kube.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.fake_task_cluster import Change
    from tests.support.json_object import JSONObject


@dataclass
class FakePodApi:
    """One pod, and an API server that fails by a script.

    Args:
        pod: The pod; None: it is gone.
        answers: Of the quit requests, in turn: a status, or an error; the last one is repeated.
        change: What an accepted request does to the pod.
        later: What happens to the pod so long after an accepted request.
        lists: Errors of the lists, in turn, None for one that succeeds; then they succeed.
        patches: The statuses of refused patches, in turn; then they succeed.
        watches: Errors of the watches, in turn; then they succeed.
        event_statuses: The statuses of refused Events, in turn; then they are created.
        events: The Events that were created, in their order.
        now: The time.
        sent: When each request reached the pod.

    """

    pod: JSONObject | None
    answers: list[int | Exception] = field(default_factory=lambda: [200])
    change: Change = lambda _: None
    later: tuple[timedelta, Change] | None = None
    lists: list[Exception | None] = field(default_factory=list)
    patches: list[int] = field(default_factory=list)
    watches: list[Exception] = field(default_factory=list)
    event_statuses: list[int] = field(default_factory=list)
    events: list[JSONObject] = field(default_factory=list)
    now: datetime = ENDED_AT + timedelta(minutes=1)
    sent: list[datetime] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def get(self, path: str, **_: str) -> bytes:
        is_list = path.endswith("/pods")
        error = self.lists.pop(0) if is_list and self.lists else None
        if error is not None:
            raise error
        if is_list:
            return json.dumps({"metadata": {}, "items": [self.pod] if self.pod else []}).encode()
        if self.pod is None:
            raise RefusedError(404, "there is no such pod")
        return json.dumps(self.pod).encode()

    def lines(self, path: str, read_seconds: float, **parameters: str) -> Iterator[bytes]:
        assert path.endswith("/pods")
        assert read_seconds > float(parameters["timeoutSeconds"]), "the server ends its watch before the client gives up"
        if self.watches:
            raise self.watches.pop(0)
        yield b""
        until = self.now + timedelta(seconds=int(parameters["timeoutSeconds"]))
        event = self._event(until)
        if event is None:
            self.now = until
        else:
            yield json.dumps(event).encode()

    def _event(self, until: datetime) -> JSONObject | None:
        if self.pod is not None and self.later is not None and self.sent and self.sent[-1] + self.later[0] <= until:
            self.now = self.sent[-1] + self.later[0]
            self.later[1](self.pod)
            self.later = None
            return {"type": "MODIFIED", "object": self.pod}
        return None

    def request(self, method: str, path: str, body: object = None, media_type: str = "application/json") -> Response:
        if path.endswith("/events"):
            return self._create_event(body)
        assert (method, path.endswith("/pods/sales"), media_type) == ("PATCH", True, "application/merge-patch+json")
        assert self.pod is not None
        assert isinstance(body, dict)
        if self.patches:
            return Response(self.patches.pop(0), b'{"message": "no"}', None)
        self.pod["spec"] |= body["spec"]
        for status in list(self.pod["status"]["containerStatuses"]):
            if "running" in status["state"]:
                end_of(status["name"], 143)(self.pod)
        return Response(200, b"{}", None)

    def _create_event(self, body: object) -> Response:
        assert isinstance(body, dict)
        if self.event_statuses:
            return Response(self.event_statuses.pop(0), b'{"message": "no"}', None)
        self.events.append(body)
        return Response(201, b"{}", None)

    @contextmanager
    def connect_to_pod(self, path: str, *parameters: tuple[str, str]) -> Iterator[Any]:
        assert (path.endswith("/pods/sales/portforward"), parameters) == (True, (("ports", "15020"),))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            self.sent.append(self.now)
            raise answer
        yield _FakeChannels(self, answer)


@dataclass
class _FakeChannels:
    api: FakePodApi
    status: int

    def send(self, _channel: int, _data: bytes) -> None:
        self.api.sent.append(self.api.now)
        if self.status == 200 and self.api.pod is not None:
            self.api.change(self.api.pod)

    def messages(self) -> Iterator[tuple[int, bytes]]:
        yield 0, b"\x00\x00"
        yield 1, b"\x00\x00"
        yield 0, f"HTTP/1.1 {self.status} X\r\n".encode()
