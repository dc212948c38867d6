"""The aggregate requests and limits of a pod: aggregateContainerResourcesByFn of k8s.io/component-helpers/resource/helpers.go, step by step."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tests.support.oracles.quantity import parse_quantity

if TYPE_CHECKING:
    from tests.support.json_object import JSONObject


def aggregate(pod: JSONObject, kind: str) -> dict[str, Decimal]:
    """By resource, in its base unit; ``kind``: "requests" or "limits"."""
    result: dict[str, Decimal] = {}
    for container in pod["spec"]["containers"]:
        _add(result, _resources(container, kind))
    restartable: dict[str, Decimal] = {}
    init: dict[str, Decimal] = {}
    for container in pod["spec"].get("initContainers") or ():
        own = _resources(container, kind)
        if container.get("restartPolicy") == "Always":
            _add(result, own)
            _add(restartable, own)
            combined = restartable
        else:
            combined = dict(own)
            _add(combined, restartable)
        _max(init, combined)
    _max(result, init)
    return result


def _resources(container: JSONObject, kind: str) -> dict[str, Decimal]:
    """A request that is not set is the limit (pkg/apis/core/v1/defaults.go)."""
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    chosen = limits if kind == "limits" else {**limits, **(resources.get("requests") or {})}
    return {name: parse_quantity(value) for name, value in chosen.items()}


def _add(total: dict[str, Decimal], more: dict[str, Decimal]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount


def _max(most: dict[str, Decimal], other: dict[str, Decimal]) -> None:
    for name, amount in other.items():
        most[name] = max(most.get(name, Decimal(0)), amount)
