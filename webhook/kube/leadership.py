"""Takes and renews a Lease in a thread of its own, by the kubernetes package's leader election."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection

from webhook.kube.lease import LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS, LeaseReleasedError

if TYPE_CHECKING:
    from webhook.kube.lease import Lease, LeaseListener

THREAD_NAME: Final = "lease"


class Leadership:
    """The thread. It is a daemon: the election sleeps, and does not notice at once that it is over."""

    def __init__(self, lease: Lease, listener: LeaseListener) -> None:
        """Do not start yet."""
        self._lease, self._listener = lease, listener
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start to take the Lease."""
        threading.Thread(target=self._run, name=THREAD_NAME, daemon=True).start()

    def stop(self) -> None:
        """Release the Lease, and never take it again."""
        self._stopped.set()
        self._lease.release()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                # Returns when the Lease was lost; then the replica waits for it again, like every other.
                self._election().run()  # type: ignore[no-untyped-call]
            except LeaseReleasedError:
                return
            except Exception as problem:  # noqa: BLE001  a thread that ended would never take the Lease again
                self._listener.lease_failed(problem)
                self._stopped.wait(RETRY_SECONDS)

    def _election(self) -> LeaderElection:
        # The library's callbacks do not say for how long the Lease is held: its holder reads `Lease.is_held`.
        config = Config(  # type: ignore[no-untyped-call]
            self._lease,
            lease_duration=LEASE_SECONDS,
            renew_deadline=RENEW_SECONDS,
            retry_period=RETRY_SECONDS,
            onstarted_leading=_nothing,
            onstopped_leading=_nothing,
        )
        return LeaderElection(config)  # type: ignore[no-untyped-call]


def _nothing() -> None:
    """Nothing follows."""
