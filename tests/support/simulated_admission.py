"""SIMULATED admission: the rounds in which the API server calls mutating webhooks (k8s.io/apiserver mutating/dispatcher.go, Dispatch).

It cannot show: the API server's own admission plugins, defaults, refusals by a webhook, timeouts.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.json_object import JSONObject


@dataclass(frozen=True)
class SimulatedWebhook:
    """A webhook: what it makes of a pod, and whether it may be called again (``reinvocationPolicy: IfNeeded``)."""

    name: str
    mutate: Callable[[JSONObject], JSONObject]
    is_reinvoked: bool = False


def admit_through(webhooks: Sequence[SimulatedWebhook], pod: JSONObject) -> JSONObject:
    """The pod after all of them, in this order, and after a second round of those that may be called again and have to be."""
    pod = copy.deepcopy(pod)
    called: set[str] = set()
    again: set[str] = set()
    for is_second in (False, True):
        for webhook in webhooks:
            if is_second and webhook.name not in again:
                continue
            after = webhook.mutate(pod)
            if after != pod:
                again |= called
                called = set()
            pod = after
            if webhook.is_reinvoked:
                called.add(webhook.name)
    return pod
