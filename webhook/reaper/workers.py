"""Threads that work on pods. Namespaces take turns, and one has half of the threads at most.

A sidecar may answer its quit request one byte at a time, and an act waits for the answer. Whoever may create pods in one namespace would
hold up the pods of all others with some such sidecars.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

WORKERS: Final = 16
"""An act waits for its pod nearly all of the time."""

WORKERS_OF_A_NAMESPACE: Final = WORKERS // 2


class Workers:
    """The threads, and the work that waits for one, by namespace."""

    def __init__(self, name: str) -> None:
        """Start no thread before there is work; ``name`` begins the name of each."""
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._at_work: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """How much work waits for a thread."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def submit(self, namespace: str, work: Callable[[], T]) -> Future[T]:
        """Have this done for a pod of this namespace."""
        future: Future[T] = Future()
        with self._lock:
            self._waiting.setdefault(namespace, deque()).append(lambda: _settle(future, work))
            self._start_next()
        return future

    def close(self, *, wait: bool) -> None:
        """Begin nothing more; ``wait`` for what is at work."""
        with self._lock:
            self._waiting.clear()
        self._pool.shutdown(wait=wait)

    def __enter__(self) -> Self:
        """The threads."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Begin nothing more, and wait for what is at work."""
        self.close(wait=True)

    def _start_next(self) -> None:
        """Start what may start, with the lock: of each namespace one piece of work, in turns."""
        while self._at_work.total() < WORKERS:
            namespace = next((one for one in self._waiting if self._at_work[one] < WORKERS_OF_A_NAMESPACE), None)
            if namespace is None:
                return
            of_namespace = self._waiting.pop(namespace)
            work = of_namespace.popleft()
            if of_namespace:
                self._waiting[namespace] = of_namespace
            self._at_work[namespace] += 1
            # Where a limit of processes is full, no thread can be started. The work is in the pool's queue then: the next thread does it.
            with suppress(RuntimeError):
                self._pool.submit(self._do, namespace, work)

    def _do(self, namespace: str, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            with self._lock:
                self._at_work[namespace] -= 1
                self._start_next()


def _settle(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001  whoever waits for the result gets it
        future.set_exception(error)
