"""Why the reaper does something about a pod, or nothing. One row a reason; docs/reaper.md has the table."""

from __future__ import annotations

from enum import StrEnum

from webhook.core import OPT_IN, ExplainedWord, ReasonRow


class Verdict(StrEnum):
    """What the reaper does about a pod."""

    SKIP = "skip"
    """Nothing: the reaper does not serve this pod."""

    WAIT = "wait"
    """Nothing yet: it decides again when the pod changes, or later."""

    ACT = "act"
    """One act now."""

    LEAVE = "leave"
    """Nothing: no allowed method keeps the task's result, so a person has to decide."""


class ReaperRow(ReasonRow, frozen=True):
    """A reason in words, with the verdict that it stands for.

    Args:
        verdict: What the reaper does.

    """

    verdict: Verdict


SKIP, WAIT, ACT, LEAVE = Verdict


class ReaperReason(ExplainedWord):
    """Why the reaper does something about a pod, or nothing. Those that skip or wait are in the order in which they are checked."""

    row: ReaperRow

    @property
    def verdict(self) -> Verdict:
        """What the reaper does."""
        return self.row.verdict

    NOT_RUNNING = ReaperRow("not-running", "The pod has not started, or has ended.", "", SKIP)
    DELETING = ReaperRow("deleting", "Somebody has deleted the pod: the kubelet ends it.", "", SKIP)
    SWITCHED_OFF = ReaperRow(
        "switched-off",
        "The pod's own annotation says that the mode is off for it.",
        "If the reaper may end it, remove the annotation from the pod's template.",
        SKIP,
    )
    NOT_OPTED_IN = ReaperRow(
        "not-opted-in",
        f"The pod's namespace does not carry the label {OPT_IN}.",
        "If the reaper may end pods there, label the namespace.",
        SKIP,
    )
    NO_STATUS = ReaperRow(
        "no-status",
        "The pod does not carry the webhook's status: it was created before the webhook was installed or its namespace opted in, "
        "or while the webhook was down, or the webhook skips such pods.",
        "If the reaper may end such pods, run it with --unmarked (chart: reaper.unmarked).",
        SKIP,
    )
    STATUSES_MISSING = ReaperRow("statuses-missing", "The kubelet has not reported the state of every container.", "", WAIT)
    DEBUG_CONTAINER = ReaperRow(
        "debug-container",
        "An ephemeral container has not ended: somebody debugs the pod.",
        "End it when you are done.",
        WAIT,
    )
    TASK_RESTARTS = ReaperRow("task-restarts", "The kubelet starts the task's container again.", "", WAIT)
    TASK_UNKNOWN = ReaperRow(
        "task-unknown",
        "It is not known which container holds the task.",
        "Name it on the pod's template: explain pod/NAME prints the line.",
        WAIT,
    )
    TASK_RUNNING = ReaperRow("task-running", "The task's container has not ended.", "", WAIT)
    XCOM_NOT_TAKEN = ReaperRow(
        "xcom-not-taken",
        "Airflow has not read the task's result from airflow-xcom-sidecar yet.",
        "If this lasts for minutes, Airflow no longer watches the pod: see the log of its task.",
        WAIT,
    )
    STILL_WORKING = ReaperRow("still-working", "A container that works on after the task, and ends by itself, has not ended.", "", WAIT)
    UNKNOWN_CONTAINER = ReaperRow(
        "unknown-container-running",
        "A container runs that is neither the task's nor a known sidecar: it may be at work.",
        "If this container runs until something ends it, describe it on the pod's template: explain pod/NAME prints the line.",
        WAIT,
    )
    CONTAINER_WAITING = ReaperRow("container-waiting", "A container waits until the kubelet starts it.", "", WAIT)
    NOTHING_RUNS = ReaperRow("nothing-runs", "Every regular container has ended: the kubelet ends the pod.", "", WAIT)
    END_TIME_UNKNOWN = ReaperRow(
        "end-time-unknown",
        "The kubelet does not say when the task ended, so its grace cannot be counted.",
        "Read the task's log, and delete the pod once Airflow has recorded the end of the task.",
        LEAVE,
    )
    GRACE = ReaperRow("grace", "The task ended a moment ago: its sidecars have their grace to end by themselves.", "", WAIT)
    DEADLINE_PASSED = ReaperRow("deadline-passed", "The pod's activeDeadlineSeconds have passed: the kubelet ends it.", "", WAIT)
    ENDING = ReaperRow("ending", "A sidecar was requested to end, and has its time to drain.", "", WAIT)
    PAUSE = ReaperRow("pause", "The last attempt had no answer: the next one follows after a pause.", "", WAIT)
    ENDS_BY_ITSELF = ReaperRow("ends-by-itself", "The last sidecar ends by itself once every other container has ended.", "", WAIT)

    QUIT_SENT = ReaperRow("quit", "A sidecar runs on after the task: it gets its quit request, and exits 0.", "", ACT)
    SIGNAL_SENT = ReaperRow(
        "signal", "A sidecar without a quit request runs on after the task: it gets the signal on which it exits 0.", "", ACT
    )
    DEADLINE_SET = ReaperRow(
        "deadline",
        "No other allowed method ends a sidecar, and the task has failed (or --end-successful allows it): activeDeadlineSeconds is set, so "
        "the kubelet ends the pod as Failed.",
        "",
        ACT,
    )

    NO_CLEAN_END = ReaperRow(
        "no-clean-end",
        "No allowed method ends this sidecar in a way that keeps the result of the task.",
        "Make the sidecar native, or enable its quit request: explain pod/NAME says how. If a Failed pod does not change the task's result "
        "in your Airflow, run the reaper with --end-successful (chart: reaper.endSuccessful).",
        LEAVE,
    )
    HOST_NETWORK = ReaperRow(
        "host-network",
        "The pod uses the host's network, where a quit request could reach the sidecar of another pod.",
        "Take the pod off the host's network, or remove the sidecar.",
        LEAVE,
    )
    SIDECAR_RESTARTS = ReaperRow(
        "sidecar-restarts",
        "The kubelet starts this sidecar again whenever it ends, because its container has a restartPolicy or rules of its own.",
        "Remove restartPolicy and restartPolicyRules of the container, or make it a native sidecar.",
        LEAVE,
    )
    METHODS_SPENT = ReaperRow(
        "methods-spent",
        "Every allowed method was tried, and the sidecar runs on. The reaper tries again later.",
        "Read the sidecar's log, and the acts that the reaper reports.",
        LEAVE,
    )
