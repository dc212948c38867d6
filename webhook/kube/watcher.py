"""The threads that follow the cluster, away from the requests: one lists and watches the nodes, one polls what cannot be watched."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from webhook.kube.backoff import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Backoff
from webhook.kube.errors import ClusterError, UnreachableError
from webhook.kube.nodes import Nodes
from webhook.kube.reading import list_nodes, list_webhooks, read_server, watch_nodes
from webhook.kube.view import ClusterResource

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.kube.reading import ApiReader
    from webhook.kube.view import ClusterListener, ClusterView

FIRST_SYNC_SECONDS: Final = 5.0
"""How long the first reads may delay the webhook's readiness: an API server that works answers in less."""

GATHER_SECONDS: Final = 0.5
"""How long events gather in the connection before they are read. Nearly all are heartbeats, one for each node every five minutes: reading
each one as it arrives would wake this thread beside the reviews, and cost three times as much."""

BATCH_SECONDS: Final = 0.05
"""How long events are then read without a pause: some hundreds of them."""

THREAD_NAME: Final = "cluster"


class NodeReflector:
    """Lists the nodes, then watches them from there, like client-go's reflector."""

    def __init__(
        self,
        reader: ApiReader,
        view: ClusterView,
        was_read: Callable[[], None],
        pause: Callable[[float], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is listed yet.

        Args:
            reader: Reads from the API server.
            view: Is updated with the nodes.
            was_read: Called after each part of a response that was read successfully.
            pause: Waits for a number of seconds.
            now: A monotonic clock, in seconds.

        """
        self._reader, self._view, self._was_read, self._pause, self._now = reader, view, was_read, pause, now
        self._nodes = Nodes()
        self._resource_version: str | None = None
        self.backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)

    def follow(self) -> None:
        """List the nodes where that is needed, then watch them until the watch ends. ClusterError: it ended with an error."""
        if self._resource_version is None:
            self._nodes, self._resource_version = list_nodes(self._reader)
            self._view.update_nodes(self._nodes)
            self._was_read()
        try:
            self._watch(self._resource_version)
        except UnreachableError:
            # Every event that arrived was read: the next watch continues after it.
            raise
        except Exception:
            # The resourceVersion is too old (410), or watching is forbidden: nodes may have changed unseen. Or an event cannot be read: a
            # watch from the same resourceVersion would receive it again and again.
            self._resource_version = None
            raise

    def _watch(self, resource_version: str) -> None:
        read_until = self._now() + BATCH_SECONDS
        for event in watch_nodes(self._reader, resource_version):
            if event.resource_version != self._resource_version:
                # A watch that was accepted may still be refused by its first event, so the acceptance alone does not reset the back-off.
                self.backoff.reset()
            self._resource_version = event.resource_version
            if event.node is not None:
                has_changed = self._nodes.drop(event.node.name) if event.is_gone else self._nodes.put(event.node)
                if has_changed:
                    self._view.update_nodes(self._nodes)
            self._was_read()
            if self._now() > read_until:
                self._pause(GATHER_SECONDS)
                read_until = self._now() + BATCH_SECONDS
        self.backoff.reset()
        self._was_read()


class ClusterWatcher:
    """Both threads. They are daemons: a call that hangs does not keep the process from ending."""

    def __init__(self, connect: Callable[[], ApiReader], view: ClusterView, listener: ClusterListener, poll_seconds: float) -> None:
        """Do not start yet. ``connect`` may raise ClusterError; ``poll_seconds`` is the interval for what cannot be watched."""
        self._connect, self._view, self._listener = connect, view, listener
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._attempted: set[ClusterResource] = set()
        self._deadline = time.monotonic() + FIRST_SYNC_SECONDS

    def start(self) -> None:
        """Start both threads."""
        self._begin(self._run)

    def stop(self) -> None:
        """Stop polling and notifying."""
        self._stopped.set()

    @property
    def has_synced(self) -> bool:
        """Whether every resource was read or failed once, or this took longer than `FIRST_SYNC_SECONDS`."""
        return len(self._attempted) == len(ClusterResource) or time.monotonic() > self._deadline

    def _run(self) -> None:
        reader = self._connected()
        if reader is not None:
            self._begin(lambda: self._follow_nodes(reader))
            self._poll_forever(reader)

    def _connected(self) -> ApiReader | None:
        """Connect, until that succeeds: a kubeconfig may run a login program, which takes time and fails now and then. None: stopped."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not self._stopped.is_set():
            try:
                return self._connect()
            except ClusterError as problem:
                for resource in ClusterResource:
                    self._read_failed(resource, problem)
            self._stopped.wait(backoff.pause())
        return None

    def _follow_nodes(self, reader: ApiReader) -> None:
        reflector = NodeReflector(reader, self._view, lambda: self._was_read(ClusterResource.NODES), self._stopped.wait)
        while not self._stopped.is_set():
            has_succeeded = self._attempt(ClusterResource.NODES, reflector.follow)
            # Pause after a success as well: an API server that ends every watch at once must not be called in a loop.
            self._stopped.wait(FIRST_PAUSE_SECONDS / 2 if has_succeeded else reflector.backoff.pause())

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
        self._was_read(ClusterResource.VERSION)

    def _poll_webhooks(self, reader: ApiReader) -> None:
        self._view.update_webhooks(list_webhooks(reader))
        self._was_read(ClusterResource.CONFIGURATIONS)

    def _attempt(self, resource: ClusterResource, read: Callable[[], None]) -> bool:
        try:
            read()
        except Exception as problem:  # noqa: BLE001  a thread that ended would leave an old state standing for ever
            self._read_failed(resource, problem)
            return False
        return True

    def _was_read(self, resource: ClusterResource) -> None:
        self._attempted.add(resource)
        if not self._stopped.is_set():
            self._listener.read(resource)

    def _read_failed(self, resource: ClusterResource, problem: Exception) -> None:
        self._attempted.add(resource)
        if not self._stopped.is_set():
            self._listener.read_failed(resource, problem)

    def _begin(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=THREAD_NAME, daemon=True).start()
