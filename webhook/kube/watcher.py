"""The threads that look at the cluster, away from the requests: one follows the nodes, one asks for what cannot be watched."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Final

from webhook.kube.errors import ClusterError, UnreachableError
from webhook.kube.nodes import Nodes
from webhook.kube.reading import list_nodes, list_webhooks, read_server, watch_nodes
from webhook.kube.view import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.kube.reading import Source
    from webhook.kube.view import ClusterView, Listener

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
"""As client-go's reflector has it: an API server that comes back is not run over, and is noticed soon."""

FIRST_LOOK_SECONDS: Final = 5.0
"""So long a first look may keep the webhook from being ready: an API server that is there answers in less."""

GATHER_SECONDS: Final = 0.5
"""So long events gather in the connection before they are read. Nearly all are heartbeats, one for each node every five minutes: read one
by one they would wake this thread beside the reviews, and cost three times as much."""

BATCH_SECONDS: Final = 0.05
"""So long events are then read in one go: some hundreds of them."""

THREAD_NAME: Final = "cluster"


class Backoff:
    """Pauses after one failure upon the other: each twice the last, and each of them shortened at random by up to a half."""

    def __init__(self) -> None:
        """No failure yet."""
        self._failures = 0

    def reset(self) -> None:
        """All is well again."""
        self._failures = 0

    def pause(self) -> float:
        """Seconds to wait after one more failure."""
        # The exponent is bounded: an outage may last.
        seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311  spreads replicas, hides nothing


class NodeFollower:
    """Lists the nodes, then watches them from there on."""

    def __init__(
        self,
        source: Source,
        view: ClusterView,
        answered: Callable[[], None],
        pause: Callable[[float], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing listed yet; ``answered`` is told of each word of the API server, ``pause`` waits for seconds, ``now`` counts them."""
        self._source, self._view, self._answered, self._pause, self._now = source, view, answered, pause, now
        self._nodes = Nodes()
        self._position: str | None = None
        self.backoff = Backoff()

    def follow(self) -> None:
        """List where that is needed, then watch until the watch ends. ClusterError: it ended badly."""
        if self._position is None:
            self._nodes, self._position = list_nodes(self._source)
            self._view.saw_nodes(self._nodes)
            self._answered()
        try:
            self._watch(self._position)
        except UnreachableError:
            # Whatever came was read: the next watch goes on from there.
            raise
        except Exception:
            # The position is too old (410), or watching is not allowed: the nodes may have changed unseen. Or an event cannot be read:
            # from the same position it would come again and again.
            self._position = None
            raise

    def _watch(self, position: str) -> None:
        read_until = self._now() + BATCH_SECONDS
        for event in watch_nodes(self._source, position):
            if event.resource_version != self._position:
                # A watch that stands may still be refused with its first line, so that alone is no reason to hurry again.
                self.backoff.reset()
            self._position = event.resource_version
            if event.node is not None:
                is_news = self._nodes.drop(event.node.name) if event.is_gone else self._nodes.put(event.node)
                if is_news:
                    self._view.saw_nodes(self._nodes)
            self._answered()
            if self._now() > read_until:
                self._pause(GATHER_SECONDS)
                read_until = self._now() + BATCH_SECONDS
        self.backoff.reset()
        self._answered()


class Watcher:
    """Both threads. They end with the process: a call that hangs holds up nobody."""

    def __init__(self, connect: Callable[[], Source], view: ClusterView, listener: Listener, check_seconds: float) -> None:
        """``check_seconds``: how often what cannot be watched is asked for."""
        self._connect, self._view, self._listener = connect, view, listener
        self._check_seconds = check_seconds
        self._stopped = threading.Event()
        self._tried: set[Resource] = set()
        self._deadline = time.monotonic() + FIRST_LOOK_SECONDS

    def start(self) -> None:
        """Begin to look."""
        self._begin(self._run)

    def stop(self) -> None:
        """Neither ask nor tell any more."""
        self._stopped.set()

    @property
    def has_looked(self) -> bool:
        """Whether the first look at everything has come to something, good or bad, or has taken too long."""
        return len(self._tried) == len(Resource) or time.monotonic() > self._deadline

    def _run(self) -> None:
        source = self._connected()
        if source is not None:
            self._begin(lambda: self._follow_nodes(source))
            self._ask_again_and_again(source)

    def _connected(self) -> Source | None:
        """A kubeconfig may run a program that logs in: it takes its time here, and fails now and then. None: stopped."""
        backoff = Backoff()
        while not self._stopped.is_set():
            try:
                return self._connect()
            except ClusterError as problem:
                for resource in Resource:
                    self._failed(resource, problem)
            self._stopped.wait(backoff.pause())
        return None

    def _follow_nodes(self, source: Source) -> None:
        follower = NodeFollower(source, self._view, lambda: self._answered(Resource.NODES), self._stopped.wait)
        while not self._stopped.is_set():
            ended_well = self._attempt(Resource.NODES, follower.follow)
            # Also after a good end: who ends every watch at once must not be asked without a pause.
            self._stopped.wait(FIRST_PAUSE_SECONDS / 2 if ended_well else follower.backoff.pause())

    def _ask_again_and_again(self, source: Source) -> None:
        backoff = Backoff()
        while not self._stopped.is_set():
            is_well = self._attempt(Resource.VERSION, lambda: self._ask_version(source))
            is_well &= self._attempt(Resource.CONFIGURATIONS, lambda: self._ask_webhooks(source))
            if is_well:
                backoff.reset()
            self._stopped.wait(self._check_seconds if is_well else min(backoff.pause(), self._check_seconds))

    def _ask_version(self, source: Source) -> None:
        self._view.saw_server(read_server(source))
        self._answered(Resource.VERSION)

    def _ask_webhooks(self, source: Source) -> None:
        self._view.saw_webhooks(list_webhooks(source))
        self._answered(Resource.CONFIGURATIONS)

    def _attempt(self, resource: Resource, look: Callable[[], None]) -> bool:
        try:
            look()
        except Exception as problem:  # noqa: BLE001  a thread that ended would leave the last word standing for ever
            self._failed(resource, problem)
            return False
        return True

    def _answered(self, resource: Resource) -> None:
        self._tried.add(resource)
        if not self._stopped.is_set():
            self._listener.answered(resource)

    def _failed(self, resource: Resource, problem: Exception) -> None:
        self._tried.add(resource)
        if not self._stopped.is_set():
            self._listener.failed(resource, problem)

    def _begin(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=THREAD_NAME, daemon=True).start()
