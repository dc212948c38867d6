"""Keeps what happened to every pod, and when it was told, from one watch."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.api import Api, JSONObject


WATCH_SECONDS: Final = "86400"
"""Longer than any run. Unless told, an API server ends a watch after 30 to 60 minutes (its --min-request-timeout)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of a pod.

    Args:
        seconds: When the watch told of it (CLOCK_MONOTONIC).
        pod: The pod then.
        gone: Whether this was its end.

    """

    seconds: float
    pod: JSONObject
    gone: bool

    @property
    def phase(self) -> str:
        """The pod's phase."""
        return str(self.pod["status"].get("phase"))

    def terminated(self, container: str) -> JSONObject | None:
        """How a container ended: exitCode, reason, signal, message."""
        for status in self.pod["status"].get("containerStatuses", ()):
            if status["name"] == container and "terminated" in status["state"]:
                ended: JSONObject = status["state"]["terminated"]
                return ended
        return None


class Recorder:
    """A watch over all pods, from its start until the API server ends."""

    def __init__(self, api: Api) -> None:
        """Begin."""
        self._moments: dict[tuple[str, str], list[Moment]] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._record, args=(api,), daemon=True).start()

    def story(self, namespace: str, name: str) -> list[Moment]:
        """Everything told of a pod so far."""
        with self._changed:
            return list(self._moments.get((namespace, name), ()))

    def first(self, namespace: str, name: str, holds: Callable[[Moment], bool], what: str, seconds: float = 60) -> Moment:
        """The first moment for which a condition holds, which may still have to come. TimeoutError tells how the pod stood."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._find(namespace, name, holds), seconds)
        if not found:
            last = self.story(namespace, name)[-1:]
            message = f"not within {seconds:g} s: {namespace}/{name} {what}; it stands at {[moment.pod['status'] for moment in last]}"
            raise TimeoutError(message)
        return found

    def _find(self, namespace: str, name: str, holds: Callable[[Moment], bool]) -> Moment | None:
        return next((moment for moment in self._moments.get((namespace, name), ()) if holds(moment)), None)

    def _record(self, api: Api) -> None:
        try:
            for event in api.watch("/api/v1/pods", timeoutSeconds=WATCH_SECONDS):
                self._keep(event)
        except httpx.TransportError:
            # The API server was ended, and the watch with it.
            return

    def _keep(self, event: JSONObject) -> None:
        pod = event["object"]
        moment = Moment(time.monotonic(), pod, event["type"] == "DELETED")
        with self._changed:
            self._moments.setdefault((pod["metadata"]["namespace"], pod["metadata"]["name"]), []).append(moment)
            self._changed.notify_all()
