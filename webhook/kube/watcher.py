"""Follows the cluster, away from the requests: polls what cannot be watched, beside the thread that watches the nodes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from webhook.kube.backoff import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Backoff
from webhook.kube.errors import ClusterError
from webhook.kube.node_reflector import NodeReflector
from webhook.kube.reading import list_webhooks, read_server
from webhook.kube.view import ClusterResource

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.kube.reading import ApiReader
    from webhook.kube.view import ClusterListener, ClusterView

FIRST_SYNC_SECONDS: Final = 5.0
"""How long the first reads may delay the webhook's readiness: an API server that works answers in less."""

THREAD_NAME: Final = "cluster"


class ClusterWatcher:
    """Both threads. They are daemons: a call that hangs does not keep the process from ending.

    It is the listener of what is read, and passes that on until it is stopped.
    """

    def __init__(self, connect: Callable[[], ApiReader], view: ClusterView, listener: ClusterListener, poll_seconds: float) -> None:
        """Do not start yet. ``connect`` may raise ClusterError; ``poll_seconds`` is the interval for what cannot be watched."""
        self._connect, self._view, self._listener = connect, view, listener
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._attempted: set[ClusterResource] = set()
        self._deadline = time.monotonic() + FIRST_SYNC_SECONDS

    def start(self) -> None:
        """Start both threads."""
        threading.Thread(target=self._run, name=THREAD_NAME, daemon=True).start()

    def stop(self) -> None:
        """Stop polling and notifying."""
        self._stopped.set()

    @property
    def has_synced(self) -> bool:
        """Whether every resource was read or failed once, or this took longer than `FIRST_SYNC_SECONDS`."""
        return len(self._attempted) == len(ClusterResource) or time.monotonic() > self._deadline

    def read(self, resource: ClusterResource) -> None:
        """The resource was read successfully."""
        self._attempted.add(resource)
        if not self._stopped.is_set():
            self._listener.read(resource)

    def read_failed(self, resource: ClusterResource, problem: Exception) -> None:
        """A read failed; the known state of the resource stays."""
        self._attempted.add(resource)
        if not self._stopped.is_set():
            self._listener.read_failed(resource, problem)

    def _run(self) -> None:
        reader = self._connected()
        if reader is not None:
            nodes = NodeReflector(reader, self._view, self, self._stopped.wait)
            nodes.start()
            self._poll_forever(reader)
            nodes.stop()

    def _connected(self) -> ApiReader | None:
        """Connect, until that succeeds: a kubeconfig may run a login program, which takes time and fails now and then. None: stopped."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not self._stopped.is_set():
            try:
                return self._connect()
            except ClusterError as problem:
                for resource in ClusterResource:
                    self.read_failed(resource, problem)
            self._stopped.wait(backoff.pause())
        return None

    def _poll_forever(self, reader: ApiReader) -> None:
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not self._stopped.is_set():
            has_succeeded = self._attempt(ClusterResource.VERSION, lambda: self._poll_version(reader))
            has_succeeded &= self._attempt(ClusterResource.CONFIGURATIONS, lambda: self._poll_webhooks(reader))
            if has_succeeded:
                backoff.reset()
            self._stopped.wait(self._poll_seconds if has_succeeded else min(backoff.pause(), self._poll_seconds))

    def _poll_version(self, reader: ApiReader) -> None:
        self._view.update_server(read_server(reader))
        self.read(ClusterResource.VERSION)

    def _poll_webhooks(self, reader: ApiReader) -> None:
        self._view.update_webhooks(list_webhooks(reader))
        self.read(ClusterResource.CONFIGURATIONS)

    def _attempt(self, resource: ClusterResource, read: Callable[[], None]) -> bool:
        try:
            read()
        except Exception as problem:  # noqa: BLE001  a thread that ended would leave an old state standing for ever
            self.read_failed(resource, problem)
            return False
        return True
