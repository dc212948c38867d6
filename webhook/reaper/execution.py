"""Executes an act on a pod, if it is still due at the last moment."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from webhook.kube.client import MERGE_PATCH
from webhook.kube.errors import SUCCESSFUL, ClusterError, RefusedError, is_passing, refusal
from webhook.kube.exec import held_command
from webhook.kube.port_forward import port_forward
from webhook.reaper.act import Act, ActOutcome, ActResult, DeadlineAct, ExecAct, QuitAct
from webhook.reaper.task_pods import pod_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from webhook.core import Progress
    from webhook.reaper.task_pods import PodApi


def execute(api: PodApi, pod: Progress, act: Act, is_still_due: Callable[[], bool]) -> ActResult | None:
    """Execute it; None: it is no longer due, and nothing was done.

    Args:
        api: The API server.
        pod: As it was read.
        act: What is due.
        is_still_due: Reads the pod again and decides again, and may raise ClusterError. It is called once the connection to the pod is
            open: a connection leads to one pod, so where the pod of this uid was there before and is there now, it leads to that one.

    """
    try:
        if isinstance(act, QuitAct):
            return _quit(api, pod, act, is_still_due)
        if isinstance(act, ExecAct):
            return _signal(api, pod, act, is_still_due)
        return _set_deadline(api, pod, act)
    except RefusedError as error:
        # Of a connection: the API server may be unable to reach the kubelet, which passes.
        return ActResult(ActOutcome.FORBIDDEN if error.status == HTTPStatus.FORBIDDEN else ActOutcome.FAILED, str(error))
    except ClusterError as error:
        return ActResult(ActOutcome.FAILED, str(error))


def _quit(api: PodApi, pod: Progress, act: QuitAct, is_still_due: Callable[[], bool]) -> ActResult | None:
    with port_forward(api, pod_path(pod), act.endpoint.port) as forward:
        if not is_still_due():
            return None
        status = forward.status_of(act.endpoint.method, act.endpoint.path)
    return ActResult(ActOutcome.ACCEPTED if status in SUCCESSFUL else ActOutcome.REFUSED, f"HTTP {status}")


def _signal(api: PodApi, pod: Progress, act: ExecAct, is_still_due: Callable[[], bool]) -> ActResult | None:
    with held_command(api, pod_path(pod), act.container, act.command) as command:
        if not is_still_due():
            return None
        failure = command.release()
    return ActResult(ActOutcome.REFUSED if failure else ActOutcome.ACCEPTED, failure or f"{act.signal} sent")


def _set_deadline(api: PodApi, pod: Progress, act: DeadlineAct) -> ActResult | None:
    # With uid and resourceVersion the API server refuses the patch with 409 where the pod is another one, or has changed at all.
    identity = {"uid": pod.uid, "resourceVersion": pod.resource_version}
    response = api.request("PATCH", pod_path(pod), {"metadata": identity, "spec": {"activeDeadlineSeconds": act.seconds}}, MERGE_PATCH)
    if response.status == HTTPStatus.CONFLICT:
        return None
    if response.is_success:
        return ActResult(ActOutcome.ACCEPTED, f"activeDeadlineSeconds: {act.seconds}")
    error = refusal(response.status, response.body)
    return ActResult(_refused_as(error), str(error))


def _refused_as(error: RefusedError) -> ActOutcome:
    """What a refusal of the API server means."""
    if error.status == HTTPStatus.FORBIDDEN:
        return ActOutcome.FORBIDDEN
    return ActOutcome.FAILED if is_passing(error) else ActOutcome.REFUSED
