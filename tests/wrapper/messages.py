"""The lines that the wrapper writes to standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.wrapper.fake_sidecar import FakeSidecar

PREFIX: Final = "airflow-sidecar-webhook: "
NOT_STARTED: Final = "the task was not started"
RUNS_ANYWAY: Final = "the task runs anyway"
NO_HTTP_CLIENT: Final = (
    f"{PREFIX}this image has no bash, curl, wget or python3 that can run: the task does not wait for its sidecars, and they may keep the pod Running."
    " Set the annotation airflow-sidecar-webhook/shell to helper"
)
NO_ENTRYPOINT: Final = "this image has no known entrypoint. Set the annotation airflow-sidecar-webhook/entrypoint"
NOTHING_TO_RUN: Final = f"{PREFIX}nothing to run: {NO_ENTRYPOINT}"
ONLY_ARGS: Final = f"{PREFIX}only the args run: {NO_ENTRYPOINT}"
NOT_EVERY_QUIT: Final = (
    f"{PREFIX}no process can be started, so not every sidecar got its quit request, and the pod may stay Running until it is deleted"
)
NOT_EXECUTED: Final = "the task was not started: this shell does not execute commands (noexec in SHELLOPTS)"
CODE_UNKNOWN: Final = f"{PREFIX}the task has killed the process that waits for it: its exit code is unknown, and 137 is reported"
FEW_FILES: Final = "the wrapper cannot work here: fewer than 16 files may be open. The task was not started"


def not_ready(sidecar: str, seconds: int, consequence: str = NOT_STARTED) -> str:
    """The wait for this sidecar has timed out."""
    return f"{PREFIX}sidecar {sidecar} was not ready after {seconds} s: {consequence}. Read the log of container {sidecar}"


def stopped(sidecar: str, consequence: str = NOT_STARTED) -> str:
    """This sidecar is gone before it was ready."""
    return (
        f"{PREFIX}sidecar {sidecar} stopped before it was ready (it refuses connections): {consequence}."
        f" Read the log of container {sidecar}"
    )


def quit_not_enabled(sidecar: FakeSidecar, status: int) -> str:
    """The quit endpoint answered with a status that says that there is none."""
    return _quit_failed(sidecar, f"answered {status} to", "its quit endpoint is not enabled")


def quit_not_accepted(sidecar: FakeSidecar, answer: str) -> str:
    """The quit request failed until its deadline."""
    return _quit_failed(sidecar, "did not accept", answer)


def quit_not_accepted_on(port: int, answer: str) -> str:
    """The same, for a sidecar named fake that is known by its port."""
    return _quit_failed_on(port, "fake", "did not accept", answer)


def signal_before_the_task(name: str) -> str:
    """A signal ended the wait for the sidecars."""
    return f"{PREFIX}received {name} before the task was started: the task will not run"


def signal_not_sent(number: int, user: int) -> str:
    """The task runs as a user that the wrapper may not signal."""
    return f"{PREFIX}signal {number} does not reach the task: it runs as user {user}, which the wrapper may not signal"


def _quit_failed(sidecar: FakeSidecar, what: str, why: str) -> str:
    return _quit_failed_on(sidecar.port, sidecar.name, what, why)


def _quit_failed_on(port: int, name: str, what: str, why: str) -> str:
    request = f"POST http://localhost:{port}/quit"
    return f"{PREFIX}sidecar {name} {what} {request} ({why}), so the pod may stay Running until it is deleted"
