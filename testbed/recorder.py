"""Records every state of every pod with its time, from one watch."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.api import ApiClient, JSONObject


WATCH_SECONDS: Final = "86400"
"""Longer than any run. By default an API server ends a watch after 30 to 60 minutes (its --min-request-timeout)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of a pod.

    Args:
        seconds: When the watch event arrived (CLOCK_MONOTONIC).
        pod: The pod at that time.
        gone: Whether the pod was deleted.

    """

    seconds: float
    pod: JSONObject
    gone: bool

    @property
    def phase(self) -> str:
        """The pod's phase."""
        return str(self.pod["status"].get("phase"))

    def terminated(self, container: str) -> JSONObject | None:
        """How a container ended: exitCode, reason, signal, message; None: it has not."""
        for status in self.pod["status"].get("containerStatuses", ()):
            if status["name"] == container and "terminated" in status["state"]:
                ended: JSONObject = status["state"]["terminated"]
                return ended
        return None


class Recorder:
    """A watch over all pods, from its start until the API server ends."""

    def __init__(self, api: ApiClient) -> None:
        """Start the watch."""
        self._moments: dict[tuple[str, str], list[Moment]] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._record, args=(api,), daemon=True).start()

    def moments(self, namespace: str, name: str) -> list[Moment]:
        """Every state of a pod so far, oldest first."""
        with self._changed:
            return list(self._moments.get((namespace, name), ()))

    def first(self, namespace: str, name: str, holds: Callable[[Moment], bool], what: str, seconds: float = 60) -> Moment:
        """The first moment for which a condition holds; waits for it. TimeoutError with the pod's status."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._find(namespace, name, holds), seconds)
        if not found:
            last = self.moments(namespace, name)[-1:]
            message = f"not within {seconds:g} s: {namespace}/{name} {what}; its status: {[moment.pod['status'] for moment in last]}"
            raise TimeoutError(message)
        return found

    def _find(self, namespace: str, name: str, holds: Callable[[Moment], bool]) -> Moment | None:
        return next((moment for moment in self._moments.get((namespace, name), ()) if holds(moment)), None)

    def _record(self, api: ApiClient) -> None:
        try:
            for event in api.watch("/api/v1/pods", timeoutSeconds=WATCH_SECONDS):
                self._add(event)
        except httpx.TransportError:
            # The API server has ended, and the watch with it.
            return

    def _add(self, event: JSONObject) -> None:
        pod = event["object"]
        moment = Moment(time.monotonic(), pod, event["type"] == "DELETED")
        with self._changed:
            self._moments.setdefault((pod["metadata"]["namespace"], pod["metadata"]["name"]), []).append(moment)
            self._changed.notify_all()
